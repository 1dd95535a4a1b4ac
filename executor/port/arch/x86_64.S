/* The context switch for x86-64 (System V ABI).
 *
 * A parked context is a stack pointer with this frame above it; nothing else is kept anywhere:
 *
 *      0  mxcsr (4 bytes), x87 control word (2 bytes), 2 unused
 *      8  r12     16  r13     24  r14     32  r15     40  rbx     48  rbp
 *     56  where to continue
 *
 * Everything else is caller-saved, so the compiler has spilled it around the call. A context that
 * has not run yet has the same frame, with entry in r12, arg in rbx, and context_begin to continue
 * at.
 *
 * It continues by `ret` and not by a jump: a jump would leave the call's entry in the processor's
 * return predictor, which would then be wrong about every return that follows on the way up. With
 * `ret` it is right whenever the one who left and the one who is continued were switched at the same
 * place, as two tasks that yield are. Shadow stacks are not supported, and the note below does not
 * claim them.
 *
 * The control words are written only when they differ, and the exception flags in mxcsr do not
 * count: the ABI does not preserve them over a call, and writing a changed mxcsr costs a hundred
 * nanoseconds.
 *
 * The unwind information describes a parked frame at the address port_context_parked: a debugger
 * that is given a fiber's saved stack pointer and that address walks the fiber. */
#if defined(__x86_64__)

#define FRAME 64
#define MXCSR_CONTROL 0xffc0 /* its other six bits are sticky exception flags */
#define MXCSR_DEFAULT 0x1f80
#define X87_DEFAULT 0x037f

    .text

    .globl port_context_switch
    .hidden port_context_switch
    .globl port_context_parked
    .hidden port_context_parked
    .type port_context_switch, @function
    .p2align 4
port_context_switch: /* rdi: where to save the stack pointer, rsi: what to continue */
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movl (%rsp), %eax
    movzwl 4(%rsp), %ecx
    movq %rsp, (%rdi)
    movq %rsi, %rsp
port_context_parked:
    xorl (%rsp), %eax
    andl $MXCSR_CONTROL, %eax
    xorw 4(%rsp), %cx
    orl %ecx, %eax
    jnz 2f
1:
    .cfi_remember_state
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_restore_state
2:
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    jmp 1b
    .cfi_endproc
    .size port_context_switch, . - port_context_switch

/* The bottom of every fiber. Unwinders look a return address up one byte early, hence the nop
 * before the label; the undefined return address ends the walk. An exception that nobody catches is
 * shown to the personality function on its way here (0x1b: a relative address of four bytes). */
    .type context_begin, @function
    .p2align 4
    .cfi_startproc
    .cfi_personality 0x1b, port_fiber_personality
    .cfi_undefined %rip
    nop
context_begin:
    movq %rbx, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size context_begin, . - context_begin

    .globl port_context_make
    .hidden port_context_make
    .type port_context_make, @function
    .p2align 4
port_context_make: /* rdi: top, rsi: entry, rdx: arg; returns the stack pointer */
    .cfi_startproc
    endbr64
    leaq -FRAME(%rdi), %rax
    leaq context_begin(%rip), %rcx
    xorl %r8d, %r8d
    movl $MXCSR_DEFAULT, (%rax)
    movl $X87_DEFAULT, 4(%rax)
    movq %rsi, 8(%rax)
    movq %r8, 16(%rax)
    movq %r8, 24(%rax)
    movq %r8, 32(%rax)
    movq %rdx, 40(%rax)
    movq %r8, 48(%rax)
    movq %rcx, 56(%rax)
    ret
    .cfi_endproc
    .size port_context_make, . - port_context_make

/* Indirect branch tracking: yes. */
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0

    .section .note.GNU-stack, "", @progbits

#endif

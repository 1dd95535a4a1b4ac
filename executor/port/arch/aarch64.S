/* The context switch for AArch64 (AAPCS64).
 *
 * A parked context is a stack pointer with this frame above it; nothing else is kept anywhere:
 *
 *      0  x29, x30 (where to continue)
 *     16  x19, x20     32  x21, x22     48  x23, x24     64  x25, x26     80  x27, x28
 *     96  d8, d9      112  d10, d11    128  d12, d13    144  d14, d15
 *    160  fpcr, 8 unused
 *
 * Everything else is caller-saved, so the compiler has spilled it around the call. A context that
 * has not run yet has the same frame, with entry in x19, arg in x20, and context_begin to continue
 * at.
 *
 * Writing fpcr drains the pipeline on many cores, so it is written only when it differs.
 *
 * The unwind information describes a parked frame at the address port_context_parked: a debugger
 * that is given a fiber's saved stack pointer and that address walks the fiber. */
#if defined(__aarch64__)

#define FRAME 176
#define FPCR 160

    .text

    .globl port_context_switch
    .hidden port_context_switch
    .globl port_context_parked
    .hidden port_context_parked
    .type port_context_switch, %function
    .p2align 4
port_context_switch: /* x0: where to save the stack pointer, x1: what to continue */
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #FRAME
    .cfi_def_cfa_offset FRAME
    stp x29, x30, [sp]
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp x19, x20, [sp, #16]
    .cfi_rel_offset x19, 16
    .cfi_rel_offset x20, 24
    stp x21, x22, [sp, #32]
    .cfi_rel_offset x21, 32
    .cfi_rel_offset x22, 40
    stp x23, x24, [sp, #48]
    .cfi_rel_offset x23, 48
    .cfi_rel_offset x24, 56
    stp x25, x26, [sp, #64]
    .cfi_rel_offset x25, 64
    .cfi_rel_offset x26, 72
    stp x27, x28, [sp, #80]
    .cfi_rel_offset x27, 80
    .cfi_rel_offset x28, 88
    stp d8, d9, [sp, #96]
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    stp d10, d11, [sp, #112]
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    stp d12, d13, [sp, #128]
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    stp d14, d15, [sp, #144]
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    mrs x9, fpcr
    str x9, [sp, #FPCR]
    mov x10, sp
    str x10, [x0]
    mov sp, x1
port_context_parked:
    ldr x10, [sp, #FPCR]
    cmp x9, x10
    b.eq 1f
    msr fpcr, x10
1:
    ldp d14, d15, [sp, #144]
    .cfi_restore d14
    .cfi_restore d15
    ldp d12, d13, [sp, #128]
    .cfi_restore d12
    .cfi_restore d13
    ldp d10, d11, [sp, #112]
    .cfi_restore d10
    .cfi_restore d11
    ldp d8, d9, [sp, #96]
    .cfi_restore d8
    .cfi_restore d9
    ldp x27, x28, [sp, #80]
    .cfi_restore x27
    .cfi_restore x28
    ldp x25, x26, [sp, #64]
    .cfi_restore x25
    .cfi_restore x26
    ldp x23, x24, [sp, #48]
    .cfi_restore x23
    .cfi_restore x24
    ldp x21, x22, [sp, #32]
    .cfi_restore x21
    .cfi_restore x22
    ldp x19, x20, [sp, #16]
    .cfi_restore x19
    .cfi_restore x20
    ldp x29, x30, [sp]
    .cfi_restore x29
    .cfi_restore x30
    add sp, sp, #FRAME
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size port_context_switch, . - port_context_switch

/* The bottom of every fiber. Unwinders look a return address up one byte early, hence the nop
 * before the label; the undefined return address ends the walk. An exception that nobody catches is
 * shown to the personality function on its way here (0x1b: a relative address of four bytes). */
    .type context_begin, %function
    .p2align 4
    .cfi_startproc
    .cfi_personality 0x1b, port_fiber_personality
    .cfi_undefined x30
    nop
context_begin:
    mov x0, x20
    blr x19
    brk #1
    .cfi_endproc
    .size context_begin, . - context_begin

    .globl port_context_make
    .hidden port_context_make
    .type port_context_make, %function
    .p2align 4
port_context_make: /* x0: top, x1: entry, x2: arg; returns the stack pointer */
    .cfi_startproc
    hint #34 /* bti c */
    sub x0, x0, #FRAME
    adr x9, context_begin
    stp xzr, x9, [x0]
    stp x1, x2, [x0, #16]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #48]
    stp xzr, xzr, [x0, #64]
    stp xzr, xzr, [x0, #80]
    stp xzr, xzr, [x0, #96]
    stp xzr, xzr, [x0, #112]
    stp xzr, xzr, [x0, #128]
    stp xzr, xzr, [x0, #144]
    stp xzr, xzr, [x0, #FPCR] /* the default: round to nearest, nothing trapped */
    ret
    .cfi_endproc
    .size port_context_make, . - port_context_make

/* Branch target identification: yes. */
    .section .note.gnu.property, "a"
    .p2align 3
    .word 4, 16, 5
    .asciz "GNU"
    .word 0xc0000000, 4, 1, 0

    .section .note.GNU-stack, "", %progbits

#endif

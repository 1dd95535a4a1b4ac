/* A probe for the context switch: fills every callee-saved register from an array, switches away,
 * and reads the registers back when somebody switches back. Compilers never write such a function,
 * so it is in assembly; nothing here needs a library, for port/context_smoke.c runs under an
 * emulator. */
#ifndef BELAY_TESTS_PORT_REGISTERS_H
#define BELAY_TESTS_PORT_REGISTERS_H

#include <stdint.h>

#include "port/port.h"

/* save, to: as for port_context_switch(). Values are 64 bits each, in an order of the probe's
 * own. */
void registers_probe(void **save, void *to, const uint64_t *in, uint64_t *out);

#if defined(__x86_64__)

enum { REGISTERS = 6 };

__asm__(".text\n"
        ".type registers_probe, @function\n"
        "registers_probe:\n"
        "    pushq %rbx\n    pushq %rbp\n    pushq %r12\n    pushq %r13\n    pushq %r14\n"
        "    pushq %r15\n    pushq %rcx\n" /* seven pushes: the call is aligned */
        "    movq 0(%rdx), %rbx\n    movq 8(%rdx), %rbp\n    movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13\n    movq 32(%rdx), %r14\n    movq 40(%rdx), %r15\n"
        "    call port_context_switch\n"
        "    popq %rcx\n"
        "    movq %rbx, 0(%rcx)\n    movq %rbp, 8(%rcx)\n    movq %r12, 16(%rcx)\n"
        "    movq %r13, 24(%rcx)\n    movq %r14, 32(%rcx)\n    movq %r15, 40(%rcx)\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbp\n    popq %rbx\n"
        "    ret\n"
        ".size registers_probe, . - registers_probe\n");

/* Rounding mode of both units, in the form of mxcsr's two bits: 0 nearest, 1 down, 2 up. */
static inline void rounding_set(uint32_t mode) {
    uint32_t mxcsr = 0x1f80 | mode << 13;
    uint16_t x87 = (uint16_t)(0x037f | mode << 10);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(x87));
}

/* 99 when the two units disagree. */
static inline uint32_t rounding_get(void) {
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    uint32_t mode = mxcsr >> 13 & 3;
    return mode == (x87 >> 10 & 3u) ? mode : 99;
}

#elif defined(__aarch64__)

enum { REGISTERS = 19 };

__asm__(".text\n"
        ".type registers_probe, %function\n"
        "registers_probe:\n"
        "    sub sp, sp, #176\n"
        "    stp x29, x30, [sp]\n    stp x19, x20, [sp, #16]\n    stp x21, x22, [sp, #32]\n"
        "    stp x23, x24, [sp, #48]\n    stp x25, x26, [sp, #64]\n    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n    stp d10, d11, [sp, #112]\n    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n    str x3, [sp, #160]\n"
        "    ldp x19, x20, [x2]\n    ldp x21, x22, [x2, #16]\n    ldp x23, x24, [x2, #32]\n"
        "    ldp x25, x26, [x2, #48]\n    ldp x27, x28, [x2, #64]\n    ldp d8, d9, [x2, #80]\n"
        "    ldp d10, d11, [x2, #96]\n    ldp d12, d13, [x2, #112]\n    ldp d14, d15, [x2, #128]\n"
        "    ldr x29, [x2, #144]\n"
        "    bl port_context_switch\n"
        "    ldr x3, [sp, #160]\n"
        "    stp x19, x20, [x3]\n    stp x21, x22, [x3, #16]\n    stp x23, x24, [x3, #32]\n"
        "    stp x25, x26, [x3, #48]\n    stp x27, x28, [x3, #64]\n    stp d8, d9, [x3, #80]\n"
        "    stp d10, d11, [x3, #96]\n    stp d12, d13, [x3, #112]\n    stp d14, d15, [x3, #128]\n"
        "    str x29, [x3, #144]\n"
        "    ldp x29, x30, [sp]\n    ldp x19, x20, [sp, #16]\n    ldp x21, x22, [sp, #32]\n"
        "    ldp x23, x24, [sp, #48]\n    ldp x25, x26, [sp, #64]\n    ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n    ldp d10, d11, [sp, #112]\n    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #176\n"
        "    ret\n"
        ".size registers_probe, . - registers_probe\n");

/* Up and down are the other way round here. */
static inline uint32_t rounding_exchange(uint32_t mode) {
    return mode == 1 ? 2 : mode == 2 ? 1 : mode;
}

static inline void rounding_set(uint32_t mode) {
    uint64_t fpcr = (uint64_t)rounding_exchange(mode) << 22;
    __asm__ volatile("msr fpcr, %0" ::"r"(fpcr));
}

static inline uint32_t rounding_get(void) {
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return rounding_exchange(fpcr >> 22 & 3);
}

#endif

/* Two sides, one stack. The other side fills the registers with its own pattern each time it
 * runs. */
typedef struct registers_case {
    void *home;
    void *away;
    uint64_t home_in[REGISTERS], home_out[REGISTERS];
    uint64_t away_in[REGISTERS], away_out[REGISTERS];
    uint32_t away_rounding_at_start, away_rounding_after;
    uintptr_t away_frame;
} registers_case;

static inline void registers_away(void *arg) {
    registers_case *c = arg;
    c->away_frame = (uintptr_t)__builtin_frame_address(0);
    c->away_rounding_at_start = rounding_get();
    rounding_set(2);
    registers_probe(&c->away, c->home, c->away_in, c->away_out);
    c->away_rounding_after = rounding_get();
    rounding_set(3);
    port_context_switch(&c->away, c->home);
}

/* Home, away, home, away, home; home rounds down and away up. The rounding that home has at the end
 * is returned, and home's original one is put back. */
static inline uint32_t registers_run(registers_case *c, void *top) {
    for (uint64_t i = 0; i < REGISTERS; i++) {
        c->home_in[i] = 0x1111111111111111u * (i % 15 + 1) + i;
        c->away_in[i] = ~c->home_in[i];
    }
    c->away = port_context_make(top, registers_away, c);
    uint32_t original = rounding_get();
    rounding_set(1);
    registers_probe(&c->home, c->away, c->home_in, c->home_out);
    uint32_t between = rounding_get();
    port_context_switch(&c->home, c->away);
    uint32_t end = rounding_get();
    rounding_set(original);
    return between == end ? end : 99;
}

#endif

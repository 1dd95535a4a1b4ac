/* What is kept per thread: the current worker, the thread's number, and how deep it is in callbacks.
 *
 * The model is initial-exec, so that reading costs one instruction and works from a shared library,
 * and the two together stay far below the 64 bytes that a dlopen()ed library may take of it.
 *
 * The functions are out of line, and pass their result through an empty asm: a task may be on
 * another thread after any call, and a compiler that could see that two calls read the same
 * variable (or compute the same address) would keep the first result.
 *
 * ThreadSanitizer, which takes the fibers of a thread for threads of their own, would see them race for the
 * thread's variables: it is not told of the accesses. */
#include "port/fiber.h"

#define PER_THREAD static _Thread_local __attribute__((tls_model("initial-exec")))

PER_THREAD void *current_worker;
PER_THREAD uint32_t current_number; /* 0: none given yet */
PER_THREAD uint32_t current_callbacks;

static ATOMIC(uint32_t) numbers_given;

__attribute__((noinline)) PORT_TSAN_BLIND void *port_current_get(void) {
    void *found = current_worker;
    __asm__ volatile("" : "+r"(found)::"memory");
    return found;
}

__attribute__((noinline)) PORT_TSAN_BLIND void port_current_set(void *current) {
    __asm__ volatile("" : "+r"(current)::"memory");
    current_worker = current;
}

__attribute__((noinline)) PORT_TSAN_BLIND uint32_t port_thread_hash(void) {
    if (current_number == 0) {
        /* relaxed: the numbers only have to differ */
        current_number = fetch_add_relaxed(&numbers_given, 1) + 1;
    }
    uint32_t found = current_number;
    __asm__ volatile("" : "+r"(found)::"memory");
    return found;
}

__attribute__((noinline)) PORT_TSAN_BLIND void port_callbacks_add(int32_t n) {
    __asm__ volatile("" : "+r"(n)::"memory");
    current_callbacks += (uint32_t)n;
}

__attribute__((noinline)) PORT_TSAN_BLIND uint32_t port_callbacks(void) {
    uint32_t found = current_callbacks;
    __asm__ volatile("" : "+r"(found)::"memory");
    return found;
}

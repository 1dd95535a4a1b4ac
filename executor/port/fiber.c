/* The life of a fiber, the same in every build; port/sanitize.h hides what the tools want to be
 * told. The switch is inline in port/fiber.h, and in port/sanitize.c for the sanitizers.
 *
 * A fiber's first frame is fiber_begin(): AddressSanitizer must hear of the arrival before anything
 * else runs on the new stack. Its argument lies just below `top`. */
#include "port/fiber.h"

#include <string.h>

#include "base/check.h"
#include "port/sanitize.h"

typedef struct first_call {
    void (*entry)(void *arg);
    void *arg;
} first_call;

_Static_assert(sizeof(first_call) == 16, "keeps the stack's alignment");
_Static_assert(offsetof(port_fiber, cxx_globals) + 2 * sizeof(void *) <= 64,
               "a switch touches one cache line of each side");

void port_fiber_adopt(port_fiber *fiber) {
    memset(fiber, 0, sizeof *fiber);
    tsan_adopt(fiber);
}

void port_fiber_release(port_fiber *fiber) {
    CHECK(fiber->stack_low == NULL); /* adopted, not initialised */
    memset(fiber, 0, sizeof *fiber); /* the sanitizer's thread is not ours to destroy */
}

static void fiber_begin(void *arg) {
    asan_arrive(NULL);
    first_call call = *(first_call *)arg;
    call.entry(call.arg);
    port_panic("belay: a fiber's entry function returned");
}

bool port_fiber_init(port_fiber *fiber, void *stack_low, size_t stack_size, void *top,
                     void (*entry)(void *arg), void *arg) {
    CHECK(stack_low != NULL && (uintptr_t)top % 16 == 0);
    CHECK((char *)top > (char *)stack_low && (char *)top <= (char *)stack_low + stack_size);

    port_asan_unpoison(stack_low, stack_size);
    first_call *call = (first_call *)top - 1;
    call->entry = entry;
    call->arg = arg;

    memset(fiber, 0, sizeof *fiber);
    if (!tsan_create(fiber)) {
        return false;
    }
    fiber->stack_low = stack_low;
    fiber->stack_size = stack_size;
    fiber->sp = port_context_make(call, fiber_begin, call);
    asan_set_stack(fiber, stack_low, stack_size);
    fiber->valgrind = valgrind_register(stack_low, stack_size);
    return true;
}

/* Not for ThreadSanitizer's eyes: see fiber_end in task/fiber.c. */
PORT_TSAN_BLIND void port_fiber_fini(port_fiber *fiber) {
    CHECK(fiber->stack_low != NULL); /* initialised, not adopted */
    valgrind_deregister(fiber->valgrind);
    tsan_destroy(fiber);
    *fiber = (port_fiber){0};
}

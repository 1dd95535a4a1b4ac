/* The life of a fiber, the same in every build; port/sanitize.h hides what the tools want to be
 * told. The switch is inline in port/fiber.h, and in port/sanitize.c for the sanitizers.
 *
 * A fiber's first frame is fiber_begin(): AddressSanitizer must hear of the arrival before anything
 * else runs on the new stack. Its argument lies just below `top`. */
#include "port/fiber.h"

#include <string.h>

#include "base/atomic.h"
#include "base/check.h"
#include "port/sanitize.h"

typedef struct first_call {
    void (*entry)(void *arg);
    void *arg;
} first_call;

_Static_assert(sizeof(first_call) == 16, "keeps the stack's alignment");
_Static_assert(offsetof(port_fiber, cxx_globals) + 2 * sizeof(void *) <= 64,
               "a switch touches one cache line of each side");

/* ---- exceptions ---------------------------------------------------------------------------------- */

static ATOMIC(uintptr_t) on_throw; /* the function, or 0 */

void port_fiber_on_throw(void (*thrown)(void)) {
    store_relaxed(&on_throw, (uintptr_t)thrown); /* relaxed: nothing but the function is read */
}

/* Called by the unwinder for the frame at the bottom of a fiber, which alone names it (port/arch).
 * The first phase only searches for who catches; a forced unwinding (pthread_exit) does not search. So
 * we need neither the unwinder's library nor its header: what is used here is fixed by the Itanium
 * C++ ABI (https://itanium-cxx-abi.github.io/cxx-abi/abi-eh.html). */
int port_fiber_personality(int version, int actions, uint64_t language, void *exception,
                           void *context);
int port_fiber_personality(int version, int actions, uint64_t language, void *exception,
                           void *context) {
    enum { SEARCH_PHASE = 1, CONTINUE_UNWIND = 8 };
    (void)version;
    (void)language;
    (void)exception;
    (void)context;
    void (*thrown)(void) = (void (*)(void))load_relaxed(&on_throw); /* relaxed: as above */
    if ((actions & SEARCH_PHASE) != 0 && thrown != NULL) {
        thrown();
    }
    return CONTINUE_UNWIND;
}

/* ---- life ---------------------------------------------------------------------------------------- */

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
    asan_destroy(fiber);
    tsan_destroy(fiber);
    *fiber = (port_fiber){0};
}

/* The switch from one virtual thread to another.
 *
 * The library switches stacks inside a virtual thread, so a thread gives way on a stack that the
 * simulator knows nothing of. For the switch itself the saved stack pointer is enough.
 * AddressSanitizer must be told the bounds of the stack that is entered; it tells us those of the
 * stack that was left, and so each thread remembers where it was. */
#include "port/sim/sim_internal.h"

#if defined(BELAY_ASAN)

#include <stdio.h>

void __sanitizer_start_switch_fiber(void **fake_stack, const void *low, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **low, size_t *size);
void __asan_unpoison_memory_region(const volatile void *low, size_t size);

static void leave_begin(sim_thread *from, const sim_thread *to, bool last) {
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->stack_low, to->stack_size);
}

static void leave_end(void) {
    __sanitizer_finish_switch_fiber(sim.current->fake_stack, &sim.previous->stack_low,
                                    &sim.previous->stack_size);
    sim.current->fake_stack = NULL;
}

void sim_stack_reissue(void *low, size_t size) {
    __asan_unpoison_memory_region(low, size);
}

/* A fake stack would take locals out of their frames, where the simulator recognises them. */
const char *__asan_default_options(void);
__attribute__((visibility("default"), used)) const char *__asan_default_options(void) {
    return "detect_stack_use_after_return=0";
}

/* The sanitizer is about to end the process: say how to come here again. */
void __asan_on_error(void);
__attribute__((visibility("default"), used)) void __asan_on_error(void) {
    if (sim.active) {
        fprintf(stderr, "sim: seed %llu, step %llu\n", (unsigned long long)sim.result.seed,
                (unsigned long long)sim.result.steps);
    }
}

#else

static void leave_begin(sim_thread *from, const sim_thread *to, bool last) {
    (void)from;
    (void)to;
    (void)last;
}

static void leave_end(void) {
}

void sim_stack_reissue(void *low, size_t size) {
    (void)low;
    (void)size;
}

#endif

void sim_switch(sim_thread *to, bool last) {
    sim_thread *from = sim.current;
    sim.previous = from;
    sim.current = to;
    leave_begin(from, to, last);
    port_context_switch(&from->sp, to->sp);
    leave_end();
}

void sim_switched(void) {
    leave_end();
}

/* What queues hold: the scheduler's view of a task. The link belongs to whoever has the runnable in hand: a
 * queue, or the one who took it out. */
#ifndef BELAY_SCHED_RUNNABLE_H
#define BELAY_SCHED_RUNNABLE_H

#include <ck_stack.h>

#include "port/fiber.h"

/* ThreadSanitizer does not see that what one worker's thread does on several stacks happens in turn, and is not to see
 * it, or races between tasks of one worker would be hidden. So the order that it needs goes with each runnable: release
 * by who hands it on (port_tsan_release), acquire by who has it in hand next (port_tsan_acquire). */
typedef struct runnable {
    ck_stack_entry_t link;
} runnable;

/* What hangs on a runnable: its line and the next are wanted soon. */
static inline void runnable_prefetch(const runnable *r) {
    __builtin_prefetch(r, 1);
    __builtin_prefetch((const char *)r + 64, 1);
}

static inline runnable *runnable_next(const runnable *r) {
    return (runnable *)(void *)r->link.next;
}

#endif

/* What queues hold: the scheduler's view of a task. The link belongs to whoever has the runnable in hand: a
 * queue, or the one who took it out. */
#ifndef BELAY_SCHED_RUNNABLE_H
#define BELAY_SCHED_RUNNABLE_H

#include <ck_stack.h>

typedef struct runnable {
    ck_stack_entry_t link;
} runnable;

static inline runnable *runnable_next(const runnable *r) {
    return (runnable *)(void *)r->link.next;
}

#endif

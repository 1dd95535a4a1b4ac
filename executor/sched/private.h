/* The owner's side of its private area; see sched/private.c. */
#ifndef BELAY_SCHED_PRIVATE_H
#define BELAY_SCHED_PRIVATE_H

#include "sched/worker.h"

/* Inside the section. */
static inline runnable *private_batch_pop(worker *w) {
    uint32_t next = load_relaxed(&w->batch_next); /* relaxed: ours inside the section */
    if (next == load_relaxed(&w->batch_end)) {
        return NULL;
    }
    store_relaxed(&w->batch_next, next + 1);
    return load_relaxed(&w->batch[next]);
}

/* With a hand-off or a raider. */
runnable *private_take_slow(worker *w);
/* With an empty batch: claims a run from the queue; the first is returned, the others become the batch. */
runnable *private_refill(worker *w);

/* The next runnable of the hand-off slot, the batch or the own queue. Owner only. NULL: none. */
static inline runnable *private_take(worker *w) {
    section_enter(w);
    /* acquire: pairs with the release at the end of worker_raid; relaxed: ours, if there is no raider */
    if (unlikely(load_acquire(&w->raid) != 0 || load_relaxed(&w->handoff) != NULL)) {
        section_leave(w);
        return private_take_slow(w);
    }
    runnable *r = private_batch_pop(w);
    section_leave(w);
    return r != NULL ? r : private_refill(w);
}

#endif

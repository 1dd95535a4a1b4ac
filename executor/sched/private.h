/* The owner's side of its private area; see sched/private.c. */
#ifndef BELAY_SCHED_PRIVATE_H
#define BELAY_SCHED_PRIVATE_H

#include "sched/sched.h"

enum { LOOK_OUTSIDE = 61 }; /* picks between two looks at what comes from outside */

/* Inside the section. */
static inline runnable *private_batch_pop(worker *w) {
    uint32_t next = load_relaxed(&w->batch_next); /* relaxed: ours inside the section */
    if (next == load_relaxed(&w->batch_end)) {
        return NULL;
    }
    store_relaxed(&w->batch_next, next + 1);
    return load_relaxed(&w->batch[next % RUNQ_CLAIM]);
}

/* What will be taken after `some` more of the batch; NULL: not known. A hint, also for the owner: a raider may take
 * it. */
static inline runnable *private_ahead(const worker *w, uint32_t some) {
    uint32_t next = load_relaxed(&w->batch_next); /* relaxed, all: a hint */
    uint32_t left = load_relaxed(&w->batch_end) - next;
    return some < left ? load_relaxed(&w->batch[(next + some) % RUNQ_CLAIM]) : NULL;
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

/* worker_poll, with its usual case inlined: something is in the batch and nothing else is to be looked at. */
static inline runnable *worker_poll_inline(worker *w) {
    uint32_t tick =
        load_relaxed(&w->tick) + 1; /* relaxed, all: own words, or ours inside the section */
    if (likely(tick <= LOOK_OUTSIDE && load_relaxed(&w->pinned_first) == NULL)) {
        section_enter(w);
        /* acquire: pairs with the release at the end of worker_raid */
        bool usual = load_acquire(&w->raid) == 0 && load_relaxed(&w->handoff) == NULL;
        runnable *r = likely(usual) ? private_batch_pop(w) : NULL;
        section_leave(w);
        if (likely(r != NULL)) {
            store_relaxed(&w->tick, tick);
            return r;
        }
    }
    return worker_poll(w);
}

/* For a task that gives way: takes the next of the batch and puts `self` at its end, in one go. That is its place only
 * while the queue is empty; and while no worker is idle nobody needs to see it there. The section stays entered: the
 * caller leaves it, with private_swapped, when the stack of `self` was left, so that no raider takes it before. NULL:
 * not that case, nothing was done. */
static inline runnable *private_swap(worker *w, runnable *self) {
    /* relaxed, all: own words, or ours inside the section; `idle` is a hint, read again in private_swapped */
    uint32_t tick = load_relaxed(&w->tick) + 1;
    if (unlikely(tick > LOOK_OUTSIDE || load_relaxed(&w->pinned_first) != NULL ||
                 (load_relaxed(&w->sched->idle) & IDLE_ANYBODY) != 0 ||
                 !runq_seems_empty(&w->queue))) {
        return NULL;
    }
    section_enter(w);
    /* acquire: pairs with the release at the end of worker_raid: what it left is read after it */
    bool usual = load_acquire(&w->raid) == 0 && load_relaxed(&w->handoff) == NULL;
    uint32_t next = load_relaxed(&w->batch_next);
    uint32_t end = load_relaxed(&w->batch_end);
    if (unlikely(!usual || next == end)) {
        section_leave(w);
        return NULL;
    }
    runnable *r = load_relaxed(&w->batch[next % RUNQ_CLAIM]);
    store_relaxed(&w->batch[end % RUNQ_CLAIM], self);
    store_relaxed(&w->batch_next, next + 1);
    store_relaxed(&w->batch_end, end + 1);
    store_relaxed(&w->tick, tick);
    return r;
}
static inline void private_swapped(worker *w) {
    section_leave(w);
    sched_notify_worker(w->sched); /* who became idle meanwhile finds hidden work */
}

/* Where a task that gives way goes otherwise: to the queue; but while no worker is idle and the queue is short both go
 * to the batch. */
void worker_requeue(worker *w, runnable *r);

#endif

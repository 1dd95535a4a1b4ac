/* What a task holds, so that nothing stays locked when it ends.
 *
 * A list from the running task's fiber, newest first. Only the owner touches it, while it owns the objects: it pushes
 * after it has acquired and removes before it releases; the object's own acquire and release order the links from one
 * owner to the next. When a body has returned, what is left is taken from it (held_abandon, called by owner/run.c). */
#ifndef BELAY_FLOW_HELD_H
#define BELAY_FLOW_HELD_H

#include "owner/scope.h"

/* Low bits of a word of ownership; see docs/protocols/locks.md. */
enum { OWN_SLOW = 1, OWN_DEAD = 2, OWN_FOREIGN = 4, OWN_FLAGS = OWN_SLOW | OWN_DEAD };

typedef enum held_kind { HELD_MUTEX, HELD_RWLOCK } held_kind;

typedef struct held {
    ATOMIC(uint64_t) word; /* owner | flags; 0: free. Also what a finder of wait cycles reads */
    held_link next;        /* the owner's */
    held_link *back;       /* the owner's: what points here */
    uint32_t kind;         /* constant; held_kind */
    uint32_t barges;       /* under the line's lock: barge-ins since there is an heir */
} held;

/* Who calls: a task (or a stolen fork, which is a holder of its own), or a thread. */
typedef struct caller {
    uint64_t id;
    fiber *fiber; /* NULL: a thread */
} caller;

static inline uint64_t owner_in(uint64_t word) {
    return word & ~(uint64_t)OWN_FLAGS;
}

/* For calls that do not wait: tasks, threads, callbacks. BELAY_OK, BELAY_ECONTEXT, BELAY_ECHILD. */
static inline belay_status caller_find(belay_task *self, caller *c) {
    worker *w = worker_current();
    if (unlikely(port_forked())) {
        return BELAY_ECHILD;
    }
    if (likely(self != NULL)) {
        c->id = (uintptr_t)self;
        /* relaxed: own words */
        if (unlikely(w == NULL || load_relaxed(&w->task) != self ||
                     state_phase(self) != PHASE_RUNNING)) {
            return BELAY_ECONTEXT;
        }
        c->fiber = load_relaxed(&w->fiber);
        return BELAY_OK;
    }
    c->id = (uint64_t)port_thread_hash() << 4 | OWN_FOREIGN;
    c->fiber = NULL;
    /* relaxed: own words */
    bool task = w != NULL && load_relaxed(&w->task) != NULL && load_relaxed(&w->callbacks) == 0;
    return task ? BELAY_ECONTEXT : BELAY_OK;
}

/* The same for calls that may wait: not in callbacks. */
static inline belay_status caller_check(belay_task *self, caller *c) {
    belay_status status = caller_find(self, c);
    if (unlikely(status != BELAY_OK)) {
        return status;
    }
    if (unlikely(self == NULL)) {
        return check_waiter(NULL);
    }
    return likely(load_relaxed(&worker_current()->callbacks) == 0) ? BELAY_OK
                                                                   : BELAY_ECONTEXT; /* own word */
}

static inline void held_push(const caller *c, held *h) {
    if (c->fiber != NULL) {
        held_link *head = &c->fiber->held;
        held *first = load_relaxed(&head->to); /* relaxed, here and below: the owner's */
        store_relaxed(&h->next.to, first);
        h->back = head;
        if (first != NULL) {
            first->back = &h->next;
        }
        store_relaxed(&head->to, h);
    }
}

static inline void held_remove(const caller *c, held *h) {
    if (c->fiber != NULL) {
        held *next = load_relaxed(&h->next.to); /* relaxed, here and below: the owner's */
        store_relaxed(&h->back->to, next);
        if (next != NULL) {
            next->back = h->back;
        }
    }
}

/* The owner, which is no more, still holds it; h was removed from its list. */
void mutex_abandon(held *h);
void rwlock_abandon(held *h);

#endif

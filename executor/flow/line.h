/* A line of waiters under a small lock: what every object of this floor is made of. See docs/protocols/locks.md.
 *
 * All zero is an empty line, so that objects may lie in zeroed memory. `inside` counts places until their owners have
 * left, so that an object is not given up while somebody is still to take its lock. */
#ifndef BELAY_FLOW_LINE_H
#define BELAY_FLOW_LINE_H

#include "flow/enter.h"

struct held;

typedef struct line {
    lock lock;
    uint32_t inside; /* under the lock, as is the rest */
    list waiting;
} line;

/* A place in a line; on the stack of who waits. */
typedef struct place {
    waiter waiter;
    uint64_t id;   /* the caller's, for who hands over ownership */
    uint32_t need; /* permits; kind of access */
    bool owner;    /* mutex: was made the owner */
    bool direct;   /* mutex: must be */
} place;

static inline place *place_of(list *node) {
    return list_entry(node, place, waiter.arm.link);
}

static inline void line_ready(list *waiting) {
    if (unlikely(waiting->next == NULL)) {
        list_init(waiting);
    }
}

static inline void line_take(line *l) {
    lock_take(&l->lock);
    line_ready(&l->waiting);
}

static inline void line_release(line *l) {
    lock_release(&l->lock);
}

typedef struct wait_how {
    belay_task *self;
    int64_t deadline;
    wait_kind kind;
    bool drain;              /* cancel does not end it */
    bool first;              /* to the front of the line */
    const struct held *lock; /* NULL, or whose owner is waited for */
} wait_how;

/* Waits to be served, in `waiting` of this line. The lock is held at the call and at the return. WAIT_OK: was
 * served. */
wait_word line_wait(line *l, list *waiting, place *p, const wait_how *how);
/* Claims the first place that can be claimed and unlinks it, with those before it; the caller gives, then calls
 * line_resume. NULL: there is none. */
place *line_claim(list *waiting, bool *parked);
static inline void line_resume(place *p, bool parked) {
    arm_resume(&p->waiter.arm, parked);
}
/* Serves one, or all; places or the arms of a select. False: nobody. */
bool line_wake(list *waiting);
void line_wake_all(list *waiting);
/* BELAY_EBUSY: somebody is inside. The line's lock is not held. */
belay_status line_fini(line *l);

static inline belay_status line_status(belay_task *self, wait_word result) {
    return result == WAIT_OK ? BELAY_OK : flow_gave_up(self, result);
}

#endif

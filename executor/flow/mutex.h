/* The mutex, inside: for the condition, which unlocks and locks it. Public contract: <belay/mutex.h>. */
#ifndef BELAY_FLOW_MUTEX_H
#define BELAY_FLOW_MUTEX_H

#include <belay/mutex.h>

#include "flow/held.h"
#include "flow/line.h"

typedef struct mutex_state {
    held held;
    line line;
    place *heir; /* under the line's lock: claimed, woken, and has not run yet */
} mutex_state;

_Static_assert(sizeof(mutex_state) == sizeof(belay_mutex), "layout");

static inline mutex_state *mutex_in(belay_mutex *m) {
    return (mutex_state *)(void *)m;
}

static inline bool mutex_owned(const mutex_state *m, const caller *c) {
    return owner_in(load_relaxed(&m->held.word)) == c->id; /* relaxed: if it is ours, it stays so */
}

/* The caller owns it. */
void mutex_release(mutex_state *m, const caller *c);
/* Waits; the caller does not own it. drain: neither cancel nor a deadline ends it. BELAY_OK, BELAY_EOWNERDEAD,
 * BELAY_ECANCELED (to be booked), BELAY_ETIMEDOUT. */
belay_status mutex_acquire(mutex_state *m, const caller *c, belay_task *self, int64_t deadline,
                           bool drain);

#endif

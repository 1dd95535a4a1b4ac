/* What every waiting call of this floor begins and ends with. */
#ifndef BELAY_FLOW_ENTER_H
#define BELAY_FLOW_ENTER_H

#include "owner/scope.h"

enum { FLOW_TURN = 256 };

/* May the caller wait here, and is it not cancelled? After the arguments were checked, before the object is looked at:
 * a cancel comes before whatever the object would say. BELAY_OK, BELAY_ECONTEXT, BELAY_ECHILD, BELAY_ECANCELED. */
static inline belay_status flow_begin(belay_task *self) {
    belay_status status = check_waiter(self);
    if (unlikely(status == BELAY_OK && self != NULL && task_canceled(self))) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return status;
}

/* The same, inlined for tasks; *here becomes the caller's worker, for flow_ready_on. */
static inline belay_status flow_begin_on(belay_task *self, worker **here) {
    worker *w = *here = worker_current();
    /* relaxed: own words */
    bool runs = self != NULL && w != NULL && load_relaxed(&w->task) == self &&
                load_relaxed(&w->callbacks) == 0 && state_phase(self) == PHASE_RUNNING;
    return likely(runs && !port_forked() && !task_canceled(self)) ? BELAY_OK : flow_begin(self);
}

/* The caller got what it wanted without waiting: now and then it lets others run, so that a loop of such calls shares
 * its worker. Holds nothing. Reports no cancel: what has taken effect is a success, and the next call will tell. */
static inline void flow_ready_on(belay_task *self, worker *w) {
    if (self == NULL || w == NULL) {
        return;
    }
    uint32_t n = load_relaxed(&w->checkpoints) + 1; /* relaxed: own word */
    store_relaxed(&w->checkpoints, n);
    if (unlikely(n % FLOW_TURN == 0)) {
        task_give_way(self);
    }
}

static inline void flow_ready(belay_task *self) {
    flow_ready_on(self, worker_current());
}

/* The status of a wait that was not ended by the object: a cancel comes before the deadline. */
static inline belay_status flow_gave_up(belay_task *self, wait_word result) {
    if (self != NULL && (result == WAIT_CANCELED || task_canceled(self))) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return BELAY_ETIMEDOUT;
}

#endif

/* What a task asks of itself, or about itself: giving way, sleeping, its result, its handle. */
#include "owner/scope.h"

#include "task/ref.h"

/* ---- giving way -------------------------------------------------------------------------------------------------- */

void task_give_way(belay_task *t) {
    fiber_give_way(worker_current(), t);
}

belay_status belay_yield(belay_task *self) {
    worker *w = worker_current();
    if (unlikely(port_forked())) {
        return BELAY_ECHILD;
    }
    if (unlikely(self == NULL || !runs_on(w, self))) {
        return BELAY_ECONTEXT;
    }
    if (unlikely(task_canceled(self))) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    fiber_give_way(w, self);
    return BELAY_OK;
}

enum { CHECKPOINTS = 256 };

belay_status belay_checkpoint(belay_task *self) {
    if (unlikely(self == NULL || !is_running(self))) {
        return port_forked() ? BELAY_ECHILD : BELAY_ECONTEXT;
    }
    if (unlikely(task_canceled(self))) {
        return belay_yield(self);
    }
    worker *w = worker_current();
    uint32_t n = load_relaxed(&w->checkpoints) + 1; /* relaxed: own word */
    store_relaxed(&w->checkpoints, n);
    return n % CHECKPOINTS == 0 ? belay_yield(self) : BELAY_OK;
}

belay_status belay_sleep_until(belay_task *self, belay_time deadline) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK || (self == NULL && deadline == BELAY_NEVER)) {
        return status != BELAY_OK ? status : BELAY_EINVAL;
    }
    waiter w;
    waiter_init(&w, self, false);
    if (waiter_block(&w, deadline, WAIT_FOR_SLEEP) == WAIT_CANCELED) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return BELAY_OK;
}

/* ---- small calls about oneself ----------------------------------------------------------------------------------- */

/* A stolen fork is a part of the task that forked. Both live until that one has synced. */
belay_task *task_whole(belay_task *t) {
    while (state_has(t, STATE_FORK)) {
        t = t->v.parent;
    }
    return t;
}

/* Forks of one task may meet here, hence the lock. */
belay_status belay_set_result(belay_task *self, void *result, belay_drop *drop) {
    if (self == NULL || !is_current(self) || state_phase(self) != PHASE_RUNNING) {
        return BELAY_ECONTEXT;
    }
    belay_task *t = task_whole(self);
    lock *l = task_lock(t);
    lock_take(l);
    void *before = t->result;
    belay_drop *drop_before = t->u.result_drop;
    t->result = result;
    t->u.result_drop = drop;
    lock_release(l);
    if (drop_before != NULL) {
        call_drop(drop_before, before);
    }
    return BELAY_OK;
}

belay_task *belay_self(void) {
    worker *w = worker_current();
    return w == NULL ? NULL : load_relaxed(&w->task); /* relaxed: own word */
}

belay_task_handle belay_task_self_handle(belay_task *self) {
    if (self == NULL) {
        return (belay_task_handle){0};
    }
    self = task_whole(self);
    if (is_current(self) && !state_has(self, STATE_HANDLE)) {
        ref_born(
            self,
            1); /* from now on the ending is published, and the running task's reference dropped */
        state_flag(self, STATE_HANDLE, true);
    }
    if (!state_has(
            self,
            STATE_HANDLE)) { /* seen from a stolen fork: its generation may come again with the next task */
        return (belay_task_handle){0};
    }
    return task_handle(load_relaxed(&self->scope)->executor, self); /* relaxed: own */
}

int32_t belay_worker_index(void) {
    worker *w = worker_current();
    return w == NULL ? -1 : (int32_t)w->index;
}

belay_executor *belay_task_executor(const belay_task *self) {
    return self == NULL ? NULL
                        : load_relaxed(&self->scope)->executor; /* relaxed: constant for a life */
}

/* Joining tasks, and references to them.
 *
 * A joiner links a waiter into the task's ring of joiners under the task's lock, unless the task is done. The worker
 * that ends the task publishes DONE and wakes all joiners under the same lock; so a joiner either sees DONE or is
 * woken. */
#include "owner/joins.h"
#include "base/mutant.h"

#include "task/ref.h"

/* The ring has no head: `joiners` points to one of its nodes. */
void joiner_add(belay_task *t, arm *a) {
    if (t->joiners == NULL) {
        t->joiners = a;
    } else {
        list_append(&t->joiners->link, &a->link);
    }
}

void joiner_remove(belay_task *t, arm *a) {
    if (t->joiners == a) {
        t->joiners = list_empty(&a->link) ? NULL : arm_of(a->link.next);
    }
    list_remove(&a->link);
}

bool joiner_linked(const belay_task *t, const arm *a) {
    return t->joiners == a || !list_empty(&a->link);
}

arm *joiners_wake(belay_task *t) {
    arm *notices = NULL;
    while (t->joiners != NULL) {
        arm *a = t->joiners;
        joiner_remove(t, a);
        if (unlikely(a->mark == MARK_NOTICES)) {
            notices = a;
        } else {
            (void)arm_wake(a);
        }
        if (MUTANT(join_wakes_one)) {
            break;
        }
    }
    return notices;
}

wait_word joins_wait(belay_task *self, belay_task *t, lock *l, int64_t deadline, bool drain) {
    wait_word result = WAIT_OK;
    while (result == WAIT_OK && state_phase(t) != PHASE_DONE) {
        waiter w;
        waiter_init(&w, self, drain);
        w.awaits = (uintptr_t)t;
        joiner_add(t, &w.arm);
        lock_release(l);
        result = waiter_block(&w, deadline, WAIT_FOR_JOIN);
        lock_take(l);
        if (joiner_linked(t, &w.arm)) {
            joiner_remove(t, &w.arm);
        }
    }
    return state_phase(t) == PHASE_DONE ? WAIT_OK : result;
}

void joins_read(belay_task *t, belay_outcome *out) {
    ending *e = &t->v.end;
    *out = (belay_outcome){.kind = (belay_outcome_kind)e->kind,
                           .status = e->status,
                           .cancel_requested = e->cancel_requested != 0,
                           .has_result = e->has_result != 0};
    e->observed = 1;
    if (e->has_result != 0) {
        out->result = t->result;
        out->result_drop = t->u.result_drop;
        e->has_result = MUTANT(join_result_twice);
        t->result = NULL;
    }
}

bool joins_itself(const belay_task *self, const belay_task *t) {
    if (self == NULL) {
        return false;
    }
    const belay_task *part = self;
    while (part != t && state_has(part, STATE_FORK)) {
        part = part->v.parent;
    }
    if (part == t) {
        return true;
    }
    /* relaxed: the caller's own chain */
    for (scope *s = load_relaxed(&self->inner); s != NULL; s = load_relaxed(&s->parent)) {
        if (load_relaxed(&s->opener) == t) {
            return true;
        }
    }
    return false;
}

bool joins_refused(belay_task *self) {
    bool canceled = self != NULL && task_canceled(self);
    if (canceled) {
        cancel_refused(self);
    }
    return canceled;
}

static belay_status join_task(belay_task *self, belay_task *t, belay_time deadline,
                              belay_outcome *out) {
    if (joins_refused(self)) {
        return BELAY_ECANCELED;
    }
    lock *l = task_lock(t);
    lock_take(l);
    wait_word result = joins_wait(self, t, l, deadline, false);
    if (result == WAIT_OK && out != NULL) {
        joins_read(t, out);
    }
    lock_release(l);
    if (result == WAIT_CANCELED) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return result == WAIT_OK ? BELAY_OK : BELAY_ETIMEDOUT;
}

belay_status belay_join_until(belay_task *self, belay_task_handle task, belay_time deadline,
                              belay_outcome *outcome) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    belay_executor *ex = registry_open(task.executor, task.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    status = BELAY_ESTALE;
    belay_task *t = task_open(ex, task);
    if (t != NULL) {
        status = joins_itself(self, t) ? BELAY_EDEADLK : join_task(self, t, deadline, outcome);
        task_close(ex, t);
    }
    registry_done(ex);
    return status;
}

belay_status belay_join(belay_task *self, belay_task_handle task, belay_outcome *outcome) {
    return belay_join_until(self, task, BELAY_NEVER, outcome);
}

/* ---- cancelling first -------------------------------------------------------------------------------------------- */

static belay_status cancel_and_join(belay_task *self, belay_executor *ex, belay_task *t,
                                    const belay_cancel_reason *reason, belay_outcome *out) {
    (void)task_cancel(ex, t, reason); /* EALREADY: it has been, or it has ended */
    lock *l = task_lock(t);
    lock_take(l);
    (void)joins_wait(self, t, l, PORT_NEVER, true);
    if (out != NULL) {
        joins_read(t, out);
    }
    lock_release(l);
    return joins_refused(self) ? BELAY_ECANCELED : BELAY_OK;
}

belay_status belay_cancel_and_join_from(belay_task *self, belay_task_handle task, belay_status code,
                                        const char *text, belay_outcome *outcome,
                                        const char *site) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    belay_executor *ex = registry_open(task.executor, task.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    status = BELAY_ESTALE;
    belay_task *t = task_open(ex, task);
    if (t != NULL) {
        const belay_cancel_reason reason = {.code = code, .text = text, .site = site};
        status =
            joins_itself(self, t) ? BELAY_EDEADLK : cancel_and_join(self, ex, t, &reason, outcome);
        task_close(ex, t);
    }
    registry_done(ex);
    return status;
}

/* ---- references -------------------------------------------------------------------------------------------------- */

belay_status belay_task_retain(belay_task_handle task) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex = registry_open(task.executor, task.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    bool alive = task_open(ex, task) != NULL;
    registry_done(ex);
    return alive ? BELAY_OK : BELAY_ESTALE;
}

belay_status belay_task_release(belay_task_handle task) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex = registry_open(task.executor, task.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    belay_task *t = slab_at(&ex->tasks, task.slot);
    ref_drop left = t == NULL ? REF_STALE : ref_lose(t, task.generation & SLOT_GENERATION);
    if (left == REF_LAST) {
        task_reap(ex, t);
    }
    registry_done(ex);
    return left == REF_STALE ? BELAY_ESTALE : BELAY_OK;
}

/* Outcomes in the order of completion.
 *
 * A scope that keeps outcomes has a queue of its members' records, under its lock, linked through the word that queues
 * of runnables use and that an ended task needs no more. The reference of the running task goes with the record, so the
 * queue costs no memory of its own.
 *
 * 1. A member publishes its ending, puts its record at the end, and wakes the first taker; then it lowers the count.
 * 2. A taker, under the lock: takes the oldest record; or, if the count is zero, is done; or asks to be woken at zero
 *    (count_watch), links itself among the takers, blocks, and looks again.
 * A record is queued before the count falls, so who finds the queue empty and the count at zero has seen all. At zero
 * all takers are unlinked and woken together with the other waiters (owner/count.c): so none is linked when the scope
 * ends, and one that wakes late finds another generation. A taker that was woken for a record which another took looks
 * again. */
#include "owner/joins.h"

void results_add(scope *s, belay_task *t) {
    lock_take(&s->lock);
    t->run.link.next = NULL;
    if (s->results == NULL) {
        s->results = &t->run;
    } else {
        s->results_last->link.next = &t->run.link;
    }
    s->results_last = &t->run;
    bool woken = false;
    while (!woken && !list_empty(&s->takers)) {
        list *node = s->takers.next;
        list_remove(node);
        woken = arm_wake(arm_of(node));
    }
    lock_release(&s->lock);
}

/* Under the lock. */
static belay_task *pop(scope *s) {
    runnable *r = s->results;
    if (r == NULL) {
        return NULL;
    }
    s->results = runnable_next(r);
    return task_of(r);
}

void results_drop(scope *s) {
    for (belay_task *t = pop(s); t != NULL; t = pop(s)) {
        task_close(s->executor, t);
    }
}

/* One round: the lock is held at the call and at the return. */
static wait_word wait_for_one(belay_task *self, scope *s, int64_t deadline) {
    waiter w;
    waiter_init(&w, self, false);
    list_append(&s->takers, &w.arm.link);
    lock_release(&s->lock);
    wait_word result = waiter_block(&w, deadline, WAIT_FOR_NEXT);
    lock_take(&s->lock);
    list_remove(&w.arm.link);
    return result;
}

/* The lock is held at the call and at the return. BELAY_OK: *out, with its reference. */
static belay_status take(belay_task *self, scope *s, uint32_t generation, int64_t deadline,
                         belay_task **out) {
    wait_word result = WAIT_OK;
    for (;;) {
        if (!count_is(s, generation)) {
            return BELAY_ESTALE;
        }
        *out = pop(s);
        if (*out != NULL) {
            return BELAY_OK;
        }
        if (result != WAIT_OK) {
            return result == WAIT_CANCELED ? BELAY_ECANCELED : BELAY_ETIMEDOUT;
        }
        if (!count_watch(s)) {
            return BELAY_ENOENT;
        }
        result = wait_for_one(self, s, deadline);
    }
}

/* Under the lock. */
static belay_status try_take(scope *s, uint32_t generation, belay_task **out) {
    if (!count_is(s, generation)) {
        return BELAY_ESTALE;
    }
    *out = pop(s);
    return *out != NULL ? BELAY_OK : count_read(s) == 0 ? BELAY_ENOENT : BELAY_EAGAIN;
}

/* Gives the record's outcome and reference away. */
static void hand_over(belay_executor *ex, belay_task *t, belay_outcome *outcome,
                      belay_task_handle *task) {
    if (outcome != NULL) {
        lock *l = task_lock(t);
        lock_take(l);
        joins_read(t, outcome);
        lock_release(l);
    }
    if (task != NULL) {
        *task = task_handle(ex, t);
    } else {
        task_close(ex, t);
    }
}

typedef struct taking {
    belay_task *self;
    belay_time deadline;
    bool may_wait;
} taking;

/* The scope is pinned: is the call right? */
static belay_status check_pinned(const taking *how, const scope *s) {
    if (!scope_has(s, BELAY_SCOPE_KEEP_OUTCOMES)) {
        return BELAY_EINVAL;
    }
    bool inside = how->self != NULL && task_inside(how->self, s) &&
                  load_relaxed(&s->opener) != how->self; /* relaxed: own chain */
    return inside ? BELAY_EDEADLK : BELAY_OK;
}

/* The pin goes at once: pinned, the scope never is empty. */
static belay_status check_taker(const taking *how, scope *s, uint32_t generation) {
    if (!count_pin(s, generation)) {
        return BELAY_ESTALE;
    }
    belay_status status = check_pinned(how, s);
    count_leave(worker_in(s->executor), s);
    if (status == BELAY_OK && joins_refused(how->self)) {
        status = BELAY_ECANCELED;
    }
    return status;
}

static belay_status next_of(const taking *how, scope *s, uint32_t generation, belay_task **out) {
    belay_status status = check_taker(how, s, generation);
    if (status != BELAY_OK) {
        return status;
    }
    lock_take(&s->lock);
    status = how->may_wait ? take(how->self, s, generation, how->deadline, out)
                           : try_take(s, generation, out);
    lock_release(&s->lock);
    if (status == BELAY_ECANCELED) {
        cancel_refused(how->self);
    }
    return status;
}

static belay_status next(const taking *how, belay_scope h, belay_outcome *outcome,
                         belay_task_handle *task) {
    if (task != NULL) {
        *task = (belay_task_handle){0};
    }
    belay_executor *ex = registry_open(h.executor, h.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    scope *s = scope_at(ex, h);
    belay_task *t = NULL;
    belay_status status =
        s == NULL ? BELAY_ESTALE : next_of(how, s, (uint32_t)(h.generation & SLOT_GENERATION), &t);
    if (status == BELAY_OK) {
        hand_over(ex, t, outcome, task);
    }
    registry_done(ex);
    return status;
}

belay_status belay_scope_next_until(belay_task *self, belay_scope h, belay_time deadline,
                                    belay_outcome *outcome, belay_task_handle *task) {
    const taking how = {.self = self, .deadline = deadline, .may_wait = true};
    belay_status status = check_waiter(self);
    return status == BELAY_OK ? next(&how, h, outcome, task) : status;
}

belay_status belay_scope_next(belay_task *self, belay_scope h, belay_outcome *outcome,
                              belay_task_handle *task) {
    return belay_scope_next_until(self, h, BELAY_NEVER, outcome, task);
}

belay_status belay_scope_try_next(belay_scope h, belay_outcome *outcome, belay_task_handle *task) {
    const taking how = {.may_wait = false};
    return port_forked() ? BELAY_ECHILD : next(&how, h, outcome, task);
}

/* Waiting for a scope to be empty, and closing it. docs/protocols/close.md has the argument.
 *
 * Under the scope's lock: ask to be woken at zero (count_watch); link a waiter; let go; block; take the lock again,
 * unlink, look again. The one who brings a watched count to zero takes the lock, clears the flag and wakes all waiters
 * if it is zero still, releases the lock: its last access. A waiter that times out or is cancelled also passes the
 * lock, so it can never free the scope under a completer: if the count is zero and the flag still set, the completer is
 * on its way, and the waiter waits for it, however late it is. */
#include "owner/forks.h"
#include "base/mutant.h"
#include "owner/scope.h"

/* One round: the lock is held at the call and at the return. */
static wait_word wait_for_zero(belay_task *self, scope *s, int64_t deadline, bool drain) {
    waiter w;
    waiter_init(&w, self, drain);
    w.awaits = (uintptr_t)s + AWAITS_SCOPE;
    list_append(&s->waiters, &w.arm.link);
    wait_kind kind = s->closing ? WAIT_FOR_CLOSE : WAIT_FOR_SCOPE;
    lock_release(&s->lock);
    wait_word result = waiter_block(&w, deadline, kind);
    lock_take(&s->lock);
    list_remove(&w.arm.link);
    return result;
}

/* A scope that was opened from outside is not reached by the cancel of the task that closes it: it is cancelled for
 * it. */
static void cancel_for_closer(belay_task *self, scope *s) {
    belay_cancel_reason reason = {.code = BELAY_ECANCELED, .text = "its closer was cancelled"};
    lock_release(&s->lock);
    cancel_noticed(self);
    (void)scope_cancel_tree(s, &reason);
    lock_take(&s->lock);
}

/* Waits until the scope is empty. The lock is held at the call and at the return. */
static wait_word drain_scope(belay_task *self, scope *s, int64_t deadline) {
    bool shared =
        self != NULL && load_relaxed(&s->opener) == NULL; /* relaxed: constant while open */
    wait_word result = WAIT_OK;
    while (result == WAIT_OK && count_watch(s)) {
        result = wait_for_zero(self, s, deadline, !shared);
        if (result == WAIT_CANCELED) {
            cancel_for_closer(self, s);
            shared = false;
            result = WAIT_OK;
        }
    }
    return result;
}

/* ---- the result of a close --------------------------------------------------------------------------------------- */

/* Under the lock, or nobody else is left. */
static belay_status own_verdict(const scope *s) {
    return s->failed != 0 && s->policy != BELAY_SUPERVISE ? s->first.status : BELAY_OK;
}

static belay_status verdict(const scope *s) {
    if (!scope_canceled(s)) {
        return own_verdict(s);
    }
    bool failed = s->failed != 0 && s->reason[CANCEL_HARD].code == s->first.status;
    if (load_relaxed(&s->noticed) == 0 && !failed) { /* relaxed: set before the members left */
        return own_verdict(s); /* a cancel that nobody noticed changes nothing */
    }
    return s->inherited[CANCEL_HARD] ? BELAY_ECANCELED : s->reason[CANCEL_HARD].code;
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

/* May the caller close this scope? */
static belay_status check_closer(belay_task *self, const scope *s) {
    belay_task *opener = load_relaxed(&s->opener); /* relaxed: constant while open */
    if (s->kind != SCOPE_PLAIN) {
        return self != NULL && task_inside(self, s) ? BELAY_EDEADLK : BELAY_EINVAL;
    }
    if (s == s->executor->root) {
        return self != NULL && worker_in(s->executor) != NULL ? BELAY_EDEADLK : BELAY_EINVAL;
    }
    if (opener == NULL) {
        return self != NULL && task_inside(self, s) ? BELAY_EDEADLK : BELAY_OK;
    }
    if (self != opener) {
        return self != NULL && task_inside(self, s) ? BELAY_EDEADLK : BELAY_EINVAL;
    }
    if (scope_has(s, SCOPE_CLEANUP)) {
        return BELAY_EINVAL; /* opened for the deferred call that asks, not by it */
    }
    /* relaxed: own */
    return load_relaxed(&self->inner) == s && forks_outstanding(self) <= s->fork_mark
               ? BELAY_OK
               : BELAY_EINVAL;
}

/* Only one at a time. */
static bool begin(scope *s) {
    lock_take(&s->lock);
    bool first = !s->closing;
    s->closing = true;
    (void)count_close(s);
    lock_release(&s->lock);
    return first;
}

static void leave_inner(belay_task *self, scope *s) {
    shard *h = shard_lock_of(self);
    CHECK(h != NULL);
    store_relaxed(&self->inner, load_relaxed(&s->parent)); /* relaxed: under the shard's lock */
    lock_release(&h->lock);
}

/* Nobody finds it from above any more, so that only handles can still pin it. */
static void detach(belay_task *self, scope *s) {
    scope *parent = load_relaxed(&s->parent); /* relaxed: constant while open */
    lock_take(&parent->lock);
    list_remove(&s->sibling);
    lock_release(&parent->lock);
    if (load_relaxed(&s->opener) != NULL) { /* relaxed: constant while open */
        leave_inner(self, s);
        shield_leave(s, self);
    }
}

/* The scope was empty and is detached: ends it as soon as nobody pins it, and frees it. */
static belay_status finish(belay_task *self, scope *s, belay_failures *report) {
    belay_executor *ex = s->executor;
    scope *parent = load_relaxed(&s->parent); /* relaxed, both: constant while open */
    bool opened_outside = load_relaxed(&s->opener) == NULL;
    lock_take(&s->lock);
    do {
        (void)drain_scope(self, s, PORT_NEVER);
    } while (!count_kill(s));
    CHECK(list_empty(&s->waiters) && list_empty(&s->takers) && list_empty(&s->children) &&
          list_empty(&s->cleanup));
    belay_status result = verdict(s);
    if (report != NULL) {
        failures_read(s, report);
    }
    lock_release(&s->lock);
    if (!MUTANT(token_link_left)) {
        token_unlink(s->follows);
    }
    token_end(s);
    results_drop(s);
    failures_free(s);
    /* a slot whose generations are used up is retired */
    if (count_generation(s) != UINT32_MAX || MUTANT(slot_wrap_reused)) {
        slot_give(ex, worker_in(ex), SLOT_SCOPE, s);
    }
    if (opened_outside) {
        count_leave(NULL, parent);
    }
    return result;
}

/* Everybody has ended, the services after the others, and what was deferred has been done. What is done there may bring
 * new tasks, and they new deferred calls. The lock is held at the call and at the return. */
static wait_word drain_and_clean(belay_task *self, scope *s, int64_t deadline) {
    for (;;) {
        wait_word result = drain_scope(self, s, deadline);
        bool serving = s->services.hidden != NULL;
        if (result != WAIT_OK || (!serving && !cleanup_wanted(s))) {
            return result;
        }
        if (!serving) {
            lock_release(&s->lock);
            cleanup_run_scope(self, s);
            lock_take(&s->lock);
        } else if (services_end(self, s, deadline) != WAIT_OK) {
            return WAIT_TIMEDOUT;
        }
    }
}

/* The closer's own cancel reaches the scope that it has opened, also if the canceller is still on its way. */
static void inherit_late(belay_task *self, scope *s) {
    /* relaxed, all: own words, and a mark that is missed is made again */
    if (self != NULL && load_relaxed(&s->opener) == self &&
        (load_relaxed(&self->cancel) & WORD_CANCELED) != 0 && !scope_canceled(s)) {
        cancel_inherit(s, self, false);
    }
}

belay_status scope_close_begun(belay_task *self, scope *s, int64_t deadline,
                               belay_failures *report) {
    inherit_late(self, s);
    lock_take(&s->lock);
    if (drain_and_clean(self, s, deadline) != WAIT_OK) {
        s->closing = false;
        if (report != NULL) {
            failures_read(s, report);
        }
        lock_release(&s->lock);
        return BELAY_EBUSY;
    }
    s->ended = true;
    if (!MUTANT(close_deadline_left)) {
        deadline_disarm(s); /* if it fires now it has pinned the scope, and finish waits for it */
    }
    shield_disarm(s); /* the same */
    lock_release(&s->lock);
    detach(self, s);
    return finish(self, s, report);
}

static belay_status close_by_handle(belay_task *self, belay_scope h, belay_time deadline,
                                    belay_failures *report) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    belay_executor *ex = registry_open(h.executor, h.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    scope *s = scope_at(ex, h);
    if (s == NULL || !count_pin(s, (uint32_t)(h.generation & SLOT_GENERATION))) {
        registry_done(ex);
        return BELAY_ESTALE;
    }
    status = check_closer(self, s);
    if (status == BELAY_OK && !begin(s)) {
        status = BELAY_EALREADY;
    }
    count_leave(worker_in(ex), s);
    if (status == BELAY_OK) {
        status = scope_close_begun(self, s, deadline, report);
    }
    registry_done(ex);
    return status;
}

belay_status belay_scope_close_until(belay_task *self, belay_scope h, belay_time deadline) {
    return close_by_handle(self, h, deadline, NULL);
}

belay_status belay_scope_close(belay_task *self, belay_scope h) {
    return close_by_handle(self, h, BELAY_NEVER, NULL);
}

belay_status belay_scope_close_report(belay_task *self, belay_scope h, belay_time deadline,
                                      belay_failures *out) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    *out = (belay_failures){0};
    return close_by_handle(self, h, deadline, out);
}

void scope_close_above(belay_task *t, const scope *base) {
    scope *s = load_relaxed(&t->inner); /* relaxed: own, all */
    if (s == base) {
        return;
    }
    const char *name = load_relaxed(&t->name);
    options_log(&s->executor->opt, BELAY_LOG_WARNING,
                "belay: task %s (%s) returned with open scopes", name != NULL ? name : "-",
                load_relaxed(&t->site));
    while ((s = load_relaxed(&t->inner)) != base) {
        belay_cancel_reason reason = {.code = BELAY_ECANCELED, .text = "its opener returned"};
        (void)scope_cancel_tree(s, &reason);
        (void)begin(s);
        (void)scope_close_begun(t, s, PORT_NEVER, NULL);
    }
}

void scope_close_left(belay_task *t) {
    scope_close_above(t, load_relaxed(&t->scope)); /* relaxed: own */
}

void cleanup_scope_close(belay_task *self, scope *s) {
    (void)begin(s);
    (void)scope_close_begun(self, s, PORT_NEVER, NULL);
}

/* ---- waiting without closing ------------------------------------------------------------------------------------- */

static belay_status wait_scope(belay_task *self, scope *s, uint32_t generation, int64_t deadline) {
    if (self != NULL &&
        task_canceled(self)) { /* also if the scope is empty: a cancel is level-triggered */
        cancel_refused(self);
        return count_generation(s) == generation ? BELAY_ECANCELED : BELAY_ESTALE;
    }
    lock_take(&s->lock);
    bool alive = count_is(s, generation);
    wait_word result = alive && count_watch(s) ? wait_for_zero(self, s, deadline, false) : WAIT_OK;
    lock_release(&s->lock);
    if (result == WAIT_CANCELED) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return !alive ? BELAY_ESTALE : result == WAIT_OK ? BELAY_OK : BELAY_ETIMEDOUT;
}

void scope_drain_shared(belay_task *self, scope *s, uint32_t generation) {
    lock_take(&s->lock);
    while (count_is(s, generation) && count_watch(s)) {
        (void)wait_for_zero(self, s, PORT_NEVER, true);
    }
    lock_release(&s->lock);
}

belay_status belay_scope_wait_until(belay_task *self, belay_scope h, belay_time deadline) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    belay_executor *ex = registry_open(h.executor, h.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    scope *s = scope_at(ex, h);
    uint32_t generation = (uint32_t)(h.generation & SLOT_GENERATION);
    if (s == NULL) {
        status = BELAY_ESTALE;
    } else if (self != NULL && task_inside(self, s) &&
               load_relaxed(&s->opener) != self) { /* relaxed: own chain */
        status = count_generation(s) == generation ? BELAY_EDEADLK : BELAY_ESTALE;
    } else {
        status = wait_scope(self, s, generation, deadline);
    }
    registry_done(ex);
    return status;
}

belay_status belay_scope_wait(belay_task *self, belay_scope h) {
    return belay_scope_wait_until(self, h, BELAY_NEVER);
}

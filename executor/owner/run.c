/* A task's life on a worker: start and end.
 *
 * The order at the end is a promise: body, what it left behind, argument destructor, outcome published, joiners woken,
 * scope count, reference dropped. Until the scope's count is lowered the scope exists; after that neither the scope
 * nor, without a reference, the record may be touched. */
#include <stdio.h>

#include "owner/forks.h"
#include "base/mutant.h"
#include "owner/joins.h"

#include "task/ref.h"

/* ---- ending ------------------------------------------------------------------------------------------------------ */

static ending judge(const belay_task *t, belay_status status, bool skipped) {
    ending e = {.status = status, .cancel_requested = task_canceled(t)};
    if (skipped) {
        e.kind = BELAY_OUTCOME_SKIPPED;
    } else if (status == BELAY_OK) {
        e.kind = BELAY_OUTCOME_VALUE;
    } else if (status == BELAY_ECANCELED && e.cancel_requested) {
        e.kind = BELAY_OUTCOME_CANCELED;
    } else {
        e.kind = BELAY_OUTCOME_ERROR;
    }
    return e;
}

static void count_outcome(belay_executor *ex, worker *w, uint8_t kind) {
    static const counter by_kind[] = {[BELAY_OUTCOME_VALUE] = COUNT_VALUE,
                                      [BELAY_OUTCOME_ERROR] = COUNT_ERROR,
                                      [BELAY_OUTCOME_CANCELED] = COUNT_CANCELED,
                                      [BELAY_OUTCOME_SKIPPED] = COUNT_SKIPPED};
    count_here(ex, w, by_kind[kind]);
}

/* Publishes the ending to those with a handle. True: it has gone to one who waits for the task to be ready, and is
 * his alone.
 * *notices: the done callbacks, or NULL. */
static bool publish(belay_task *t, arm **notices) {
    lock *l = task_lock(t);
    lock_take(l);
    bool early = unlikely(state_has(t, STATE_STARTER)) && start_is_pending(t);
    if (early) {
        t->v.end.observed = 1;
    }
    state_done(t);
    *notices = joiners_wake(t);
    if (unlikely(*notices != NULL) && notices_wanted(*notices)) {
        t->v.end.observed = 1;
    }
    lock_release(l);
    return early;
}

/* The record has no reference: back to the slab. */
static void record_free(belay_executor *ex, worker *w, belay_task *t) {
    if (unlikely(load_relaxed(&t->cancel) != 0)) { /* relaxed: nobody else has the record */
        cancel_forget(ex, w, t);
    }
    state_free(t);
    if (likely(ref_usable(t))) {
        slot_give(ex, w, SLOT_TASK, t);
    }
}

static void drop_result(belay_task *t, belay_drop *drop) {
    void *result = t->result;
    t->result = NULL;
    if (drop != NULL) {
        call_drop(drop, result);
    }
}

/* What a report says of a task that has ended. */
static belay_failure failure_of(const belay_task *t, belay_status status) {
    /* relaxed, both: constant for a life */
    return (belay_failure){
        .status = status, .name = load_relaxed(&t->name), .site = load_relaxed(&t->site)};
}

void task_reap(belay_executor *ex, belay_task *t) {
    if (unlikely(t->v.end.observed == 0)) {
        const belay_failure failure = failure_of(t, t->v.end.status);
        failure_unobserved(ex, &failure);
    }
    if (t->v.end.has_result != 0) {
        drop_result(t, t->u.result_drop);
    }
    record_free(ex, worker_in(ex), t);
}

/* The argument's end. From here on `v` holds the ending. */
static void drop_argument(belay_executor *ex, worker *w, belay_task *t, ending e) {
    belay_drop *drop = t->v.drop;
    if (drop != NULL) {
        call_drop(drop, t->arg);
        count_here(ex, w, COUNT_DROPPED);
    }
    t->v.end = e;
}

/* failure: NULL, or the task's error. */
static void leave_scope(worker *w, scope *s, const belay_failure *failure) {
    if (unlikely(failure != NULL)) {
        scope_failed(s, failure);
    }
    if (unlikely(s->cap != 0)) {
        room_give(s);
    }
    count_leave(w, s);
}

/* The end of a task that a handle was given out for, or whose scope keeps outcomes. */
static void finish_known(worker *w, belay_task *t, scope *s, const belay_failure *failure) {
    belay_executor *ex = s->executor;
    bool keep = scope_has(s, BELAY_SCOPE_KEEP_OUTCOMES);
    t->v.end.observed = failure == NULL || !scope_is_deaf(s);
    arm *notices;
    if (publish(t, &notices)) {
        failure = NULL;
        keep = false;
    }
    if (unlikely(notices != NULL)) {
        notices_run(ex, t, notices);
    }
    if (keep) {
        results_add(s, t); /* with the reference: from here on the record is the scope's */
    }
    leave_scope(w, s, failure);
    if (!keep && ref_lose(t, ref_generation(t)) == REF_LAST) {
        task_reap(ex, t);
    }
}

/* The body has returned, or never runs. `skipped` tasks have no result. */
static void task_finish(worker *w, belay_task *t, ending e) {
    scope *s = load_relaxed(&t->scope); /* relaxed: own, all */
    belay_executor *ex = s->executor;
    const belay_failure error = failure_of(t, e.status);
    const belay_failure *failure = e.kind == BELAY_OUTCOME_ERROR ? &error : NULL;
    bool handle = state_has(t, STATE_HANDLE);
    drop_argument(ex, w, t, e);
    if (unlikely(!handle && e.has_result != 0)) {
        drop_result(t, t->u.result_drop);
    }
    if (!MUTANT(shard_not_unlinked)) {
        shard_unlink(t);
    }
    count_outcome(ex, w, e.kind);
    if (unlikely(handle)) {
        finish_known(w, t, s, failure);
    } else {
        if (unlikely(failure != NULL) && scope_is_deaf(s)) {
            failure_unobserved(ex, failure);
        }
        leave_scope(w, s, failure);
        record_free(ex, w, t);
    }
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static inline void begin(worker *w, belay_task *t, fiber *f) {
    fork_deque *deque = load_relaxed(&f->deque);               /* relaxed: own words, all */
    store_release(&t->fork, deque != NULL ? deque : &f->view); /* pairs with deque_of_live */
    if (deque != NULL) {
        store_relaxed(&deque->owner, t);
        fork_ask(deque); /* a first fork wakes thieves that found nothing here */
    }
    store_relaxed(&f->marks, 0u);
    store_relaxed(&w->task, t);
    owner_add(&w->turn, 1u);
    state_start(t);
}

_Noreturn void task_left(const belay_task *t, const char *how) {
    /* relaxed: the running task's own */
    const char *name = t != NULL ? load_relaxed(&t->name) : NULL;
    const char *site = t != NULL ? load_relaxed(&t->site) : NULL;
    char message[256];
    snprintf(message, sizeof message, "belay: task %s (%s) %s", name != NULL ? name : "-",
             site != NULL ? site : "-", how);
    port_panic(message);
}

/* What a body may leave behind: locks, forks (and the locks of those that ran here), scopes, deferred calls. */
static inline bool leaves_something(const belay_task *t, const fiber *f) {
    const fork_deque *d = load_relaxed(&t->fork); /* relaxed: own, all */
    return load_relaxed(&f->held.to) != NULL || d->capacity != 0 || d->lost != 0 ||
           load_relaxed(&t->inner) != load_relaxed(&t->scope) || state_has(t, STATE_DEFERS);
}

void task_clean_up(belay_task *t, fiber *f) {
    do {
        locks_abandon(t, f);
        forks_finish(t);
        locks_abandon(t, f);
        scope_close_left(t);
        cleanup_run_task(t);
        fiber_abandon(f);
        forks_finish(t); /* last: who forks on this fiber next is ordered after it */
    } while (load_relaxed(&f->held.to) != NULL || state_has(t, STATE_DEFERS) ||
             load_relaxed(&t->inner) != load_relaxed(&t->scope)); /* relaxed: own, all */
}

/* The usual end: success, and nobody and nothing to tell. False: not so. */
static inline bool finish_fast(belay_task *t, belay_status status) {
    const uint32_t special = STATE_HANDLE | STATE_LINKED | STATE_LOST_FORK;
    scope *s = load_relaxed(&t->scope); /* relaxed: own, all */
    if (unlikely(status != BELAY_OK || state_has(t, special) || t->v.drop != NULL ||
                 t->result != NULL || t->u.result_drop != NULL || load_relaxed(&t->cancel) != 0 ||
                 s->cap != 0)) {
        return false;
    }
    worker *w = worker_current(); /* the body may have moved */
    belay_executor *ex = s->executor;
    count_own(&w->count, COUNT_VALUE, 1);
    count_leave_later(w, s);
    state_free(t);
    slab_give(&ex->tasks, &w->tasks, t);
    store_relaxed(&w->task, NULL);
    return true;
}

/* Any end. */
static void finish(belay_task *t, ending e) {
    worker *w = worker_current(); /* the body may have moved */
    loop_settle(w);               /* what follows may last */
    state_finish(t);
    task_finish(w, t, e);
    store_relaxed(&w->task, NULL); /* relaxed: own word */
}

static void skip(belay_task *t) {
    cancel_noticed(t);
    t->u.result_drop = NULL;
    finish(t, judge(t, BELAY_ECANCELED, true));
}

static void run_body(belay_task *t, fiber *f) {
    belay_body *body = t->u.body;
    t->u.result_drop = NULL;
    belay_status status = body(t, t->arg);
    if (unlikely(port_forked())) {
        task_left(t, "has returned in a forked child");
    }
    if (unlikely(leaves_something(t, f))) {
        task_clean_up(t, f);
    }
    if (likely(finish_fast(t, status))) {
        return;
    }
    ending e = judge(t, state_has(t, STATE_LOST_FORK) ? BELAY_ENOMEM : status, false);
    e.has_result = t->result != NULL || t->u.result_drop != NULL;
    finish(t, e);
}

/* Not a plain new task: a stolen fork, one with a start time, a cancelled one. True: it is done. */
static bool run_special(worker *w, belay_task *t, fiber *f) {
    if (load_relaxed(&t->home) != NULL) { /* relaxed: own */
        deferred_end(executor_of_sched(w->sched), w, t);
    }
    begin(w, t, f);
    if (state_has(t, STATE_FORK)) {
        fork_run_stolen(t);
        store_relaxed(&worker_current()->task, NULL); /* relaxed: own word */
        return true;
    }
    if (task_canceled(t) && !state_has(t, STATE_RUN_CANCELED)) {
        skip(t);
        return true;
    }
    return false;
}

void task_run(worker *w, belay_task *t, fiber *f) {
    /* relaxed: own */
    if (unlikely(load_relaxed(&t->home) != NULL || state_has(t, STATE_FORK) || task_canceled(t))) {
        if (run_special(w, t, f)) {
            return;
        }
    } else {
        begin(w, t, f);
    }
    run_body(t, f);
}

void task_refuse(worker *w, belay_task *t) {
    if (load_relaxed(&t->home) != NULL) { /* relaxed: own */
        deferred_end(executor_of_sched(w->sched), w, t);
    }
    if (state_has(t, STATE_FORK)) {
        fork_give_back(w, t);
        return;
    }
    state_refuse(t);
    t->u.result_drop = NULL;
    task_finish(w, t,
                (ending){.status = BELAY_ENOSTACK,
                         .kind = BELAY_OUTCOME_ERROR,
                         .cancel_requested = task_canceled(t)});
}

/* Joining several tasks at once.
 *
 * Any: one waiter with an arm in the ring of joiners of each task. 1. Open all tasks (a reference each), so that none
 * is reaped meanwhile. 2. Under each task's lock in turn: if it is done, stop; else link its arm. 3. Block. 4. Under
 * each task's lock in turn: take out what is still linked. From then on nobody can claim, and `fired` stands. The wait
 * is claimed once, under the lock of the task that ended first; later ends find it claimed and only unlink their arms.
 *
 * All: one after the other, which needs no memory: the last end is the same in any order. */
#include <string.h>

#include "owner/joins.h"

enum { ANY_ON_STACK = 8 };

typedef struct candidate {
    arm arm;
    belay_task *task; /* held by us; NULL: not opened */
    belay_executor *executor;
} candidate;

typedef struct any {
    waiter waiter;
    belay_task *self;
    size_t n;
    candidate *list;
    candidate few[ANY_ON_STACK];
    size_t bytes;            /* of `list`, if it is not `few` */
    const allocator *source; /* which it came from */
} any;

/* ---- opening and closing all ------------------------------------------------------------------------------------ */

static void candidate_close(candidate *c) {
    if (c->task != NULL) {
        task_close(c->executor, c->task);
    }
    if (c->executor != NULL) {
        registry_done(c->executor);
    }
    c->task = NULL;
    c->executor = NULL;
}

static belay_status candidate_open(candidate *c, const belay_task *self, belay_task_handle h) {
    c->executor = registry_open(h.executor, h.generation);
    c->task = c->executor != NULL ? task_open(c->executor, h) : NULL;
    if (c->task == NULL) {
        return BELAY_ESTALE;
    }
    return joins_itself(self, c->task) ? BELAY_EDEADLK : BELAY_OK;
}

/* The memory is of the first task's executor, which the first candidate keeps running. */
static bool any_room(any *a, candidate *first) {
    a->list = a->few;
    if (a->n <= ANY_ON_STACK) {
        memset(a->few, 0, sizeof a->few);
        return true;
    }
    if (a->n > SIZE_MAX / sizeof(candidate)) {
        return false;
    }
    a->bytes = a->n * sizeof(candidate);
    a->source = &first->executor->opt.alloc;
    a->list = mem_allocate(a->source, a->bytes, 64);
    return a->list != NULL;
}

/* The first one is closed last: it keeps the executor that the memory came from. */
static void any_close(any *a, candidate *first) {
    for (size_t i = a->n; i-- > 0;) {
        candidate_close(&a->list[i]);
    }
    if (a->list != a->few) {
        mem_release(a->source, a->list, a->bytes, 64);
    }
    candidate_close(first);
}

static belay_status any_open(any *a, const belay_task_handle *handles, size_t *index) {
    belay_status status = BELAY_OK;
    for (size_t i = 0; i < a->n && status == BELAY_OK; i++) {
        status = candidate_open(&a->list[i], a->self, handles[i]);
        *index = i;
    }
    return status;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Links arms until a task is found done. n: none is; all are linked. */
static size_t link_all(any *a) {
    waiter_init(&a->waiter, a->self, false);
    for (size_t i = 0; i < a->n; i++) {
        belay_task *t = a->list[i].task;
        arm_init(&a->list[i].arm, &a->waiter);
        lock *l = task_lock(t);
        lock_take(l);
        bool done = state_phase(t) == PHASE_DONE;
        if (!done) {
            joiner_add(t, &a->list[i].arm);
        }
        lock_release(l);
        if (done) {
            return i;
        }
    }
    return a->n;
}

/* Takes the first n out again. Returns the first that is done, or n. */
static size_t unlink_all(any *a, size_t n) {
    size_t done = n;
    for (size_t i = n; i-- > 0;) {
        belay_task *t = a->list[i].task;
        lock *l = task_lock(t);
        lock_take(l);
        if (joiner_linked(t, &a->list[i].arm)) {
            joiner_remove(t, &a->list[i].arm);
        }
        done = state_phase(t) == PHASE_DONE ? i : done;
        lock_release(l);
    }
    return done;
}

static size_t place_of(const any *a, const arm *fired) {
    size_t i = 0;
    while (&a->list[i].arm != fired) {
        i++;
    }
    return i;
}

/* The first place of the task that is at place i. */
static size_t first_place(const any *a, size_t i) {
    size_t first = 0;
    while (a->list[first].task != a->list[i].task) {
        first++;
    }
    return first;
}

/* BELAY_OK and the place of the one that has ended, or why none has. */
static belay_status any_wait(any *a, int64_t deadline, size_t *index) {
    size_t found = link_all(a);
    if (found < a->n) {
        (void)unlink_all(a, found);
        waiter_cancel(&a->waiter);
        *index = found;
        return BELAY_OK;
    }
    wait_word result = waiter_block(&a->waiter, deadline, WAIT_FOR_JOIN);
    size_t done = unlink_all(a, a->n);
    if (result == WAIT_OK) {
        done = first_place(a, place_of(a, a->waiter.fired));
    }
    if (done < a->n) { /* also if it ended just when the wait did */
        *index = done;
        return BELAY_OK;
    }
    return result == WAIT_CANCELED ? BELAY_ECANCELED : BELAY_ETIMEDOUT;
}

static void take_outcome(belay_task *t, belay_outcome *out) {
    lock *l = task_lock(t);
    lock_take(l);
    joins_read(t, out);
    lock_release(l);
}

static belay_status any_join(any *a, const belay_task_handle *handles, int64_t deadline,
                             size_t *index, belay_outcome *out) {
    belay_status status = any_open(a, handles, index);
    if (status != BELAY_OK) {
        return status;
    }
    if (joins_refused(a->self)) {
        return BELAY_ECANCELED;
    }
    status = any_wait(a, deadline, index);
    if (status == BELAY_OK && out != NULL) {
        take_outcome(a->list[*index].task, out);
    }
    if (status == BELAY_ECANCELED) {
        cancel_refused(a->self);
    }
    return status;
}

belay_status belay_join_any_until(belay_task *self, const belay_task_handle *handles, size_t n,
                                  belay_time deadline, size_t *index, belay_outcome *outcome) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK || handles == NULL || n == 0) {
        return status != BELAY_OK ? status : BELAY_EINVAL;
    }
    size_t place = 0;
    candidate first;
    status = candidate_open(&first, self, handles[0]);
    if (status == BELAY_OK) {
        any a;
        a.self = self;
        a.n = n;
        status = BELAY_ENOMEM;
        if (any_room(&a, &first)) {
            status = any_join(&a, handles, deadline, &place, outcome);
        } else {
            a.n = 0;
            a.list = a.few;
        }
        any_close(&a, &first);
    } else {
        candidate_close(&first);
    }
    if (index != NULL) {
        *index = place;
    }
    return status;
}

belay_status belay_join_any(belay_task *self, const belay_task_handle *handles, size_t n,
                            size_t *index, belay_outcome *outcome) {
    return belay_join_any_until(self, handles, n, BELAY_NEVER, index, outcome);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* What can be said against the handles before anything is waited for. */
static belay_status check_all(const belay_task *self, const belay_task_handle *handles, size_t n) {
    belay_status status = BELAY_OK;
    for (size_t i = 0; i < n && status == BELAY_OK; i++) {
        candidate c;
        status = candidate_open(&c, self, handles[i]);
        candidate_close(&c);
    }
    return status;
}

/* The outcome if the task has ended. Does not wait. */
static bool collect(belay_task_handle h, belay_outcome *out) {
    candidate c;
    bool done = candidate_open(&c, NULL, h) == BELAY_OK && state_phase(c.task) == PHASE_DONE;
    if (done && out != NULL) {
        take_outcome(c.task, out);
    }
    candidate_close(&c);
    return done;
}

belay_status belay_join_all_until(belay_task *self, const belay_task_handle *handles, size_t n,
                                  belay_time deadline, belay_outcome *outcomes, size_t *ended) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK || (handles == NULL && n != 0)) {
        return status != BELAY_OK ? status : BELAY_EINVAL;
    }
    size_t i = 0;
    if (outcomes != NULL && n != 0) {
        memset(outcomes, 0, n * sizeof *outcomes);
    }
    status = check_all(self, handles, n);
    if (status == BELAY_OK && joins_refused(self)) {
        status = BELAY_ECANCELED;
    }
    while (i < n && status == BELAY_OK) {
        status =
            belay_join_until(self, handles[i], deadline, outcomes != NULL ? &outcomes[i] : NULL);
        i += status == BELAY_OK;
    }
    size_t count = i;
    if (status == BELAY_ETIMEDOUT || status == BELAY_ECANCELED) {
        for (; i < n; i++) {
            count += collect(handles[i], outcomes != NULL ? &outcomes[i] : NULL);
        }
    }
    if (ended != NULL) {
        *ended = count;
    }
    return status;
}

belay_status belay_join_all(belay_task *self, const belay_task_handle *handles, size_t n,
                            belay_outcome *outcomes) {
    return belay_join_all_until(self, handles, n, BELAY_NEVER, outcomes, NULL);
}

/* Once: NEW -> RUNNING -> DONE, or back to NEW if nobody waits, or on to the next place as the one that runs. The body
 * runs under no lock; `runner` names who runs it. */
#include <belay/once.h>

#include "flow/held.h"
#include "base/mutant.h"
#include "flow/line.h"

enum { ONCE_NEW, ONCE_RUNNING, ONCE_DONE };

typedef struct once_state {
    line line;
    uint64_t runner;        /* under the lock; while RUNNING */
    ATOMIC(uint32_t) state; /* written under the lock */
    uint32_t unused;
} once_state;

_Static_assert(sizeof(once_state) == sizeof(belay_once), "layout");

static once_state *in(belay_once *o) {
    return (once_state *)(void *)o;
}

static bool is_done(const once_state *o) {
    return load_acquire(&o->state) == ONCE_DONE; /* pairs with the release in finish */
}

/* The body has returned. Under the lock. */
static void finish(once_state *o, bool done) {
    bool parked;
    place *next = NULL;
    if (done) {
        store_release(&o->state, (uint32_t)ONCE_DONE); /* pairs with is_done */
        line_wake_all(&o->line.waiting);
    } else if (!MUTANT(once_next_forgotten) &&
               (next = line_claim(&o->line.waiting, &parked)) != NULL) {
        o->runner = next->id; /* still RUNNING, by it */
        line_resume(next, parked);
    } else {
        store_relaxed(&o->state, (uint32_t)ONCE_NEW); /* relaxed: under the lock */
    }
}

static belay_status run(once_state *o, belay_task *self, belay_body *body, void *arg) {
    belay_status status = body(self, arg);
    line_take(&o->line);
    finish(o, status == BELAY_OK);
    line_release(&o->line);
    return status;
}

/* Waits, and is woken when it is done, or as the next to run. Under the lock. */
static wait_word wait_turn(once_state *o, belay_task *self, const caller *c, belay_time deadline) {
    wait_how how = {.self = self, .deadline = deadline, .kind = WAIT_FOR_ONCE};
    place p = {.id = c->id};
    return line_wait(&o->line, &o->line.waiting, &p, &how);
}

/* Is it the caller's to run? BELAY_OK: yes, if it is not done. */
static belay_status enter(once_state *o, belay_task *self, const caller *c, belay_time deadline,
                          bool may_wait) {
    wait_word result = WAIT_OK;
    belay_status status = BELAY_OK;
    line_take(&o->line);
    uint32_t state = load_relaxed(&o->state); /* relaxed, here and below: under the lock */
    if (state == ONCE_NEW) {
        store_relaxed(&o->state, (uint32_t)ONCE_RUNNING);
        o->runner = c->id;
    } else if (state == ONCE_RUNNING && o->runner == c->id) {
        status = BELAY_EDEADLK;
    } else if (state == ONCE_RUNNING && !may_wait) {
        status = BELAY_EAGAIN;
    } else if (state == ONCE_RUNNING) {
        result = wait_turn(o, self, c, deadline);
    }
    line_release(&o->line);
    return status != BELAY_OK ? status : line_status(self, result);
}

static belay_status run_once(once_state *o, belay_task *self, const caller *c, belay_body *body,
                             void *arg, belay_time deadline, bool may_wait) {
    if (is_done(o)) {
        return BELAY_OK;
    }
    belay_status status = enter(o, self, c, deadline, may_wait);
    return status != BELAY_OK || is_done(o) ? status : run(o, self, body, arg);
}

belay_status belay_once_run_until(belay_task *self, belay_once *once, belay_body *body, void *arg,
                                  belay_time deadline) {
    caller c;
    if (once == NULL || body == NULL) {
        return BELAY_EINVAL;
    }
    belay_status status = caller_check(self, &c);
    if (status == BELAY_OK) {
        status = flow_begin(self);
    }
    return status != BELAY_OK ? status : run_once(in(once), self, &c, body, arg, deadline, true);
}

belay_status belay_once_run(belay_task *self, belay_once *once, belay_body *body, void *arg) {
    return belay_once_run_until(self, once, body, arg, BELAY_NEVER);
}

belay_status belay_once_try_run(belay_task *self, belay_once *once, belay_body *body, void *arg) {
    caller c;
    if (once == NULL || body == NULL) {
        return BELAY_EINVAL;
    }
    belay_status status = caller_check(self, &c);
    return status != BELAY_OK ? status : run_once(in(once), self, &c, body, arg, 0, false);
}

bool belay_once_is_done(const belay_once *once) {
    return once != NULL && is_done((const struct once_state *)(const void *)once);
}

belay_status belay_once_init(belay_once *once) {
    if (once == NULL) {
        return BELAY_EINVAL;
    }
    *once = (belay_once)BELAY_ONCE_INIT;
    return BELAY_OK;
}

belay_status belay_once_fini(belay_once *once) {
    if (once == NULL) {
        return BELAY_EINVAL;
    }
    line_take(&in(once)->line);
    /* relaxed: under the lock */
    bool busy = in(once)->line.inside != 0 || load_relaxed(&in(once)->state) == ONCE_RUNNING;
    line_release(&in(once)->line);
    return busy ? BELAY_EBUSY : BELAY_OK;
}

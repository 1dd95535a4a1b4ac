/* Cleanup: what a task or a scope has deferred, and resources.
 *
 * A deferred call is a cell: in the list of a scope, under the cells' lock, or in a chain of the running task, which
 * only it touches (on its fiber, for a task's record has no room). Calls are made last in, first out, by the closer
 * after the last task has ended, or by the task after its body. They may wait: they run in a scope of their own whose
 * shield has no end until a cancel knocks at it, and from then on lasts for the budget. Without memory for that scope
 * they run unshielded.
 *
 * A resource is a cell without a call, whose drop hook is the release: it runs when the cell is removed, whoever does
 * that, so once. */
#include <belay/cleanup.h>

#include "owner/cell.h"
#include "owner/forks.h"
#include "base/mutant.h"
#include "owner/scope.h"

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void report(belay_executor *ex, const char *site, belay_status status) {
    if (status != BELAY_OK) {
        options_log(&ex->opt, BELAY_LOG_WARNING, "belay: a deferred call (%s) returned %d (%s)",
                    site, (int)status, belay_status_text(status));
    }
}

/* The cell is nobody else's. Its arg, for a deferred call, is the program's; its site is kept beside. */
static void make_call(belay_executor *ex, belay_task *self, const cell *c) {
    report(ex, c->site, ((belay_cleanup *)c->function)(self, c->arg));
}

/* The youngest cell of the scope's, out of the list. NULL: none. */
static cell *pop(scope *s) {
    belay_executor *ex = s->executor;
    lock *l = cell_lock(ex, s->number);
    lock_take(l);
    cell *c = cell_pop_last(&s->cleanup);
    lock_release(l);
    return c;
}

static void run_one(belay_executor *ex, belay_task *self, cell *c) {
    if (c->function != NULL) {
        make_call(ex, self, c);
    }
    cell_end(ex, c);
}

bool cleanup_wanted(scope *s) {
    lock *l = cell_lock(s->executor, s->number);
    lock_take(l);
    bool wanted = !list_empty(&s->cleanup);
    s->cleaned = !wanted;
    lock_release(l);
    return wanted;
}

bool cleanup_is_there(scope *s) {
    lock *l = cell_lock(s->executor, s->number);
    lock_take(l);
    bool there = !list_empty(&s->cleanup);
    lock_release(l);
    return there;
}

/* Where a task was before it made deferred calls, and where it is again after each: a call that leaves forks or scopes
 * behind leaves them to nobody else. What it defers itself comes next; locks are the task's until it ends. */
typedef struct place {
    scope *shield; /* NULL: there was no memory for one */
    const scope *inner;
    uint32_t forks;
} place;

static place enter(belay_task *self, const scope *of) {
    uint32_t forks = forks_outstanding(self);
    scope *shield = cleanup_scope_open(self, of, BELAY_SITE);
    return (place){shield, load_relaxed(&self->inner), forks}; /* relaxed: own */
}

static void come_back(belay_task *self, const place *p) {
    if (self == NULL) {
        return; /* a foreign thread closes: it has none */
    }
    forks_finish_above(self, p->forks);
    scope_close_above(self, p->inner);
}

static void leave(belay_task *self, const place *p) {
    if (p->shield != NULL) {
        cleanup_scope_close(self, p->shield);
    }
}

void cleanup_run_scope(belay_task *self, scope *s) {
    place p = {0};
    if (self != NULL) {
        p = enter(self, s);
    }
    for (cell *c = pop(s); c != NULL; c = pop(s)) {
        run_one(s->executor, self, c);
        come_back(self, &p);
    }
    leave(self, &p);
}

void cleanup_run_outside(scope *s) {
    for (cell *c = pop(s); c != NULL; c = pop(s)) {
        callback_enter();
        run_one(s->executor, NULL, c);
        callback_leave();
    }
}

static fiber *fiber_here(void) {
    return load_relaxed(&worker_current()->fiber); /* relaxed: own word */
}

static cell *pop_own(void) {
    fiber *f = fiber_here();
    cell *c = load_relaxed(&f->defers); /* relaxed: own */
    if (c != NULL) {
        store_relaxed(&f->defers, c->below);
    }
    return c;
}

void cleanup_run_task(belay_task *t) {
    if (!state_has(t, STATE_DEFERS)) {
        return;
    }
    belay_executor *ex = load_relaxed(&t->scope)->executor; /* relaxed: own */
    place p = enter(t, load_relaxed(&t->inner));            /* relaxed: own */
    for (cell *c = pop_own(); c != NULL; c = pop_own()) {
        run_one(ex, t, c);
        come_back(t, &p);
    }
    state_flag(t, STATE_DEFERS, false);
    leave(t,
          &p); /* what is deferred meanwhile has its turn when this has returned: task_clean_up */
}

/* ---- deferring --------------------------------------------------------------------------------------------------- */

belay_status belay_defer_from(belay_task *self, belay_cleanup *cleanup, void *arg,
                              const char *site) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (cleanup == NULL) {
        return BELAY_EINVAL;
    }
    if (self == NULL || !is_running(self)) {
        return BELAY_ECONTEXT;
    }
    belay_executor *ex = load_relaxed(&self->scope)->executor; /* relaxed: own */
    cell *c = cell_new(ex, CELL_DEFER, (void (*)(void))cleanup, arg, NULL);
    if (c == NULL) {
        return BELAY_ENOMEM;
    }
    fiber *f = fiber_here();
    c->site = site;
    c->below = load_relaxed(&f->defers); /* relaxed, both: own */
    store_relaxed(&f->defers, c);
    state_flag(self, STATE_DEFERS, true);
    return BELAY_OK;
}

bool cleanup_forget(belay_task *self, belay_cleanup *cleanup, const void *arg) {
    fiber *f = fiber_here();
    cell *above = NULL;
    cell *c = load_relaxed(&f->defers); /* relaxed: own */
    while (c != NULL && (c->function != (void (*)(void))cleanup || c->arg != arg)) {
        above = c;
        c = c->below;
    }
    if (c == NULL) {
        return false;
    }
    if (above != NULL) {
        above->below = c->below;
    } else {
        store_relaxed(&f->defers, c->below); /* relaxed: own */
    }
    cell_end(load_relaxed(&self->scope)->executor, c); /* relaxed: own */
    return true;
}

/* False: the scope's cleanup is over. */
static bool put(scope *s, cell *c, belay_registration *out) {
    lock *l = cell_lock(s->executor, s->number);
    lock_take(l);
    bool open = !s->cleaned || MUTANT(defer_after_clean);
    if (open) {
        *out = cell_arm(s->executor, c, s->number, &s->cleanup);
    }
    lock_release(l);
    return open;
}

static belay_status bind(belay_scope h, cell_kind kind, void (*function)(void), void *arg,
                         belay_drop *drop, const char *site, belay_registration *out) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    belay_status status = BELAY_ENOMEM;
    cell *c = cell_new(ex, kind, function, arg, drop);
    if (c != NULL) {
        c->site = site;
        status = put(s, c, out) ? BELAY_OK : BELAY_ESHUTDOWN;
        if (status != BELAY_OK) {
            cell_discard(ex, c);
        }
    }
    scope_done(ex, s);
    return status;
}

belay_status belay_scope_defer_from(belay_scope h, belay_cleanup *cleanup, void *arg,
                                    const char *site) {
    belay_registration unused;
    return cleanup == NULL ? BELAY_EINVAL
                           : bind(h, CELL_DEFER, (void (*)(void))cleanup, arg, NULL, site, &unused);
}

/* ---- resources --------------------------------------------------------------------------------------------------- */

belay_status belay_resource_bind(belay_scope h, belay_drop *release, void *value,
                                 belay_registration *out) {
    if (out == NULL || release == NULL) {
        return BELAY_EINVAL;
    }
    *out = (belay_registration){0};
    return bind(h, CELL_RESOURCE, NULL, value, release, NULL, out);
}

belay_status belay_resource_release(belay_registration resource) {
    return cell_remove(NULL, CELL_RESOURCE, resource, false);
}

belay_status belay_resource_take(belay_registration resource, void **value) {
    return cell_take(CELL_RESOURCE, resource, value);
}

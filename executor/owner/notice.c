/* Done callbacks.
 *
 * The calls put down for a task are cells (owner/cell.h) in a list whose head lies in a block that is allocated at
 * the first of them and found among the task's joiners, by its mark. The cells' stripe is the task's number, so
 * list, ring and the task's state are under one lock.
 *
 * The worker that ends the task publishes DONE and takes the block out of the ring under that lock; then it makes
 * the calls and frees the block; then it lowers the scope's count. Who registers looks at the state under the lock:
 * not DONE, then the cell is in the list before the block is taken; DONE, then he makes the call himself; or, from
 * inside a call of the same task on this thread, leaves it to whoever is making that, next. Who removes finds the
 * cell by its handle alone. */
#include <belay/done.h>

#include "owner/cell.h"
#include "base/mutant.h"
#include "owner/joins.h"

typedef struct notices {
    arm arm; /* in the ring of joiners; it has no waiter */
    list cells;
} notices;

/* What the calls of one task are told. */
typedef struct news {
    belay_outcome outcome;
    belay_task_handle task;
} news;

static news news_of(const belay_executor *ex, const belay_task *t) {
    const ending *e = &t->v.end;
    return (news){.outcome = {.kind = (belay_outcome_kind)e->kind,
                              .status = e->status,
                              .cancel_requested = e->cancel_requested != 0},
                  .task = task_handle(ex, t)};
}

static void call(cell *c, void *context) {
    const news *n = context;
    ((belay_done_callback *)c->function)(&n->outcome, n->task, c->arg);
}

/* Under the task's lock. NULL: it has none. */
static notices *notices_of(const belay_task *t) {
    arm *first = t->joiners;
    if (first == NULL) {
        return NULL;
    }
    for (arm *a = first;;) {
        if (a->mark == MARK_NOTICES) {
            return list_entry(a, notices, arm);
        }
        a = arm_of(a->link.next);
        if (a == first) {
            return NULL;
        }
    }
}

bool notices_wanted(const arm *a) {
    return !list_empty(&list_entry(a, notices, arm)->cells);
}

void notices_run(belay_executor *ex, belay_task *t, arm *a) {
    notices *n = list_entry(a, notices, arm);
    news what = news_of(ex, t);
    cells_run(ex, t->number, &n->cells, t, call, &what);
    mem_release(&ex->opt.alloc, n, sizeof *n, 16);
}

/* ---- registering ------------------------------------------------------------------------------------------------- */

/* Under the task's lock, of one that is not done. Uses the block if there is none yet: *fresh is then NULL. */
static belay_registration put_down(belay_executor *ex, belay_task *t, cell *c, notices **fresh) {
    notices *n = notices_of(t);
    if (n == NULL) {
        n = *fresh;
        *fresh = NULL;
        list_init(&n->cells);
        arm_init(&n->arm, NULL);
        n->arm.mark = MARK_NOTICES;
        joiner_add(t, &n->arm);
    }
    return cell_arm(ex, c, t->number, &n->cells);
}

/* Under the task's lock, of one that has ended: to the call's own list, or to that of the calls we are inside of. */
static belay_registration put_late(belay_executor *ex, belay_task *t, cell *c, list *late) {
    t->v.end.observed = 1;
    list *running = cells_running_here(ex, t->number, t);
    bool inside = running != NULL && !MUTANT(done_inside_itself);
    return cell_arm(ex, c, t->number, inside ? running : late);
}

static void on_done(belay_executor *ex, belay_task *t, cell *c, notices **fresh,
                    belay_registration *out) {
    list late;
    list_init(&late);
    lock *l = task_lock(t);
    lock_take(l);
    bool done = state_phase(t) == PHASE_DONE && !MUTANT(done_late_lost);
    *out = done ? put_late(ex, t, c, &late) : put_down(ex, t, c, fresh);
    bool now = !list_empty(&late); /* the cell is nobody's but ours: its handle is not given out */
    lock_release(l);
    if (now) {
        news what = news_of(ex, t);
        cells_run(ex, t->number, &late, t, call, &what);
        *out = (belay_registration){0};
    }
}

static belay_status prepare(belay_executor *ex, belay_task *t, belay_done_callback *callback,
                            void *arg, belay_drop *drop, belay_registration *out) {
    notices *fresh = mem_allocate(&ex->opt.alloc, sizeof *fresh, 16);
    cell *c =
        fresh == NULL ? NULL : cell_new(ex, CELL_ON_DONE, (void (*)(void))callback, arg, drop);
    if (c != NULL) {
        on_done(ex, t, c, &fresh, out);
    }
    mem_release(&ex->opt.alloc, fresh, sizeof *fresh, 16);
    return c != NULL ? BELAY_OK : BELAY_ENOMEM;
}

belay_status belay_on_done(belay_task_handle task, belay_done_callback *callback, void *arg,
                           belay_drop *drop, belay_registration *out) {
    belay_registration r = {0};
    if (out != NULL) {
        *out = r;
    }
    if (callback == NULL || port_forked()) {
        return callback == NULL ? BELAY_EINVAL : BELAY_ECHILD;
    }
    belay_executor *ex = registry_open(task.executor, task.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    belay_status status = BELAY_ESTALE;
    belay_task *t = task_open(ex, task);
    if (t != NULL) {
        status = prepare(ex, t, callback, arg, drop, &r);
        task_close(ex, t);
    }
    registry_done(ex);
    if (out != NULL) {
        *out = r;
    }
    return status;
}

belay_status belay_on_done_remove(belay_task *self, belay_registration registration) {
    return cell_remove(self, CELL_ON_DONE, registration, true);
}

belay_status belay_on_done_forget(belay_registration registration) {
    return cell_remove(NULL, CELL_ON_DONE, registration, false);
}

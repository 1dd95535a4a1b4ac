/* Cancelling a task's stolen forks, and theirs: a walk down the tree of forks and up again.
 *
 * The tree may be deep, as deep as a recursion whose every call was stolen, so the walk has no stack of its own: the
 * way back is in the records. A record is held while the walk is below it (counted in `result`, which a fork does
 * not use, under its owner's lock): a fork that ends meanwhile leaves its record to the last who holds it. What a
 * held record says of its owner and its slot stays.
 *
 * A fork that is stolen while the walk goes on takes its owner's word by itself, see announce in owner/steal_fork.c. */
#include "owner/forks.h"
#include "base/mutant.h"
#include "owner/scope.h"

/* ---- holding records --------------------------------------------------------------------------------------------- */

enum { HELD_ENDED = 1, HELD_OWN_CANCEL = 2, HELD_ONE = 4 };

/* Under its owner's lock, both. */
static uintptr_t holds_of(const belay_task *r) {
    return (uintptr_t)r->result;
}
static void set_holds(belay_task *r, uintptr_t holds) {
    r->result = (void *)holds;
}

bool fork_ended(belay_task *r, bool own_cancel) {
    uintptr_t holds = MUTANT(fork_not_held) ? 0 : holds_of(r);
    set_holds(r, holds + HELD_ENDED + (own_cancel ? HELD_OWN_CANCEL : 0));
    return holds == 0;
}

void fork_forget(belay_executor *ex, belay_task *r, bool own_cancel) {
    worker *w = worker_in(ex);
    if (own_cancel) {
        cancel_forget(ex, w, r);
    }
    set_holds(r, 0);
    store_relaxed(&r->cancel, 0u); /* relaxed: the record is ours */
    state_free(r);
    slot_give(ex, w, SLOT_TASK, r);
}

static void let_go(belay_executor *ex, belay_task *r) {
    lock *l = task_lock(r->v.parent); /* constant while we hold it */
    lock_take(l);
    CHECK(holds_of(r) >= HELD_ONE);
    uintptr_t holds = holds_of(r) - HELD_ONE;
    set_holds(r, holds);
    lock_release(l);
    if ((holds & HELD_ENDED) != 0 && holds < HELD_ONE) {
        fork_forget(ex, r, (holds & HELD_OWN_CANCEL) != 0);
    }
}

/* ---- one fork ---------------------------------------------------------------------------------------------------- */

/* The stolen fork in this slot, with its owner's cancel word copied to it. NULL: none. Under the owner's lock. */
static belay_task *mark_slot(belay_task *owner, belay_fork_slot *slot) {
    uint64_t state = load_acquire(fork_state_of(slot)); /* pairs with announce */
    if (state == 0 || (state & FORK_DONE) != 0) {
        return NULL;
    }
    belay_task *r = (belay_task *)(uintptr_t)state;
    if (r->v.parent != owner) {
        return NULL;
    }
    task_mark_fork(r, owner);
    /* relaxed: under the lock. Not so: the owner we came for has ended, and its record has another life */
    return (load_relaxed(&r->cancel) & WORD_RAW) != 0 ? r : NULL;
}

/* The task's deque, if it has one. Under a lock without which the task cannot end: then its fiber, where a task without
 * forks has its view, is still there. The deque may be looked at later as well: it is type-stable. */
static fork_deque *deque_of_live(const belay_task *t) {
    phase now = state_phase(t);
    if (now != PHASE_RUNNING && now != PHASE_SUSPENDED) {
        return NULL; /* not started: no forks, and `fork` is what an earlier life has left */
    }
    fork_deque *d = load_acquire(&t->fork); /* pairs with attach and begin */
    return d->capacity != 0 ? d : NULL;
}

/* Where the walk is: in a task, at a slot of its deque. */
typedef struct place {
    belay_task *task; /* the root, or held */
    fork_deque *deque;
    uint32_t slot;
} place;

/* Marks the stolen fork in this slot, wakes it, and cancels what it has opened. *below: held, if it has forks of its
 * own. False: there are no more slots. */
static bool cancel_slot(belay_executor *ex, const place *at, const belay_cancel_reason *reason,
                        place *below) {
    lock *l = task_lock(at->task);
    lock_take(l);
    /* relaxed: both change only while no fork is stolen, or under the lock */
    bool more = load_relaxed(&at->deque->owner) == at->task &&
                at->slot < fork_tail(load_relaxed(&at->deque->ends));
    belay_task *r = more ? mark_slot(at->task, fork_slot(at->deque, at->slot)) : NULL;
    scope *opened =
        r != NULL ? task_wake_canceled(ex, r) : NULL; /* under the lock, without which r may end */
    *below = (place){.task = r, .deque = r != NULL ? deque_of_live(r) : NULL};
    if (below->deque != NULL) {
        set_holds(r, holds_of(r) + HELD_ONE);
    }
    lock_release(l);
    if (opened != NULL) {
        scope_cancel_opened(opened, reason);
    }
    return more;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

/* The deque in which `task`, the root or held, has its forks now. */
static fork_deque *deque_now(const belay_task *root, belay_task *task) {
    lock *l = task_lock(task == root ? task : task->v.parent);
    lock_take(l);
    fork_deque *d = deque_of_live(task);
    lock_release(l);
    return d;
}

/* Behind the fork's slot in its owner, and lets go of the fork. An owner that has ended, or has another deque, has
 * none left of those. */
static place climb(belay_executor *ex, const belay_task *root, const place *from) {
    belay_fork_slot *slot = from->task->arg;
    place at = {.task = from->task->v.parent};
    at.deque = deque_now(root, at.task);
    let_go(ex, from->task);
    if (at.deque != NULL) {
        uintptr_t first = (uintptr_t)fork_slot(at.deque, 0);
        uintptr_t offset = (uintptr_t)slot - first;
        bool inside = (uintptr_t)slot >= first && offset / sizeof *slot < at.deque->capacity;
        at.slot = inside ? (uint32_t)(offset / sizeof *slot) + 1 : at.deque->capacity;
    }
    return at;
}

void forks_cancel(belay_executor *ex, belay_task *t, const belay_cancel_reason *reason) {
    place at = {.task = t, .deque = deque_now(t, t)};
    for (;;) {
        place below = {.task = NULL};
        bool more = at.deque != NULL && at.slot < at.deque->capacity &&
                    cancel_slot(ex, &at, reason, &below);
        if (below.deque != NULL) {
            at = below;
        } else if (more) {
            at.slot++;
        } else if (at.task == t) {
            return;
        } else {
            at = climb(ex, t, &at);
        }
    }
}

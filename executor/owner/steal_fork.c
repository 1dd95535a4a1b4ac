/* Fork-join, the thief's side. The protocol is at the head of owner/fork.c.
 *
 * A stolen fork runs as a task of its own, with a record but without a place in a scope's count: its owner cannot end
 * before it is synced. It stands in the scope that was the owner's innermost when it was forked, so that cancelling
 * that scope reaches it, and the owner cannot close the scope before it has synced. */
#include "owner/forks.h"
#include "base/mutant.h"
#include "owner/scope.h"

/* ---- taking ------------------------------------------------------------------------------------------------------ */

/* The scope that slot i was forked in: each scope that the owner opened remembers how many forks were outstanding. */
static scope *scope_of_fork(belay_task *owner, uint32_t i) {
    scope *own = load_relaxed(&owner->scope); /* relaxed: constant while the fork is outstanding */
    if (load_acquire(&owner->inner) ==
        own) { /* pairs with enter_inner; scopes opened later are not this fork's */
        return own;
    }
    shard *h = shard_lock_of(owner);
    scope *s = load_relaxed(&owner->inner); /* relaxed: changes under the lock we hold */
    while (s != own && s->fork_mark > i) {
        s = load_relaxed(&s->parent);
    }
    if (h != NULL) {
        lock_release(&h->lock);
    }
    return s;
}

static void fill(belay_task *r, belay_task *owner, belay_fork_slot *slot, uint32_t i) {
    scope *s = scope_of_fork(owner, i);
    /* relaxed, all: the state word publishes them */
    store_relaxed(&r->inner, s);
    store_relaxed(&r->scope, s);
    store_relaxed(&r->home, NULL);
    store_relaxed(&r->cancel, 0u);
    r->arg = slot;
    r->v.parent = owner;
    r->result = NULL;
    r->joiners = NULL;
    store_relaxed(&r->site, load_relaxed(&owner->site));
    store_relaxed(&r->name, load_relaxed(&owner->name));
    store_relaxed(&r->born, load_relaxed(&owner->born));
    store_relaxed(&r->pin, 0);
    state_born(r, PHASE_QUEUED, STATE_FORK);
}

/* The slot is ours: from now on its owner, and who cancels its owner, find the record there. */
static void announce(belay_task *r, belay_task *owner, belay_fork_slot *slot) {
    lock *l = task_lock(owner);
    lock_take(l);
    store_release(fork_state_of(slot), (uint64_t)(uintptr_t)r); /* pairs with wait_stolen */
    /* Who sets the owner's word from now on takes the lock afterwards. */
    if (!MUTANT(fork_cancel_unmarked)) {
        task_mark_fork(r, owner);
    }
    lock_release(l);
}

static runnable *take(worker *w, fork_deque *d, uint64_t ends) {
    belay_executor *ex = executor_of_sched(w->sched);
    belay_task *r = slot_take(ex, w, SLOT_TASK);
    if (r == NULL) {
        return NULL;
    }
    uint32_t tail = fork_tail(ends);
    /* acq_rel: pairs with the publishing swap: the slot is filled */
    if (!cas_acq_rel(&d->ends, &ends, fork_ends(tail + 1, fork_split(ends))) &&
        !MUTANT(fork_steal_blind)) {
        slot_give(ex, w, SLOT_TASK, r);
        return NULL;
    }
    belay_task *owner = load_relaxed(&d->owner); /* relaxed: constant while a fork is outstanding */
    belay_fork_slot *slot = fork_slot(d, tail);
    fill(r, owner, slot, tail);
    announce(r, owner, slot);
    count_own(&w->count, COUNT_STEALS, 1);
    count_own(&w->count, COUNT_STOLEN_FORKS, 1);
    port_tsan_release(&r->run);
    return &r->run;
}

bool fork_force_begin(const worker *w, fork_deque *d, uint64_t ends, uint32_t head, fork_force *f) {
    uint32_t tail = fork_tail(ends);
    uint32_t split = fork_split(ends);
    f->tail = tail;
    f->to = split + (head - split + 1) / 2;
    f->mark = fork_ends(tail | fork_mark_of(w), f->to);
    if (!cas_acq_rel(&d->ends, &ends, f->mark)) { /* acq_rel: as every change of ends */
        return false;
    }
    if (!MUTANT(fork_force_no_fence)) {
        port_fence_heavy(w->symmetric); /* pairs with the light fence of a sync */
    }
    head = load_acquire(&d->head); /* pairs with the release of a fork: slots below are filled */
    f->to = head < f->to ? head : f->to;
    f->to = f->to < tail ? tail : f->to;
    return true;
}

uint64_t fork_force_end(fork_deque *d, const fork_force *f) {
    uint64_t mark = f->mark;
    uint64_t next = fork_ends(f->tail, f->to);
    /* acq_rel: publishes the slots; fails if the owner came */
    return cas_acq_rel(&d->ends, &mark, next) ? next : 0;
}

/* Publishes half of a busy owner's private part. The new value of ends, or one without anything public. */
static uint64_t force(worker *w, fork_deque *d, uint64_t ends, uint32_t head) {
    fork_force f;
    return fork_force_begin(w, d, ends, head, &f) ? fork_force_end(d, &f) : 0;
}

runnable *fork_steal(worker *w, fork_deque *d, bool forced) {
    uint64_t ends = load_acquire(&d->ends); /* pairs with every change of ends */
    if (fork_forcing(ends)) {
        return NULL;
    }
    if (fork_tail(ends) >= fork_split(ends)) {
        uint32_t head = load_relaxed(&d->head); /* relaxed: a hint; force reads it again */
        if (head <= fork_split(ends)) {
            return NULL;
        }
        if (load_relaxed(&d->limit) !=
            0) { /* relaxed: a hint. The line is the owner's busiest: asked already? */
            fork_ask(d);
        }
        ends = forced && !w->symmetric ? force(w, d, ends, head) : 0;
        if (fork_tail(ends) >= fork_split(ends)) {
            return NULL;
        }
    }
    return take(w, d, ends);
}

runnable *upcall_steal_fork(worker *w, worker *victim, bool forced) {
    fork_deque *d = load_acquire(&victim->forks); /* pairs with attach and switch_to */
    return d == NULL ? NULL : fork_steal(w, d, forced);
}

runnable *upcall_steal_orphan(worker *w) {
    belay_executor *ex = executor_of_sched(w->sched);
    if (load_relaxed(&ex->forks_waiting) == 0) { /* relaxed: a hint */
        return NULL;
    }
    runnable *r = NULL;
    lock_take(&ex->forks_lock);
    for (list *node = ex->forks_suspended.next; r == NULL && node != &ex->forks_suspended;
         node = node->next) {
        r = fork_steal(w, list_entry(node, fork_deque, orphan), false);
    }
    lock_release(&ex->forks_lock);
    return r;
}

/* Before the heavy fence of a parker: the owner's next fork reads the request and wakes somebody, or its head is seen
 * by the parker's look afterwards. */
void upcall_ask_forks(worker *victim) {
    fork_deque *d = load_acquire(&victim->forks); /* pairs with attach and switch_to */
    if (d != NULL) {
        fork_ask(d);
    }
}

bool upcall_forks_visible(const worker *victim, bool *hidden) {
    fork_deque *d = load_acquire(&victim->forks); /* pairs with attach and switch_to */
    if (d == NULL) {
        return false;
    }
    uint64_t ends = load_acquire(&d->ends); /* pairs with the publishing swap */
    *hidden = load_relaxed(&d->head) >
              fork_split(ends); /* relaxed: ordered by the parker's heavy fence */
    return fork_tail(ends) < fork_split(ends);
}

/* Does some suspended deque have something public? */
bool upcall_orphans_visible(const sched *s) {
    belay_executor *ex = executor_of_sched((sched *)(uintptr_t)s);
    if (load_relaxed(&ex->forks_waiting) == 0) { /* relaxed: ordered by the parker's heavy fence */
        return false;
    }
    bool visible = false;
    lock_take(&ex->forks_lock);
    for (list *node = ex->forks_suspended.next; !visible && node != &ex->forks_suspended;
         node = node->next) {
        uint64_t ends = load_acquire(&list_entry(node, fork_deque, orphan)->ends); /* as above */
        visible = fork_tail(ends) < fork_split(ends);
    }
    lock_release(&ex->forks_lock);
    return visible;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Tells the owner what has become of the stolen call, and forgets the record. */
static void settle(worker *w, belay_task *r, uint64_t what) {
    belay_task *owner = r->v.parent;
    lock *l = task_lock(owner);
    lock_take(l);
    arm *waiting = r->joiners;
    bool own_cancel = task_reason_differs(r, owner);
    /* release: pairs with wait_stolen's spin */
    store_release(fork_state_of(r->arg), what);
    if (waiting != NULL) {
        (void)arm_wake(waiting);
    }
    bool last = fork_ended(r, own_cancel);
    lock_release(l);
    if (last) {
        fork_forget(executor_of_sched(w->sched), r, own_cancel);
    }
}

void fork_run_stolen(belay_task *r) {
    belay_fork_slot *slot = r->arg;
    slot->run(r, slot);
    task_clean_up(r, load_relaxed(&worker_current()->fiber)); /* relaxed: own word */
    state_finish(r);
    shard_unlink(r);
    settle(worker_current(), r, state_has(r, STATE_LOST_FORK) ? FORK_DONE_LOST : FORK_DONE);
}

void fork_give_back(worker *w, belay_task *r) {
    state_refuse(r);
    settle(w, r, FORK_BACK);
}

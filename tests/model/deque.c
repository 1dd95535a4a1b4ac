/* The fork deque: its owner forks and syncs, thieves take what is public, ask for more, or publish for an owner that is
 * busy. docs/protocols/fork-join.md. Every fork runs once, by somebody who sees its argument; its owner sees its
 * result.
 *
 * The fast paths of <belay/fork.h> are written out here: there they read half of the word `ends`, which C11 has no name
 * for. */
#include "model.h"

#include "owner/fork.c"
#include "owner/steal_fork.c"

#ifndef FORCED
#define FORCED 0 /* thieves publish for the owner */
#endif
enum { FORKS = 2, ROOM = 2, THIEVES = MODEL_SMALL ? 1 : 2 };
const unsigned model_threads = 1 + THIEVES;

static belay_executor ex;
static scope home;
static worker workers[1 + THIEVES];
static belay_task task;
static belay_task record[THIEVES];
static fiber on;
static lock owners;
static struct {
    _Alignas(64) fork_deque deque;
    belay_fork_slot slot[ROOM];
} of;

static plain argument[FORKS], runs[FORKS];

void *port_current_get(void) {
    return &workers[model_me()];
}
lock *task_lock(const belay_task *t) {
    CHECK_ALWAYS(t == &task);
    return &owners;
}
void *slot_take(belay_executor *e, worker *w, slot_kind kind) {
    (void)e;
    (void)w;
    (void)kind;
    return &record[model_me() - 1];
}
void slot_give(belay_executor *e, worker *w, slot_kind kind, void *slot) {
    (void)e;
    (void)w;
    (void)kind;
    (void)slot;
}
void task_mark_fork(belay_task *fork, const belay_task *owner) {
    (void)fork;
    (void)owner;
}
bool task_reason_differs(const belay_task *fork, const belay_task *owner) {
    (void)fork;
    (void)owner;
    return false;
}
bool fork_ended(belay_task *r, bool own_cancel) {
    (void)r;
    (void)own_cancel;
    return true; /* nobody holds it */
}
void fork_forget(belay_executor *e, belay_task *r, bool own_cancel) {
    (void)e;
    (void)r;
    (void)own_cancel;
}
void sched_notify(sched *s, bool worker_side) {
    (void)s;
    (void)worker_side;
}
/* The owner would sleep until the thief is done, which others look at. */
wait_word waiter_block(waiter *w, int64_t deadline, wait_kind kind) {
    (void)w;
    (void)deadline;
    (void)kind;
    model_sleep();
}
void waiter_init(waiter *w, belay_task *self, bool drain) {
    (void)w;
    (void)self;
    (void)drain;
}
bool arm_claim(arm *a, bool *parked) {
    (void)a;
    *parked = false;
    return true;
}
void arm_resume(arm *a, bool parked) {
    (void)a;
    (void)parked;
}

void model_before(void) {
    ex.sched.workers = workers;
    ex.sched.count = 1 + THIEVES;
    home.executor = &ex;
    init_plain(&task.scope, &home);
    init_plain(&task.inner, &home);
    init_plain(&task.fork, &of.deque);
    lock_init(&owners);
    of.deque.capacity = ROOM;
    of.deque.lost = 0;
    of.deque.overflow = NULL;
    init_plain(&of.deque.owner, &task);
    init_plain(&of.deque.head, 0u);
    init_plain(&of.deque.limit, ROOM);
    init_plain(&of.deque.ends, 0u);
    for (uint32_t i = 0; i < 1 + THIEVES; i++) {
        workers[i].sched = &ex.sched;
        workers[i].index = i;
        init_plain(&workers[i].fiber, &on);
        init_plain(&workers[i].forks, i == 0 ? &of.deque : NULL);
    }
    for (uint32_t i = 0; i < FORKS; i++) {
        init_plain(fork_state_of(&of.slot[i]), 0u);
        plain_write(&argument[i], 0);
        plain_write(&runs[i], 0);
    }
}

static void run(const belay_fork_slot *slot) {
    uint32_t i = (uint32_t)(slot - of.slot);
    CHECK_ALWAYS(plain_read(&argument[i]) == 1 && plain_read(&runs[i]) == 0);
    plain_write(&runs[i], 1);
}

/* belay_fork_begin_ and belay_fork_end_ */
static void fork_one(void) {
    fork_deque *d = &of.deque;
    uint32_t head = load_relaxed(&d->head);
    belay_fork_slot *slot = fork_slot(d, head);
    plain_write(&argument[head], 1);
    if (head < load_relaxed(&d->limit)) {
        store_release(&d->head, head + 1); /* pairs with fork_force_begin */
    } else {
        belay_fork_commit(&task, slot);
    }
}

/* belay_sync_ */
static void sync_one(void) {
    fork_deque *d = &of.deque;
    bool here = true;
    uint32_t head = load_relaxed(&d->head) - 1;
    const belay_fork_slot *slot = fork_slot(d, head);
    store_relaxed(&d->head, head);
    port_fence_light(false);
    if (head < fork_split(load_relaxed(&d->ends))) {
        store_relaxed(&d->head, head + 1);
        slot = belay_sync_slow(&task, &here);
    }
    if (here) {
        run(slot);
    } else {
        CHECK_ALWAYS(plain_read(&runs[slot - of.slot]) == 1);
    }
}

static void steal_one(worker *w) {
    runnable *r = upcall_steal_fork(w, &workers[0], FORCED);
    if (r != NULL) {
        belay_task *t = task_of(r);
        run(t->arg);
        settle(w, t, FORK_DONE);
    }
}

void model_thread(unsigned me) {
    if (me != 0) {
        steal_one(&workers[me]);
        return;
    }
    fork_one();
    if (!FORCED) {
        store_relaxed(&of.deque.limit, 0u); /* a thief has asked */
    }
    fork_one();
    sync_one();
    sync_one();
}

/* What the owner has not synced, because it waits, a thief has run, or it is still there. */
void model_after(void) {
    uint32_t head = load_relaxed(&of.deque.head);
    for (uint32_t i = 0; i < FORKS; i++) {
        bool stolen = i < fork_tail(load_relaxed(&of.deque.ends));
        CHECK_ALWAYS(plain_read(&runs[i]) == 1 || (i < head && !stolen));
    }
}

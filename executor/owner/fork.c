/* Fork-join, the owner's side. docs/protocols/fork-join.md has the whole argument.
 *
 * A deque belongs to a fiber. Slots [tail, split) are public, [split, head) private. One word, `ends`, holds tail and
 * split; every change of either is a compare-and-swap of the word, so the owner's reclaiming and thieves' taking never
 * meet unseen. The owner alone writes `head`.
 *
 *   fork  (fast)  head < limit: fill slot[head]; head + 1 (release)
 *   sync  (fast)  head - 1; light fence; head >= split: the slot is ours, run it
 *   fork  (slow)  limit is 0: thieves asked. Publish half of the private part, wake somebody, limit := capacity
 *   sync  (slow)  the slot is public: swap split down to reclaim it, or, if it was stolen, wait for its thief
 *   thief         tail < split: swap tail up, the slot is its; else limit := 0 to ask
 *   thief, later  the owner is busy for long: swap in split' and FORCING; heavy fence; read head; swap split'' =
 * min(split',
 *                 head) and no FORCING. No thief takes while FORCING is set. The owner, meeting FORCING in a slow sync,
 *                 clears it itself with what it knows to be true, so it never waits for the thief.
 *
 * The fence pair: the owner stores head, then reads split; the forcing thief stores split', then reads head. If the
 * thief reads head above i, any later sync of slot i sees split' and goes the slow way.
 *
 * Beyond the capacity forks run at the fork, with their results in blocks on the heap; meanwhile split = head, so that
 * every sync is slow. Without memory even for that they are lost: counted, reported by status. */
#include "owner/forks.h"
#include "base/mutant.h"

#include "owner/scope.h"

enum { OVERFLOW_SLOTS = 62, SYNC_SPINS = 200 };

typedef struct fork_overflow {
    struct fork_overflow *older;
    uint32_t used;
    belay_fork_slot slot[OVERFLOW_SLOTS];
} fork_overflow;

static fork_deque *deque_of(const belay_task *t) {
    return load_relaxed(&t->fork); /* relaxed: own */
}

static fiber *fiber_here(void) {
    return load_relaxed(&worker_current()->fiber); /* relaxed: own words */
}

/* ---- forking, the slow way --------------------------------------------------------------------------------------- */

/* Makes the slots below `to` public, and ends a thief's attempt to force. */
static void publish(fork_deque *d, uint32_t to) {
    uint64_t ends = load_relaxed(&d->ends); /* relaxed: the swap decides */
    uint64_t next;
    do {
        if (fork_split(ends) >= to && !fork_forcing(ends)) {
            return;
        }
        uint32_t tail = fork_tail(ends);
        next = fork_ends(tail, to > tail ? to : tail);
        /* acq_rel: the slots are filled before a thief can have them */
    } while (!cas_acq_rel(&d->ends, &ends, next));
}

void forks_publish_all(fork_deque *d) {
    publish(d, load_relaxed(&d->head)); /* relaxed: own */
}

/* Thieves asked: half of what is private, at least one. */
static void answer(fork_deque *d, worker *w) {
    uint32_t head = load_relaxed(&d->head); /* relaxed: own, both */
    uint32_t split = fork_split(load_relaxed(&d->ends));
    if (head > split) {
        publish(d, split + (head - split + 1) / 2);
        sched_notify(w->sched, true);
    }
}

static belay_fork_slot *overflow_push(belay_executor *ex, fork_deque *d) {
    fork_overflow *block = d->overflow;
    if (block == NULL || block->used == OVERFLOW_SLOTS) {
        block = mem_allocate(&ex->opt.alloc, sizeof *block, 64);
        if (block == NULL) {
            return NULL;
        }
        block->used = 0;
        block->older = d->overflow;
        d->overflow = block;
    }
    return &block->slot[block->used++];
}

/* The result of the youngest, copied out of its block. */
static void overflow_pop(belay_executor *ex, fork_deque *d, belay_fork_slot *out) {
    fork_overflow *block = d->overflow;
    *out = block->slot[--block->used];
    if (block->used == 0) {
        d->overflow = block->older;
        mem_release(&ex->opt.alloc, block, sizeof *block, 64);
    }
}

static uint32_t overflow_count(const fork_deque *d) {
    uint32_t n = 0;
    for (const fork_overflow *block = d->overflow; block != NULL; block = block->older) {
        n += block->used;
    }
    return n;
}

belay_fork_slot *belay_fork_slow(belay_task *self) {
    belay_executor *ex = belay_task_executor(self);
    fork_deque *d = deque_of(self);
    fiber *f = fiber_here();
    if (d->capacity == 0 && d->lost == 0) {
        fork_deque *fresh = forks_attach(self);
        d = fresh != NULL ? fresh : d;
    }
    if (d->capacity == 0 || d->lost != 0) {
        return &f->scratch;
    }
    if (load_relaxed(&d->head) < d->capacity) { /* relaxed: own */
        return fork_slot(d, load_relaxed(&d->head));
    }
    belay_fork_slot *slot = overflow_push(ex, d);
    return slot != NULL ? slot : &f->scratch;
}

static void lose(belay_task *self, fork_deque *d) {
    d->lost++;
    if (d->capacity != 0) {
        forks_publish_all(d); /* every sync must be slow */
    }
    fork_lost(self);
}

void fork_lost(belay_task *t) {
    belay_executor *ex = belay_task_executor(t);
    belay_cancel_reason reason = {.code = BELAY_ENOMEM, .text = "no memory for a fork"};
    state_flag(t, STATE_LOST_FORK, true);
    (void)task_cancel(ex, t, &reason);
}

void belay_fork_commit(belay_task *self, belay_fork_slot *slot) {
    fork_deque *d = deque_of(self);
    if (slot == &fiber_here()->scratch) {
        lose(self, d);
        return;
    }
    uint32_t head = load_relaxed(&d->head); /* relaxed: own */
    if (head == d->capacity) {
        forks_publish_all(d);
        slot->run(self, slot);
        return;
    }
    worker *w = worker_current();
    uint32_t limit = load_relaxed(&d->limit); /* relaxed: a request is answered at the next fork */
    store_release(&d->head, head + 1); /* pairs with the acquire in force: the slot is filled */
    if (head < limit) {
        return; /* as in the inlined path, which sanitizers and the simulator do without */
    }
    if (w->symmetric) {
        forks_publish_all(d); /* without the fence pair nothing may be private */
        sched_notify(w->sched, true);
        return;
    }
    store_relaxed(&d->limit, d->capacity); /* relaxed: a thief may ask again at any time */
    answer(d, w);
}

/* ---- syncing, the slow way --------------------------------------------------------------------------------------- */

static bool is_done(fork_state *state) {
    return (load_acquire(state) & FORK_DONE) != 0; /* pairs with the thief's release at the end */
}

/* Spins a little, then suspends until the thief is done. False: it gave the call back. */
static bool wait_stolen(belay_task *self, belay_fork_slot *slot) {
    fork_state *state = fork_state_of(slot);
    for (int i = 0; i < SYNC_SPINS && !is_done(state); i++) {
        port_cpu_relax();
    }
    while (load_acquire(state) ==
           0) { /* the thief has taken it and is about to say so (announce) */
        port_thread_yield();
    }
    lock *l = task_lock(self);
    lock_take(l);
    while (!is_done(state)) {
        belay_task *thief =
            (belay_task *)(uintptr_t)load_relaxed(state); /* relaxed: changes under the lock */
        waiter w;
        waiter_init(&w, self, true);
        thief->joiners = &w.arm;
        lock_release(l);
        (void)waiter_block(&w, PORT_NEVER, WAIT_FOR_SYNC);
        lock_take(l);
    }
    uint64_t end = load_relaxed(state); /* relaxed: as above */
    lock_release(l);
    store_relaxed(state, 0u); /* relaxed: ours again */
    if (end == FORK_DONE_LOST) {
        fork_lost(self);
    }
    return end != FORK_BACK;
}

/* The slot below head is stolen, and done or given back: the deque ends below it. */
static void pop_stolen(fork_deque *d, uint32_t head) {
    uint64_t ends =
        load_relaxed(&d->ends); /* relaxed: nothing is public, so only FORCING can come between */
    while (!cas_acq_rel(&d->ends, &ends,
                        fork_ends(head, head))) { /* acq_rel: as every change of ends */
    }
}

/* Decides about slot `head`, which is ours to sync: true: it is private (again). False: stolen. */
static bool reclaim(fork_deque *d, uint32_t head) {
    uint64_t ends = load_acquire(&d->ends); /* pairs with thieves' swaps */
    for (;;) {
        uint32_t tail = fork_tail(ends);
        uint32_t split = fork_split(ends);
        if (tail > head) {
            return false;
        }
        if (split <= head) {
            return true;
        }
        /* Public and there, or about to be made public by force: the upper half becomes private again. */
        uint32_t down = tail + (head - tail) / 2;
        /* acq_rel: against thieves' swaps */
        if (cas_acq_rel(&d->ends, &ends, fork_ends(tail, down)) || MUTANT(fork_reclaim_blind)) {
            return true;
        }
    }
}

static belay_fork_slot *sync_nothing(fiber *f, bool *run_here) {
    memset(&f->scratch, 0, sizeof f->scratch);
    *run_here = false;
    return &f->scratch;
}

belay_fork_slot *belay_sync_slow(belay_task *self, bool *run_here) {
    fork_deque *d = deque_of(self);
    fiber *f = fiber_here();
    if (d->lost != 0) {
        d->lost--;
        return sync_nothing(f, run_here);
    }
    if (d->overflow != NULL) {
        overflow_pop(belay_task_executor(self), d, &f->scratch);
        *run_here = false;
        return &f->scratch;
    }
    uint32_t head = load_relaxed(&d->head); /* relaxed: own */
    if (d->capacity == 0 || head == 0) {
        return sync_nothing(f, run_here);
    }
    head--;
    store_relaxed(&d->head, head);                 /* relaxed: ordered by the fence */
    port_fence_light(worker_current()->symmetric); /* pairs with the heavy fence in force */
    belay_fork_slot *slot = fork_slot(d, head);
    *run_here = reclaim(d, head);
    if (!*run_here) {
        *run_here = !wait_stolen(self, slot);
        pop_stolen(d, head);
    }
    return slot;
}

/* ---- the generic form -------------------------------------------------------------------------------------------- */

typedef struct generic_call {
    belay_fork_body *body;
    void *arg;
} generic_call;

static void run_generic(belay_task *self, belay_fork_slot *slot) {
    generic_call call;
    memcpy(&call, slot->data, sizeof call);
    belay_status status = call.body(self, call.arg);
    slot->data[0] = (uint64_t)(int64_t)status;
}

belay_status belay_fork(belay_task *self, belay_fork_body *body, void *arg) {
    if (self == NULL || body == NULL) {
        return BELAY_EINVAL;
    }
    generic_call call = {body, arg};
    belay_fork_slot *slot = belay_fork_begin_(self);
    slot->run = run_generic;
    memcpy(slot->data, &call, sizeof call);
    belay_fork_end_(self, slot);
    return BELAY_OK;
}

belay_status belay_sync(belay_task *self) {
    if (self == NULL || forks_outstanding(self) == 0) {
        return BELAY_EINVAL;
    }
    if (deque_of(self)->lost != 0) {
        deque_of(self)->lost--;
        return BELAY_ENOMEM;
    }
    bool here;
    belay_fork_slot *slot = belay_sync_(self, &here);
    if (here) {
        generic_call call;
        memcpy(&call, slot->data, sizeof call);
        return call.body(self, call.arg);
    }
    return (belay_status)(int64_t)slot->data[0];
}

/* ---- for the rest of the library --------------------------------------------------------------------------------- */

uint32_t forks_outstanding(belay_task *t) {
    const fork_deque *d = deque_of(t);
    uint32_t head = d->capacity != 0 ? load_relaxed(&d->head) : 0; /* relaxed: own */
    return head + d->lost + (unlikely(d->overflow != NULL) ? overflow_count(d) : 0);
}

void forks_finish_above(belay_task *t, uint32_t mark) {
    while (unlikely(forks_outstanding(t) > mark)) {
        bool here;
        belay_fork_slot *slot = belay_sync_slow(t, &here);
        if (here) {
            slot->run(t, slot);
        }
    }
}

void forks_finish(belay_task *t) {
    forks_finish_above(t, 0);
    port_tsan_release(
        fork_slot(deque_of(t), 0)); /* who forks on it next is ordered after what we did */
}

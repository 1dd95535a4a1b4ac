/* Fork-join, as the rest of the library sees it. See owner/fork.c and owner/steal_fork.c. */
#ifndef BELAY_OWNER_FORKS_H
#define BELAY_OWNER_FORKS_H

#include <belay/cancel.h>

#include "base/mutant.h"
#include "owner/registry.h"
#include "task/fork.h"

/* The high half of `ends`: tail in 21 bits, and the mark of a thief that publishes on the owner's behalf, with its
 * number: a thief whose mark was cleared must not take another's for its own. */
#define FORK_FORCING (UINT32_C(1) << 31)
#define FORK_TAIL ((UINT32_C(1) << 21) - 1)
_Static_assert(SCHED_MAX_WORKERS <= 1 << 8, "a worker's number fits between tail and mark");
static inline uint32_t fork_mark_of(const worker *w) {
    return FORK_FORCING | (MUTANT(fork_mark_shared) ? 0 : w->index << 21);
}

static inline uint32_t fork_split(uint64_t ends) {
    return (uint32_t)ends;
}
static inline uint32_t fork_tail(uint64_t ends) {
    return (uint32_t)(ends >> 32) & FORK_TAIL;
}
static inline bool fork_forcing(uint64_t ends) {
    return ((uint32_t)(ends >> 32) & FORK_FORCING) != 0;
}
static inline uint64_t fork_ends(uint32_t tail, uint32_t split) {
    return (uint64_t)tail << 32 | split;
}
static inline belay_fork_slot *fork_slot(fork_deque *d, uint32_t i) {
    return (belay_fork_slot *)(void *)(d + 1) + i;
}

/* The slot's `state`, an atomic word: 0, the record that runs the stolen fork, or an odd number: nobody else runs it
 * any more, and its result is in the slot, or the call itself is again. */
typedef ATOMIC(uint64_t) fork_state;
#define FORK_DONE UINT64_C(1)
#define FORK_DONE_LOST UINT64_C(3) /* and a fork below it had no memory */
#define FORK_BACK UINT64_C(5)      /* its thief had no stack for it: the owner runs it */
static inline fork_state *fork_state_of(belay_fork_slot *slot) {
    return (fork_state *)(void *)&slot->state;
}

bool forks_init(belay_executor *ex);
void forks_fini(belay_executor *ex);

/* How many forks the task has not synced. Only the running task. */
uint32_t forks_outstanding(belay_task *t);
/* Syncs what is left of it: all, at the end; or all but the first `mark`. Only the running task. */
void forks_finish(belay_task *t);
void forks_finish_above(belay_task *t, uint32_t mark);
/* The fiber's first fork: a deque with nothing in it, and a request pending, so that the first fork wakes a thief.
 * NULL: no memory. */
fork_deque *forks_attach(belay_task *t);
/* The task was cancelled itself: so are its stolen forks. Any thread; the caller holds a reference. */
void forks_cancel(belay_executor *ex, belay_task *t, const belay_cancel_reason *reason);
/* owner/cancel_forks.c, under its owner's lock, when it is told: a stolen fork has ended. True: nobody holds the
 * record, and the caller forgets it. */
bool fork_ended(belay_task *r, bool own_cancel);
void fork_forget(belay_executor *ex, belay_task *r, bool own_cancel);
/* A fork of the task's, or of a stolen fork of it, had no memory. Only the running task. */
void fork_lost(belay_task *t);
/* Runs a stolen fork on a worker. */
void fork_run_stolen(belay_task *r);
/* There is no stack to run it on, and none comes back: its owner runs it, which has one. */
void fork_give_back(worker *w, belay_task *r);
/* Makes everything public. Owner only. */
void forks_publish_all(fork_deque *d);
/* Publishing for a busy owner, in two halves: sets the thief's mark and reads how far the owner is; takes the mark
 * off with that many public, unless the owner has come. In between the owner may go on. */
typedef struct fork_force {
    uint64_t mark; /* `ends` with the mark */
    uint32_t tail;
    uint32_t to; /* the new split */
} fork_force;
bool fork_force_begin(const worker *w, fork_deque *d, uint64_t ends, uint32_t head, fork_force *f);
uint64_t fork_force_end(fork_deque *d, const fork_force *f);
/* Takes the oldest public fork and makes a record of it. force: publishes for a busy owner. */
runnable *fork_steal(worker *w, fork_deque *d, bool force);

#endif

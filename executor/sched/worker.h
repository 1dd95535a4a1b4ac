/* A worker: one thread, its queues, and what it keeps for itself.
 *
 * Who may touch what:
 *   - "own" fields are read and written by the thread that currently is this worker, on whatever stack. They are
 *     relaxed atomics, because ThreadSanitizer sees the worker's fibers as threads of their own.
 *   - The private area (batch, hand-off slot) is the owner's inside a section, and a raider's while it holds
 *     `raid_lock` with `raid` set and has seen the section left: see below.
 *   - Everything else says so.
 *
 * The section is a biased lock. The owner enters and leaves with plain stores:
 *     owner:  section := odd;  light fence;  read the flag;   ... ;  section := even (release)
 *     other:  flag := set;     heavy fence;  wait until section is even or has moved on
 * Either the owner reads the flag as set and keeps out, or the other sees the odd section and waits for the few
 * instructions inside. The flag is `raid` for the private area, and a scope's `home` for its private count
 * (owner/count.c). Biased locking after D. Dice, H. Huang, M. Yang, "Asymmetric Dekker Synchronization", 2001. */
#ifndef BELAY_SCHED_WORKER_H
#define BELAY_SCHED_WORKER_H

#include <ck_ec.h>

#include "base/counter.h"
#include "mem/slab.h"
#include "sched/runq.h"

struct sched;
struct fiber;
struct wheel;
struct belay_task;
struct fork_deque;
struct scope;

struct worker;
typedef void worker_post(struct worker *w, void *arg);

typedef struct worker {
    struct sched *sched; /* constant */
    uint32_t index;      /* constant: its number; spares have those after the configured ones */
    bool symmetric;      /* constant: fences are full on both sides */
    port_thread thread;  /* the creator's */

    ATOMIC(uint32_t) section; /* written by the owner; odd inside */
    ATOMIC(uint32_t) raid;    /* written under raid_lock */
    ATOMIC(struct belay_task *)
    task;                          /* own: the task that runs now, or NULL; read by the watchdog */
    ATOMIC(struct fiber *) fiber;  /* own: the fiber the thread is on */
    ATOMIC(struct fiber *) native; /* own: the thread's own stack */
    ATOMIC(runnable *) picked;     /* own: taken by a suspending task for the loop to start */
    ATOMIC(uint32_t) fresh; /* own: the loop has just moved to a fresh fiber (fiber per task) */
    ATOMIC(struct fiber *) spares; /* own: fibers ready to take over the loop */
    ATOMIC(uint32_t) spare_count;  /* own */
    ATOMIC(uint32_t) spares_made; /* own: by the last call to the pool, which rises up to a bound */
    ATOMIC(uint64_t)
    turn; /* own; read by thieves and the watchdog: rises whenever another task runs */
    ATOMIC(uint64_t)
    blocked_turn; /* own; read by thieves: 1 + the turn whose task said that it blocks */
    ATOMIC(uint64_t) watched_turn; /* written by any thief: the turn it saw ... */
    ATOMIC(int64_t) watched_since; /* ... and since when; an approximation */
    ATOMIC(uint32_t) tick;         /* own: picks since the last look at the outside */
    ATOMIC(uint32_t) callbacks;    /* own: depth of user callbacks, in which nothing may wait */
    ATOMIC(uint32_t) checkpoints;  /* own: checkpoints passed */
    ATOMIC(uint32_t) row;          /* own: hand-offs taken in a row */
    ATOMIC(struct scope *)
    owed_scope;                     /* own, read by snapshots: members of it that have ended ... */
    ATOMIC(uint32_t) owed;          /* ... but are not taken off its count yet: owner/count.c */
    ATOMIC(uint32_t) rng;           /* own: whom to rob next */
    ATOMIC(int64_t) now;            /* own: a recent coarse clock reading */
    ATOMIC(uint64_t) starved_turn;  /* own: see task/fiber.c */
    ATOMIC(uint32_t) starved_tries; /* own */
    ATOMIC(int64_t) park_until;     /* own */
    ATOMIC(worker_post *) post;     /* own: what the next stack does first */
    ATOMIC(void *) post_arg;        /* own */

    /* The private area. */
    ATOMIC(runnable *) handoff;
    ATOMIC(uint32_t) batch_next;
    ATOMIC(uint32_t) batch_end;
    ATOMIC(runnable *) batch[RUNQ_CLAIM];
    lock raid_lock;

    runq queue;

    /* Pinned tasks: other threads push to the inbox; the owner moves them to its list. */
    ck_stack_t inbox;
    ATOMIC(runnable *) pinned_first; /* own */
    ATOMIC(runnable *) pinned_last;  /* own */

    ATOMIC(struct fork_deque *)
    forks; /* written by the owner: the running fiber's deque, for thieves */

    slab_cache tasks;    /* own */
    slab_cache scopes;   /* own */
    slab_cache deferred; /* own */
    slab_cache reasons;  /* own */
    slab_cache cells;    /* own */
    struct wheel
        *wheel;        /* has a lock of its own; constant, or a spare's: own, of the place it has */
    counter_row count; /* own */

    /* Block hints: sched/block.h. */
    ATOMIC(uint32_t) upkeep; /* own */
    ATOMIC(uint32_t) place;  /* constant: the own number, or a spare's: under block_lock */
    ATOMIC(uint32_t) server; /* of a configured worker's place; written under block_lock */
    atomic_u32 service; /* a spare sleeps on it while it is out of service: 1 once it was called */
    bool hinted;        /* under block_lock: inside a hint */
    bool serving;       /* under block_lock: a spare in service */

    /* Written by wakers. */
    _Alignas(64) struct ck_ec32 ec;
    ATOMIC(uint32_t)
    in_poller; /* own: asleep where descriptors are watched; read by wakers after they have raised ec */
} worker;

static inline void section_enter(worker *w) {
    /* relaxed load: own word. Release, although it begins a section: section_quiesce may see it in place of the store
     * that ended the one before, and goes on to what was written in that. */
    store_release(&w->section, load_relaxed(&w->section) + 1u);
    port_fence_light(w->symmetric); /* pairs with the heavy fence before section_quiesce */
}

static inline void section_leave(worker *w) {
    /* pairs with the acquire in section_quiesce; relaxed load: own word */
    store_release(&w->section, load_relaxed(&w->section) + 1u);
}

/* Waits until the worker is outside the section it was in at the call. The caller has set the flag and issued the
 * heavy fence. Any thread but the worker itself. Bounded by a few instructions of the worker, or by the time it is
 * preempted inside them. */
void section_quiesce(const worker *w);

/* The worker the calling thread is, or NULL on a foreign thread. Not to be kept across a suspension. */
static inline worker *worker_current(void) {
    return (worker *)port_current_get();
}

/* ---- queueing; on the worker's own thread ------------------------------------------------------- */

/* Makes r runnable next on this worker (at most three in a row while others wait), or in time on another. */
void worker_handoff(worker *w, runnable *r);
/* Makes a pinned r runnable on this worker. */
void worker_push_pinned(worker *w, runnable *r);

/* The next runnable of the worker's own, or from the outside, without searching. NULL: none at hand. */
runnable *worker_poll(worker *w);
/* For a caller who has something to go on with: looks at timers only every so many calls. */
runnable *worker_poll_briefly(worker *w);
/* worker_poll, but searches, and parks when there is nothing. NULL: the executor stops. Waits. */
runnable *worker_next(worker *w);

/* Takes hidden work (half of the batch, or the hand-off slot) of another worker. Any worker's thread. Returns how
 * many were put into out. */
uint32_t worker_raid(worker *victim, runnable *out[RUNQ_CLAIM]);
/* Is there work that only a raid reaches? A hint. */
bool worker_hides(const worker *w);

/* Nothing runs or waits to be resumed anywhere; `starved` workers (the caller included) only have tasks that cannot
 * start. A hint that is true when it stays true. Timers are the caller's to ask about, before. */
bool worker_quiet(worker *w, uint32_t starved);
/* The sum of all workers' turns: unchanged as long as nothing runs. */
uint64_t worker_turns(const worker *w);

bool worker_init(worker *w, struct sched *s, uint32_t index);
void worker_fini(worker *w);

#endif

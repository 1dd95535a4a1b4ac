/* The scheduler: workers, the way in from outside, idling and waking.
 *
 * It knows runnables, not tasks. What a runnable means is the floor above: it supplies the functions under
 * "upcalls" (resolved at link time, so that the hot path has no indirect call) and a driver for timers. */
#ifndef BELAY_SCHED_SCHED_H
#define BELAY_SCHED_SCHED_H

#include "sched/worker.h"

enum { SCHED_MAX_WORKERS = 256, SCHED_INJECT = 8, SCHED_HIDDEN_NS = 50000 };

/* The parts of sched.idle. */
#define IDLE_PARKED UINT64_C(0xffff)
#define IDLE_EXTRA_ONE (UINT64_C(1) << 16)
#define IDLE_SEARCHING_ONE (UINT64_C(1) << 32)
/* Parked or searching: is anybody without work? */
#define IDLE_ANYBODY (~UINT64_C(0) ^ (IDLE_PARKED << 16))

_Static_assert(SCHED_MAX_WORKERS <= IDLE_PARKED, "each part holds every worker");

/* The scheduler's only view of timers and of descriptors. */
typedef struct driver {
    /* Makes due what is due on this worker's wheel, and what is ready. True if that made something runnable. */
    bool (*poll)(worker *w);
    /* When the worker must wake for its wheel; PORT_NEVER: need not. */
    int64_t (*deadline)(worker *w);
    /* A worker leaves idleness, or a timer was armed: an existing monitor should look after it. wanted: start one. */
    void (*busy)(struct sched *s, bool wanted);
    /* Sleeps for the parked worker where descriptors are watched, unless its event count has moved from `seen`. False:
     * it has not; the worker sleeps in its event count. Both may be NULL, with the next two. */
    bool (*sleep)(worker *w, uint32_t seen, int64_t deadline);
    /* After a sleep there, when the worker is no longer parked: makes runnable what it has brought. */
    void (*arrived)(worker *w);
    /* Ends such a sleep. Any thread. */
    void (*ring)(struct sched *s);
    /* Starts the thread of a spare worker. False: there is none to be had. Needed if there may be spares. */
    bool (*hire)(worker *w);
} driver;

typedef struct inject_shard {
    _Alignas(64) ck_stack_t stack; /* pushed by anybody */
    runq ring;                     /* pushed by who holds the lock that goes with the shard */
} inject_shard;

typedef struct sched {
    worker *workers;       /* constant: `most` of them */
    uint32_t count;        /* constant: configured */
    uint32_t most;         /* constant: with spares */
    ATOMIC(uint32_t) live; /* those that exist; rises under block_lock */
    lock block_lock;       /* sched/block.c */
    bool symmetric;        /* constant */
    int64_t spin;          /* constant: nanoseconds of searching before parking */
    const driver *drv;     /* constant */
    const allocator *alloc;
    inject_shard inject[SCHED_INJECT];
    ATOMIC(uint32_t) bulk; /* jobs for upcall_bulk; written by the floor above */
    counter_row foreign;   /* shared row */

    /* low 16 bits: workers parked; next 16: spares in service; high 32: workers searching. See sched/idle.c. */
    _Alignas(64) ATOMIC(uint64_t) idle;
    ATOMIC(uint64_t)
    parked[SCHED_MAX_WORKERS / 64]; /* a bit per parked worker; who clears it owes a wake */
    ATOMIC(uint32_t) stopping;
} sched;

/* ---- any thread ----------------------------------------------------------------------------------- */

/* Makes r runnable from wherever the caller is: its own queue if the calling thread is a worker of s, else the
 * injection queue. */
void sched_submit(sched *s, runnable *r);
/* Makes r runnable, last in the queue of the calling worker, and sees that somebody will run it. */
static inline void worker_push(worker *w, runnable *r);
/* The same for a task pinned to a worker. */
void sched_submit_pinned(sched *s, uint32_t index, runnable *r);
/* From a thread that is no worker of s. */
void sched_inject(sched *s, runnable *r);
/* The same by who holds the lock that the floor above keeps for this shard: without a locked instruction, and the
 * worker that takes it need not chase links through records that are in another processor's cache. */
void sched_inject_held(sched *s, uint32_t shard, runnable *r);
/* Sees to it that a worker looks for work that was just made visible by a store of the caller's: free when
 * somebody searches or nobody is parked. */
void sched_notify(sched *s, bool worker_side);
/* As in sched.idle. Wakes one if the word says that it is needed. */
void sched_notify_seen(sched *s, uint64_t idle);
/* The worker side, inlined. */
static inline void sched_notify_worker(sched *s) {
    port_fence_light(s->symmetric);         /* pairs with the heavy fence in idle_park */
    uint64_t idle = load_relaxed(&s->idle); /* relaxed: ordered by the fence pair */
    if (unlikely((idle >> 32) == 0 && (idle & IDLE_PARKED) != 0)) {
        sched_notify_seen(s, idle);
    }
}
/* A second chance: wakes a worker if there is work that only parked workers could take. From the monitor. */
void sched_nudge(sched *s);
/* Wakes some worker if all who have no work are parked: to look after descriptors. */
void sched_rouse(sched *s);
/* Wakes this worker if it is parked. */
void sched_wake(sched *s, uint32_t index);

static inline void worker_push(worker *w, runnable *r) {
    port_tsan_release(r);
    if (unlikely(!runq_push(&w->queue, r))) {
        sched_inject(w->sched, r); /* needs no memory */
        return;
    }
    sched_notify_worker(w->sched);
}

/* ---- idling; worker threads ------------------------------------------------------------------------ */

/* Tries to become a searcher: at most half the workers, at least one. */
bool idle_search_begin(sched *s);
/* found: the searcher has work; the last one wakes a successor. */
void idle_search_end(worker *w, bool found);
/* Parks the worker until it is woken, or until its next timer, or for SCHED_HIDDEN_NS if others hide work, unless work
 * is seen on the last look. Returns as a searcher. `searching`: whether the caller is one. */
void idle_park(worker *w, bool searching);
/* No worker runs anything. A hint. */
bool idle_all_parked(const sched *s);

/* ---- looking for work -------------------------------------------------------------------------------- */

/* Moves what was injected to the worker's queue, of each ring only a run. True if there was something. */
bool inject_drain(worker *w);
bool inject_empty(const sched *s);
/* Moves the inbox to the pinned list. */
void inbox_drain(worker *w);
bool inbox_empty(const worker *w);
/* Steals from another worker: one to run, the rest to the own queue. Of workers busy with one task for longer than
 * SCHED_HIDDEN_NS also what they hide. NULL: nothing found. */
runnable *steal_any(worker *w, int64_t now);
/* Asks all others to show forked calls at their next fork. Before the heavy fence of the last look. */
void work_ask(worker *w);
/* Is there anything that worker w (NULL: any) could take? For the last look before parking, after the heavy fence. */
bool work_visible(sched *s, const worker *w);
/* Does anybody but w hide work? Then park only for a while. */
bool work_hidden(sched *s, const worker *w);

/* count: workers; spares: how many more there may be for a time, see sched/block.h. */
bool sched_init(sched *s, uint32_t count, uint32_t spares, bool symmetric, int64_t spin,
                const driver *drv, const allocator *alloc);
void sched_fini(sched *s);
/* All workers will return NULL from worker_next soon, and spares from block_await. */
void sched_stop(sched *s);
/* How many workers exist: those of these numbers may be looked at, though spares may be out of service. */
static inline uint32_t sched_live(const sched *s) {
    return load_acquire(&s->live); /* pairs with the store in sched/block.c: a new spare's record */
}

/* ---- upcalls: implemented by the floors above ------------------------------------------------------- */

/* Makes r runnable where it belongs (pinned or not). Any thread. */
void upcall_submit(sched *s, runnable *r);
/* A share of work that was put down for all workers: makes a batch of tasks runnable. False: there was nothing. */
bool upcall_bulk(worker *w);
/* Takes the oldest forked call of some fiber and makes it a runnable of this worker. NULL: none. */
runnable *upcall_steal_fork(worker *w, worker *victim, bool force);
/* The same from fibers that are suspended with forks pending. */
runnable *upcall_steal_orphan(worker *w);
/* Could upcall_steal_fork find something? hidden: only by force. */
bool upcall_forks_visible(const worker *victim, bool *hidden);
/* Asks for them. */
void upcall_ask_forks(worker *victim);
bool upcall_orphans_visible(const sched *s);

#endif

/* The executor's data, and handles.
 *
 * A struct belay_executor lives as long as the process: executors are taken from a table by number and put back, so
 * that a stale handle, or a foreign thread that comes too late, still reads valid memory. What an executor allocates is
 * freed when it is destroyed.
 *
 * A handle's generation is incarnation << 40 | the slot's generation. The incarnation is the executor's and rises with
 * each create, so all handles of a destroyed executor are stale without looking at a slot.
 *
 * Slots are memory of the executor. A thread that is no worker of it enters as a guest before it looks at one: destroy
 * waits for guests. Tasks of the executor need not, because destroy waits for them first. */
#ifndef BELAY_OWNER_REGISTRY_H
#define BELAY_OWNER_REGISTRY_H

#include <belay/executor.h>

#include "options.h"
#include "event/monitor.h"
#include "event/pool.h"
#include "task/fiber.h"
#include "task/state.h"
#include "task/wait.h"

enum { EXECUTOR_MAX = 256, FOREIGN_SHARDS = 8, TASK_LOCKS = 64 };

#define INCARNATION_SHIFT 40
#define SLOT_GENERATION ((UINT64_C(1) << INCARNATION_SHIFT) - 1)

typedef enum executor_phase {
    EXECUTOR_FREE = 0,
    EXECUTOR_STARTING,
    EXECUTOR_RUNNING,
    EXECUTOR_DESTROYING,
    EXECUTOR_LOST /* it stayed in the process that this one was forked from */
} executor_phase;

/* Lives as long as the process, so that who comes too late finds a lock. Who holds `pass` is a guest as well. */
typedef struct guest_shard {
    _Alignas(64) ATOMIC(uint32_t) count;
    lock pass; /* guards the foreign shard of the same number, but for its `count` */
} guest_shard;

/* Slots for threads that are no workers. */
typedef struct foreign_shard {
    _Alignas(64) ATOMIC(uint64_t) spawned; /* under the lock; read by snapshots */
    slab_cache tasks;
    slab_cache scopes;
    slab_cache deferred;
    slab_cache reasons;
    slab_cache cells;
    counter_row count;
} foreign_shard;

struct belay_executor {
    uint32_t number;              /* constant */
    ATOMIC(uint32_t) phase;       /* changed by create and destroy */
    ATOMIC(uint32_t) incarnation; /* changed while FREE */
    guest_shard guests[FOREIGN_SHARDS];

    /* From here on: constant while RUNNING, unless said otherwise. */
    options opt;
    sched sched;
    slab tasks;
    slab scopes;
    slab deferred;
    slab reasons;
    slab cells;
    fiber_pool fibers;
    monitor monitor;
    fd_table fds;
    thread_pool pool;
    struct scope *root;
    lock task_locks[TASK_LOCKS]; /* by the number of a task, or of a scope for its cells */
    struct cell_round
        *cell_rounds[TASK_LOCKS]; /* each under the lock of the same number; owner/cell.h */
    foreign_shard foreign[FOREIGN_SHARDS];
    lock forks_lock; /* guards the next three */
    fork_deque *forks_free;
    list forks_suspended;           /* deques of suspended fibers that have something to steal */
    ATOMIC(uint32_t) forks_waiting; /* their number; read by searchers */
    lock bulk_lock;                 /* guards the list */
    list bulk;                      /* scopes whose members are to be told, see owner/bulk.c */
    uint32_t bulk_batch;            /* members told at a time; constant, at most SHARD_BATCH */
    uint32_t bulk_at_once; /* batches told by a canceller itself, for each shard; constant */
    lock stolen_lock;      /* guards the lists of stolen forks, see task/fork.c */
};

static inline belay_executor *executor_of_sched(sched *s) {
    return list_entry(s, belay_executor, sched);
}

/* Takes a free executor from the table. NULL: EXECUTOR_MAX are in use, or no memory. */
belay_executor *executor_claim(void);
/* In a forked child: gives up the parent's executors. */
void executors_lose(void);
/* Makes all its handles stale and puts it back. */
void executor_unclaim(belay_executor *ex);

/* False: it is not running. A worker's thread of this executor need not call it, and may. */
bool guest_enter(belay_executor *ex);
void guest_leave(belay_executor *ex);
/* A guest for a few instructions, who gets its shard with it: locks the pass. NULL: the handle is stale. The generation
 * is that of any handle of the executor. */
belay_executor *pass_take(uint32_t number, uint64_t generation, uint32_t *place);
static inline void pass_release(belay_executor *ex, uint32_t place) {
    lock_release(&ex->guests[place].pass);
}
/* Waits until there is no guest; none comes any more. */
void guests_drain(belay_executor *ex);

/* The executor that a handle names, entered as a guest unless the caller runs on one of its workers. NULL: stale.
 * registry_done leaves again. */
belay_executor *registry_open(uint32_t number, uint64_t generation);
void registry_done(belay_executor *ex);
/* Once more, for who is inside by registry_open: cannot fail, whatever becomes of the executor. */
void registry_again(belay_executor *ex);

/* A task by handle: the record, with a reference for the caller. NULL: stale. */
belay_task *task_open(belay_executor *ex, belay_task_handle h);
/* Drops it. */
void task_close(belay_executor *ex, belay_task *t);
belay_task_handle task_handle(const belay_executor *ex, const belay_task *t);
/* What a handle says of a slot's generation. */
uint64_t handle_generation(const belay_executor *ex, uint64_t slot_generation);

/* A slot for the calling thread, and back. The offset is that of the cache in a worker; foreign threads have the same
 * caches in a shard. */
typedef enum slot_kind { SLOT_TASK, SLOT_SCOPE, SLOT_DEFERRED, SLOT_REASON, SLOT_CELL } slot_kind;
void *slot_take(belay_executor *ex, worker *w, slot_kind kind);
void slot_give(belay_executor *ex, worker *w, slot_kind kind, void *slot);

/* The calling thread's worker if it is one of this executor's, else NULL. */
static inline worker *worker_in(const belay_executor *ex) {
    worker *w = worker_current();
    return w != NULL && w->sched == &ex->sched ? w : NULL;
}

/* Is self the task that runs here? */
static inline bool is_current(const belay_task *self) {
    worker *w = worker_current();
    return w != NULL && load_relaxed(&w->task) == self; /* relaxed: own word */
}
/* And may it wait: is it not in a callback? w: the calling thread's worker. */
static inline bool runs_on(worker *w, const belay_task *self) {
    /* relaxed: own words */
    return w != NULL && load_relaxed(&w->task) == self && load_relaxed(&w->callbacks) == 0 &&
           state_phase(self) == PHASE_RUNNING;
}
static inline bool is_running(const belay_task *self) {
    return runs_on(worker_current(), self);
}

/* Around a call into the program in which nothing may wait: drop hooks, callbacks. */
void callback_enter(void);
void callback_leave(void);
/* Calls a drop hook. */
void call_drop(belay_drop *drop, void *value);
/* Checks `self` of a call that may wait: NULL on a foreign thread, or the running task, not in a callback.
 * BELAY_OK, BELAY_ECONTEXT, BELAY_ECHILD. */
belay_status check_waiter(const belay_task *self);

/* Adds to the calling thread's row of counters. */
static inline void count_here(belay_executor *ex, worker *w, counter c) {
    if (likely(w != NULL)) {
        count_own(&w->count, c, 1);
    } else {
        count_shared(&ex->foreign[port_thread_hash() % FOREIGN_SHARDS].count, c, 1);
    }
}

#endif

/* Fibers: the stacks that worker loops run on, and that a suspended task keeps.
 *
 * A worker's thread is always on some fiber whose outermost frame is the worker loop. The loop calls a task's body on
 * its own stack. A task that suspends keeps the fiber, and the worker goes on with its loop on a spare; whoever
 * resumes the task switches to the kept fiber, and its own, now idle in the loop, becomes a spare. So a task that
 * never suspends costs no switch and no stack. The loop asks for the current worker after every call: it may have
 * moved.
 *
 * What must happen only after a stack was left (making its task findable, giving it back) is the worker's `post`: the
 * next stack does it first.
 *
 * The fiber is at the top of its own stack, so that a suspended task costs no memory beyond its pages. */
#ifndef BELAY_TASK_FIBER_H
#define BELAY_TASK_FIBER_H

#include "base/check.h"
#include "mem/stack.h"
#include "task/fork.h"
#include "task/task.h"

struct cell;
struct held;
typedef struct held_link {
    ATOMIC(struct held *) to;
} held_link;

/* The parts of `marks`. In one word, because starting a task resets both. */
enum {
    FIBER_REFUSED = (1 << 24) - 1, /* waits refused to the task because it is cancelled */
    FIBER_HINT_ONE = 1 << 24       /* block hints begun and not ended */
};

typedef struct fiber {
    anchor home; /* first: a suspended task's `home` */
    port_fiber port;
    stack memory;
    ATOMIC(struct fiber *) next;       /* in a worker's spares */
    ATOMIC(struct fork_deque *) deque; /* attached at the first fork; own */
    ATOMIC(struct cell *)
    defers; /* own: the running task's deferred calls, last first; owner/defer.c */
    ATOMIC(uintptr_t)
    awaits;                 /* own: of the present wait, as in waiter; read while it is suspended */
    ATOMIC(uint32_t) marks; /* own: FIBER_REFUSED, FIBER_HINT_ONE; 0 when a task starts */
    ATOMIC(uint32_t) used;  /* own: it has been left in the loop before */
    held_link held;         /* own: the locks that the task holds; flow/held.h */
    fork_deque view;        /* forces the slow paths of fork and sync */
    belay_fork_slot scratch; /* own: for a fork or sync that has no slot */
} fiber;

/* What the fibers of one executor share. */
typedef struct fiber_pool {
    stack_pool *stacks;
    sched *sched;
    const slab *records[2];   /* of tasks and of scopes; NULL: none. For see_records */
    ATOMIC(uint32_t) starved; /* workers that have a task to start and no stack */
} fiber_pool;

/* The pool of the executor a worker belongs to; defined by the floor that owns executors. */
fiber_pool *fiber_pool_of(const worker *w);

/* Gives the worker a spare if it has none. False: no stack. */
bool fiber_make_spare(worker *w);
static inline bool fiber_reserve(worker *w) {
    return likely(load_relaxed(&w->spares) != NULL) ||
           fiber_make_spare(w); /* relaxed: the owner's list */
}
/* Takes one. NULL: there is none. */
static inline fiber *fiber_spare_pop(worker *w) {
    fiber *f = load_relaxed(&w->spares); /* relaxed: the owner's list */
    if (f != NULL) {
        store_relaxed(&w->spares, load_relaxed(&f->next));
        owner_add(&w->spare_count, -1u);
    }
    return f;
}
/* Puts a fiber nobody runs on back among the spares, or gives its stack back. */
void fiber_recycle(worker *w, fiber *f);
/* Gives back the stacks of all spares. */
void fiber_drop_spares(worker *w);

/* What runs on a new fiber: the worker loop. */
void fiber_main(void *arg);
/* Enters the worker loop from the thread's own stack; returns when the scheduler stops. */
void fiber_run_worker(worker *w);

/* Leaves the fiber of t, the running task, and runs something else; post(worker, arg) is called as soon as the fiber
 * is left, on another stack, by the same thread. Returns when the task is resumed. The task has been set
 * SUSPENDED. */
void fiber_suspend(belay_task *t, worker_post *post, void *arg);
/* Puts the running task t last in line, and runs others first, if there are any; sets its state. */
void fiber_give_way(worker *w, belay_task *t);

/* Takes ended tasks that are put off (owner/count.c) off their scope's count. The worker loop does so before it does
 * anything that may last, but for starting a member of the same scope: then that scope's count cannot fall to zero, so
 * nobody waits for what is put off. */
void count_settle_owed(worker *w);
static inline void loop_settle(worker *w) {
    if (load_relaxed(&w->owed_scope) != NULL) { /* relaxed: own word */
        count_settle_owed(w);
    }
}

/* Starts a task on the loop's stack: implemented by owner/run.c. */
void task_run(worker *w, belay_task *t, fiber *f);
/* Ends a task that cannot be started for want of a stack: implemented by owner/run.c. */
void task_refuse(worker *w, belay_task *t);
/* A fiber with forks outstanding is left or continued, and a deque goes back to the free list: owner/fork.c. */
void forks_suspend(fork_deque *deque, sched *s);
void forks_resume(fork_deque *deque, sched *s);
void fork_deque_free(fiber_pool *pool, fork_deque *deque);
/* The task on this fiber has ended and holds locks: they go to others. flow/held.c. */
void upcall_abandon(fiber *f);
static inline void fiber_abandon(fiber *f) {
    if (unlikely(load_relaxed(&f->held.to) != NULL)) { /* relaxed: own word */
        upcall_abandon(f);
    }
}

#endif

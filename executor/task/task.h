/* The record of a task: two cache lines.
 *
 * The first line is what spawning and starting touch, and what the public inline functions know (belay_fast_task).
 * Records are type-stable slots (mem/slab.h): a stale pointer still points to a record.
 *
 * Who may touch what: the spawner fills a record before it is queued. From then on whoever has the runnable in hand
 * (a queue, the worker that runs it) owns it: "own". Fields that others read meanwhile are atomics. */
#ifndef BELAY_TASK_TASK_H
#define BELAY_TASK_TASK_H

#include <belay/task.h>
#include <belay/detail/fast.h>

#include "base/atomic.h"
#include "base/list.h"
#include "mem/slab.h"
#include "sched/sched.h"

struct scope;
struct arm;
struct fork_deque;

/* By what a suspended or deferred task is found in its scope: the first member of a fiber, and of the block of a
 * deferred task. See owner/shard.c. */
typedef struct anchor {
    list link;               /* under the shard's lock */
    struct belay_task *task; /* written before linking */
} anchor;

/* How a task ended; written once, before it is published by the state word. */
typedef struct ending {
    belay_status status;
    uint8_t kind; /* belay_outcome_kind */
    uint8_t cancel_requested;
    uint8_t has_result; /* it is there and not taken; under the task's lock once published */
    uint8_t observed;   /* somebody has seen the ending, or need not; likewise */
} ending;

struct belay_task {
    /* -- line 0; the first 24 bytes are belay_fast_task */
    ATOMIC(uint32_t)
    cancel; /* 0, or 1 | number of the reason << 1; written once, by owner/cancel.c */
    ATOMIC(uint32_t) state; /* task/state.h */
    ATOMIC(struct scope *)
    inner; /* the innermost scope; own, changed under the shard's lock, read by cancel */
    ATOMIC(struct fork_deque *)
    fork; /* own: the running fiber's deque, or a view that forces the slow path */
    ATOMIC(struct scope *)
    scope;                /* the owner; constant for a life; racy readers check what they find */
    union {               /* these two words are the free slot's link as well */
        belay_body *body; /* constant until the body is called */
        belay_drop *result_drop; /* own, from then on */
    } u;
    void *arg; /* constant */
    union {
        belay_drop *drop;          /* constant until the argument is destroyed */
        ending end;                /* from then on */
        struct belay_task *parent; /* of a stolen fork: whose it is; constant */
    } v;
    runnable run; /* the holder's */
    /* -- line 1 */
    ATOMIC(uint64_t) ref; /* task/ref.h */
    atomic_u32 wait;      /* task/wait.h */
    uint32_t number;      /* the slot's, constant */
    ATOMIC(anchor *)
    home; /* own: the fiber it is suspended on, its deferred block, or NULL: not started */
    ATOMIC(const char *) site; /* constant for a life */
    ATOMIC(const char *) name; /* constant for a life */
    void *result;              /* own; after the end under the task's lock */
    struct arm *joiners;       /* under the task's lock */
    ATOMIC(uint32_t) born;     /* constant for a life: BORN_UNIT periods of the coarse clock */
    ATOMIC(uint16_t) pin;      /* constant for a life: 0, or worker + 1 */
    ATOMIC(uint16_t) shard;    /* own: where it is linked, if LINKED */
};

_Static_assert(sizeof(belay_task) == 128, "a task is two cache lines");
_Static_assert(offsetof(belay_task, cancel) == offsetof(belay_fast_task, cancel), "layout");
_Static_assert(offsetof(belay_task, inner) == offsetof(belay_fast_task, scope), "layout");
_Static_assert(offsetof(belay_task, fork) == offsetof(belay_fast_task, fork), "layout");
_Static_assert(offsetof(belay_task, run) == 56 && offsetof(belay_task, ref) == 64, "lines");

#define BORN_SHIFT 23 /* 8.4 ms */

static inline belay_task *task_of(runnable *r) {
    return list_entry(r, belay_task, run);
}

/* Makes a task that the caller has in hand runnable, on its worker if it is pinned. Any thread. */
void task_submit(sched *s, belay_task *t);

/* The lock under which joiners, ending and result of a task are. Any thread. */
lock *task_lock(const belay_task *t);

#endif

/* A capped pool of threads for functions that block in the system.
 *
 * Jobs wait first in, first out. A thread is started when a job finds none without work, up to the cap; it ends when it
 * had nothing to do for some seconds. This floor knows no tasks: what a job does, and whom its end wakes, are the job's
 * functions. A job's memory is its submitter's, until `ended` was called or pool_take_back succeeded. */
#ifndef BELAY_EVENT_POOL_H
#define BELAY_EVENT_POOL_H

#include "base/list.h"
#include "base/lock.h"
#include "mem/alloc.h"
#include "port/port.h"

typedef enum pool_state {
    POOL_QUEUED,
    POOL_RUNNING,
    POOL_DONE,
    POOL_REFUSED /* no thread could be started, and there was none */
} pool_state;

typedef struct pool_job {
    list link; /* under the pool's lock, like `state` */
    pool_state state;
    void (*run)(struct pool_job *job); /* constant; on a thread of the pool, without a lock */
    void (*ended)(
        struct pool_job
            *job); /* constant; under the pool's lock, in state DONE or REFUSED: the last access */
} pool_job;

/* A thread's place. UNUSED -> LIVE by who starts it; LIVE -> ENDED by the thread, its last act; ENDED -> UNUSED by who
 * has joined it. Under the pool's lock. */
typedef enum pool_place { POOL_UNUSED, POOL_LIVE, POOL_ENDED } pool_place;

typedef struct pool_thread {
    list link;                /* in the pool's idle list; under the pool's lock */
    pool_place place;         /* under the pool's lock */
    struct thread_pool *pool; /* constant */
    atomic_u32 called;  /* what it sleeps on: 1 once it was taken off the idle list by another */
    port_thread thread; /* under the pool's lock */
} pool_thread;

typedef struct thread_pool {
    lock lock;     /* guards all that is not constant */
    uint32_t most; /* constant */
    uint32_t live; /* threads, those that are just being started included */
    bool stopping;
    list queue;             /* jobs */
    list idle;              /* threads: who came last is called first */
    pool_thread *threads;   /* made at the first job */
    const allocator *alloc; /* constant, both */
    const char *name;
} thread_pool;

void pool_init(thread_pool *p, uint32_t most, const allocator *alloc, const char *name);
/* No job is left. Ends the threads and joins them. */
void pool_fini(thread_pool *p);

/* Under the pool's lock: queues the job, and sees that a thread will take it. The job's state is QUEUED or REFUSED
 * then. False: no memory; nothing was queued. */
bool pool_submit(thread_pool *p, pool_job *job);
/* Under the pool's lock. True: the job had not been started, and will not be. */
bool pool_take_back(pool_job *job);

#endif

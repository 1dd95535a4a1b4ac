/* A mutex for tasks and threads: who waits is suspended, and holds no worker.
 *
 * It lies in the program's memory and works across executors. Fair: first come first served, except that while the next
 * owner is on its way to a worker others may still take the free mutex, at most 65 times in a row; after that it is
 * handed over where it stands. Cancel-safe: a lock call that was given the mutex returns BELAY_OK even if a cancel came
 * at the same time. A mutex may be held across waits of any kind. A forked call (belay_fork) is a holder of its own: it
 * unlocks what it has locked.
 *
 * When a task ends while it holds a mutex, the next one to lock it gets BELAY_EOWNERDEAD: it holds the mutex like any
 * owner, and what the mutex protects is its to repair. A thread's end is not noticed. */
#ifndef BELAY_MUTEX_H
#define BELAY_MUTEX_H

#include <belay/task.h>
#include <belay/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_mutex {
    uint64_t opaque[8]; /* the library's; not to be copied */
} belay_mutex;

/* A free mutex; all zero is the same. */
#define BELAY_MUTEX_INIT                                                                           \
    {                                                                                              \
        { 0 }                                                                                      \
    }

/* Makes a free mutex. BELAY_OK, BELAY_EINVAL (NULL). Does not wait. Any thread, any context. */
BELAY_API belay_status belay_mutex_init(belay_mutex *mutex);
/* Its end. BELAY_OK; BELAY_EBUSY: somebody holds it, or is in a lock call; BELAY_EINVAL. Does not wait. Any thread, any
 * context. */
BELAY_API belay_status belay_mutex_fini(belay_mutex *mutex);

/* Locks. Waits: a schedule point if it is taken, and a cancel point in any case. From tasks and foreign threads (self
 * NULL).
 *   BELAY_OK         locked
 *   BELAY_EOWNERDEAD locked, and the last owner ended without unlocking
 *   BELAY_EDEADLK    the caller holds it
 *   BELAY_ECANCELED  the caller is cancelled (also if the mutex is free); not locked
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form; 0 polls); not locked
 *   BELAY_EINVAL     mutex NULL
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child
 * Bounded hand-off after the starvation mode of Go's sync.Mutex. */
BELAY_API belay_status belay_mutex_lock(belay_task *self, belay_mutex *mutex);
BELAY_API belay_status belay_mutex_lock_until(belay_task *self, belay_mutex *mutex,
                                              belay_time deadline);

/* Locks if it is free. Does not wait, and is no cancel point. Any thread, any context; a callback must unlock before it
 * returns. BELAY_OK, BELAY_EOWNERDEAD, BELAY_EAGAIN (taken), BELAY_EDEADLK, BELAY_EINVAL, BELAY_ECONTEXT,
 * BELAY_ECHILD. */
BELAY_API belay_status belay_mutex_try_lock(belay_task *self, belay_mutex *mutex);

/* Unlocks, and sees to who waits. Does not wait, and is no cancel point. Where it was locked: by the same task or
 * thread.
 *   BELAY_OK
 *   BELAY_EINVAL    the caller does not hold it, or NULL; nothing was done
 *   BELAY_ECONTEXT  self is not the calling task
 *   BELAY_ECHILD    in a forked child */
BELAY_API belay_status belay_mutex_unlock(belay_task *self, belay_mutex *mutex);

#ifdef __cplusplus
}
#endif
#endif

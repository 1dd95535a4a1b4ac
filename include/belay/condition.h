/* A condition variable, for a state that a mutex protects.
 *
 *     belay_mutex_lock(self, &mutex);
 *     while (status == BELAY_OK && !there_is_work()) status = belay_condition_wait(self, &condition, &mutex);
 *
 * A wait always returns with the mutex held, whatever its status, unless the call itself was a mistake. It may be woken
 * without the state being as wished (another was quicker), hence the loop. */
#ifndef BELAY_CONDITION_H
#define BELAY_CONDITION_H

#include <belay/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_condition {
    uint64_t opaque[2]; /* the library's; not to be copied */
} belay_condition;

/* All zero is the same. BELAY_OK, BELAY_EINVAL (NULL). Does not wait. Any thread, any context. */
BELAY_API belay_status belay_condition_init(belay_condition *condition);
/* Its end; legal as soon as a broadcast has returned, even if those that it has woken have not run yet. BELAY_OK;
 * BELAY_EBUSY: somebody waits; BELAY_EINVAL. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_condition_fini(belay_condition *condition);

/* Unlocks the mutex, waits for a signal, and locks the mutex again. Waits: a schedule point and a cancel point; locking
 * again is neither cancelled nor timed out. From tasks and foreign threads (self NULL). A signal is not lost with a
 * cancelled waiter: it either is reported here as BELAY_OK, or goes to another.
 *   BELAY_OK         signalled
 *   BELAY_EOWNERDEAD signalled or not; meanwhile an owner of the mutex ended without unlocking
 *   BELAY_ECANCELED  the caller is cancelled
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form; 0 only looks for a cancel)
 * and, with nothing done:
 *   BELAY_EINVAL     NULL, or the caller does not hold the mutex
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_condition_wait(belay_task *self, belay_condition *condition,
                                            belay_mutex *mutex);
BELAY_API belay_status belay_condition_wait_until(belay_task *self, belay_condition *condition,
                                                  belay_mutex *mutex, belay_time deadline);

/* Wake the one that waits longest, or all. Nobody waits: no effect. With or without the mutex. BELAY_OK, BELAY_EINVAL
 * (NULL), BELAY_ECHILD. Do not wait. Any thread, any context. */
BELAY_API belay_status belay_condition_signal(belay_condition *condition);
BELAY_API belay_status belay_condition_broadcast(belay_condition *condition);

#ifdef __cplusplus
}
#endif
#endif

/* A counting semaphore: permits that are acquired and released, several at once if wanted.
 *
 * First come first served: while somebody waits nobody overtakes, be the request ever so small. A permit has no owner:
 * who releases need not have acquired. Cancel-safe: an acquire that returns anything but BELAY_OK has taken nothing,
 * and what it held back behind it is served. */
#ifndef BELAY_SEMAPHORE_H
#define BELAY_SEMAPHORE_H

#include <belay/task.h>
#include <belay/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_semaphore {
    uint64_t opaque[4]; /* the library's; not to be copied */
} belay_semaphore;

/* BELAY_OK, BELAY_EINVAL (NULL). Does not wait. Any thread, any context. */
BELAY_API belay_status belay_semaphore_init(belay_semaphore *semaphore, uint32_t permits);
/* BELAY_OK; BELAY_EBUSY: somebody is in an acquire; BELAY_EINVAL. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_semaphore_fini(belay_semaphore *semaphore);

/* Takes n permits, all at once. Waits: a schedule point if it must, a cancel point in any case. From tasks and foreign
 * threads (self NULL).
 *   BELAY_OK         taken
 *   BELAY_ECANCELED  the caller is cancelled (also if there are enough); nothing taken
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form; 0 polls); nothing taken
 *   BELAY_EINVAL     semaphore NULL, or n is 0
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_semaphore_acquire(belay_task *self, belay_semaphore *semaphore,
                                               uint32_t n);
BELAY_API belay_status belay_semaphore_acquire_until(belay_task *self, belay_semaphore *semaphore,
                                                     uint32_t n, belay_time deadline);

/* The same if it need not wait: BELAY_EAGAIN, also if others wait. No cancel point. Any thread, any context. */
BELAY_API belay_status belay_semaphore_try_acquire(belay_semaphore *semaphore, uint32_t n);

/* Gives n permits. BELAY_OK; BELAY_EINVAL: NULL, n is 0, or there would be more than UINT32_MAX (nothing was done);
 * BELAY_ECHILD. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_semaphore_release(belay_semaphore *semaphore, uint32_t n);

/* Permits to be had now; a snapshot. 0 for NULL. Does not wait. Any thread, any context. */
BELAY_API uint32_t belay_semaphore_permits(belay_semaphore *semaphore);

#ifdef __cplusplus
}
#endif
#endif

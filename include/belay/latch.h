/* A latch: a count that falls to zero once, and that tasks and threads wait for. */
#ifndef BELAY_LATCH_H
#define BELAY_LATCH_H

#include <belay/task.h>
#include <belay/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_latch {
    uint64_t opaque[4]; /* the library's; not to be copied */
} belay_latch;

/* BELAY_OK, BELAY_EINVAL (NULL). Does not wait. Any thread, any context. */
BELAY_API belay_status belay_latch_init(belay_latch *latch, uint32_t count);
/* BELAY_OK; BELAY_EBUSY: somebody is in a wait; BELAY_EINVAL. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_latch_fini(belay_latch *latch);

/* Lowers the count by n; at zero all who wait are woken, and what was done before each call is visible to them.
 * BELAY_OK; BELAY_EINVAL: NULL, or n is 0 or above the count (nothing was done); BELAY_ECHILD. Does not wait. Any
 * thread, any context. */
BELAY_API belay_status belay_latch_count_down(belay_latch *latch, uint32_t n);

/* Waits until the count is zero. Waits: a schedule point if it must, a cancel point in any case. From tasks and foreign
 * threads (self NULL).
 *   BELAY_OK         it is zero
 *   BELAY_ECANCELED  the caller is cancelled (also if it is zero)
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form; 0 polls)
 *   BELAY_EINVAL     latch NULL
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_latch_wait(belay_task *self, belay_latch *latch);
BELAY_API belay_status belay_latch_wait_until(belay_task *self, belay_latch *latch,
                                              belay_time deadline);
/* BELAY_OK if it is zero, else BELAY_EAGAIN. No cancel point. Any thread, any context. */
BELAY_API belay_status belay_latch_try_wait(const belay_latch *latch);

/* Lowers the count by one, then waits. A cancelled caller has counted down, too: others do not wait for it in vain.
 * As belay_latch_wait, and BELAY_EINVAL if the count is zero already; for BELAY_EINVAL, BELAY_ECONTEXT and BELAY_ECHILD
 * nothing was done. */
BELAY_API belay_status belay_latch_count_down_and_wait(belay_task *self, belay_latch *latch);
BELAY_API belay_status belay_latch_count_down_and_wait_until(belay_task *self, belay_latch *latch,
                                                             belay_time deadline);

#ifdef __cplusplus
}
#endif
#endif

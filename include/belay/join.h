/* Joining several tasks, and cancelling one to wait for its end. belay_join itself is in <belay/task.h>. */
#ifndef BELAY_JOIN_H
#define BELAY_JOIN_H

#include <belay/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Waits until one of n tasks has ended. Waits: a schedule point and a cancel point. From tasks and foreign threads. If
 * several have ended before the call, the first in the order given counts; else the one that ended first. The others
 * go on, and stay joinable; the handles keep their references. A handle may be given twice: its first place
 * counts. Tasks may belong to several executors. Needs no memory up to 8 handles. *index: which one; NULL: not wanted.
 * outcome: as in belay_join, may be NULL.
 *   BELAY_OK         handles[*index] has ended
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form; 0 polls)
 *   BELAY_ECANCELED  the caller is cancelled; the tasks are not
 *   BELAY_EDEADLK    handles[*index] is the caller, or a task whose scope the caller is in
 *   BELAY_ESTALE     handles[*index] has ended and its last reference is gone
 *   BELAY_EINVAL     handles NULL, or n is 0
 *   BELAY_ENOMEM     no memory for more than 8 handles
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child
 * For EDEADLK, ESTALE and the codes below them nothing was done. */
BELAY_API belay_status belay_join_any(belay_task *self, const belay_task_handle *handles, size_t n,
                                      size_t *index, belay_outcome *outcome);
BELAY_API belay_status belay_join_any_until(belay_task *self, const belay_task_handle *handles,
                                            size_t n, belay_time deadline, size_t *index,
                                            belay_outcome *outcome);

/* Waits until all of n tasks have ended. Waits: a schedule point and a cancel point. From tasks and foreign threads.
 * outcomes: NULL, or n places; a place whose kind is 0 says that its task has not ended. A handle may be given twice:
 * the result goes to its first place. The handles keep their references. Needs no memory. n may be 0.
 * *ended: how many places were filled; NULL: not wanted. Waits on after a failure: for "the first error cancels the
 * rest" spawn the tasks into a scope.
 *   BELAY_OK         all have ended
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form); the outcomes of those that have ended are there
 *   BELAY_ECANCELED  the caller is cancelled, the tasks are not; outcomes as for BELAY_ETIMEDOUT
 *   BELAY_EDEADLK    one is the caller, or a task whose scope the caller is in; nothing was done
 *   BELAY_ESTALE     one has ended and its last reference is gone; nothing was done, unless the reference went while
 *                    we waited for another
 *   BELAY_EINVAL     handles NULL and n not 0
 *   BELAY_ECONTEXT, BELAY_ECHILD: as above */
BELAY_API belay_status belay_join_all(belay_task *self, const belay_task_handle *handles, size_t n,
                                      belay_outcome *outcomes);
BELAY_API belay_status belay_join_all_until(belay_task *self, const belay_task_handle *handles,
                                            size_t n, belay_time deadline, belay_outcome *outcomes,
                                            size_t *ended);

/* Cancels a task and waits until it has ended. Drains: a cancelled caller stays until then, too. How the task ended,
 * cancelled or not, is in *outcome and never in the status; outcome as in belay_join, may be NULL. code and text: as
 * in belay_task_cancel. From tasks and foreign threads.
 *   BELAY_OK         the task has ended; the caller is not cancelled
 *   BELAY_ECANCELED  the task has ended, *outcome is filled, and the caller itself is cancelled
 *   BELAY_EDEADLK    the task is the caller, or one whose scope the caller is in; it was not cancelled
 *   BELAY_ESTALE, BELAY_ECONTEXT, BELAY_ECHILD: as in belay_join; nothing was done */
#define belay_cancel_and_join(self, task, code, text, outcome)                                     \
    belay_cancel_and_join_from((self), (task), (code), (text), (outcome), BELAY_SITE)
BELAY_API belay_status belay_cancel_and_join_from(belay_task *self, belay_task_handle task,
                                                  belay_status code, const char *text,
                                                  belay_outcome *outcome, const char *site);

#ifdef __cplusplus
}
#endif
#endif

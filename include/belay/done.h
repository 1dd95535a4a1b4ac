/* Calls at a task's end. */
#ifndef BELAY_DONE_H
#define BELAY_DONE_H

#include <belay/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Hears how a task ended. The outcome is without the result, which is for joiners. task is weak: without a reference;
 * the record exists during the call. May call what does not wait. */
typedef void belay_done_callback(const belay_outcome *outcome, belay_task_handle task, void *arg);

/* Puts a call down for the task's end: after its outcome was published, and before its scope's close can return. The
 * worker that ends the task calls, under no lock, in the order of registration. Of a task that has ended already the
 * call is made at once, by the caller of belay_on_done. From inside such a call, or its `drop`, of the same task it
 * is made when that one has returned, by the same thread, before that goes on; so a callback may register itself
 * again as often as it likes, and until it is called it may be taken back. Holds no reference to the task. An error
 * that a callback was told of is observed. `drop`, if not NULL, is called with arg exactly once, when the
 * registration has ended: after the call, or when it was taken back. Does not wait. Any thread, any context.
 *   BELAY_OK      *out (may be NULL) names the registration, or is all zero if the call was made
 *   BELAY_EINVAL  callback NULL
 *   BELAY_ENOMEM  no memory: nothing is called, arg stays the caller's
 *   BELAY_ESTALE  the task has ended and its last reference is gone: as above
 *   BELAY_ECHILD  in a forked child: as above */
BELAY_API belay_status belay_on_done(belay_task_handle task, belay_done_callback *callback,
                                     void *arg, belay_drop *drop, belay_registration *out);

/* Takes a registration back. If the callback runs just now on another thread, waits for its end, whatever is cancelled
 * (drains); not from inside the callback itself. From tasks and foreign threads (self NULL).
 *   BELAY_OK        it was not called and will not be
 *   BELAY_EALREADY  it runs, if this is the callback itself; else it ran while we waited
 *   BELAY_ESTALE    it was called, or taken back, before
 *   BELAY_ECONTEXT  would have to wait and may not
 *   BELAY_ECHILD    in a forked child */
BELAY_API belay_status belay_on_done_remove(belay_task *self, belay_registration registration);

/* The same, and never waits: BELAY_EALREADY if it runs now. Any thread, any context. */
BELAY_API belay_status belay_on_done_forget(belay_registration registration);

#ifdef __cplusplus
}
#endif
#endif

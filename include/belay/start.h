/* Starting a task that says when it is ready.
 *
 * A server's body opens its socket, then calls belay_started with the port, then serves. belay_start returns when the
 * body has called it; a body that fails before is the starter's affair alone. After Trio's nursery.start. */
#ifndef BELAY_START_H
#define BELAY_START_H

#include <belay/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Spawns a task and waits until it is ready, or has ended. Waits: a schedule point and a cancel point. From tasks and
 * foreign threads. scope, body, arg, options, out: as in belay_spawn. value: NULL, or receives what the task gave to
 * belay_started. The task is a member of the scope from the beginning: it holds the scope open.
 *   BELAY_OK         the task is ready and goes on
 *   BELAY_ENOTREADY  it ended before: it returned BELAY_OK, or was cancelled, or was skipped
 *   BELAY_ECANCELED  the caller was cancelled first: the task was cancelled for it, and has ended
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form): the task was cancelled, and has ended
 *   other codes      the task ended before, with this error (BELAY_ECANCELED as an error: BELAY_ENOTREADY)
 *                    or what belay_spawn returns if the task was not accepted
 * An error before the task was ready neither fails the scope nor is listed or reported: the caller has it. Later
 * ones are as of any other task. For every status but BELAY_OK *out and *value are zeroed, and no task is left.
 * arg: unlike belay_spawn, belay_start takes it for every status but BELAY_ECHILD, because the status is often that of
 * a task which has had it: if no task was accepted, options->arg_drop is called before belay_start returns.
 * Room under the scope's cap is waited for without the deadline. */
#define belay_start(self, scope, body, arg, options, out, value)                                   \
    belay_start_from((self), (scope), (body), (arg), (options), BELAY_NEVER, (out), (value),       \
                     BELAY_SITE_OF(body))
#define belay_start_until(self, scope, body, arg, options, deadline, out, value)                   \
    belay_start_from((self), (scope), (body), (arg), (options), (deadline), (out), (value),        \
                     BELAY_SITE_OF(body))
BELAY_API belay_status belay_start_from(belay_task *self, belay_scope scope, belay_body *body,
                                        void *arg, const belay_task_options *options,
                                        belay_time deadline, belay_task_handle *out, void **value,
                                        const char *site);

/* The task is ready: lets belay_start return BELAY_OK with this value. Does not wait. Only the running task, forks of
 * it included.
 *   BELAY_OK         the starter has heard
 *   BELAY_EALREADY   called before
 *   BELAY_ECANCELED  the starter has given up, and the task is cancelled
 *   BELAY_EINVAL     the task was not started with belay_start
 *   BELAY_ECONTEXT   self is not the calling task
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_started(belay_task *self, void *value);

#ifdef __cplusplus
}
#endif
#endif

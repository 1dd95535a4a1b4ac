/* Calls that block in the system: functions on threads of their own, and a hint for short ones.
 *
 * A task that blocks its worker (a resolver, a file on a slow disk, a library that sleeps) keeps the worker's other
 * tasks waiting. belay_blocking runs such a function elsewhere while the task waits as tasks do. */
#ifndef BELAY_BLOCKING_H
#define BELAY_BLOCKING_H

#include <belay/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a blocking function may ask about its caller. Valid until the function returns. */
typedef struct belay_blocking_context belay_blocking_context;

/* Runs on a thread that is no worker: it may block, sleep and call the library as a foreign thread does (self NULL).
 * It must return: pthread_exit in it aborts the process. */
typedef belay_status belay_blocking_function(void *arg, const belay_blocking_context *context);

/* Runs function(arg) on one of the executor's blocking threads (BELAY_BLOCKING_THREADS, 64) and waits for its end.
 * First come, first served. Waits: a cancel before the function has started ends the call, and the function never
 * runs. Once it has started the call drains: the caller, cancelled or not, stays until it has returned, so that `arg`
 * may lie on its stack; the function sees the cancel by belay_blocking_canceled. From tasks; on a foreign thread
 * (self NULL) the function simply runs there. *result (may be NULL) receives what the function returned.
 *   BELAY_OK         the function has run; a cancel that came meanwhile is told by the next waiting call
 *   BELAY_EINVAL     function is NULL
 *   BELAY_ECANCELED  the caller is cancelled; the function did not run and will not
 *   BELAY_ETIMEDOUT  (_until) it had not started when the deadline passed, and will not
 *   BELAY_EAGAIN     no thread could be started, and there was none; the function will not run
 *   BELAY_ENOMEM     no memory; the function will not run
 *   BELAY_ECONTEXT   self is not the calling task; or from a callback
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_blocking(belay_task *self, belay_blocking_function *function,
                                      void *arg, belay_status *result);
BELAY_API belay_status belay_blocking_until(belay_task *self, belay_blocking_function *function,
                                            void *arg, belay_time deadline, belay_status *result);

/* Has the caller been cancelled? A poll of a few loads, for functions that can stop early. Does not wait. Only inside
 * the function, on any thread it uses. */
BELAY_API bool belay_blocking_canceled(const belay_blocking_context *context);

/* A hint: between the two the task blocks its worker in the system. Meanwhile a spare worker runs in its place, so
 * that as many run as were configured, as long as no more than BELAY_SPARE_WORKERS are needed; what the blocked
 * worker has claimed for itself (queued tasks, forked calls) others may take at once. When the hint ends there is one
 * worker too many, which stops at its next task boundary. The task stays on its thread throughout: locks and
 * thread-local state remain. Neither call waits. From tasks. Hints nest: only the outermost counts.
 *
 * Tasks pinned to the blocked worker stay, and run when the hint ends. Any call that waits or yields ends the hint;
 * so does the task's end. A cancel interrupts no system call: what blocks must have a limit of its own, or poll. A
 * spare's belay_worker_index is from belay_executor_workers on. Where no spare is to be had (the limit, no thread or
 * no memory) begin is BELAY_OK all the same, belay_stats.block_unserved counts, and with all workers blocked nothing
 * runs; belay_blocking has none of these limits, and costs a change of threads and a wait.
 *   BELAY_OK
 *   BELAY_EINVAL     begin: nested more than 255 deep; end: without begin
 *   BELAY_EALREADY   end: a wait or a yield has ended the hint already
 *   BELAY_ECONTEXT   self is not the calling task; or from a callback
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_block_begin(belay_task *self);
BELAY_API belay_status belay_block_end(belay_task *self);

#ifdef __cplusplus
}
#endif
#endif

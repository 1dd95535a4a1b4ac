/* The executor: worker threads, the registry of tasks and scopes, timers. Several fit in one process. */
#ifndef BELAY_EXECUTOR_H
#define BELAY_EXECUTOR_H

#include <belay/config.h>
#include <belay/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Creates an executor with its worker threads running. config NULL: all options from the environment
 * and the defaults. Does not wait (it starts threads). From a foreign thread or a task.
 *   BELAY_OK        *out is the executor; destroy it with belay_executor_destroy
 *   BELAY_EINVAL    out is NULL, the config was not initialised, a field or (with strict) a variable is
 *                   out of range, or the program was compiled against another layout
 *   BELAY_ENOMEM    no memory, or no stack for the workers to start on
 *   BELAY_EAGAIN    the system has no thread left
 *   BELAY_ECHILD    in a forked child
 * On failure *out is NULL, nothing remains, and the allocator hook has got everything back. */
BELAY_API belay_status belay_executor_create(const belay_config *config, belay_executor **out);

/* Ends an executor: seals its root scope (later spawns: BELAY_ESHUTDOWN), cancels it softly, waits until `grace`
 * for the tasks to end by themselves, cancels those that have not (hard), and waits for them until `deadline`; then it
 * breaks shields and budgets of cleanup, and gives up.
 * Waits (drains). From a foreign thread only. Calling again continues where a timed call gave up; with
 * grace 0 cancelling begins at once.
 * Scopes of belay_scope_open_root, owners and sources are waited for, too. If, after the grace, for more
 * than a quarter of a second (at most half a second) nothing is left but such, without a task in them and
 * with nobody closing them, scopes are closed in their openers' place and sources ended, each named through
 * the log hook with its site; a closer that comes later hears BELAY_ESTALE, one that comes just then
 * BELAY_EALREADY. Within the grace they are only named. An owner is never ended in its users' place, nor a
 * scope that calls are deferred to: hook and calls free what a thread may be using. They are named, and
 * waited for until they are released, or closed, or the deadline passes.
 *   BELAY_OK        no task is left and none can come; the workers are parked
 *   BELAY_EBUSY     the deadline passed with tasks alive (named through the log hook and by
 *                   belay_snapshot), with such scopes open or owners unreleased (named through the log
 *                   hook); everything stays as it is
 *   BELAY_EINVAL    NULL
 *   BELAY_ECONTEXT  called from a worker thread
 *   BELAY_ESTALE    destroyed
 *   BELAY_ECHILD    in a forked child */
BELAY_API belay_status belay_executor_shutdown(belay_executor *executor, belay_time grace,
                                               belay_time deadline);

/* Shuts down without a time limit (grace 0), stops the worker threads and frees everything. All
 * handles become stale. It waits as shutdown does, for owners that nobody releases for ever: who must end in
 * time calls belay_executor_shutdown with a deadline first, and does not destroy after BELAY_EBUSY. The pointer must
 * not be used afterwards. NULL is BELAY_OK. Waits (drains). From a foreign thread only. BELAY_ECONTEXT, BELAY_ECHILD:
 * as above, nothing done; BELAY_EALREADY: another thread destroys it. */
BELAY_API belay_status belay_executor_destroy(belay_executor *executor);

/* The executor's root scope: lives from create to shutdown, does not fail fast, has no deadline. Tasks
 * that belong to nothing smaller are spawned here and are joined at shutdown. The all-zero scope for
 * NULL. Does not wait. Any thread, any context. */
BELAY_API belay_scope belay_executor_root(const belay_executor *executor);

/* The executor a task runs in. NULL for NULL. Does not wait. */
BELAY_API belay_executor *belay_task_executor(const belay_task *self);

/* Number of worker threads; 0 for NULL. Does not wait. Any thread. */
BELAY_API uint32_t belay_executor_workers(const belay_executor *executor);

/* Runs body as a task of the root scope and waits for its end: the bridge from main() into the
 * executor. *outcome may be NULL. Waits. From a foreign thread only.
 *   BELAY_OK        the task ended; *outcome says how (also when it failed)
 *   others          as belay_spawn and belay_join; if the task was not accepted, arg stays the caller's */
BELAY_API belay_status belay_executor_run(belay_executor *executor, belay_body *body, void *arg,
                                          belay_outcome *outcome);

/* In a process forked while executors existed every call returns BELAY_ECHILD, because the threads stayed in the
 * parent. This call makes the library usable again there: the parent's executors are given up, their handles are stale
 * for ever, and new ones can be created. What the parent's executors had allocated, and the descriptors they had
 * opened, are not given back. Nothing of the parent's that waits (tasks, locks, channels) may be used. Does not wait.
 * From the child's only thread, not from a task.
 *   BELAY_OK
 *   BELAY_EALREADY  this is not a forked child, or the call was made before
 *   BELAY_ECONTEXT  the thread forked inside a task: there only exec and _exit are left */
BELAY_API belay_status belay_restart_in_child(void);

/* Gives cached memory back to the system: the pages of stacks that nobody uses. Returns bytes given back,
 * about. Records of tasks and scopes stay, at their peak (128 bytes for each task that was once alive at
 * the same time): a stale handle, and a thread that comes late, still look at them, and free records of
 * one page lie in the caches of several workers.
 * Does not wait. Any thread, any context. */
BELAY_API size_t belay_executor_trim(belay_executor *executor);

#ifdef __cplusplus
}
#endif
#endif

/* Scopes: the owners of tasks.
 *
 * A scope is opened by a task (or a foreign thread), tasks are spawned into it, and its opener closes it.
 * Promise "ownership": when a close returns anything but BELAY_EBUSY, BELAY_EDEADLK, BELAY_ESTALE,
 * BELAY_ECONTEXT, BELAY_ECHILD or BELAY_EINVAL, every task spawned into the scope, directly or below, has
 * returned, and its argument has been destroyed.
 *
 * Scopes nest. The opener is inside its own scope from open to close: the scope's deadline and cancel
 * reach its own waits too. One task's scopes close in the reverse order of opening. A task that returns
 * with scopes open has them cancelled and drained, and is reported through the log hook. */
#ifndef BELAY_SCOPE_H
#define BELAY_SCOPE_H

#include <belay/cancel.h>
#include <belay/failure.h>
#include <belay/task.h>
#include <belay/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum belay_failure_policy {
    BELAY_FAIL_FAST = 0, /* the first error of a member cancels the scope, and close returns it */
    BELAY_SUPERVISE = 1, /* members fail alone; close does not return their errors */
    BELAY_COLLECT = 2    /* no sibling is cancelled; close returns the first error */
} belay_failure_policy;

/* Flags of a scope. */
enum {
    BELAY_SCOPE_SOFT = 1u << 0, /* a soft cancel interrupts here: it cancels this scope hard */
    BELAY_SCOPE_KEEP_OUTCOMES = 1u << 1 /* members' outcomes are kept for belay_scope_next */
};

/* No time at all for cleanup after a cancel. */
#define BELAY_NO_BUDGET INT64_C(-1)

/* Options of a scope; all zero is the default. Read during the call only, except the name and the bindings. */
typedef struct belay_scope_options {
    const char *name; /* for reports; kept by pointer */
    /* 0: none (not "at once", as in calls: <belay/time.h>). When it passes the scope is cancelled with
     * BELAY_ETIMEDOUT; before open has returned, if it has passed already. */
    belay_time deadline;
    belay_failure_policy policy;
    /* 0: none. Tasks that may be alive in the scope at once: a spawn beyond it waits for its turn, first come first
     * served (belay_try_spawn: BELAY_EAGAIN). A member that spawns into its own full scope waits while it holds a place
     * itself; if all do, nobody goes on: such members should try. */
    uint32_t cap;
    uint32_t flags; /* BELAY_SCOPE_... */
    /* 0: no shield. Until then cancels from outside do not reach in: <belay/shield.h>. */
    belay_time shield_until;
    /* 0: as the scope around; nanoseconds; or BELAY_NO_BUDGET. See <belay/cleanup.h>. */
    int64_t cleanup_budget;
    const belay_binding *bindings; /* NULL: none. <belay/value.h> */
    /* All zero: none. When it is cancelled, so is the scope, as from outside; also behind a shield of its own. */
    belay_token token;
} belay_scope_options;

/* Opens a scope inside the calling task's innermost one. Does not wait. From tasks only.
 *   BELAY_OK        *out is the scope; the caller must close it
 *   BELAY_EINVAL    out NULL, bad option
 *   BELAY_ENOMEM    no memory, or max_scopes are open
 *   BELAY_ECONTEXT  self is not the calling task
 *   BELAY_ECHILD    in a forked child
 * In a cancelled scope the new one is cancelled from the start: spawns into it are skipped. */
#define belay_scope_open(self, options, out)                                                       \
    belay_scope_open_from((self), (options), (out), BELAY_SITE)
BELAY_API belay_status belay_scope_open_from(belay_task *self, const belay_scope_options *options,
                                             belay_scope *out, const char *site);

/* Opens a scope in the executor's root, for a foreign thread, or for an object that tasks share. Any
 * thread that is not inside it may close it (exactly one does). Does not wait. Any thread. If nobody ever
 * does, the shutdown of the executor closes it, and says so: see belay_executor_shutdown.
 * As belay_scope_open, and BELAY_ESHUTDOWN while the executor shuts down. */
#define belay_scope_open_root(executor, options, out)                                              \
    belay_scope_open_root_from((executor), (options), (out), BELAY_SITE)
BELAY_API belay_status belay_scope_open_root_from(belay_executor *executor,
                                                  const belay_scope_options *options,
                                                  belay_scope *out, const char *site);

/* Refuses later spawns from everybody, members included: BELAY_ESHUTDOWN. Tasks inside go on.
 * BELAY_OK, BELAY_EALREADY, BELAY_ESTALE, BELAY_ECHILD. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_scope_seal(belay_scope scope);

/* Cancels the scope and everything below it: waiting calls there return BELAY_ECANCELED from now on, tasks
 * that have not started are skipped. Level-triggered: it stays cancelled. The first call's reason stays,
 * and its code is what close reports: BELAY_OK ("we have what we need") closes with BELAY_OK.
 * BELAY_OK (this call did it), BELAY_EALREADY, BELAY_ESTALE, BELAY_ECHILD. Does not wait. Any thread, any
 * context. */
#define belay_scope_cancel(scope, code, text)                                                      \
    belay_scope_cancel_from((scope), (code), (text), BELAY_SITE)
BELAY_API belay_status belay_scope_cancel_from(belay_scope scope, belay_status code,
                                               const char *text, const char *site);

/* Asks the scope and everything below it to come to an end: see <belay/cancel.h>. BELAY_OK (this call did it),
 * BELAY_EALREADY (it was cancelled, soft or hard), BELAY_ESTALE, BELAY_ECHILD. Does not wait. Any thread, any
 * context. */
#define belay_scope_soft_cancel(scope, code, text)                                                 \
    belay_scope_soft_cancel_from((scope), (code), (text), BELAY_SITE)
BELAY_API belay_status belay_scope_soft_cancel_from(belay_scope scope, belay_status code,
                                                    const char *text, const char *site);

/* Waits until no task is left in the scope, without sealing it. Waits: a cancel point. Any number may
 * wait, from tasks and foreign threads.
 *   BELAY_OK         there was a moment without a task
 *   BELAY_ETIMEDOUT  the deadline passed first
 *   BELAY_ECANCELED  the caller is cancelled
 *   BELAY_EDEADLK    the caller is a task inside the scope, other than its opener
 *   BELAY_ESTALE, BELAY_ECONTEXT, BELAY_ECHILD */
BELAY_API belay_status belay_scope_wait(belay_task *self, belay_scope scope);
BELAY_API belay_status belay_scope_wait_until(belay_task *self, belay_scope scope,
                                              belay_time deadline);

/* Refuses outsiders' spawns, waits until every task has ended, and frees the scope. Drains: a cancelled
 * caller stays until it is done (its tasks are cancelled with it), then hears of it.
 *   BELAY_OK         all ended; no error, or the scope was cancelled with BELAY_OK
 *   BELAY_ETIMEDOUT  the scope's own deadline cancelled it, and somebody noticed
 *   BELAY_ECANCELED  it was cancelled from outside, and somebody noticed
 *   other codes      the first error of a member (fail fast, collect), or the code given to belay_scope_cancel
 *   BELAY_EBUSY      (_until) the deadline passed with tasks alive: the scope stays closing, call again;
 *                    belay_scope_stragglers names them
 *   BELAY_EDEADLK    the caller is a task inside it, other than its opener; nothing was done
 *   BELAY_EINVAL     the caller did not open it, or has younger scopes open, or it is the one in which deferred
 *                    calls run; nothing was done
 *   BELAY_EALREADY   another thread is closing it; nothing was done
 *   BELAY_ESTALE     closed before
 *   BELAY_ECONTEXT, BELAY_ECHILD */
BELAY_API belay_status belay_scope_close(belay_task *self, belay_scope scope);
BELAY_API belay_status belay_scope_close_until(belay_task *self, belay_scope scope,
                                               belay_time deadline);

/* The same, and all errors of members, whatever the policy: *out is filled with BELAY_EBUSY too (those so far), and is
 * zeroed where nothing was done. deadline: BELAY_NEVER for none. Also BELAY_EINVAL: out NULL. */
BELAY_API belay_status belay_scope_close_report(belay_task *self, belay_scope scope,
                                                belay_time deadline, belay_failures *out);

/* The errors of members so far. BELAY_OK, BELAY_EINVAL (out NULL), BELAY_ESTALE, BELAY_ECHILD. Does not wait. Any
 * thread, any context. */
BELAY_API belay_status belay_scope_failures(belay_scope scope, belay_failures *out);

/* Takes the outcome of the member that ended first among those whose outcome was not taken, and waits for one to end if
 * there is none. Only in scopes opened with BELAY_SCOPE_KEEP_OUTCOMES. Waits: a schedule point and a cancel point. Any
 * number may call it, tasks and foreign threads; each outcome goes to one of them.
 * outcome: NULL, or receives it, the result included; NULL leaves the result with the task's handles, or drops it.
 * task: NULL, or receives a handle with a reference: release it.
 * Memory is kept for tasks that are alive or untaken, and both count towards max_tasks. Close drops untaken outcomes.
 * In a cancelled scope the opener's call gives BELAY_ECANCELED, as every wait does: belay_scope_try_next does not.
 *   BELAY_OK         *outcome, *task
 *   BELAY_ENOENT     no member is left and all outcomes were taken; members that are spawned later bring new ones
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form)
 *   BELAY_EAGAIN     there is none now (try_ form, which never waits)
 *   BELAY_ECANCELED  the caller is cancelled (not the try_ form)
 *   BELAY_EDEADLK    the caller is a task inside the scope, other than its opener (not the try_ form)
 *   BELAY_EINVAL     the scope does not keep outcomes
 *   BELAY_ESTALE, BELAY_ECHILD
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread (not the try_ form) */
BELAY_API belay_status belay_scope_next(belay_task *self, belay_scope scope, belay_outcome *outcome,
                                        belay_task_handle *task);
BELAY_API belay_status belay_scope_next_until(belay_task *self, belay_scope scope,
                                              belay_time deadline, belay_outcome *outcome,
                                              belay_task_handle *task);
BELAY_API belay_status belay_scope_try_next(belay_scope scope, belay_outcome *outcome,
                                            belay_task_handle *task);

/* Changes the scope's deadline; BELAY_NEVER removes it. One that has passed, 0 included (which in the options is
 * "none"), cancels the scope before this returns. BELAY_OK, BELAY_EALREADY (it is cancelled), BELAY_ESTALE,
 * BELAY_ECHILD. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_scope_set_deadline(belay_scope scope, belay_time deadline);

/* Changes how many tasks may be alive in a scope that was opened with a cap. Raised: waiting spawners are let in.
 * Lowered: tasks that are alive stay, and nobody is let in until there are fewer. Does not wait. Any thread, any
 * context. BELAY_OK, BELAY_EINVAL (cap 0; the scope was opened without one), BELAY_ESTALE, BELAY_ECHILD. */
BELAY_API belay_status belay_scope_set_cap(belay_scope scope, uint32_t cap);

/* The innermost scope the task is in. All zero for NULL. Only the running task. Does not wait. */
BELAY_API belay_scope belay_scope_current(belay_task *self);

/* Tasks alive in the scope itself (not below); a snapshot. BELAY_OK, BELAY_EINVAL, BELAY_ESTALE. */
BELAY_API belay_status belay_scope_count(belay_scope scope, uint64_t *out);

#ifdef __cplusplus
}
#endif
#endif

/* Tasks: spawn, join, outcomes.
 *
 * A function that takes `self` may wait; one that does not, cannot. `self` is the calling task: the
 * pointer its body received, valid until the body returns, also after the task moved to another worker
 * thread. A foreign thread (one that runs no task) passes NULL: where a task would suspend, the thread
 * sleeps. Passing another task's `self` is BELAY_ECONTEXT.
 *
 * Promise "exactly once": an accepted spawn ends in exactly one outcome and exactly one call of its
 * argument's destructor, even if its body never ran. A refused spawn leaves the argument with the caller.
 * At completion, in this order: body, deferred calls, argument destructor, outcome published, joiners woken, done
 * callbacks, scope count, reference dropped. */
#ifndef BELAY_TASK_H
#define BELAY_TASK_H

#include <belay/handle.h>
#include <belay/time.h>

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a task runs. BELAY_OK is success; BELAY_ECANCELED, if the task had been cancelled, is the outcome
 * "cancelled"; everything else is an error. It must return: pthread_exit, a C++ exception or longjmp out
 * of it aborts the process with a message that names the task. */
typedef belay_status belay_body(belay_task *self, void *arg);

/* Where pinned tasks run. */
#define BELAY_PIN_NONE 0
#define BELAY_PIN_HERE                                                                             \
    (-1) /* the worker that spawns, or for which it stands in; from a foreign thread: BELAY_EINVAL */
#define BELAY_PIN(worker) ((int32_t)(worker) + 1) /* that worker */

enum {
    BELAY_TASK_RUN_CANCELED =
        1u << 0, /* run the body even if the task is cancelled before it starts */
    /* A service: it does not count as an ordinary member of its scope, for belay_scope_wait, belay_scope_count and
     * the cap, nor is its outcome kept. When the scope closes and its ordinary tasks have ended, services are
     * cancelled, the youngest first, each once the one before has ended (one that has not begun is skipped); from then
     * on new services are refused (BELAY_ESHUTDOWN), and ordinary tasks that services still spawn are waited for. A
     * service's error is an error of the scope. A cancel of the scope reaches its services and ordinary tasks at the
     * same time. Not in an owner's scope: BELAY_EINVAL. */
    BELAY_TASK_SERVICE = 1u << 1
};

/* Options of a spawn; all zero is the default. Read during the call only, except the strings. */
typedef struct belay_task_options {
    const char *name; /* for reports; kept by pointer: a literal, or text that outlives the task */
    belay_drop *arg_drop; /* called once with arg after the body, also if the body never ran */
    belay_time start_at;  /* not before this time: until then the task has a record and no stack */
    int32_t pin;          /* BELAY_PIN_NONE, BELAY_PIN_HERE or BELAY_PIN(worker) */
    uint32_t flags;       /* BELAY_TASK_... */
} belay_task_options;

typedef enum belay_outcome_kind {
    BELAY_OUTCOME_VALUE = 1, /* the body returned BELAY_OK */
    BELAY_OUTCOME_ERROR,     /* it returned something else; or a start failed: BELAY_ENOSTACK */
    BELAY_OUTCOME_CANCELED,  /* it returned BELAY_ECANCELED and had been cancelled */
    BELAY_OUTCOME_SKIPPED    /* it was cancelled before it started; the body never ran */
} belay_outcome_kind;

typedef struct belay_outcome {
    belay_outcome_kind kind;
    belay_status status;   /* what the body returned; BELAY_ECANCELED if skipped */
    bool cancel_requested; /* a cancel had reached the task, whether it noticed or not */
    bool has_result; /* `result` was taken by this join; drop it with result_drop if not NULL */
    void *result;
    belay_drop *result_drop;
} belay_outcome;

/* Spawns a task into a scope. Waits only if the scope has a concurrency cap and is full (then it is a
 * cancel point; see belay_try_spawn). From tasks, foreign threads (self NULL) and callbacks (self NULL
 * there as well; a full scope then gives BELAY_ECONTEXT).
 *
 * scope: where the task belongs; belay_scope_current(self) or belay_executor_root(...) among others.
 * options: NULL for the defaults. out: NULL, or receives a handle that holds one reference: release it
 * with belay_task_release. Spawning without a handle is cheaper; such a task is listed (belay_snapshot)
 * with an all-zero handle, until it asks for its own.
 *   BELAY_OK         accepted: the task will have exactly one outcome. In a cancelled scope: skipped.
 *   BELAY_EINVAL     body NULL, bad option, pin out of range
 *   BELAY_ESTALE     the scope is gone
 *   BELAY_ESHUTDOWN  the scope is sealed, or closing and the caller is not one of its members
 *   BELAY_ENOMEM     no memory, or max_tasks are alive
 *   BELAY_ECANCELED  the caller was cancelled while it waited for room
 *   BELAY_ECONTEXT   self is not the calling task, or would wait where that is not allowed
 *   BELAY_ECHILD     in a forked child
 * For every status but BELAY_OK the argument stays the caller's, and *out is zeroed. */
#define belay_spawn(self, scope, body, arg, options, out)                                          \
    belay_spawn_from((self), (scope), (body), (arg), (options), (out), BELAY_SITE_OF(body))
BELAY_API belay_status belay_spawn_from(belay_task *self, belay_scope scope, belay_body *body,
                                        void *arg, const belay_task_options *options,
                                        belay_task_handle *out, const char *site);

/* The same, but never waits: BELAY_EAGAIN if the scope is full. */
#define belay_try_spawn(self, scope, body, arg, options, out)                                      \
    belay_try_spawn_from((self), (scope), (body), (arg), (options), (out), BELAY_SITE_OF(body))
BELAY_API belay_status belay_try_spawn_from(belay_task *self, belay_scope scope, belay_body *body,
                                            void *arg, const belay_task_options *options,
                                            belay_task_handle *out, const char *site);

/* belay_spawn with options->start_at = when. */
#define belay_spawn_at(self, scope, when, body, arg, options, out)                                 \
    belay_spawn_at_from((self), (scope), (when), (body), (arg), (options), (out),                  \
                        BELAY_SITE_OF(body))
BELAY_API belay_status belay_spawn_at_from(belay_task *self, belay_scope scope, belay_time when,
                                           belay_body *body, void *arg,
                                           const belay_task_options *options,
                                           belay_task_handle *out, const char *site);

/* Waits for a task's end. Waits: a schedule point and a cancel point. From tasks and foreign threads.
 * outcome may be NULL: then a result stays for another joiner, or is dropped with the last reference.
 * Any number may join; the first with an outcome takes the result. The handle keeps its reference.
 *   BELAY_OK         the task has ended
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form)
 *   BELAY_ECANCELED  the caller is cancelled; the task is not
 *   BELAY_EDEADLK    the task is the caller itself, or one whose scope the caller is in
 *   BELAY_ESTALE     the task has ended and its last reference is gone
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_join(belay_task *self, belay_task_handle task, belay_outcome *outcome);
BELAY_API belay_status belay_join_until(belay_task *self, belay_task_handle task,
                                        belay_time deadline, belay_outcome *outcome);

/* One more reference to a task. BELAY_ESTALE once the task was reaped: so a copied handle without a
 * reference serves as a weak one. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_task_retain(belay_task_handle task);

/* Drops one reference. The last one, of a finished task, reaps it: an untaken result is dropped on the
 * calling thread. A running task keeps a reference of its own. BELAY_ESTALE: there was none left.
 * Does not wait. Any thread, any context. */
BELAY_API belay_status belay_task_release(belay_task_handle task);

/* Asks a task to stop: every waiting call it makes from now on returns BELAY_ECANCELED, and so does the
 * one it waits in; scopes it has opened are cancelled. A task that has not started will be skipped.
 * code and text (a literal, may be NULL) are the reason; the first cancel's reason stays.
 * Does not wait. Any thread, any context.
 *   BELAY_OK        this call did it
 *   BELAY_EALREADY  cancelled before, or already finished
 *   BELAY_ESTALE    gone
 *   BELAY_ECHILD    in a forked child */
#define belay_task_cancel(task, code, text)                                                        \
    belay_task_cancel_from((task), (code), (text), BELAY_SITE)
BELAY_API belay_status belay_task_cancel_from(belay_task_handle task, belay_status code,
                                              const char *text, const char *site);

/* A result for whoever joins: a pointer-sized word, and a hook that destroys it if nobody takes it (may
 * be NULL). A second call drops the first result. Only the running task. Does not wait.
 * BELAY_ECONTEXT: self is not the calling task; the value stays the caller's. */
BELAY_API belay_status belay_set_result(belay_task *self, void *result, belay_drop *result_drop);

/* Lets other tasks run. A schedule point and a cancel point: BELAY_OK, BELAY_ECANCELED (returned without
 * giving way... only the first times: a task that goes on in spite of it still gives way), BELAY_ECONTEXT. */
BELAY_API belay_status belay_yield(belay_task *self);

/* A cancel point that costs two loads when nothing is to be done; now and then it yields, so that a loop
 * of checkpoints shares its worker fairly. BELAY_OK, BELAY_ECANCELED, BELAY_ECONTEXT. */
BELAY_API belay_status belay_checkpoint(belay_task *self);

/* Sleeps until the deadline. Never returns BELAY_OK early; resolution about 16 microseconds. Waits. From
 * tasks and foreign threads. BELAY_OK, BELAY_ECANCELED, BELAY_ECONTEXT, BELAY_ECHILD. BELAY_NEVER sleeps
 * until cancelled; from a foreign thread that is BELAY_EINVAL. */
BELAY_API belay_status belay_sleep_until(belay_task *self, belay_time deadline);

/* The running task, or NULL on a foreign thread: for code deep inside other people's callbacks.
 * Does not wait. */
BELAY_API belay_task *belay_self(void);

/* The calling task's own handle, without a reference (weak). All zero for NULL. Does not wait. */
BELAY_API belay_task_handle belay_task_self_handle(belay_task *self);

/* The worker the calling thread is, or -1 on a foreign thread. Below belay_executor_workers, or on a spare worker (see
 * blocking.h) below that plus BELAY_SPARE_WORKERS. Does not wait. */
BELAY_API int32_t belay_worker_index(void);

#ifdef __cplusplus
}
#endif
#endif

/* Foreign waits: for completions that come from somewhere else, such as a driver with callbacks of its own.
 *
 * The operation lives in a belay_foreign, usually on the waiting task's stack:
 *     belay_foreign op;
 *     belay_foreign_init(&op);
 *     start(driver, &op); // the driver will call belay_foreign_complete(&op, status) exactly once
 *     status = belay_foreign_wait(self, &op, abort, driver);
 * The memory may be used again when the wait has returned. After Trio's wait_task_rescheduled. */
#ifndef BELAY_FOREIGN_H
#define BELAY_FOREIGN_H

#include <belay/handle.h>
#include <belay/time.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_foreign {
    uint64_t opaque[6];
} belay_foreign;

/* What became of an attempt to abort. */
typedef enum belay_abort_answer {
    BELAY_ABORT_DONE =
        1, /* it is withdrawn: belay_foreign_complete has not been and will not be called */
    BELAY_ABORT_PENDING /* too late, or impossible: belay_foreign_complete was or will be called */
} belay_abort_answer;

/* Called at most once per wait, by the waiting task (or thread) itself, when it was cancelled or its deadline has
 * passed. May not wait. */
typedef belay_abort_answer belay_abort_hook(belay_foreign *op, void *arg);

/* Does not wait. Any thread. */
BELAY_API void belay_foreign_init(belay_foreign *op);

/* Ends the wait, now or when it begins, with this status. Its last access to *op is its last act. Exactly once. Does
 * not wait. Any thread, any context, signal handlers excepted. */
BELAY_API void belay_foreign_complete(belay_foreign *op, belay_status status);

/* Waits for the completion and returns its status. Waits. From tasks and foreign threads. A cancel or the deadline
 * calls the abort hook: BELAY_ABORT_DONE ends the wait with BELAY_ECANCELED or BELAY_ETIMEDOUT; after
 * BELAY_ABORT_PENDING, or without a hook (NULL), the wait goes on to the completion, whose status is returned: what
 * took effect is not lost. Also BELAY_EINVAL, BELAY_ECONTEXT, BELAY_ECHILD; then the operation was not waited for. */
BELAY_API belay_status belay_foreign_wait_until(belay_task *self, belay_foreign *op,
                                                belay_time deadline, belay_abort_hook *abort,
                                                void *arg);
BELAY_API belay_status belay_foreign_wait(belay_task *self, belay_foreign *op,
                                          belay_abort_hook *abort, void *arg);

#ifdef __cplusplus
}
#endif
#endif

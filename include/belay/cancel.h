/* Cancellation as a task sees it: polling and the reason.
 *
 * Promise "never lost": cancelling is level-triggered. Once a cancel call has returned, every waiting call
 * of every task in the subtree, ordered after it, returns BELAY_ECANCELED until that task returns or leaves
 * the scope. Ignoring one changes nothing; there is no "uncancel". */
#ifndef BELAY_CANCEL_H
#define BELAY_CANCEL_H

#include <belay/detail/fast.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Has the calling task, or a scope it is in, been cancelled? Two relaxed loads and no call while not.
 * Only the running task (self not NULL). Does not wait. */
static inline bool belay_canceled(const belay_task *self) {
#if BELAY_FAST_INLINE
    const belay_fast_task *task = (const belay_fast_task *)(const void *)self;
    uint32_t own = __atomic_load_n(&task->cancel, __ATOMIC_RELAXED);
    uint32_t scope = __atomic_load_n(&task->scope->cancel, __ATOMIC_RELAXED);
    if (__builtin_expect((own | scope) == 0, 1)) {
        return false;
    }
#endif
    return belay_canceled_slow(self);
}

/* Why. All strings are kept by pointer, as given. */
typedef struct belay_cancel_reason {
    belay_status
        code; /* as given to the cancel; BELAY_ETIMEDOUT: a deadline; else a member's error */
    const char *text;   /* may be NULL */
    const char *site;   /* where cancel was called; NULL for deadlines and failures */
    belay_scope origin; /* the scope that was cancelled; all zero: the task itself */
} belay_cancel_reason;

/* BELAY_OK, BELAY_ENOENT (not cancelled), BELAY_EINVAL. Only the running task. Does not wait. */
BELAY_API belay_status belay_reason(const belay_task *self, belay_cancel_reason *out);

#ifdef __cplusplus
}
#endif
#endif

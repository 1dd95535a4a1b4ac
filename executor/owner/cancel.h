/* Cancelling, inside: scopes, tasks, how tasks see it, tokens, shields. A part of owner/scope.h, which includes it
 * after the scope itself.
 *
 * docs/protocols/cancel.md has the words, their bits and the argument. */
#ifndef BELAY_OWNER_CANCEL_H
#define BELAY_OWNER_CANCEL_H

#include "owner/scope.h"

/* ---- owner/cancel.c: scopes -------------------------------------------------------------------------------------- */

/* Cancels the subtree. The caller keeps the scope alive. BELAY_OK or BELAY_EALREADY. */
belay_status scope_cancel_tree(scope *s, const belay_cancel_reason *reason);
belay_status scope_soft_cancel_tree(scope *s, const belay_cancel_reason *reason);
/* The same for a cancel that was aimed at something above the scope: a shield may keep it out. */
void scope_cancel_from_above(scope *s, cancel_level level, const belay_cancel_reason *reason);
/* What one canceller has marked and not told yet, chained by the scopes' `next`: its memory are the scopes. */
typedef struct cancel_work {
    scope *todo
        [CANCEL_LISTS]; /* by level; and those marked before that the end of a shield passes through */
} cancel_work;
/* The same for a token that the scope follows: its own shield does not keep it out. Marks it only, and leaves the
 * telling to the work, so that a chain of links does not lie on the stack. True: the caller's hold (of scope_hold)
 * has passed to the work. */
bool cancel_linked(cancel_work *work, scope *s, cancel_level level,
                   const belay_cancel_reason *reason);
/* Tells all, and what comes from it. Under no lock. */
void cancel_work_off(cancel_work *work);
/* A scope that just was linked to its parent, or lost its shield, takes over the parent's cancel, and its opener's. */
/* unshielded: because its shield has ended, and with it those below. */
void cancel_inherit(scope *s, const belay_task *opener, bool unshielded);
static inline bool scope_canceled(const scope *s) {
    return (load_relaxed(&s->cancel) & SCOPE_HARD) != 0; /* relaxed: a poll, or under the lock */
}

/* ---- owner/cancel_task.c: one task ------------------------------------------------------------------------------- */

/* The task's cancel word: what polls read, whether it was cancelled at all, how many shields keep that from it, and
 * the number of the reason's slot. WORD_CANCELED is set if and only if WORD_RAW is and there is no shield. */
enum {
    WORD_CANCELED = 1,
    WORD_RAW = 2,
    WORD_SHIELD = 4,
    WORD_SHIELDS = 63 * WORD_SHIELD,
    WORD_REASON = 8
};

/* One shield more. False: too many. Only the running task. */
bool task_mask(belay_task *t);
/* One less. True: the task has become cancelled by it; the caller goes on with task_tell. */
bool task_unmask(belay_task *t);
/* The word says that the task is cancelled: wakes it, cancels what it has opened, and its stolen forks. The caller
 * holds a reference, or is waited for by it. */
void task_tell(belay_executor *ex, belay_task *t, const belay_cancel_reason *reason);
/* Gives a stolen fork its owner's cancel. */
void task_mark_fork(belay_task *fork, const belay_task *owner);
/* Has the stolen fork a reason of its own, not its owner's? */
bool task_reason_differs(const belay_task *fork, const belay_task *owner);
void reason_of_task(const belay_task *t, belay_cancel_reason *out);
/* Cancels one task, its stolen forks and the scopes it has opened. The caller holds a reference, or is waited for by
 * it. BELAY_OK or BELAY_EALREADY. */
belay_status task_cancel(belay_executor *ex, belay_task *t, const belay_cancel_reason *reason);
/* The task's cancel word is set: wakes it. Returns the outermost scope it has opened, pinned, or NULL; the caller
 * passes it to scope_cancel_opened. The task cannot end meanwhile. */
scope *task_wake_canceled(belay_executor *ex, belay_task *t);
void scope_cancel_opened(scope *opened, const belay_cancel_reason *reason);
/* Is t, or a scope it is in, cancelled? */
static inline bool task_canceled(const belay_task *t) {
    /* relaxed: a poll; who goes on to the reason reads the word again with acquire */
    uint32_t words = load_relaxed(&t->cancel) | load_relaxed(&load_relaxed(&t->inner)->cancel);
    return (words & WORD_CANCELED) != 0;
}
/* ---- owner/cancel_view.c: how tasks see it ----------------------------------------------------------------------- */

/* The task (inside s and above) was told: marks all cancelled scopes it is in. */
void cancel_noticed(const belay_task *t);
/* A waiting call of t was refused because of a cancel: books it; now and then lets others run. */
void cancel_refused(belay_task *t);
/* Frees the reason of a task that was cancelled itself. */
void cancel_forget(belay_executor *ex, worker *w, belay_task *t);

/* ---- owner/token.c ----------------------------------------------------------------------------------------------- */

/* Makes the calls that were put down for a cancel of this level; what follows the token is added to the work. */
void token_call(scope *s, cancel_level level, cancel_work *work);
/* Cancels the scope as from above when the token is, until token_unlink. Two steps, because only the first can fail:
 * with BELAY_ENOMEM. A stale or zero token is never cancelled: no cell. */
struct cell;
belay_status token_prepare(belay_token token, struct cell **out);
void token_discard(belay_token token, struct cell *c);
token_follow token_link(scope *s, belay_token token, struct cell *c);
void token_unlink(token_follow link);
/* After token_watch and before the arm's next use: was it woken by a cancel? (Else the scope is gone.) */
bool token_was_canceled(const arm *a);
/* The scope has ended: its token is stale, what was put down is dropped, who watches is woken. */
void token_end(scope *s);
/* Is the token cancelled so far? BELAY_OK, BELAY_EAGAIN, BELAY_ESTALE: its scope is gone. The caller is inside the
 * executor, all three. */
belay_status token_state(belay_executor *ex, belay_token token, cancel_level level);
/* The same, and BELAY_EAGAIN: links the arm, which is woken when one of the others is true. */
belay_status token_watch(belay_executor *ex, belay_token token, cancel_level level, arm *a);
/* After BELAY_EAGAIN of token_watch. */
void token_unwatch(belay_executor *ex, belay_token token, arm *a);

/* ---- owner/shield.c ---------------------------------------------------------------------------------------------- */

/* Of a scope that nobody knows yet, before it is linked. False: too many. */
bool shield_begin(scope *s, scope *parent, belay_task *opener, belay_time until, bool on_knock);
/* Under the scope's lock: does the shield hold? If so a cancel of this level was kept out, and for a hard one a
 * budget begins to run. */
bool shield_holds(scope *s, cancel_level level);
/* A shield for cleanup whose opener may have been cancelled before: then its budget runs from the beginning. */
void shield_knock_early(scope *s);
/* Arms the timer of a shield whose end is known; or ends it, if that has passed. By its opener, who is in it. */
void shield_arm(scope *s);
/* Does one of the opener's shields around this one hold still? Who ends it goes through this one afterwards. */
bool shield_around(const scope *s, const belay_task *opener);
/* Under the scope's lock, at its close. */
void shield_disarm(scope *s);
/* The scope is closed and left: its opener is without the shield. */
void shield_leave(scope *s, belay_task *opener);
/* Under the scope's lock: a shield around has ended, and this one with it. Always false. Then, without the lock,
 * shield_tell. */
bool shield_end_below(scope *s);
void shield_tell(scope *s);
/* Before its time: lets everything through. The caller keeps the scope alive. */
void shield_break(scope *s);

#endif

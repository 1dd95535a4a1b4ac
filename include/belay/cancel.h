/* Cancellation: level-triggered, cooperative, never lost.
 *
 * Once a hard cancel has returned, every waiting call of every task in the subtree, ordered after it, returns
 * BELAY_ECANCELED until that task returns or leaves the scope; a call that already waits is woken. There
 * is no "uncancel"; ignoring one cancel changes nothing. Only a shield, which always has an end, defers it. An
 * operation that took effect reports success even when a cancel came at the same time: the next waiting call reports
 * it.
 *
 * What the canceller wrote before is visible to a task that has learned of the cancel, by a status, a poll or being
 * skipped.
 *
 * A soft cancel asks to come to an end: it interrupts only the scopes that were opened with BELAY_SCOPE_SOFT (accept
 * loops, idle waits); elsewhere polls (belay_stopping), tokens and callbacks see it.
 *
 * While two cancels of overlapping subtrees run at the same time, the later one may return before the earlier is
 * through. */
#ifndef BELAY_CANCEL_H
#define BELAY_CANCEL_H

#include <belay/detail/fast.h>
#include <belay/time.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- polling ------------------------------------------------------------------------------------------------ */

/* True if a waiting call of the task would return BELAY_ECANCELED: for long computations without waiting calls. Two
 * loads, no call. Does not wait. Only for the running task itself. */
static inline bool belay_canceled(const belay_task *self) {
#if BELAY_FAST_INLINE
    const belay_fast_task *task = (const belay_fast_task *)(const void *)self;
    uint32_t own = __atomic_load_n(&task->cancel, __ATOMIC_RELAXED);
    uint32_t scope = __atomic_load_n(&task->scope->cancel, __ATOMIC_RELAXED);
    if (__builtin_expect(((own | scope) & BELAY_FAST_CANCELED) == 0, 1)) {
        return false;
    }
#endif
    return belay_canceled_slow(self);
}

/* True if the task should come to an end: after a soft cancel as well as after a hard one. Does not wait. Only for the
 * running task itself. */
BELAY_API bool belay_stopping(const belay_task *self);

/* Why. All strings are kept by pointer, as given. */
typedef struct belay_cancel_reason {
    /* As given to the cancel; BELAY_ETIMEDOUT: a deadline; else a member's error. */
    belay_status code;
    const char *text;   /* may be NULL */
    const char *site;   /* where cancel was called; NULL for deadlines and failures */
    belay_scope origin; /* the scope that was cancelled; all zero: the task itself */
} belay_cancel_reason;

/* The reason of the hard cancel that reaches the task, or else of the soft one. The first cancel's reason stays.
 * BELAY_OK, BELAY_ENOENT (not cancelled), BELAY_EINVAL. Only the running task. Does not wait. */
BELAY_API belay_status belay_reason(const belay_task *self, belay_cancel_reason *out);

/* ---- tokens: seeing a cancel without the right to it --------------------------------------------------------- */

/* The cancellation of a scope, an owner or a source, to look at. Holds no reference. All zero is never cancelled. */
typedef struct belay_token {
    uint32_t slot;
    uint32_t executor;
    uint64_t generation;
} belay_token;

typedef enum belay_cancel_level {
    BELAY_NOT_CANCELED = 0,
    BELAY_SOFT_CANCELED = 1,
    BELAY_HARD_CANCELED = 2
} belay_cancel_level;

/* A scope's token. Does not wait. Any thread, any context. */
BELAY_API belay_token belay_scope_token(belay_scope scope);

/* How far it is cancelled. BELAY_OK, BELAY_ESTALE (gone; *out is BELAY_NOT_CANCELED), BELAY_EINVAL, BELAY_ECHILD.
 * Does not wait. Any thread, any context. */
BELAY_API belay_status belay_token_level(belay_token token, belay_cancel_level *out);

/* Why. BELAY_OK, BELAY_ENOENT (not cancelled), BELAY_ESTALE, BELAY_EINVAL, BELAY_ECHILD. Does not wait. Any thread. */
BELAY_API belay_status belay_token_reason(belay_token token, belay_cancel_reason *out);

/* Waits until the token is cancelled at least so far. Waits. From tasks and foreign threads.
 *   BELAY_OK         it is
 *   BELAY_ETIMEDOUT  the deadline passed first; 0 polls
 *   BELAY_ECANCELED  the caller is cancelled (also if it is by this very token)
 *   BELAY_ESTALE     what the token belongs to is gone, or ended meanwhile without being cancelled
 *   BELAY_EINVAL, BELAY_ENOMEM, BELAY_ECONTEXT, BELAY_ECHILD */
BELAY_API belay_status belay_token_wait_until(belay_task *self, belay_token token,
                                              belay_cancel_level level, belay_time deadline);

/* ---- sources: cancellation without a scope ---------------------------------------------------------------------- */

/* The right to cancel a token that belongs to no scope. Holds one reference. */
typedef struct belay_source {
    uint32_t slot;
    uint32_t executor;
    uint64_t generation;
} belay_source;

/* Makes a source whose token is cancelled by belay_source_cancel, or as soon as any of the `count` parents is (any-of;
 * a stale parent never is). Sources form trees that way. Does not wait. Any thread, any context.
 *   BELAY_OK         *out holds one reference: release it with belay_source_release
 *   BELAY_EINVAL     executor or out NULL, parents NULL with a count
 *   BELAY_ENOMEM, BELAY_ESHUTDOWN (the executor is going away), BELAY_ECHILD */
BELAY_API belay_status belay_source_create(belay_executor *executor, const belay_token *parents,
                                           size_t count, belay_source *out);
/* Does not wait. Any thread, any context. BELAY_ESTALE. */
BELAY_API belay_status belay_source_retain(belay_source source);
/* The last reference takes the token away: it becomes stale, registrations are dropped without a call. Does not
 * wait. Any thread, any context. BELAY_ESTALE. */
BELAY_API belay_status belay_source_release(belay_source source);
BELAY_API belay_token belay_source_token(belay_source source);

/* BELAY_OK: this call did it; BELAY_EALREADY; BELAY_ESTALE; BELAY_ECHILD; BELAY_EINVAL (a level that is none).
 * Callbacks run before it returns. Does not wait otherwise. Any thread, any context. */
#define belay_source_cancel(source, level, code, text)                                             \
    belay_source_cancel_from((source), (level), (code), (text), BELAY_SITE)
BELAY_API belay_status belay_source_cancel_from(belay_source source, belay_cancel_level level,
                                                belay_status code, const char *text,
                                                const char *site);

/* ---- callbacks ------------------------------------------------------------------------------------------------ */

/* Called once, by whoever cancels, before that cancel returns, in no promised order, under no lock. May call every
 * function that does not wait. */
typedef void belay_cancel_callback(const belay_cancel_reason *reason, void *arg);

/* Registers a callback for the moment a token is cancelled at least to this level. If it is already, the callback
 * runs before this returns, also inside another callback: one that registers itself again at this level would do so
 * without end. `drop`, if not NULL, is called with arg exactly once, when the registration has ended: after the
 * callback, after a removal, or when the token's object is gone. Does not wait. Any thread, any context.
 *   BELAY_OK        *out (may be NULL) names the registration, or is stale already
 *   BELAY_ESTALE    the token's object is gone; neither callback nor drop was or will be called
 *   BELAY_EINVAL, BELAY_ENOMEM, BELAY_ECHILD: the same */
BELAY_API belay_status belay_on_cancel(belay_token token, belay_cancel_level level,
                                       belay_cancel_callback *callback, void *arg, belay_drop *drop,
                                       belay_registration *out);

/* Takes a registration back. If the callback runs just now on another thread, waits for its end and that of `drop`,
 * whatever is cancelled: so when this has returned, neither runs any more. From inside the callback or `drop` it does
 * not wait. Drains. From tasks and foreign threads, and from inside the callback.
 *   BELAY_OK        the callback has not run and will not
 *   BELAY_EALREADY  it has run just now (or runs, and is the caller)
 *   BELAY_ESTALE    it ran, or was removed, before
 *   BELAY_ECONTEXT  it runs elsewhere and the caller may not wait; nothing was done
 *   BELAY_ECHILD */
BELAY_API belay_status belay_on_cancel_remove(belay_task *self, belay_registration registration);

/* The same without waiting: BELAY_EALREADY if the callback runs just now; what `drop` destroys is then destroyed when
 * it ends. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_on_cancel_forget(belay_registration registration);

/* A descriptor that becomes readable when the token is cancelled to this level (an eventfd), for programs with a poll
 * loop of their own. Close it with belay_token_fd_close. Does not wait. Any thread, any context.
 *   BELAY_OK, BELAY_ESTALE, BELAY_EINVAL, BELAY_ENOMEM (also: no descriptor left), BELAY_ECHILD */
BELAY_API belay_status belay_token_fd(belay_token token, belay_cancel_level level, int *out,
                                      belay_registration *registration);
/* Closes the descriptor: at once, or when the callback that writes to it has ended. BELAY_OK, BELAY_ECHILD. Exactly
 * once. Does not wait. */
BELAY_API belay_status belay_token_fd_close(belay_registration registration, int fd);

#ifdef __cplusplus
}
#endif
#endif

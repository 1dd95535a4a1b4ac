/* Cleanup: calls that are made at the end of a task or a scope, whatever happened.
 *
 * Deferred calls run last in, first out. They may wait and open objects of their own. A cancel, old or new, leaves them
 * a budget of time (belay_scope_options.cleanup_budget, 5 seconds unless set; the innermost scope's, and never more
 * than that of the scopes around): it begins with the first deferred call or with the cancel, whichever is later. When
 * it is used up, or with BELAY_NO_BUDGET at once, their waiting calls return BELAY_ECANCELED, also behind shields that
 * they open; those that are left still run. A status they return is logged, and never changes an outcome.
 *
 * Each has its end like a body: forks that it has not synced run, scopes that it has left open are cancelled and
 * closed, before the next is made. What it defers comes next. They run in a scope of their own, belay_scope_current,
 * which is not theirs to close (BELAY_EINVAL).
 *
 * A resource is released exactly once: by hand, or at the latest when its scope closes. A subscription is a resource
 * whose release takes the listener away. */
#ifndef BELAY_CLEANUP_H
#define BELAY_CLEANUP_H

#include <belay/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/* self is the task that ends, or closes the scope; NULL if a foreign thread closes it. */
typedef belay_status belay_cleanup(belay_task *self, void *arg);

/* Calls cleanup(self, arg) after the task's body has returned, before its argument is destroyed. Does not wait. Only
 * the running task. BELAY_OK; BELAY_EINVAL; BELAY_ENOMEM, BELAY_ECONTEXT, BELAY_ECHILD: nothing was put down. */
#define belay_defer(self, cleanup, arg) belay_defer_from((self), (cleanup), (arg), BELAY_SITE)
BELAY_API belay_status belay_defer_from(belay_task *self, belay_cleanup *cleanup, void *arg,
                                        const char *site);

/* Calls it when the scope closes, after the last of its tasks has ended, before close returns. Also for a scope that is
 * cancelled or sealed, until close has begun to run cleanup. Does not wait. Any thread, any context that holds the
 * scope open (its opener, its members).
 *   BELAY_OK, BELAY_EINVAL, BELAY_ENOMEM, BELAY_ESTALE, BELAY_ECHILD
 *   BELAY_ESHUTDOWN  its cleanup has been run: it closes */
#define belay_scope_defer(scope, cleanup, arg)                                                     \
    belay_scope_defer_from((scope), (cleanup), (arg), BELAY_SITE)
BELAY_API belay_status belay_scope_defer_from(belay_scope scope, belay_cleanup *cleanup, void *arg,
                                              const char *site);

/* Gives a value to a scope: release(value) is called exactly once, by belay_resource_release or when the scope closes,
 * in one order with what was deferred there. release is a callback: it may not wait. Statuses as belay_scope_defer; on
 * failure the value stays the caller's. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_resource_bind(belay_scope scope, belay_drop *release, void *value,
                                           belay_registration *out);
/* Releases it now. BELAY_OK: this call did; BELAY_ESTALE: it was released or taken before; BELAY_ECHILD.
 * Does not wait. Any thread, any context. */
BELAY_API belay_status belay_resource_release(belay_registration resource);
/* Takes the value back without releasing it: it is the caller's again. Statuses as above; *value may be NULL. */
BELAY_API belay_status belay_resource_take(belay_registration resource, void **value);

#ifdef __cplusplus
}
#endif
#endif

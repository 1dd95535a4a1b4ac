/* Shields: for a while, cancels from outside do not reach in. For work that must not stop half-way: a commit, a
 * farewell.
 *
 * A shield is a scope. It covers the task that opened it, its forks included, and every scope opened inside. (A fork
 * that was stolen before the shield was opened is not in its scope: a cancel of a scope around reaches that one.) One
 * that a stolen fork opens covers the fork alone. It keeps out cancels of the task and of the scopes around, soft and
 * hard, not a cancel, deadline or token of its own. It always has an end: at its time, or when it is closed, what was
 * kept out comes in. Inner shields end with the outer ones, and inside one that has ended a new one keeps out
 * nothing: what deferred cleanup opens ends with the budget, too. The end of a timed shutdown of the executor breaks
 * all. */
#ifndef BELAY_SHIELD_H
#define BELAY_SHIELD_H

#include <belay/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opens a scope that is shielded until this time at the latest: belay_scope_open with options->shield_until = until.
 * Does not wait. From tasks only. Close it with belay_scope_close.
 *   BELAY_OK      also if `until` has passed, or a shield around ends before: then it keeps nothing out from the start
 *   BELAY_EINVAL  until is BELAY_NEVER or not positive: a shield must have an end
 *   BELAY_ENOMEM  as belay_scope_open, or more than 63 shields of one task in each other
 *   others        as belay_scope_open */
#define belay_shield_open(self, until, out)                                                        \
    belay_shield_open_from((self), (until), (out), BELAY_SITE)
BELAY_API belay_status belay_shield_open_from(belay_task *self, belay_time until, belay_scope *out,
                                              const char *site);

#ifdef __cplusplus
}
#endif
#endif

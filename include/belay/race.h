/* Several ways to the same end: the first one, the first that succeeds, or enough of them.
 *
 * Each function opens a scope of its own inside the caller's, spawns a task for every entry, takes their outcomes in
 * the order of completion until it has what it wants, cancels the others, and returns when all have ended. What decides
 * is the order in which tasks end: one that returned a value in time keeps it; results of the others are dropped
 * through their hooks. After Java's StructuredTaskScope (ShutdownOnSuccess) and Kotlin's select over deferred
 * values. */
#ifndef BELAY_RACE_H
#define BELAY_RACE_H

#include <belay/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One of the tasks. The array is read until the call returns. */
typedef struct belay_entry {
    belay_body *body;
    void *arg;
    belay_drop
        *arg_drop;    /* NULL, or called once with arg after the body, also if the body never ran */
    const char *name; /* for reports; may be NULL */
} belay_entry;

/* The first entry to end, in whatever way, wins. Waits; at the end drains. From tasks only.
 * *winner: its index; outcome: how it ended, with its result. Either may be NULL.
 *   BELAY_OK         there is a winner, also if its outcome is an error or the caller was cancelled after it won
 *   BELAY_ECANCELED  the caller was cancelled before; all entries have ended
 *   BELAY_EINVAL     entries NULL, n 0, a body NULL
 *   BELAY_ENOMEM     no memory for the scope
 *   BELAY_ECONTEXT   self is not the calling task; or a callback
 *   BELAY_ECHILD     in a forked child
 * Arguments stay the caller's for EINVAL, ENOMEM, ECONTEXT and ECHILD; else each has been destroyed. An entry that
 * cannot be spawned for want of memory counts as one that ended with the error BELAY_ENOMEM. */
#define belay_race(self, entries, n, winner, outcome)                                              \
    belay_race_from((self), (entries), (n), (winner), (outcome), BELAY_SITE)
BELAY_API belay_status belay_race_from(belay_task *self, const belay_entry *entries, size_t n,
                                       size_t *winner, belay_outcome *outcome, const char *site);

/* The first entry that ends with a value wins; errors are passed over while others are left.
 * Statuses and arguments as of belay_race, and
 *   BELAY_ENOENT     none has succeeded: *winner and *outcome are those of the entry that failed first */
#define belay_first_success(self, entries, n, winner, outcome)                                     \
    belay_first_success_from((self), (entries), (n), (winner), (outcome), BELAY_SITE)
BELAY_API belay_status belay_first_success_from(belay_task *self, const belay_entry *entries,
                                                size_t n, size_t *winner, belay_outcome *outcome,
                                                const char *site);

/* Waits until `need` entries have ended with a value, or so many have failed that it cannot be any more.
 * winners, outcomes: NULL, or `need` places, filled in the order of completion; *got: how many; may be NULL.
 * Results in outcomes are the caller's; with outcomes NULL they are dropped. Statuses and arguments as of belay_race,
 * and
 *   BELAY_ENOENT     too many have failed: *got, less than need, have succeeded by then
 *   BELAY_EINVAL     also: need 0 or above n
 * For statuses other than BELAY_OK and BELAY_ENOENT, *got is 0 and results are dropped. */
#define belay_quorum(self, entries, n, need, winners, outcomes, got)                               \
    belay_quorum_from((self), (entries), (n), (need), (winners), (outcomes), (got), BELAY_SITE)
BELAY_API belay_status belay_quorum_from(belay_task *self, const belay_entry *entries, size_t n,
                                         size_t need, size_t *winners, belay_outcome *outcomes,
                                         size_t *got, const char *site);

#ifdef __cplusplus
}
#endif
#endif

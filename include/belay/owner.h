/* Owners: scopes for objects rather than for blocks.
 *
 * An owner holds the background tasks of an object (a connection, a cache) and dies with its last user. It has two
 * counts. External references (create, retain, release) say that somebody wants the object: when the last one goes, the
 * owner is sealed and its tasks are cancelled. Its tasks are the other count: they never keep it wanted, but while one
 * lives its memory stays. When the last task has ended, the drained hook is called, once, and the owner is gone: there
 * is nothing to close, and no thread waits for it unless it wants to. */
#ifndef BELAY_OWNER_H
#define BELAY_OWNER_H

#include <belay/cancel.h>
#include <belay/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An external reference. All zero names no owner. */
typedef struct belay_owner {
    uint32_t slot;
    uint32_t executor;
    uint64_t generation;
} belay_owner;

typedef struct belay_owner_options {
    belay_scope_options scope; /* policy (default: as BELAY_FAIL_FAST), cap, deadline, name, ... */
    /* Called once when the last reference and the last task are gone, by whoever dropped the last: the place to free
     * the object. A callback: it may call what does not wait; so may what was deferred to the owner's scope, which runs
     * just before. */
    belay_drop *drained;
    void *arg;
} belay_owner_options;

/* Makes an owner in the executor's root, with one external reference. Shutdown of the executor cancels its tasks, as
 * those of every scope, and waits until it is released: never ends one that somebody holds. Does not wait. Any
 * thread, any context.
 *   BELAY_OK, BELAY_EINVAL, BELAY_ENOMEM, BELAY_ESHUTDOWN, BELAY_ECHILD */
#define belay_owner_create(executor, options, out)                                                 \
    belay_owner_create_from((executor), (options), (out), BELAY_SITE)
BELAY_API belay_status belay_owner_create_from(belay_executor *executor,
                                               const belay_owner_options *options, belay_owner *out,
                                               const char *site);

/* The scope to spawn into, cancel, look at; not to be closed (BELAY_EINVAL). */
BELAY_API belay_scope belay_owner_scope(belay_owner owner);

/* One more external reference. BELAY_OK; BELAY_ESTALE: the last one is gone, so that a copied handle without a
 * reference serves as a weak one; BELAY_ECHILD. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_owner_retain(belay_owner owner);

/* Drops one. With the last one: seals, cancels (code BELAY_ECANCELED), and leaves the rest to whoever ends last. From a
 * task of the owner itself too. BELAY_OK, BELAY_ESTALE, BELAY_ECHILD. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_owner_release(belay_owner owner);

/* Waits until the owner is gone, drained hook included: whoever holds it goes on holding it, so another must release.
 * Waits. From tasks and foreign threads.
 *   BELAY_OK         it is gone (also if it was before)
 *   BELAY_ETIMEDOUT  the deadline passed first
 *   BELAY_ECANCELED  the caller is cancelled
 *   BELAY_EDEADLK    the caller is one of its tasks
 *   BELAY_ECONTEXT, BELAY_ECHILD */
BELAY_API belay_status belay_owner_wait_until(belay_task *self, belay_owner owner,
                                              belay_time deadline);

/* Drops one reference, cancels (also if it was not the last), and waits until all tasks have ended and the hook was
 * called, if it was the last; else until no task is left. Drains: a cancelled caller stays. BELAY_OK, BELAY_EDEADLK
 * (nothing was done), BELAY_ESTALE, BELAY_ECONTEXT, BELAY_ECHILD. */
BELAY_API belay_status belay_owner_close(belay_task *self, belay_owner owner);

#ifdef __cplusplus
}
#endif
#endif

/* Waits for completions that come from outside the library.
 *
 * The operation has a lock of its own, a status, and at most one waiter. Completing: under the lock store the status
 * and wake the waiter; the release of the lock is the last access. The waiter passes the lock before it returns, so the
 * memory stays as long as the completer needs it. An abort is asked of the program by the waiter itself, under no
 * lock. */
#include <belay/foreign.h>

#include "base/lock.h"
#include "base/mutant.h"
#include "owner/scope.h"

typedef struct operation {
    lock lock;
    uint32_t done;
    belay_status status;
    uint32_t reserved;
    arm *waiting;
} operation;

_Static_assert(sizeof(operation) <= sizeof(belay_foreign), "opaque storage");
_Static_assert(_Alignof(operation) <= _Alignof(belay_foreign), "opaque storage");

static operation *inside(belay_foreign *op) {
    return (operation *)(void *)op;
}

void belay_foreign_init(belay_foreign *op) {
    operation *o = inside(op);
    lock_init(&o->lock);
    o->done = 0;
    o->waiting = NULL;
}

void belay_foreign_complete(belay_foreign *op, belay_status status) {
    operation *o = inside(op);
    if (MUTANT(foreign_done_unlocked)) {
        o->status = status;
        o->done = 1;
    }
    lock_take(&o->lock);
    o->status = status;
    o->done = 1;
    if (o->waiting != NULL) {
        (void)arm_wake(o->waiting);
    }
    lock_release(&o->lock);
}

/* One wait. The lock is held at the call and at the return. */
static wait_word await(belay_task *self, operation *o, belay_time deadline, bool drain) {
    waiter w;
    waiter_init(&w, self, drain);
    o->waiting = &w.arm;
    lock_release(&o->lock);
    wait_word result = waiter_block(&w, deadline, WAIT_FOR_FOREIGN);
    lock_take(&o->lock);
    o->waiting = NULL;
    return result;
}

static bool abort_asked(belay_foreign *op, belay_abort_hook *abort, void *arg) {
    callback_enter();
    bool done = abort(op, arg) == BELAY_ABORT_DONE;
    callback_leave();
    return done;
}

/* Why the wait should end without the completion: OK, it need not. */
static wait_word wait_for(belay_task *self, operation *o, belay_time deadline) {
    wait_word result = WAIT_OK;
    lock_take(&o->lock);
    while (o->done == 0 && result == WAIT_OK) {
        result = await(self, o, deadline, false);
    }
    if (o->done != 0) {
        result = WAIT_OK;
    }
    lock_release(&o->lock);
    return result;
}

static belay_status status_of(belay_task *self, operation *o) {
    lock_take(&o->lock);
    while (o->done == 0) {
        (void)await(self, o, BELAY_NEVER, true);
    }
    belay_status status = o->status;
    lock_release(&o->lock);
    return status;
}

belay_status belay_foreign_wait_until(belay_task *self, belay_foreign *op, belay_time deadline,
                                      belay_abort_hook *abort, void *arg) {
    if (op == NULL) {
        return BELAY_EINVAL;
    }
    belay_status status = check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    operation *o = inside(op);
    wait_word result = wait_for(self, o, deadline);
    if (result == WAIT_OK || abort == NULL ||
        (!abort_asked(op, abort, arg) && !MUTANT(wait_abort_ignored))) {
        return status_of(self, o);
    }
    if (result == WAIT_CANCELED) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return BELAY_ETIMEDOUT;
}

belay_status belay_foreign_wait(belay_task *self, belay_foreign *op, belay_abort_hook *abort,
                                void *arg) {
    return belay_foreign_wait_until(self, op, BELAY_NEVER, abort, arg);
}

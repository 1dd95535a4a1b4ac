/* Room under a scope's concurrency cap.
 *
 * `room` counts slots in use, under the scope's lock; there may be `limit` of them, which can be changed, while `cap`
 * stays and says only that there is a limit. A spawner who finds none waits in `queue`, first come first
 * served; a member that ends hands its slot straight to the first waiter, so a late comer cannot take it. A cancelled
 * scope lets everybody in: what is spawned there is skipped. */
#include "owner/scope.h"
#include "base/mutant.h"

static bool room_now(scope *s) {
    if (s->room < s->limit || scope_canceled(s)) { /* a late mark wakes the queue */
        s->room++;
        return true;
    }
    return false;
}

static belay_status wait_for_room(belay_task *self, scope *s) {
    waiter w;
    waiter_init(&w, self, false);
    list_append(&s->queue, &w.arm.link);
    lock_release(&s->lock);
    wait_word result = waiter_block(&w, PORT_NEVER, WAIT_FOR_ROOM);
    lock_take(&s->lock);
    list_remove(&w.arm.link);
    return result == WAIT_OK ? BELAY_OK : BELAY_ECANCELED;
}

belay_status room_take(belay_task *self, scope *s, bool may_wait) {
    belay_status status = BELAY_OK;
    lock_take(&s->lock);
    if (!room_now(s)) {
        status = !may_wait ? BELAY_EAGAIN : check_waiter(self);
        if (status == BELAY_OK) {
            status = wait_for_room(self, s);
        }
    }
    lock_release(&s->lock);
    if (status == BELAY_ECANCELED && self != NULL) {
        cancel_refused(self);
    }
    return status;
}

/* Under the lock: hands a slot to the first who waits. False: nobody does. */
static bool pass_on(scope *s) {
    bool passed = false;
    while (!passed && !list_empty(&s->queue)) {
        list *node = s->queue.next;
        list_remove(node);
        passed = arm_wake(arm_of(node));
    }
    return passed;
}

void room_give(scope *s) {
    lock_take(&s->lock);
    /* above: the limit was lowered */
    if (s->room > s->limit || MUTANT(room_not_passed) || !pass_on(s)) {
        s->room--;
    }
    lock_release(&s->lock);
}

belay_status belay_scope_set_cap(belay_scope h, uint32_t cap) {
    if (cap == 0 || port_forked()) {
        return cap == 0 ? BELAY_EINVAL : BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    belay_status status = s->cap != 0 ? BELAY_OK : BELAY_EINVAL;
    lock_take(&s->lock);
    if (status == BELAY_OK) {
        s->limit = cap;
        while (s->room < cap && pass_on(s)) {
            s->room++;
        }
    }
    lock_release(&s->lock);
    scope_done(ex, s);
    return status;
}

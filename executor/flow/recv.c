/* Receiving, in both modes. See flow/channel_core.h and docs/protocols/channel.md. */
#include "flow/channel_core.h"
#include "base/mutant.h"
#include "flow/source.h"

/* Parks until an item is put into place. Lock held; released. */
__attribute__((noinline)) static belay_status wait_to_recv(belay_task *self, belay_channel *ch,
                                                           void *item, belay_lease *lease,
                                                           belay_time deadline) {
    waiter w;
    offer o;
    offer_init(&o, item, lease);
    waiter_init(&w, self, false);
    arm_init(&o.arm, &w);
    list_append(&ch->receivers, &o.arm.link);
    spin_release(&ch->lock);
    wait_word result = waiter_block(&w, deadline, WAIT_FOR_RECV);
    if (likely(o.handed)) {
        return o.status; /* nothing of the channel is touched any more */
    }
    spin_take(&ch->lock);
    list_remove(&o.arm.link);
    spin_release(&ch->lock);
    return result == WAIT_OK ? o.status : flow_gave_up(self, result);
}

/* A lease is asked for where one is given, and nowhere else. */
static inline bool bad_room(const belay_channel *ch, const void *item, const belay_lease *lease) {
    return ch == NULL || (item == NULL && ch->element != 0) ||
           (ch->slots != NULL) != (lease != NULL);
}

static inline belay_status recv_item(belay_task *self, belay_channel *ch, void *item,
                                     belay_lease *lease, belay_time deadline) {
    worker *here;
    belay_status status = flow_begin_on(self, &here);
    if (unlikely(status != BELAY_OK)) {
        return status;
    }
    woken k = {.count = 0};
    spin_take(&ch->lock);
    status = channel_get(ch, item, lease, &k);
    if (status == BELAY_EAGAIN && deadline > 0) {
        return wait_to_recv(self, ch, item, lease, deadline);
    }
    spin_release(&ch->lock);
    woken_resume(&k);
    flow_ready_on(self, here);
    return status == BELAY_EAGAIN ? BELAY_ETIMEDOUT : status;
}

static belay_status recv_now(belay_channel *ch, void *item, belay_lease *lease) {
    woken k = {.count = 0};
    spin_take(&ch->lock);
    belay_status status = channel_get(ch, item, lease, &k);
    spin_release(&ch->lock);
    woken_resume(&k);
    return status;
}

belay_status belay_channel_recv_until(belay_task *self, belay_channel *channel, void *item,
                                      belay_time deadline) {
    if (unlikely(bad_room(channel, item, NULL))) {
        return BELAY_EINVAL;
    }
    return recv_item(self, channel, item, NULL, deadline);
}

belay_status belay_channel_recv(belay_task *self, belay_channel *channel, void *item) {
    return belay_channel_recv_until(self, channel, item, BELAY_NEVER);
}

belay_status belay_channel_try_recv(belay_channel *channel, void *item) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    return bad_room(channel, item, NULL) ? BELAY_EINVAL : recv_now(channel, item, NULL);
}

belay_status belay_channel_lease_until(belay_task *self, belay_channel *channel, void *item,
                                       belay_lease *lease, belay_time deadline) {
    if (lease == NULL || bad_room(channel, item, lease)) {
        return BELAY_EINVAL;
    }
    return recv_item(self, channel, item, lease, deadline);
}

belay_status belay_channel_lease(belay_task *self, belay_channel *channel, void *item,
                                 belay_lease *lease) {
    return belay_channel_lease_until(self, channel, item, lease, BELAY_NEVER);
}

belay_status belay_channel_try_lease(belay_channel *channel, void *item, belay_lease *lease) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    return lease == NULL || bad_room(channel, item, lease) ? BELAY_EINVAL
                                                           : recv_now(channel, item, lease);
}

/* ---- as a clause of select --------------------------------------------------------------------------------------- */

static belay_status recv_begin(belay_task *self, belay_clause *c) {
    (void)self;
    return bad_room(c->object, c->item.recv, c->lease) ? BELAY_EINVAL : BELAY_OK;
}

static bool recv_poll(belay_clause *c) {
    c->status = recv_now(c->object, c->item.recv, c->lease);
    return c->status != BELAY_EAGAIN;
}

/* Would channel_get do something for this waiter? */
static bool can_recv(const belay_channel *ch, const waiter *w) {
    return ch->count != 0 || channel_is_dry(ch) ||
           (ch->slots == NULL && has_partner(&ch->senders, w));
}

static bool recv_link(belay_clause *c) {
    belay_channel *ch = c->object;
    offer *o = (offer *)(void *)c->reserved;
    offer_init(o, c->item.recv, c->lease);
    spin_take(&ch->lock);
    bool ready = can_recv(ch, o->arm.waiter) && !MUTANT(select_no_look);
    if (!ready) {
        list_append(&ch->receivers, &o->arm.link);
    }
    spin_release(&ch->lock);
    return ready;
}

const source channel_recv_source = {.begin = recv_begin,
                                    .poll = recv_poll,
                                    .link = recv_link,
                                    .unlink = channel_unlink,
                                    .fired = channel_fired};

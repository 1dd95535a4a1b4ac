/* Sending. See flow/channel_core.h and docs/protocols/channel.md. */
#include "flow/channel_core.h"
#include "flow/source.h"

_Static_assert(sizeof(offer) <= sizeof(arm) + CLAUSE_SPACE, "fits into the clause");

/* Parks with the item until it is taken. Lock held; released. */
__attribute__((noinline)) static belay_status wait_to_send(belay_task *self, belay_channel *ch,
                                                           const void *item, belay_time deadline) {
    waiter w;
    offer o;
    offer_init(&o, (void *)(uintptr_t)item, NULL); /* read only: it is a sender's */
    waiter_init(&w, self, false);
    arm_init(&o.arm, &w);
    list_append(&ch->senders, &o.arm.link);
    spin_release(&ch->lock);
    wait_word result = waiter_block(&w, deadline, WAIT_FOR_SEND);
    if (likely(o.handed)) {
        return o.status; /* nothing of the channel is touched any more */
    }
    spin_take(&ch->lock);
    list_remove(&o.arm.link);
    spin_release(&ch->lock);
    return result == WAIT_OK ? o.status : flow_gave_up(self, result);
}

/* There is no room. Lock held; released. */
static belay_status send_full(belay_task *self, belay_channel *ch, const void *item,
                              belay_time deadline) {
    if (channel_drops(ch)) {
        channel_drop_one(ch, item);
        flow_ready(self);
        return BELAY_OK;
    }
    if (ch->overflow == BELAY_OVERFLOW_WAIT && deadline > 0) {
        return wait_to_send(self, ch, item, deadline);
    }
    bool fails = ch->overflow == BELAY_OVERFLOW_FAIL;
    spin_release(&ch->lock);
    return fails ? BELAY_EAGAIN : BELAY_ETIMEDOUT;
}

static inline bool bad_item(const belay_channel *ch, const void *item) {
    return ch == NULL || (item == NULL && ch->element != 0);
}

static inline belay_status send_item(belay_task *self, belay_channel *ch, const void *item,
                                     belay_time deadline) {
    if (unlikely(bad_item(ch, item))) {
        return BELAY_EINVAL;
    }
    worker *here;
    belay_status status = flow_begin_on(self, &here);
    if (unlikely(status != BELAY_OK)) {
        return status;
    }
    woken k = {.count = 0};
    spin_take(&ch->lock);
    status = channel_put(ch, item, &k);
    if (status == BELAY_EAGAIN) {
        return send_full(self, ch, item, deadline);
    }
    spin_release(&ch->lock);
    woken_resume(&k);
    flow_ready_on(self, here);
    return status;
}

belay_status belay_channel_send_until(belay_task *self, belay_channel *channel, const void *item,
                                      belay_time deadline) {
    return send_item(self, channel, item, deadline);
}

belay_status belay_channel_send(belay_task *self, belay_channel *channel, const void *item) {
    return send_item(self, channel, item, BELAY_NEVER);
}

/* Sends if that needs no wait. */
static belay_status send_now(belay_channel *ch, const void *item) {
    woken k = {.count = 0};
    spin_take(&ch->lock);
    belay_status status = channel_put(ch, item, &k);
    if (status == BELAY_EAGAIN && channel_drops(ch)) {
        channel_drop_one(ch, item);
        return BELAY_OK;
    }
    spin_release(&ch->lock);
    woken_resume(&k);
    return status;
}

belay_status belay_channel_try_send(belay_channel *channel, const void *item) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    return bad_item(channel, item) ? BELAY_EINVAL : send_now(channel, item);
}

/* ---- as a clause of select --------------------------------------------------------------------------------------- */

static offer *offer_in(belay_clause *c) {
    return (offer *)(void *)c->reserved;
}

static belay_status send_begin(belay_task *self, belay_clause *c) {
    (void)self;
    return bad_item(c->object, c->item.send) ? BELAY_EINVAL : BELAY_OK;
}

static bool send_poll(belay_clause *c) {
    c->status = send_now(c->object, c->item.send);
    return c->status != BELAY_EAGAIN;
}

/* Would channel_put do something for this waiter? */
static bool can_send(const belay_channel *ch, const waiter *w) {
    if (ch->refuses || channel_drops(ch)) {
        return true;
    }
    if (ch->slots != NULL) {
        return ch->held < ch->capacity;
    }
    return ch->count < ch->capacity || has_partner(&ch->receivers, w);
}

static bool send_link(belay_clause *c) {
    belay_channel *ch = c->object;
    offer *o = offer_in(c);
    offer_init(o, (void *)(uintptr_t)c->item.send, NULL); /* read only */
    spin_take(&ch->lock);
    bool ready = can_send(ch, o->arm.waiter);
    if (!ready) {
        list_append(&ch->senders, &o->arm.link);
    }
    spin_release(&ch->lock);
    return ready;
}

void channel_unlink(belay_clause *c) {
    belay_channel *ch = c->object;
    offer *o = offer_in(c);
    if (o->handed) {
        return; /* claimed while parked: the claimer has taken it out, and was through before it woke us */
    }
    spin_take(&ch->lock);
    list_remove(&o->arm.link);
    spin_release(&ch->lock);
}

void channel_fired(belay_clause *c) {
    c->status = offer_in(c)->status;
}

const source channel_send_source = {.begin = send_begin,
                                    .poll = send_poll,
                                    .link = send_link,
                                    .unlink = channel_unlink,
                                    .fired = channel_fired};

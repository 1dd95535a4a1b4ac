/* Acknowledged mode.
 *
 * An accepted item lies in a slot until it is acknowledged:
 *     UNUSED -> QUEUED    accepted
 *     QUEUED -> LEASED    received: the receiver has a copy and the lease
 *     LEASED -> UNUSED    done; or returned to a channel that was closed now, or abandoned with that policy: dropped
 *     LEASED -> QUEUED    returned, to the front
 *     QUEUED -> UNUSED    close now, destroy: dropped
 * Each step away from LEASED advances the slot's generation, so a lease ends once. All under the channel's lock. `held`
 * counts the slots not UNUSED: a sender waits while it is the capacity, a joiner while it is not 0. */
#include "flow/channel_core.h"
#include "base/mutant.h"

void lease_init(belay_channel *ch) {
    for (uint32_t i = 0; i < ch->capacity; i++) {
        ch->unused[i] = ch->capacity - 1 - i;
    }
}

static void release_slot(belay_channel *ch, uint32_t number) {
    ch->slots[number].state = SLOT_UNUSED;
    ch->held--;
    ch->unused[ch->capacity - ch->held - 1] = number;
}

void lease_discard(belay_channel *ch) {
    for (uint32_t i = 0; i < ch->count; i++) {
        uint32_t number = ch->ring[ring_place(ch, i)];
        CHECK(ch->slots[number].state == SLOT_QUEUED);
        release_slot(ch, number);
    }
}

/* The oldest item to the receiver `consumer`. */
static void give(belay_channel *ch, void *item, belay_lease *lease, belay_task_handle consumer) {
    uint32_t number = ch->ring[ch->head];
    lease_slot *s = &ch->slots[number];
    CHECK(s->state == SLOT_QUEUED);
    ch->head = ring_place(ch, 1);
    ch->count--;
    s->state = SLOT_LEASED;
    s->consumer = consumer;
    item_copy(item, item_at(ch, number), ch->element);
    *lease = (belay_lease){.channel = ch, .slot = number, .generation = s->generation};
    ch->received++;
}

/* Items that are queued go to receivers who wait. */
static void serve(belay_channel *ch, woken *k) {
    while (ch->count != 0) {
        offer *r = claim_first(ch, &ch->receivers, k);
        if (r == NULL) {
            return;
        }
        give(ch, r->item, r->lease, r->consumer);
    }
}

/* There is room. */
static void take_in(belay_channel *ch, const void *item) {
    CHECK(ch->held < ch->capacity);
    uint32_t number = ch->unused[ch->capacity - ch->held - 1];
    CHECK(ch->slots[number].state == SLOT_UNUSED);
    ch->held++;
    ch->slots[number].state = SLOT_QUEUED;
    ch->slots[number].order = ch->sent;
    item_copy(item_at(ch, number), item, ch->element);
    ch->ring[ring_place(ch, ch->count)] = number;
    ch->count++;
    ch->sent++;
}

belay_status lease_put(belay_channel *ch, const void *item, woken *k) {
    if (ch->held == ch->capacity) {
        return BELAY_EAGAIN;
    }
    take_in(ch, item);
    serve(ch, k);
    return BELAY_OK;
}

belay_status lease_get(belay_channel *ch, void *item, belay_lease *lease) {
    if (ch->count != 0) {
        give(ch, item, lease, belay_task_self_handle(belay_self()));
        return BELAY_OK;
    }
    return channel_is_dry(ch) ? BELAY_EPIPE : BELAY_EAGAIN;
}

void lease_settled(belay_channel *ch) {
    if (ch->held != 0) {
        return;
    }
    channel_end_waits(ch, &ch->joiners, BELAY_OK);
    if (channel_is_dry(ch)) {
        channel_end_waits(ch, &ch->receivers, BELAY_EPIPE);
    }
}

/* ---- the end of a lease ------------------------------------------------------------------------------------------ */

/* The slot is free: the first sender who waits uses it. */
static void refill(belay_channel *ch, woken *k) {
    offer *sender = ch->refuses ? NULL : claim_first(ch, &ch->senders, k);
    if (sender != NULL) {
        take_in(ch, sender->item);
        serve(ch, k);
    }
    lease_settled(ch);
}

static void put_back(belay_channel *ch, uint32_t number, woken *k) {
    ch->slots[number].state = SLOT_QUEUED;
    ch->head = (ch->head != 0 ? ch->head : ch->capacity) - 1;
    ch->ring[ch->head] = number;
    ch->count++;
    if (!MUTANT(lease_no_serve)) {
        serve(ch, k);
    }
}

/* Ends the lease of this slot. keep: puts the item back, unless the channel was closed now. Returns the item to be
 * dropped, copied into `dropped`, or NULL. */
static void *end_lease(belay_channel *ch, uint32_t number, bool keep, bool drop,
                       unsigned char *dropped, woken *k) {
    CHECK(ch->slots[number].state == SLOT_LEASED);
    ch->slots[number].generation++;
    if (keep && ch->closed != BELAY_CLOSE_NOW) {
        put_back(ch, number, k);
        return NULL;
    }
    void *victim = NULL;
    if (drop) {
        item_copy(dropped, item_at(ch, number), ch->element);
        ch->dropped++;
        victim = dropped;
    }
    release_slot(ch, number);
    refill(ch, k);
    return victim;
}

static bool lease_stands(const belay_channel *ch, belay_lease lease) {
    return lease.slot < ch->capacity && ch->slots[lease.slot].state == SLOT_LEASED &&
           ch->slots[lease.slot].generation == lease.generation;
}

static belay_status end_one(belay_lease lease, bool back) {
    _Alignas(max_align_t) unsigned char dropped[BELAY_ITEM_MAX];
    belay_channel *ch = lease.channel;
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (ch == NULL || ch->slots == NULL) {
        return BELAY_EINVAL;
    }
    woken k = {.count = 0};
    void *victim = NULL;
    spin_take(&ch->lock);
    bool stands = lease_stands(ch, lease);
    if (stands) {
        victim = end_lease(ch, lease.slot, back, back, dropped, &k);
    }
    belay_item_drop *drop = ch->drop;
    void *arg = ch->drop_arg;
    spin_release(&ch->lock);
    woken_resume(&k);
    if (victim != NULL) {
        channel_call_drop(drop, victim, arg);
    }
    return stands ? BELAY_OK : BELAY_ESTALE;
}

belay_status belay_lease_done(belay_lease lease) {
    return end_one(lease, false);
}

belay_status belay_lease_return(belay_lease lease) {
    return end_one(lease, true);
}

/* The youngest item that the consumer has leased; the capacity if there is none. */
static uint32_t youngest_of(const belay_channel *ch, belay_task_handle consumer) {
    uint32_t found = ch->capacity;
    for (uint32_t i = 0; i < ch->capacity; i++) {
        const lease_slot *s = &ch->slots[i];
        bool is_his = s->state == SLOT_LEASED && s->consumer.slot == consumer.slot &&
                      s->consumer.executor == consumer.executor &&
                      s->consumer.generation == consumer.generation;
        if (is_his && (found == ch->capacity || s->order > ch->slots[found].order)) {
            found = i;
        }
    }
    return found;
}

static bool end_youngest(belay_channel *ch, belay_task_handle consumer) {
    _Alignas(max_align_t) unsigned char dropped[BELAY_ITEM_MAX];
    bool keep = (ch->flags & BELAY_CHANNEL_DROP_ABANDONED) == 0;
    woken k = {.count = 0};
    void *victim = NULL;
    spin_take(&ch->lock);
    uint32_t number = youngest_of(ch, consumer);
    bool found = number != ch->capacity;
    if (found) {
        victim = end_lease(ch, number, keep, true, dropped, &k);
    }
    spin_release(&ch->lock);
    woken_resume(&k);
    if (victim != NULL) {
        channel_call_drop(ch->drop, victim, ch->drop_arg);
    }
    return found;
}

void lease_end_of(belay_channel *ch, belay_task_handle consumer) {
    while (end_youngest(ch, consumer)) {
    }
}

/* ---- join -------------------------------------------------------------------------------------------------------- */

static belay_status wait_for_all(belay_task *self, belay_channel *ch, belay_time deadline) {
    waiter w;
    offer o;
    offer_init(&o, NULL, NULL);
    waiter_init(&w, self, false);
    arm_init(&o.arm, &w);
    list_append(&ch->joiners, &o.arm.link);
    spin_release(&ch->lock);
    wait_word result = waiter_block(&w, deadline, WAIT_FOR_ACKNOWLEDGED);
    if (o.handed) {
        return o.status;
    }
    spin_take(&ch->lock);
    list_remove(&o.arm.link);
    spin_release(&ch->lock);
    return result == WAIT_OK ? o.status : flow_gave_up(self, result);
}

belay_status belay_channel_join_until(belay_task *self, belay_channel *channel,
                                      belay_time deadline) {
    belay_channel *ch = channel;
    if (ch == NULL || ch->slots == NULL) {
        return BELAY_EINVAL;
    }
    belay_status status = flow_begin(self);
    if (status != BELAY_OK) {
        return status;
    }
    spin_take(&ch->lock);
    if (ch->held != 0 && !ch->abandoned && deadline > 0) {
        return wait_for_all(self, ch, deadline);
    }
    if (ch->held != 0) {
        status = ch->abandoned ? BELAY_EPIPE : BELAY_ETIMEDOUT;
    }
    spin_release(&ch->lock);
    return status;
}

belay_status belay_channel_join(belay_task *self, belay_channel *channel) {
    return belay_channel_join_until(self, channel, BELAY_NEVER);
}

/* A channel, inside. Public contract: <belay/channel.h>; protocol: docs/protocols/channel.md.
 *
 * Everything is under the channel's lock. At any moment the lock is free:
 *   - if a receiver waits whose wait can still be claimed, there is no item for it: the buffer is empty, and no other
 *     waiting sender can be claimed (but by itself: a select that does both);
 *   - if a sender waits that can still be claimed, there is no room.
 * Whoever changes this (a sender, a receiver, an acknowledgement, close) restores it before it lets go of the lock, by
 * handing over directly. So nobody is woken to try again, and a wait that ends otherwise leaves nothing to repair. */
#ifndef BELAY_FLOW_CHANNEL_CORE_H
#define BELAY_FLOW_CHANNEL_CORE_H

#include <belay/channel.h>
#include <belay/select.h>

#include <string.h>

#include "base/spin.h"

#include "flow/enter.h"

/* Who waits at a channel: on the stack of the call, or in a clause of select. */
typedef struct offer {
    arm arm;
    void *item; /* the waiter's: the item to send (only read), or room for the one to receive */
    belay_lease *lease;         /* a receiver's, in acknowledged mode */
    belay_task_handle consumer; /* with a lease: who asks for it */
    belay_status status;        /* written by the claimer */
    /* Written by the claimer if it holds the parked waiter: then it is through with the channel, and the waiter need
     * not pass the lock. */
    bool handed;
} offer;

typedef enum slot_state { SLOT_UNUSED = 0, SLOT_QUEUED, SLOT_LEASED } slot_state;

/* In acknowledged mode the place of an item from its acceptance to its acknowledgement. */
typedef struct lease_slot {
    uint32_t generation;        /* rises with each lease that ends */
    uint32_t state;             /* slot_state */
    uint64_t order;             /* of sending */
    belay_task_handle consumer; /* who received it last; all zero: no task */
} lease_slot;

struct belay_channel {
    spin lock;
    uint32_t element;  /* constant */
    uint32_t capacity; /* constant */
    uint32_t count;    /* items queued */
    uint32_t head;     /* place in the ring of the oldest */
    bool refuses;      /* closed, or the last consumer is gone */
    bool abandoned;    /* the last consumer is gone */
    uint8_t closed;    /* 0 or belay_close_mode */
    uint8_t overflow;  /* constant */
    list senders;
    list receivers;
    /* Who use the channel and do not wait: their waits have ended and they must pass the lock, or they drop. */
    list leaving;
    list joiners; /* who wait for `held` to be 0 */
    /* Constant: `capacity` of them; a ring, or in acknowledged mode the slots'. */
    unsigned char *items;
    lease_slot *slots; /* constant; NULL: not in acknowledged mode */
    uint32_t *ring;    /* constant: numbers of queued slots */
    uint32_t *unused;  /* constant: a stack of `capacity - held` unused slots */
    uint32_t held;     /* items not acknowledged: queued or leased */
    uint32_t consumers;
    uint32_t bound; /* of them: tasks, at whose end they are removed */
    uint32_t flags; /* constant */
    uint64_t sent, received, dropped;
    const char *name; /* constant, here and below */
    belay_item_drop *drop;
    void *drop_arg;
    allocator alloc;
    size_t bytes;
};

/* Parked waiters that were claimed, to be made runnable after the lock was released. No operation serves more: each
 * wakes at most a sender and a receiver. */
typedef struct woken {
    arm *arms[2];
    uint32_t count;
} woken;

static inline void woken_resume(woken *k) {
    for (uint32_t i = 0; i < k->count; i++) {
        arm_resume(k->arms[i], true);
    }
}

static inline void offer_init(offer *o, void *item, belay_lease *lease) {
    o->item = item;
    o->lease = lease;
    if (unlikely(lease != NULL)) {
        o->consumer = belay_task_self_handle(belay_self());
    }
    o->status = BELAY_OK;
    o->handed = false;
}

static inline void item_copy(void *to, const void *from, uint32_t size) {
    if (likely(size == sizeof(void *))) {
        memcpy(to, from, sizeof(void *));
    } else if (size != 0) {
        memcpy(to, from, size);
    }
}

static inline unsigned char *item_at(const belay_channel *ch, uint32_t place) {
    return ch->items + (size_t)place * ch->element;
}
/* The place in the ring after `distance` others. */
static inline uint32_t ring_place(const belay_channel *ch, uint32_t distance) {
    uint32_t place = ch->head + distance; /* both below 2^31 */
    return place < ch->capacity ? place : place - ch->capacity;
}

/* Takes the first waiter whose wait can be claimed out of the list, claimed. NULL: there is none. The caller has to
 * serve it before it releases the lock. A waiter that is not parked passes the lock before it goes on, so it may be
 * woken first. */
static inline offer *claim_first(belay_channel *ch, list *waiters, woken *k) {
    while (!list_empty(waiters)) {
        offer *o = list_entry(waiters->next, offer, arm.link);
        bool parked = false;
        bool claimed = arm_claim(&o->arm, &parked);
        list_remove(&o->arm.link);
        if (likely(claimed && parked)) {
            o->handed = true;
            k->arms[k->count++] = &o->arm;
            return o;
        }
        list_append(&ch->leaving, &o->arm.link);
        if (claimed) {
            arm_resume(&o->arm, false);
            return o;
        }
    }
    return NULL;
}

/* Ends the waits of all in the list with this status. */
void channel_end_waits(belay_channel *ch, list *waiters, belay_status status);

/* Could another waiter than w be claimed? */
static inline bool has_partner(const list *waiters, const waiter *w) {
    for (list *node = waiters->next; node != waiters; node = node->next) {
        if (arm_of(node)->waiter != w && arm_live(arm_of(node))) {
            return true;
        }
    }
    return false;
}

/* ---- under the lock; flow/channel.c ------------------------------------------------------------------------------ */

/* Accepts the item, for the buffer or a receiver. BELAY_OK, BELAY_EPIPE, BELAY_EAGAIN: no room. */
belay_status channel_put(belay_channel *ch, const void *item, woken *k);
/* Takes the oldest item. BELAY_OK, BELAY_EPIPE, BELAY_EAGAIN: there is none. */
belay_status channel_get(belay_channel *ch, void *item, belay_lease *lease, woken *k);
/* There is no room, and the policy is to drop: does so, and releases the lock. */
void channel_drop_one(belay_channel *ch, const void *item);
static inline bool channel_drops(const belay_channel *ch) {
    return ch->overflow >= BELAY_OVERFLOW_DROP_OLDEST;
}
/* Can no item come any more? */
static inline bool channel_is_dry(const belay_channel *ch) {
    return ch->closed != 0 && (ch->closed == BELAY_CLOSE_NOW || (ch->count == 0 && ch->held == 0));
}
/* Calls the drop hook. No lock held. */
void channel_call_drop(belay_item_drop *drop, void *item, void *arg);

/* ---- under the lock, in acknowledged mode; flow/lease.c ---------------------------------------------------------- */

void lease_init(belay_channel *ch);
belay_status lease_put(belay_channel *ch, const void *item, woken *k);
belay_status lease_get(belay_channel *ch, void *item, belay_lease *lease);
/* All that is queued becomes unused; the caller drops the items, whose slots are ring[head ...]. */
void lease_discard(belay_channel *ch);
/* Wakes joiners, and receivers of a closed channel, if there is nothing left. */
void lease_settled(belay_channel *ch);
/* Takes and releases the lock: returns or drops all that the task has leased, the youngest first, so that the order at
 * the front is that of sending. */
void lease_end_of(belay_channel *ch, belay_task_handle consumer);

/* ---- clauses; flow/send.c ---------------------------------------------------------------------------------------- */

void channel_unlink(belay_clause *c);
void channel_fired(belay_clause *c);

#endif

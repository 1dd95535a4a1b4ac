/* Channels: bounded queues of items that are copied in and out by value, between tasks of any executors and foreign
 * threads in any mix.
 *
 * Promise "nothing committed is lost". An item belongs to its sender for every status but BELAY_OK; an item that was
 * accepted is received once or handed to the drop hook, and items of one sender are received in the order sent. A send
 * or a receive that took effect reports success even if a cancel or a deadline came at the same time; the next waiting
 * call tells of the cancel.
 *
 * Fair: who waits is served first come, first served, by handing the item straight over; a late comer never overtakes.
 *
 * In acknowledged mode a receive gives a lease besides the item. The item counts against the capacity until the lease
 * is given up: done, or returned, which puts the item back at the front. belay_channel_join waits until all is
 * acknowledged.
 *
 * A channel is no task's: whoever created it destroys it, when nobody uses it any more. Pointers to channels are not
 * handles: using a destroyed one is undefined.
 *
 * After T. Hoare, "Communicating Sequential Processes", 1978, and the channels of Limbo, Go and libdill. */
#ifndef BELAY_CHANNEL_H
#define BELAY_CHANNEL_H

#include <belay/executor.h>
#include <belay/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_channel belay_channel;

/* Larger items travel by pointer. */
#define BELAY_ITEM_MAX 1024

/* What a send does when there is no room. */
typedef enum belay_overflow {
    BELAY_OVERFLOW_WAIT = 0,
    BELAY_OVERFLOW_FAIL =
        1, /* BELAY_EAGAIN. (A send clause of select waits for room all the same.) */
    BELAY_OVERFLOW_DROP_OLDEST =
        2, /* drops the item that has been in the buffer longest and accepts the new one */
    BELAY_OVERFLOW_DROP_NEWEST = 3 /* accepts the new item and drops it at once */
} belay_overflow;

/* Destroys an accepted item that nobody received. `item` is valid during the call. Called under no lock, by whoever
 * drops: a sender, a closer, the destroyer. A callback: it may call what does not wait. */
typedef void belay_item_drop(void *item, void *arg);

/* Flags of a channel. */
enum {
    BELAY_CHANNEL_ACKNOWLEDGED = 1u,
    BELAY_CHANNEL_DROP_ABANDONED =
        2u /* what a removed consumer has not acknowledged is dropped, not put back */
};

/* Read during the call only, except the name. All zero: a rendezvous without data that waits. */
typedef struct belay_channel_options {
    const char *name; /* for reports; kept by pointer; may be NULL */
    size_t capacity;  /* items; 0: a rendezvous, which needs both parties at once */
    size_t element;   /* bytes of an item, up to BELAY_ITEM_MAX; 0: items without data */
    belay_overflow overflow;
    uint32_t flags;
    belay_item_drop *drop; /* NULL: nothing to destroy */
    void *drop_arg;
    /* Its allocator hook gives the memory, and must serve until destroy; NULL: malloc. */
    belay_executor *executor;
} belay_channel_options;

/* Creates a channel. Does not wait. Any thread, any context.
 *   BELAY_OK      *out is the channel
 *   BELAY_EINVAL  options or out NULL, element above BELAY_ITEM_MAX, capacity above 2^31 - 1, an unknown policy or
 *                 flag, acknowledged mode with capacity 0, or with a policy that drops
 *   BELAY_ENOMEM  no memory
 *   BELAY_ESTALE  the executor is being destroyed
 *   BELAY_ECHILD  in a forked child */
BELAY_API belay_status belay_channel_create(const belay_channel_options *options,
                                            belay_channel **out);

/* Frees a channel; items still in it go to the drop hook, leases become invalid. No other call may use it at the same
 * time or later; a call whose effect the destroyer has seen (an item that came through it, say) may be on its way out.
 * NULL is BELAY_OK. Does not wait. Any thread, any context but the channel's own drop hook.
 *   BELAY_OK, BELAY_ECHILD
 *   BELAY_EBUSY  somebody waits in it, or has been served and is not out yet (a moment later it will be), or a task is
 *                registered as its consumer; nothing was done */
BELAY_API belay_status belay_channel_destroy(belay_channel *channel);

/* Sends a copy of *item (NULL if items have no data). Waits, if the policy says so and there is no room, until the item
 * is accepted: a schedule point and a cancel point. From tasks and foreign threads (self NULL).
 *   BELAY_OK         accepted: the item is the channel's, or already a receiver's
 *   BELAY_ECANCELED  the caller is cancelled
 *   BELAY_EPIPE      the channel is closed, or its last consumer is gone
 *   BELAY_EAGAIN     no room, and the policy is to fail
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form)
 *   BELAY_EINVAL     NULL
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child
 * For every status but BELAY_OK the item stays the caller's. */
BELAY_API belay_status belay_channel_send(belay_task *self, belay_channel *channel,
                                          const void *item);
BELAY_API belay_status belay_channel_send_until(belay_task *self, belay_channel *channel,
                                                const void *item, belay_time deadline);
/* The same without waiting: BELAY_EAGAIN if there is no room and the policy does not drop. No cancel point. Any thread,
 * any context. BELAY_OK, BELAY_EAGAIN, BELAY_EPIPE, BELAY_EINVAL, BELAY_ECHILD. */
BELAY_API belay_status belay_channel_try_send(belay_channel *channel, const void *item);

/* Receives into *item (NULL if items have no data). Waits: a schedule point and a cancel point. From tasks and foreign
 * threads (self NULL).
 *   BELAY_OK         *item is the caller's
 *   BELAY_ECANCELED  the caller is cancelled
 *   BELAY_EPIPE      the channel is closed and no item can come any more
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form)
 *   BELAY_EINVAL     NULL, or the channel is in acknowledged mode
 *   BELAY_ECONTEXT, BELAY_ECHILD as belay_channel_send
 * For every status but BELAY_OK *item is untouched. */
BELAY_API belay_status belay_channel_recv(belay_task *self, belay_channel *channel, void *item);
BELAY_API belay_status belay_channel_recv_until(belay_task *self, belay_channel *channel,
                                                void *item, belay_time deadline);
/* The same without waiting: BELAY_EAGAIN if there is no item. No cancel point. Any thread, any context. */
BELAY_API belay_status belay_channel_try_recv(belay_channel *channel, void *item);

typedef enum belay_close_mode {
    BELAY_CLOSE_DRAIN = 1, /* receivers get what is buffered, then BELAY_EPIPE */
    BELAY_CLOSE_NOW = 2    /* what is buffered goes to the drop hook; receivers get BELAY_EPIPE */
} belay_close_mode;

/* Refuses further sends, and ends all waits that can have no other end, with BELAY_EPIPE: those of senders at once. A
 * channel that drains may still be closed with BELAY_CLOSE_NOW. Does not wait. Any thread, any context.
 *   BELAY_OK, BELAY_EALREADY (closed like that before), BELAY_EINVAL, BELAY_ECHILD */
BELAY_API belay_status belay_channel_close(belay_channel *channel, belay_close_mode mode);

/* What is going on; a snapshot. */
typedef struct belay_channel_info {
    const char *name;
    uint64_t capacity;
    uint64_t length;    /* items buffered */
    uint64_t leased;    /* items received and not acknowledged */
    uint64_t senders;   /* who wait */
    uint64_t receivers; /* who wait */
    uint64_t consumers; /* registered */
    uint64_t sent;      /* items accepted, ever */
    uint64_t received;  /* items received, ever; an item that was returned counts again */
    uint64_t dropped;   /* items given to the drop hook, ever */
    uint32_t closed;    /* 0 or belay_close_mode */
} belay_channel_info;

/* Fills as much of *out as the caller's size says. BELAY_OK, BELAY_EINVAL. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_channel_read(belay_channel *channel, belay_channel_info *out,
                                          size_t size);
/* Items buffered; 0 for NULL. Does not wait. Any thread, any context. */
BELAY_API size_t belay_channel_length(belay_channel *channel);

/* ---- acknowledged mode ---------------------------------------------------------------------------------------- */

/* The duty to acknowledge one item. By value; whoever has it may use it, once. */
typedef struct belay_lease {
    belay_channel *channel;
    uint32_t slot;
    uint32_t generation;
} belay_lease;

/* As belay_channel_recv, of a channel in acknowledged mode. A channel that drains gives BELAY_EPIPE only when every
 * item is acknowledged, because one that is returned is there to be received again; so a consumer that holds the last
 * lease itself must not wait for another item without a deadline. BELAY_EINVAL also if lease is NULL or the channel is
 * not in that mode. */
BELAY_API belay_status belay_channel_lease(belay_task *self, belay_channel *channel, void *item,
                                           belay_lease *lease);
BELAY_API belay_status belay_channel_lease_until(belay_task *self, belay_channel *channel,
                                                 void *item, belay_lease *lease,
                                                 belay_time deadline);
BELAY_API belay_status belay_channel_try_lease(belay_channel *channel, void *item,
                                               belay_lease *lease);

/* The item was dealt with: it makes room. Does not wait. Any thread, any context, while the channel exists.
 * BELAY_OK, BELAY_ESTALE (done or returned before), BELAY_EINVAL, BELAY_ECHILD. */
BELAY_API belay_status belay_lease_done(belay_lease lease);

/* The item goes back to the front of the channel, as it was sent, for the next receiver; to the drop hook if the
 * channel was closed with BELAY_CLOSE_NOW. As belay_lease_done. */
BELAY_API belay_status belay_lease_return(belay_lease lease);

/* Waits until every item sent was acknowledged or dropped. Waits: a cancel point. From tasks and foreign threads.
 *   BELAY_OK         there was a moment without one
 *   BELAY_ECANCELED, BELAY_ETIMEDOUT (_until form), BELAY_ECONTEXT, BELAY_ECHILD
 *   BELAY_EPIPE      items are left, and the last consumer is gone
 *   BELAY_EINVAL     NULL, or not in acknowledged mode */
BELAY_API belay_status belay_channel_join(belay_task *self, belay_channel *channel);
BELAY_API belay_status belay_channel_join_until(belay_task *self, belay_channel *channel,
                                                belay_time deadline);

/* Registers the caller as a consumer, in either mode. When the last one is removed, senders and joiners, those who wait
 * included, get BELAY_EPIPE until one is added again; what is buffered stays. A channel that never had one does not
 * care. self: the calling task, whose registration ends with it at the latest, in one order with its deferred calls
 * (<belay/cleanup.h>). Or NULL from a foreign thread or a callback: until removed with
 * NULL. Does not wait. BELAY_OK, BELAY_EINVAL, BELAY_ECONTEXT, BELAY_ECHILD; BELAY_ENOMEM: not registered. */
BELAY_API belay_status belay_channel_consumer_add(belay_task *self, belay_channel *channel);

/* Removes it. Leases that this task (not a foreign thread) received and nobody has acknowledged are returned, or, with
 * BELAY_CHANNEL_DROP_ABANDONED, their items dropped. Does not wait. At the end of a task it happens by itself.
 * BELAY_OK, BELAY_ENOENT (the task, or for NULL anybody, is not registered), BELAY_EINVAL, BELAY_ECONTEXT,
 * BELAY_ECHILD. */
BELAY_API belay_status belay_channel_consumer_remove(belay_task *self, belay_channel *channel);

#ifdef __cplusplus
}
#endif
#endif

/* A channel's life and its state. What waits: flow/send.c and flow/recv.c; acknowledged mode: flow/lease.c. */
#include "flow/channel_core.h"
#include "base/mutant.h"

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* The ring, and in acknowledged mode the slots and their numbers, follow the struct. */
enum { ALIGN = 64 };

static size_t padded(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static bool is_acknowledged(const belay_channel_options *o) {
    return (o->flags & BELAY_CHANNEL_ACKNOWLEDGED) != 0;
}

static bool bad_options(const belay_channel_options *o) {
    uint32_t known = BELAY_CHANNEL_ACKNOWLEDGED | BELAY_CHANNEL_DROP_ABANDONED;
    return o->element > BELAY_ITEM_MAX || o->capacity > INT32_MAX ||
           (unsigned)o->overflow > BELAY_OVERFLOW_DROP_NEWEST || (o->flags & ~known) != 0 ||
           (is_acknowledged(o) && (o->capacity == 0 || o->overflow >= BELAY_OVERFLOW_DROP_OLDEST));
}

static size_t bytes_for(const belay_channel_options *o) {
    size_t each = is_acknowledged(o) ? sizeof(lease_slot) + 2 * sizeof(uint32_t) : 0;
    return padded(sizeof(belay_channel)) + padded(o->capacity * o->element) + o->capacity * each;
}

static void fill(belay_channel *ch, const belay_channel_options *o) {
    spin_init(&ch->lock);
    ch->element = (uint32_t)o->element;
    ch->capacity = (uint32_t)o->capacity;
    ch->overflow = (uint8_t)o->overflow;
    ch->flags = o->flags;
    ch->name = o->name;
    ch->drop = o->drop;
    ch->drop_arg = o->drop_arg;
    list_init(&ch->senders);
    list_init(&ch->receivers);
    list_init(&ch->leaving);
    list_init(&ch->joiners);
    ch->items = (unsigned char *)ch + padded(sizeof(belay_channel));
    if (is_acknowledged(o)) {
        ch->slots = (lease_slot *)(void *)(ch->items + padded(o->capacity * o->element));
        ch->ring = (uint32_t *)(void *)(ch->slots + o->capacity);
        ch->unused = ch->ring + o->capacity;
        lease_init(ch);
    }
}

static belay_channel *allocate(const allocator *alloc, const belay_channel_options *o) {
    size_t bytes = bytes_for(o);
    belay_channel *ch = mem_allocate(alloc, bytes, ALIGN);
    if (ch != NULL) {
        ch->alloc = *alloc;
        ch->bytes = bytes;
        fill(ch, o);
    }
    return ch;
}

belay_status belay_channel_create(const belay_channel_options *o, belay_channel **out) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (o == NULL || out == NULL || bad_options(o)) {
        return BELAY_EINVAL;
    }
    belay_executor *ex = o->executor;
    if (ex == NULL) {
        *out = allocate(allocator_default(), o);
    } else if (worker_in(ex) == NULL && !guest_enter(ex)) {
        return BELAY_ESTALE;
    } else {
        *out = allocate(&ex->opt.alloc, o);
        registry_done(ex);
    }
    return *out != NULL ? BELAY_OK : BELAY_ENOMEM;
}

/* ---- dropping ---------------------------------------------------------------------------------------------------- */

void channel_call_drop(belay_item_drop *drop, void *item, void *arg) {
    if (drop != NULL) {
        callback_enter();
        drop(item, arg);
        callback_leave();
    }
}

/* Items that were taken out of the queue but still lie in the ring: nobody writes there any more, for the channel is
 * closed. */
typedef struct remains {
    uint32_t head;
    uint32_t count;
} remains;

static remains take_all(belay_channel *ch) {
    remains r = {ch->head, ch->count};
    ch->dropped += r.count;
    if (ch->slots != NULL) {
        lease_discard(ch);
    }
    ch->count = 0;
    return r;
}

static void drop_all(const belay_channel *ch, remains r) {
    for (uint32_t i = 0; i < r.count && ch->drop != NULL; i++) {
        uint32_t place = r.head + i < ch->capacity ? r.head + i : r.head + i - ch->capacity;
        uint32_t at = ch->slots != NULL ? ch->ring[place] : place;
        channel_call_drop(ch->drop, item_at(ch, at), ch->drop_arg);
    }
}

void channel_drop_one(belay_channel *ch, const void *item) {
    _Alignas(max_align_t) unsigned char dropped[BELAY_ITEM_MAX];
    const void *victim = item;
    if (ch->overflow == BELAY_OVERFLOW_DROP_OLDEST && ch->count != 0) {
        victim = item_at(ch, ch->head);
    }
    item_copy(dropped, victim, ch->element);
    if (victim != item) {
        item_copy(item_at(ch, ch->head), item, ch->element);
        ch->head = ring_place(ch, 1); /* the oldest's place is now the youngest's */
    }
    ch->sent++;
    ch->dropped++;
    belay_item_drop *drop = ch->drop;
    void *arg = ch->drop_arg;
    spin_release(&ch->lock);
    channel_call_drop(drop, dropped, arg);
}

/* ---- put and get ------------------------------------------------------------------------------------------------- */

static void push(belay_channel *ch, const void *item) {
    item_copy(item_at(ch, ring_place(ch, ch->count)), item, ch->element);
    ch->count++;
}

static void pop(belay_channel *ch, void *item) {
    item_copy(item, item_at(ch, ch->head), ch->element);
    ch->head = ring_place(ch, 1);
    ch->count--;
}

belay_status channel_put(belay_channel *ch, const void *item, woken *k) {
    if (unlikely(ch->refuses)) {
        return BELAY_EPIPE;
    }
    if (unlikely(ch->slots != NULL)) {
        return lease_put(ch, item, k);
    }
    offer *receiver = claim_first(ch, &ch->receivers, k);
    if (receiver != NULL) {
        item_copy(receiver->item, item, ch->element);
        ch->received++;
    } else if (ch->count < ch->capacity) {
        push(ch, item);
    } else {
        return BELAY_EAGAIN;
    }
    ch->sent++;
    return BELAY_OK;
}

belay_status channel_get(belay_channel *ch, void *item, belay_lease *lease, woken *k) {
    if (unlikely(ch->slots != NULL)) {
        return lease_get(ch, item, lease);
    }
    if (ch->count != 0) {
        pop(ch, item);
        offer *sender = MUTANT(channel_no_refill) ? NULL : claim_first(ch, &ch->senders, k);
        if (sender != NULL) {
            push(ch, sender->item);
            ch->sent++;
        }
    } else {
        offer *sender = claim_first(ch, &ch->senders, k);
        if (sender == NULL) {
            return ch->closed != 0 ? BELAY_EPIPE : BELAY_EAGAIN;
        }
        item_copy(item, sender->item, ch->element);
        ch->sent++;
    }
    ch->received++;
    return BELAY_OK;
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

void channel_end_waits(belay_channel *ch, list *waiters, belay_status status) {
    woken k = {.count = 0};
    for (offer *o = claim_first(ch, waiters, &k); o != NULL; o = claim_first(ch, waiters, &k)) {
        o->status = status;
        woken_resume(&k); /* at once, for there may be many */
        k.count = 0;
    }
}

/* Drops them, and releases the lock. Somebody whom the close has woken might want to destroy the channel. */
static void drop_and_release(belay_channel *ch, remains r) {
    list visit;
    if (r.count == 0 || ch->drop == NULL) {
        spin_release(&ch->lock);
        return;
    }
    list_append(&ch->leaving, &visit);
    spin_release(&ch->lock);
    drop_all(ch, r);
    spin_take(&ch->lock);
    list_remove(&visit);
    spin_release(&ch->lock);
}

belay_status belay_channel_close(belay_channel *channel, belay_close_mode mode) {
    belay_channel *ch = channel;
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (ch == NULL || (mode != BELAY_CLOSE_DRAIN && mode != BELAY_CLOSE_NOW)) {
        return BELAY_EINVAL;
    }
    spin_take(&ch->lock);
    if (ch->closed >= mode) {
        spin_release(&ch->lock);
        return BELAY_EALREADY;
    }
    ch->closed = (uint8_t)mode;
    ch->refuses = true;
    remains r = mode == BELAY_CLOSE_NOW ? take_all(ch) : (remains){0, 0};
    if (!MUTANT(channel_close_senders)) {
        channel_end_waits(ch, &ch->senders, BELAY_EPIPE);
    }
    if (channel_is_dry(ch)) {
        channel_end_waits(ch, &ch->receivers, BELAY_EPIPE);
    }
    if (ch->held == 0) {
        channel_end_waits(ch, &ch->joiners, BELAY_OK);
    }
    drop_and_release(ch, r);
    return BELAY_OK;
}

static bool is_used(const belay_channel *ch) {
    return !list_empty(&ch->senders) || !list_empty(&ch->receivers) || !list_empty(&ch->leaving) ||
           !list_empty(&ch->joiners) || ch->bound != 0;
}

belay_status belay_channel_destroy(belay_channel *channel) {
    belay_channel *ch = channel;
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (ch == NULL) {
        return BELAY_OK;
    }
    spin_take(&ch->lock);
    bool used = is_used(ch);
    remains r = used ? (remains){0, 0} : take_all(ch);
    ch->refuses = !used || ch->refuses;
    spin_release(&ch->lock);
    if (used) {
        return BELAY_EBUSY;
    }
    drop_all(ch, r);
    allocator alloc = ch->alloc;
    mem_release(&alloc, ch, ch->bytes, ALIGN);
    return BELAY_OK;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static uint64_t live_in(const list *waiters) {
    uint64_t n = 0;
    for (list *node = waiters->next; node != waiters; node = node->next) {
        n += arm_live(arm_of(node));
    }
    return n;
}

belay_status belay_channel_read(belay_channel *channel, belay_channel_info *out, size_t size) {
    if (channel == NULL || out == NULL || size == 0) {
        return BELAY_EINVAL;
    }
    belay_channel *ch = channel;
    spin_take(&ch->lock);
    belay_channel_info info = {.name = ch->name,
                               .capacity = ch->capacity,
                               .length = ch->count,
                               .leased = ch->slots != NULL ? ch->held - ch->count : 0,
                               .senders = live_in(&ch->senders),
                               .receivers = live_in(&ch->receivers),
                               .consumers = ch->consumers,
                               .sent = ch->sent,
                               .received = ch->received,
                               .dropped = ch->dropped,
                               .closed = ch->closed};
    spin_release(&ch->lock);
    memset(out, 0, size);
    memcpy(out, &info, size < sizeof info ? size : sizeof info);
    return BELAY_OK;
}

size_t belay_channel_length(belay_channel *channel) {
    if (channel == NULL) {
        return 0;
    }
    spin_take(&channel->lock);
    size_t length = channel->count;
    spin_release(&channel->lock);
    return length;
}

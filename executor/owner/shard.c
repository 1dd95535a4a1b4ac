/* Where a scope finds its suspended tasks.
 *
 * A task is linked when it first suspends, defers its start or opens a scope, and unlinked when it ends: a task that
 * does none of these never touches a shard. A scope begins with one shard; at the first contention it gets one per
 * worker, which stay with the slot for its later lives, so that whoever looks late never reads freed memory.
 *
 * A canceller (or a worker for it, see owner/bulk.c) moves each anchor it has told to the `told` list, so that it can
 * let go of the lock between batches without a cursor. Who links after the cancel word was set reads it afterwards,
 * under this very lock's order. */
#include "owner/scope.h"
#include "base/mutant.h"

enum { STEPS_AHEAD = 24 };

/* The lock starts as zero and stays: a late reader of an earlier life may hold it. */
static void shard_reset(shard *h) {
    lock_take(&h->lock);
    list_init(&h->live);
    list_init(&h->told);
    lock_release(&h->lock);
}

void shard_init(scope *s) {
    shard_reset(&s->own);
    list_init(&s->bulk);
}

/* One shard per worker. Without memory things stay as they are. */
static void widen(scope *s) {
    belay_executor *ex = s->executor;
    size_t bytes = ex->sched.count * sizeof(shard);
    shard *fresh = mem_allocate(&ex->opt.alloc, bytes, 64);
    if (fresh == NULL) {
        return;
    }
    for (uint32_t i = 0; i < ex->sched.count; i++) {
        lock_init(&fresh[i].lock);
        shard_reset(&fresh[i]);
    }
    shard *none = NULL;
    if (!cas_acq_rel(&s->shards, &none,
                     fresh)) { /* acq_rel: publishes the lists; pairs with the loads below */
        mem_release(&ex->opt.alloc, fresh, bytes, 64);
    }
}

static shard *shard_number(scope *s, uint16_t number) {
    return number == 0 ? &s->own : &load_acquire(&s->shards)[number - 1]; /* pairs with widen */
}

/* Locks the shard for a new link. */
static shard *choose(scope *s, worker *w, uint16_t *number) {
    *number = 0;
    if (w != NULL && load_acquire(&s->shards) == NULL) { /* pairs with widen */
        if (lock_try(&s->own.lock)) {
            return &s->own;
        }
        widen(s);
    }
    if (w != NULL && load_acquire(&s->shards) != NULL) {               /* pairs with widen */
        *number = (uint16_t)(w->index % s->executor->sched.count + 1); /* spares share */
    }
    shard *h = shard_number(s, *number);
    lock_take(&h->lock);
    return h;
}

void shard_link(belay_task *t, anchor *a) {
    scope *s = load_relaxed(&t->scope); /* relaxed: own */
    a->task = t;
    uint16_t number;
    shard *h = choose(s, worker_in(s->executor), &number);
    list_append(&h->live, &a->link);
    store_relaxed(&t->shard, number); /* relaxed, both: the lock publishes them */
    state_flag(t, STATE_LINKED, true);
    store_release(&t->home, a); /* pairs with the resumer's acquire */
    lock_release(&h->lock);
    /* Linked, then the cancel words are read: pairs with the canceller, which changes a word, then looks at the state.
     * */
    port_fence_after_push();
}

void shard_unlink(belay_task *t) {
    if (!state_has(t, STATE_LINKED)) {
        return;
    }
    scope *s = load_relaxed(&t->scope); /* relaxed: own, all */
    shard *h = shard_number(s, load_relaxed(&t->shard));
    lock_take(&h->lock);
    list_remove(&load_relaxed(&t->home)->link);
    state_flag(t, STATE_LINKED, false);
    lock_release(&h->lock);
}

static bool linked_in(const belay_task *t, const scope *s, uint16_t number) {
    /* relaxed: they change under the shard's lock, which we hold if they are still the same */
    return state_has(t, STATE_LINKED) && load_relaxed(&t->scope) == s &&
           load_relaxed(&t->shard) == number;
}

shard *shard_lock_of(belay_task *t) {
    scope *s = load_relaxed(&t->scope); /* relaxed: looked at again under the lock */
    uint16_t number = load_relaxed(&t->shard);
    bool linked = (load_seq_cst(&t->state) & STATE_LINKED) !=
                  0; /* seq_cst: after the cancel word; pairs with enter_inner */
    if (s == NULL || !linked || !linked_in(t, s, number)) {
        return NULL;
    }
    shard *h = shard_number(s, number);
    lock_take(&h->lock);
    if (linked_in(t, s, number) || MUTANT(shard_no_second_look)) {
        return h;
    }
    lock_release(&h->lock);
    return NULL;
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

/* Up to a batch of a shard's members, found on the way of one lock. */
typedef struct batch {
    uint32_t count;
    belay_task *task[SHARD_BATCH];
} batch;

/* Each anchor is in another page than the one before, and only it knows where the next is: a walk that waits for
 * memory at each step. But stacks, and blocks, are handed out in order, so the steps are often equal: what lies a few
 * more such steps ahead is fetched. A wrong guess costs nothing: a prefetch of any address is harmless. */
static void fetch_ahead(const list *from, const list *to) {
    uintptr_t step = (uintptr_t)to - (uintptr_t)from;
    __builtin_prefetch((const void *)((uintptr_t)to +
                                      STEPS_AHEAD * step)); /* not a pointer to anything, perhaps */
}

/* Moves the next of `live` to `told`. Under the lock. */
static void collect(shard *h, batch *b, uint32_t most) {
    list *head = &h->live;
    list *node = head->next;
    for (b->count = 0; b->count < most && node != head; node = node->next) {
        fetch_ahead(node->prev, node);
        belay_task *t = list_entry(node, anchor, link)->task;
        __builtin_prefetch(t, 1);
        __builtin_prefetch(&t->wait, 1);
        b->task[b->count++] = t;
    }
    list_move_until(&h->told, head, node);
}

/* Under the lock. Not those that a shield protects: its end will tell them. Those that are the caller's now stay in
 * the batch. */
static void claim(batch *b) {
    uint32_t mine = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        bool parked;
        if (upcall_canceled(b->task[i]) && wait_claim(&b->task[i]->wait, WAIT_CANCELED, &parked) &&
            parked) {
            b->task[mine++] = b->task[i];
        }
    }
    b->count = mine;
}

/* Tells up to a batch of a shard's members. False: there was none. */
static bool tell_batch(belay_executor *ex, shard *h) {
    batch b;
    lock_take(&h->lock);
    collect(h, &b, ex->bulk_batch);
    bool any = b.count != 0;
    claim(&b);
    lock_release(&h->lock);
    for (uint32_t i = 0; i < b.count; i++) {
        task_submit(&ex->sched, b.task[i]);
    }
    return any;
}

/* A worker begins with its own. */
bool shards_tell(scope *s, const worker *w) {
    belay_executor *ex = s->executor;
    uint32_t count = ex->sched.count;
    /* seq_cst: who made them, and linked there, has looked at the cancel word since */
    shard *wide = load_seq_cst(&s->shards);
    uint32_t first = w != NULL ? w->index % count : 0;
    for (uint32_t i = 0; wide != NULL && i < count; i++) {
        if (tell_batch(ex, &wide[(first + i) % count])) {
            return true;
        }
    }
    return !(MUTANT(shard_own_forgotten) && wide != NULL) && tell_batch(ex, &s->own);
}

void upcall_link(belay_task *t, anchor *a) {
    shard_link(t, a);
}

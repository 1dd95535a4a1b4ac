/* Where a scope finds its suspended tasks.
 *
 * A task is linked when it first suspends, defers its start or opens a scope, and unlinked when it ends: a task that does
 * none of these never touches a shard. A scope begins with one shard; at the first contention it gets one per worker,
 * which stay with the slot for its later lives, so that whoever looks late never reads freed memory.
 *
 * A canceller moves each anchor it has told to the `told` list, so that it can let go of the lock between batches without
 * a cursor. Who links after the cancel word was set reads it afterwards, under this very lock's order. */
#include "owner/scope.h"

enum { CANCEL_BATCH = 64 };

/* The lock starts as zero and stays: a late reader of an earlier life may hold it. */
static void shard_reset(shard *h) {
    lock_take(&h->lock);
    list_init(&h->live);
    list_init(&h->told);
    lock_release(&h->lock);
}

void shard_init(scope *s) {
    shard_reset(&s->own);
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
    if (w != NULL && load_acquire(&s->shards) != NULL) { /* pairs with widen */
        *number = (uint16_t)(w->index + 1);
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
    if (linked_in(t, s, number)) {
        return h;
    }
    lock_release(&h->lock);
    return NULL;
}

/* Claims up to a batch. True: there is more. */
static bool tell_batch(sched *sc, shard *h) {
    belay_task *ready[CANCEL_BATCH];
    uint32_t n = 0;
    lock_take(&h->lock);
    for (uint32_t i = 0; i < CANCEL_BATCH && !list_empty(&h->live); i++) {
        anchor *a = list_entry(h->live.next, anchor, link);
        list_remove(&a->link);
        list_append(&h->told, &a->link);
        bool parked;
        if (upcall_canceled(a->task) && wait_claim(&a->task->wait, WAIT_CANCELED, &parked) &&
            parked) {
            ready[n++] = a->task;
        }
    }
    bool more = !list_empty(&h->live);
    lock_release(&h->lock);
    for (uint32_t i = 0; i < n; i++) {
        task_submit(sc, ready[i]);
    }
    return more;
}

void shards_cancel(scope *s) {
    belay_executor *ex = s->executor;
    while (tell_batch(&ex->sched, &s->own)) {
    }
    shard *wide = load_acquire(&s->shards); /* pairs with widen */
    for (uint32_t i = 0; wide != NULL && i < ex->sched.count; i++) {
        while (tell_batch(&ex->sched, &wide[i])) {
        }
    }
}

void upcall_link(belay_task *t, anchor *a) {
    shard_link(t, a);
}

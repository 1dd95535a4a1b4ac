/* Telling the masses: the members of a cancelled scope, where they are many.
 *
 * A canceller tells the first few of a scope itself. If there are more it posts the scope here, and the workers tell
 * the rest, a batch at a time, each beginning with the members that suspended on it: so the work is done by all of
 * them, what has been claimed is resumed while it is still in the cache, no queue grows to the size of the scope, and a
 * cancel from outside returns early. Cancelled they are already: the scope's cancel word is set.
 *
 * The job:  posted    linked in the executor's list, by who cancels, and counted in sched.bulk; it pins the scope
 *           taken     a worker that finds it pins the scope, too, tells one batch, and drops its pin
 *           finished  a worker that finds no more members to tell unlinks it and drops the job's pin
 * Several workers take a job at a time. The one that finishes it may do so while others still have a batch in hand:
 * those they have claimed already. Who links later has set its wait word to PARKED after the cancel word was set, and
 * sees it (docs/protocols/cancel.md).
 *
 * A worker looks when it has nothing else and every few picks, like at the injection queue; who parks looks at
 * sched.bulk where it looks at the queues. */
#include "owner/scope.h"

void bulk_init(belay_executor *ex) {
    lock_init(&ex->bulk_lock);
    list_init(&ex->bulk);
    ex->bulk_batch = SHARD_BATCH;
    ex->bulk_at_once = 2;
}

static void post(belay_executor *ex, scope *s) {
    lock_take(&ex->bulk_lock);
    if (list_empty(&s->bulk)) { /* it may be told twice in its life */
        count_pin_open(s);
        list_append(&ex->bulk, &s->bulk);
        /* seq_cst: before the read of the idle word; pairs with the last look of who parks */
        fetch_add_seq_cst(&ex->sched.bulk, 1u);
    }
    lock_release(&ex->bulk_lock);
    sched_notify(&ex->sched, false);
}

/* So many that a few members are told at once wherever they are. */
void shards_cancel(scope *s) {
    uint32_t batches = s->executor->bulk_at_once * (s->executor->sched.count + 1);
    for (uint32_t i = 0; i < batches; i++) {
        if (!shards_tell(s, worker_in(s->executor))) {
            return;
        }
    }
    post(s->executor, s);
}

/* The oldest job, pinned. NULL: none. */
static scope *take(belay_executor *ex) {
    scope *s = NULL;
    lock_take(&ex->bulk_lock);
    if (!list_empty(&ex->bulk)) {
        s = list_entry(ex->bulk.next, scope, bulk);
        count_pin_open(s);
    }
    lock_release(&ex->bulk_lock);
    return s;
}

static void finish(belay_executor *ex, scope *s) {
    lock_take(&ex->bulk_lock);
    bool last = !list_empty(&s->bulk);
    if (last) {
        list_remove(&s->bulk);
        fetch_sub_relaxed(&ex->sched.bulk, 1u); /* relaxed: who reads it too high finds nothing */
    }
    lock_release(&ex->bulk_lock);
    if (last) {
        count_leave(NULL, s);
    }
}

bool upcall_bulk(worker *w) {
    belay_executor *ex = executor_of_sched(w->sched);
    scope *s = take(ex);
    if (s == NULL) {
        return false;
    }
    bool told = shards_tell(s, w);
    if (!told) {
        finish(ex, s);
    }
    count_leave(NULL, s); /* the pin is in the word */
    return told;
}

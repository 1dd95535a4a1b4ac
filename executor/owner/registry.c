/* The table of executors, guests, and the slots behind handles. See owner/registry.h. */
#include "owner/registry.h"
#include "base/mutant.h"

#include "owner/joins.h"
#include "task/ref.h"

static ATOMIC(belay_executor *) table[EXECUTOR_MAX];

/* ---- the table -------------------------------------------------------------------------------------------- */

static size_t entry_bytes(void) {
    size_t page = port_page_size();
    return (sizeof(belay_executor) + page - 1) / page * page;
}

/* The entry with this number, mapped at its first use and kept for ever. */
static belay_executor *entry_at(uint32_t i) {
    belay_executor *ex = load_acquire(&table[i]); /* pairs with the swap below */
    if (ex != NULL) {
        return ex;
    }
    belay_executor *fresh = port_pages_map(entry_bytes(), port_page_size());
    if (fresh == NULL) {
        return NULL;
    }
    fresh->number = i;
    if (cas_acq_rel(&table[i], &ex,
                    fresh)) { /* acq_rel: publishes the number; or acquires the other's */
        return fresh;
    }
    port_pages_unmap(fresh, entry_bytes());
    return ex;
}

belay_executor *executor_claim(void) {
    for (uint32_t i = 1; i < EXECUTOR_MAX; i++) {
        belay_executor *ex = entry_at(i);
        if (ex == NULL) {
            return NULL;
        }
        uint32_t free = EXECUTOR_FREE;
        /* seq_cst: one order with guests' counts */
        if (cas_seq_cst(&ex->phase, &free, EXECUTOR_STARTING)) {
            owner_add(&ex->incarnation, 1u);
            return ex;
        }
    }
    return NULL;
}

void executor_unclaim(belay_executor *ex) {
    store_release(&ex->phase, EXECUTOR_FREE); /* pairs with the swap in executor_claim */
}

void executors_lose(void) {
    for (uint32_t i = 1; i < EXECUTOR_MAX; i++) {
        belay_executor *ex = load_relaxed(&table[i]); /* relaxed, all: the only thread */
        if (ex != NULL && load_relaxed(&ex->phase) != EXECUTOR_FREE) {
            owner_add(&ex->incarnation, 1u);
            store_relaxed(&ex->phase, EXECUTOR_LOST);
        }
    }
}

/* ---- guests ------------------------------------------------------------------------------------------------ */

static guest_shard *guests_here(belay_executor *ex) {
    return &ex->guests[port_thread_hash() % FOREIGN_SHARDS];
}

bool guest_enter(belay_executor *ex) {
    guest_shard *here = guests_here(ex);
    fetch_add_seq_cst(
        &here->count,
        1u); /* seq_cst: pairs with destroy, which sets the phase, then reads counts */
    if (likely(load_seq_cst(&ex->phase) == EXECUTOR_RUNNING) || MUTANT(guest_no_look)) {
        return true;
    }
    fetch_sub_release(&here->count, 1u); /* pairs with guests_drain */
    return false;
}

void guest_leave(belay_executor *ex) {
    fetch_sub_release(&guests_here(ex)->count, 1u); /* pairs with guests_drain */
}

belay_executor *pass_take(uint32_t number, uint64_t generation, uint32_t *place) {
    belay_executor *ex =
        number < EXECUTOR_MAX ? load_acquire(&table[number]) : NULL; /* pairs with entry_at */
    if (ex == NULL) {
        return NULL;
    }
    *place = port_thread_hash() % FOREIGN_SHARDS;
    lock_take(&ex->guests[*place].pass);
    /* acquire: pairs with create. Destroy takes the lock after it has set the phase: either we see that, or it waits.
     * relaxed: constant while we keep it running. */
    if (likely(load_acquire(&ex->phase) == EXECUTOR_RUNNING &&
               (uint32_t)(generation >> INCARNATION_SHIFT) ==
                   (load_relaxed(&ex->incarnation) & 0xffffffu))) {
        return ex;
    }
    pass_release(ex, *place);
    return NULL;
}

/* A task of another executor may enter on one thread and leave on another, so only the sum counts. Nobody enters any
 * more, so it only falls. */
void guests_drain(belay_executor *ex) {
    for (uint32_t i = 0; i < FOREIGN_SHARDS && !MUTANT(pass_not_drained); i++) {
        lock_take(&ex->guests[i].pass); /* who has it next sees the phase */
        lock_release(&ex->guests[i].pass);
    }
    uint32_t sum;
    do {
        sum = 0;
        for (uint32_t i = 0; i < FOREIGN_SHARDS; i++) {
            sum += load_seq_cst(&ex->guests[i].count); /* seq_cst: pairs with guest_enter */
        }
        if (sum != 0) {
            port_thread_yield();
        }
    } while (sum != 0);
}

belay_executor *registry_open(uint32_t number, uint64_t generation) {
    if (number == 0 || number >= EXECUTOR_MAX) {
        return NULL;
    }
    belay_executor *ex = load_acquire(&table[number]); /* pairs with entry_at */
    if (ex == NULL) {
        return NULL;
    }
    if (worker_in(ex) == NULL && !guest_enter(ex)) {
        return NULL;
    }
    /* relaxed: constant while we keep it running */
    if ((uint32_t)(generation >> INCARNATION_SHIFT) !=
        (load_relaxed(&ex->incarnation) & 0xffffffu)) {
        registry_done(ex);
        return NULL;
    }
    return ex;
}

void registry_again(belay_executor *ex) {
    if (worker_in(ex) == NULL) {
        fetch_add_relaxed(&guests_here(ex)->count,
                          1u); /* relaxed: it is not zero, and so nobody goes on */
    }
}

void registry_done(belay_executor *ex) {
    if (worker_in(ex) == NULL) {
        guest_leave(ex);
    }
}

/* ---- tasks by handle ----------------------------------------------------------------------------------------- */

uint64_t handle_generation(const belay_executor *ex, uint64_t slot_generation) {
    uint64_t incarnation =
        load_relaxed(&ex->incarnation) & 0xffffffu; /* relaxed: constant while running */
    return incarnation << INCARNATION_SHIFT | (slot_generation & SLOT_GENERATION);
}

belay_task_handle task_handle(const belay_executor *ex, const belay_task *t) {
    return (belay_task_handle){.slot = t->number,
                               .executor = ex->number,
                               .generation = handle_generation(ex, ref_generation(t))};
}

belay_scope scope_handle(const belay_executor *ex, const scope *s) {
    return (belay_scope){.slot = s->number,
                         .executor = ex->number,
                         .generation = handle_generation(ex, count_generation(s))};
}

belay_task *task_open(belay_executor *ex, belay_task_handle h) {
    belay_task *t = slab_at(&ex->tasks, h.slot);
    return t != NULL && ref_gain(t, h.generation & SLOT_GENERATION) ? t : NULL;
}

void task_close(belay_executor *ex, belay_task *t) {
    if (ref_lose(t, ref_generation(t)) == REF_LAST) {
        task_reap(ex, t);
    }
}

lock *task_lock(const belay_task *t) {
    belay_executor *ex = load_relaxed(&t->scope)->executor; /* relaxed: constant for a life */
    return &ex->task_locks[t->number % TASK_LOCKS];
}

/* ---- slots ------------------------------------------------------------------------------------------------------ */

static slab *slab_for(belay_executor *ex, slot_kind kind) {
    slab *const slabs[] = {&ex->tasks, &ex->scopes, &ex->deferred, &ex->reasons, &ex->cells};
    return slabs[kind];
}

static slab_cache *own_cache(worker *w, slot_kind kind) {
    slab_cache *const caches[] = {&w->tasks, &w->scopes, &w->deferred, &w->reasons, &w->cells};
    return caches[kind];
}

static slab_cache *shared_cache(foreign_shard *f, slot_kind kind) {
    slab_cache *const caches[] = {&f->tasks, &f->scopes, &f->deferred, &f->reasons, &f->cells};
    return caches[kind];
}

void *slot_take(belay_executor *ex, worker *w, slot_kind kind) {
    if (w != NULL) {
        return slab_take(slab_for(ex, kind), own_cache(w, kind));
    }
    uint32_t place = port_thread_hash() % FOREIGN_SHARDS;
    foreign_shard *f = &ex->foreign[place];
    lock_take(&ex->guests[place].pass);
    void *slot = slab_take(slab_for(ex, kind), shared_cache(f, kind));
    lock_release(&ex->guests[place].pass);
    return slot;
}

void slot_give(belay_executor *ex, worker *w, slot_kind kind, void *slot) {
    if (w != NULL) {
        slab_give(slab_for(ex, kind), own_cache(w, kind), slot);
        return;
    }
    uint32_t place = port_thread_hash() % FOREIGN_SHARDS;
    foreign_shard *f = &ex->foreign[place];
    lock_take(&ex->guests[place].pass);
    slab_give(slab_for(ex, kind), shared_cache(f, kind), slot);
    lock_release(&ex->guests[place].pass);
}

/* ---- who calls --------------------------------------------------------------------------------------------------- */

belay_status check_waiter(const belay_task *self) {
    if (unlikely(port_forked())) {
        return BELAY_ECHILD;
    }
    if (self == NULL) {
        return worker_current() == NULL && port_callbacks() == 0 ? BELAY_OK : BELAY_ECONTEXT;
    }
    return is_running(self) ? BELAY_OK : BELAY_ECONTEXT;
}

static void callbacks_add(int32_t n) {
    worker *w = worker_current();
    if (w != NULL) {
        owner_add(&w->callbacks, (uint32_t)n);
    } else {
        port_callbacks_add(n);
    }
}

void callback_enter(void) {
    callbacks_add(1);
}

void callback_leave(void) {
    callbacks_add(-1); /* the same thread as before: nothing waits in between */
}

void call_drop(belay_drop *drop, void *value) {
    callback_enter();
    drop(value);
    callback_leave();
}

/* The task is counted, so the executor runs; being a guest keeps it until the queues and wakes were gone through. */
void upcall_submit_outside(sched *s, belay_task *t) {
    belay_executor *ex = executor_of_sched(s);
    CHECK_ALWAYS(guest_enter(ex));
    task_submit(s, t);
    guest_leave(ex);
}

fiber_pool *fiber_pool_of(const worker *w) {
    return &executor_of_sched(w->sched)->fibers;
}

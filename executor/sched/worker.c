/* What a worker runs next.
 *
 * Order: hand-off slot, claimed batch, own queue; every LOOK_OUTSIDE picks, and whenever those are empty, also timers,
 * the inbox of pinned tasks, the injection queue and jobs for all workers, so that a task that keeps respawning itself
 * cannot keep them waiting. Then other workers. Then sleep. */
#include "sched/block.h"
#include "sched/private.h"

enum {
    SEARCH_PAUSE = 32
}; /* ticks between two looks of a searcher that has found nothing for a while */

static runnable *pinned_take(worker *w) {
    runnable *r = load_relaxed(&w->pinned_first); /* relaxed: the owner's list */
    if (r != NULL) {
        port_tsan_acquire(r);
        runnable *next = runnable_next(r);
        port_tsan_release(r);
        store_relaxed(&w->pinned_first, next);
        if (next == NULL) {
            store_relaxed(&w->pinned_last, NULL);
        }
    }
    return r;
}

/* What a worker has to see to now and then, beside picking. A pick ends a hint; and a spare looks at each pick. */
static void keep_up(worker *w, uint32_t upkeep) {
    if ((upkeep & UPKEEP_HINT) != 0) {
        block_end(w);
    }
    if ((upkeep & UPKEEP_SPARE) != 0) {
        store_relaxed(&w->tick, (uint32_t)LOOK_OUTSIDE); /* relaxed: own word */
    }
}

/* Brings in what came from outside. A worker without stacks then goes through everything at hand anew. */
static void look_outside(worker *w) {
    store_relaxed(&w->tick, 0u);
    uint32_t upkeep = load_relaxed(&w->upkeep); /* relaxed, both: own words */
    if (unlikely(upkeep != 0)) {
        keep_up(w, upkeep);
    }
    store_relaxed(&w->now, port_clock_coarse()); /* relaxed: own word */
    bool any = w->sched->drv->poll(w);
    if (!inbox_empty(w)) {
        inbox_drain(w);
        any = true;
    }
    if (!inject_empty(w->sched)) {
        any |= inject_drain(w);
    }
    if (unlikely(load_relaxed(&w->sched->bulk) != 0)) { /* relaxed: who parks looks again */
        any |= upcall_bulk(w);
    }
    if (any) {
        store_relaxed(&w->starved_tries, 0u); /* relaxed: own word */
    }
}

/* Pinned tasks take turns with the others. */
static runnable *take_own(worker *w, uint32_t tick) {
    if (unlikely(load_relaxed(&w->pinned_first) != NULL)) { /* relaxed: the owner's list */
        runnable *r = (tick & 1) != 0 ? pinned_take(w) : private_take(w);
        return r != NULL ? r : pinned_take(w);
    }
    return private_take(w);
}

runnable *worker_poll(worker *w) {
    uint32_t tick = load_relaxed(&w->tick) + 1; /* relaxed: own word */
    store_relaxed(&w->tick, tick);
    if (unlikely(tick > LOOK_OUTSIDE)) {
        look_outside(w);
        if (block_must_leave(w)) {
            return NULL;
        }
    }
    runnable *r = take_own(w, tick);
    if (unlikely(r == NULL)) {
        look_outside(w);
        r = take_own(w, tick);
    }
    return r;
}

runnable *worker_poll_briefly(worker *w) {
    uint32_t tick = load_relaxed(&w->tick) + 1; /* relaxed: own word */
    store_relaxed(&w->tick, tick);
    if (unlikely(tick > LOOK_OUTSIDE)) {
        look_outside(w);
        if (block_must_leave(w)) {
            return NULL;
        }
    }
    runnable *r = take_own(w, tick);
    if (r == NULL && unlikely(!inbox_empty(w) || !inject_empty(w->sched))) {
        look_outside(w);
        r = take_own(w, tick);
    }
    return r;
}

static bool leaves(const worker *w) {
    return load_acquire(&w->sched->stopping) != 0 /* pairs with sched_stop */ ||
           block_must_leave(w);
}

/* Looks everywhere, for at most the configured time, and less and less often: every look takes a cache line from a
 * busy worker that is just writing to it. */
static runnable *search(worker *w) {
    int64_t now = port_clock_now();
    int64_t end = now + w->sched->spin;
    for (uint32_t pause = 1; !leaves(w); pause = pause < SEARCH_PAUSE ? pause * 2 : SEARCH_PAUSE) {
        runnable *r = worker_poll(w);
        if (r == NULL && !block_must_leave(w)) {
            r = steal_any(w, now);
        }
        if (r != NULL) {
            return r;
        }
        now = port_clock_now();
        if (now >= end) {
            return NULL;
        }
        for (uint32_t i = 0; i < pause; i++) {
            port_cpu_relax();
        }
    }
    return NULL;
}

/* Nothing at hand: searches, parks, searches again. */
static runnable *worker_seek(worker *w) {
    runnable *r = NULL;
    bool searching = !leaves(w) && idle_search_begin(w->sched);
    while (r == NULL && !leaves(w)) {
        r = searching ? search(w) : NULL;
        if (r == NULL && !leaves(w)) {
            idle_park(w, searching);
            searching = true;
        }
    }
    if (searching) {
        idle_search_end(w, r != NULL);
    }
    /* The monitor makes good what a look without a fence missed. */
    w->sched->drv->busy(w->sched, sched_live(w->sched) > 1);
    return r;
}

runnable *worker_next(worker *w) {
    runnable *r = worker_poll(w);
    return likely(r != NULL) ? r : worker_seek(w);
}

bool worker_init(worker *w, sched *s, uint32_t index) {
    w->sched = s;
    w->index = index;
    w->symmetric = s->symmetric;
    init_plain(&w->rng, index * 2654435761u + 1u);
    lock_init(&w->raid_lock);
    ck_stack_init(&w->inbox);
    ck_ec32_init(&w->ec, 0);
    init_plain(&w->place, index < s->count ? index : (uint32_t)BLOCK_NOBODY);
    init_plain(&w->server, index < s->count ? index : (uint32_t)BLOCK_NOBODY);
    return runq_init(&w->queue, s->alloc);
}

void worker_fini(worker *w) {
    runq_fini(&w->queue);
}

bool sched_init(sched *s, uint32_t count, uint32_t spares, bool symmetric, int64_t spin,
                const driver *drv, const allocator *alloc) {
    CHECK(count >= 1 && count + spares <= SCHED_MAX_WORKERS);
    s->count = count;
    s->most = count + spares;
    lock_init(&s->block_lock);
    s->symmetric = symmetric;
    s->spin = spin;
    s->drv = drv;
    s->alloc = alloc;
    bool rings = true;
    for (uint32_t i = 0; i < SCHED_INJECT; i++) {
        ck_stack_init(&s->inject[i].stack);
        rings = runq_init(&s->inject[i].ring, alloc) && rings;
    }
    s->workers = mem_allocate(alloc, s->most * sizeof(worker), 64);
    if (s->workers == NULL || !rings) {
        sched_fini(s);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!worker_init(&s->workers[i], s, i)) {
            sched_fini(s);
            return false;
        }
        init_plain(&s->live, i + 1);
    }
    return true;
}

void sched_fini(sched *s) {
    for (uint32_t i = 0; s->workers != NULL && i < sched_live(s); i++) {
        worker_fini(&s->workers[i]);
    }
    for (uint32_t i = 0; i < SCHED_INJECT; i++) {
        runq_fini(&s->inject[i].ring);
    }
    mem_release(s->alloc, s->workers, s->most * sizeof(worker), 64);
    s->workers = NULL;
}

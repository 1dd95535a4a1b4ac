/* See sched/block.h, and docs/protocols/block.md for the steps. */
#include "sched/block.h"

#include "sched/private.h"

/* ---- places: all under the lock, but for the reads --------------------------------------------------------------- */

static uint32_t place_of(const worker *w) {
    /* relaxed: constant, or the owner reads it and looks at `server` next */
    return load_relaxed(&w->place);
}

static uint32_t server_of(const sched *s, uint32_t place) {
    /* seq_cst: pairs with place_give: after the reader's parked bit, or after the timer that was armed */
    return load_seq_cst(&s->workers[place].server);
}

static bool has_place(const worker *w) {
    uint32_t place = place_of(w);
    return place != BLOCK_NOBODY && server_of(w->sched, place) == w->index;
}

static void place_give(sched *s, uint32_t place, uint32_t index) {
    store_seq_cst(&s->workers[place].server,
                  index); /* seq_cst: before the reads of parked bits; pairs with server_of */
}

/* The wheel is changed only outside of the worker loop: with another place's the spare has to go there first. */
bool block_surplus(const worker *w) {
    return !has_place(w) || w->wheel != w->sched->workers[place_of(w)].wheel;
}

bool block_serves(const worker *w, uint32_t place) {
    return server_of(w->sched, place) == w->index;
}

void block_wake_server(sched *s, uint32_t place) {
    uint32_t server = server_of(s, place);
    if (server != BLOCK_NOBODY) {
        sched_wake(s, server);
    } /* else the monitor looks after the wheel */
}

/* ---- spares ------------------------------------------------------------------------------------------------------ */

static void serve(sched *s, worker *e) {
    e->serving = true;
    fetch_add_seq_cst(&s->idle, IDLE_EXTRA_ONE); /* seq_cst: as every change of the word */
}

static void unserve(sched *s, worker *e) {
    if (e->serving) {
        e->serving = false;
        fetch_sub_seq_cst(&s->idle, IDLE_EXTRA_ONE); /* seq_cst: as every change of the word */
    }
}

static void call(worker *e) {
    store_relaxed(&e->service, 1u); /* relaxed: under the lock, which the spare takes */
    port_futex_wake(&e->service.value, 1);
}

/* How well the spare suits the place: 0 not at all; most of all if it is about to leave just this one. */
static int suits(const worker *e, uint32_t place) {
    if (e->hinted || has_place(e)) {
        return 0;
    }
    return !e->serving ? 1 : place_of(e) == place ? 3 : 2;
}

static worker *find_spare(sched *s, uint32_t place) {
    worker *best = NULL;
    int good = 0;
    for (uint32_t i = s->count; i < sched_live(s); i++) {
        int this_good = suits(&s->workers[i], place);
        if (this_good > good) {
            good = this_good;
            best = &s->workers[i];
        }
    }
    return best;
}

/* Makes one more, which is in service at once. NULL: there are as many as may be, or no memory or thread is to be
 * had. */
static worker *hire(sched *s, uint32_t place) {
    uint32_t live = sched_live(s);
    if (live == s->most) {
        return NULL;
    }
    worker *e = &s->workers[live];
    if (!worker_init(e, s, live)) {
        return NULL;
    }
    store_relaxed(&e->upkeep, (uint32_t)UPKEEP_SPARE); /* relaxed: starting the thread publishes */
    e->wheel = s->workers[place].wheel;                /* its start hook may arm timers */
    if (!s->drv->hire(e)) {
        worker_fini(e);
        return NULL;
    }
    store_release(&s->live, live + 1); /* pairs with sched_live */
    return e;
}

/* Gives a place that its server has left to a spare, or to nobody. */
static bool substitute(sched *s, uint32_t place) {
    worker *e = find_spare(s, place);
    if (e == NULL) {
        e = hire(s, place);
    }
    if (e == NULL) {
        place_give(s, place, BLOCK_NOBODY);
        return false;
    }
    store_relaxed(&e->place, place); /* relaxed: read under the lock, or with the server */
    place_give(s, place, e->index);
    if (!e->serving) {
        serve(s, e);
        call(e);
    }
    return true;
}

/* ---- begin and end ----------------------------------------------------------------------------------------------- */

void block_begin(worker *w) {
    sched *s = w->sched;
    /* relaxed, all: own words, of which thieves take the first as a hint */
    store_relaxed(&w->blocked_turn, load_relaxed(&w->turn) + 1);
    store_relaxed(&w->upkeep, load_relaxed(&w->upkeep) | (uint32_t)UPKEEP_HINT);
    store_relaxed(&w->tick, (uint32_t)LOOK_OUTSIDE);
    count_own(&w->count, COUNT_BLOCK_HINTS, 1);
    s->drv->busy(s, true);
    sched_nudge(s);
    lock_take(&s->block_lock);
    w->hinted = true;
    bool served = !has_place(w) || substitute(s, place_of(w));
    lock_release(&s->block_lock);
    count_own(&w->count, COUNT_BLOCK_UNSERVED, served ? 0 : 1);
}

/* A configured worker takes its place back from whoever has it, a spare only from nobody. */
void block_end(worker *w) {
    sched *s = w->sched;
    store_relaxed(&w->blocked_turn, 0u); /* relaxed, both: own words */
    store_relaxed(&w->upkeep, load_relaxed(&w->upkeep) & ~(uint32_t)UPKEEP_HINT);
    lock_take(&s->block_lock);
    w->hinted = false;
    uint32_t before = server_of(s, place_of(w));
    bool back = w->index < s->count || before == BLOCK_NOBODY;
    if (back) {
        place_give(s, place_of(w), w->index);
    }
    lock_release(&s->block_lock);
    if (back && before != BLOCK_NOBODY) {
        sched_wake(s, before);
    }
}

/* ---- a spare's thread -------------------------------------------------------------------------------------------- */

static void hand_over(worker *w) {
    for (runnable *r = private_take(w); r != NULL; r = private_take(w)) {
        sched_inject(w->sched, r);
    }
}

/* Some place may have nobody, because there were not spares enough. */
static bool take_up_vacant(worker *w) {
    sched *s = w->sched;
    for (uint32_t i = 0; i < s->count; i++) {
        if (server_of(s, i) == BLOCK_NOBODY) {
            store_relaxed(&w->place, i); /* relaxed: under the lock; own */
            place_give(s, i, w->index);
            return true;
        }
    }
    return false;
}

/* Under the lock, which it lets go of meanwhile. */
static void wait_for_call(worker *w) {
    unserve(w->sched, w);
    store_relaxed(&w->service, 0u); /* relaxed: under the lock */
    lock_release(&w->sched->block_lock);
    port_futex_wait(&w->service.value, 0, PORT_NEVER);
    lock_take(&w->sched->block_lock);
}

static bool stopping(const sched *s) {
    return load_acquire(&s->stopping) != 0; /* pairs with sched_stop, which then takes the lock */
}

bool block_await(worker *w) {
    sched *s = w->sched;
    hand_over(w);
    lock_take(&s->block_lock);
    while (!stopping(s) && !has_place(w) && !take_up_vacant(w)) {
        wait_for_call(w);
    }
    bool go = !stopping(s);
    if (go) {
        w->wheel = s->workers[place_of(w)].wheel;
        if (!w->serving) {
            serve(s, w);
        }
    }
    lock_release(&s->block_lock);
    return go;
}

void block_decline(worker *w) {
    sched *s = w->sched;
    lock_take(&s->block_lock);
    if (has_place(w)) {
        place_give(s, place_of(w), BLOCK_NOBODY);
    }
    if (!stopping(s)) {
        wait_for_call(w);
    }
    lock_release(&s->block_lock);
}

void sched_stop(sched *s) {
    store_seq_cst(&s->stopping,
                  1u); /* seq_cst: before the reads of the parked bits in sched_wake */
    for (uint32_t i = 0; i < sched_live(s); i++) {
        sched_wake(s, i);
    }
    lock_take(&s->block_lock);
    for (uint32_t i = s->count; i < sched_live(s); i++) {
        call(&s->workers[i]);
    }
    lock_release(&s->block_lock);
}

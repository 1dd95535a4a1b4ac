/* Idling and waking. docs/protocols/idle.md holds the states and the argument; in short:
 *
 * A worker without work searches for a bounded time, then parks. The word `idle` counts parked and searching
 * workers, and spares in service (sched/block.h); a bit in `parked` names each parked one.
 *
 * Making work visible:   1. publish (release store to a queue, or a locked push)
 *                        2. light fence (a full one on foreign threads and in symmetric mode)
 *                        3. read `idle`: if nobody searches and somebody is parked, wake one
 * Parking:               1. set the own bit, move the own count to parked
 *                        2. heavy fence, if no searcher is left
 *                        3. look at all queues again; found: take the bit back, search on
 *                        4. sleep on the own event count, read before step 1
 * Either the publisher's step 3 sees step 1, or the parker's step 3 sees the publisher's step 1. A publisher that
 * sees a searcher relies on it: a searcher either finds the work, or is the last to stop and takes steps 2 and 3. A
 * searcher that finds work and was the last wakes a successor if there is more to be seen. That look has no heavy
 * fence before it (it would delay the work found by microseconds), so it may miss what a busy worker is just
 * publishing in the belief that we search on. Then that work waits for its own worker, or for the monitor's next
 * round (sched_nudge), and not for ever.
 *
 * Whoever clears a bit in `parked` owes that worker a wake, and moves its count to searching before it: so a wake is
 * never spent on a worker that has left by itself, and the worker waits for it when it finds its bit gone. */
#include "sched/block.h"

#include "base/mutant.h"

#define PARKED_ONE UINT64_C(1)
#define SEARCHING_ONE IDLE_SEARCHING_ONE

static uint32_t parked_of(uint64_t idle) {
    return (uint32_t)(idle & IDLE_PARKED);
}

static uint32_t extra_of(uint64_t idle) {
    return (uint32_t)(idle / IDLE_EXTRA_ONE & IDLE_PARKED);
}

static uint32_t searching_of(uint64_t idle) {
    return (uint32_t)(idle >> 32);
}

/* ---- ck_ec's view of the system ---------------------------------------------------------------------- */

static int ec_gettime(const struct ck_ec_ops *ops, struct timespec *out) {
    (void)ops;
    int64_t now = port_clock_now();
    out->tv_sec = (time_t)(now / 1000000000);
    out->tv_nsec = (long)(now % 1000000000);
    return 0;
}

/* ck_ec cuts a wait into slices with deadlines of its own, for single producers whose wakes may be late, and looks at
 * the caller's deadline only between them. Ours are never late: one slice, to the caller's deadline. */
static void ec_wait32(const struct ck_ec_wait_state *state, const uint32_t *word, uint32_t expected,
                      const struct timespec *slice) {
    (void)state;
    (void)slice;
    port_futex_wait(word, expected,
                    load_relaxed(&worker_current()->park_until)); /* relaxed: own word */
}

static void ec_wake32(const struct ck_ec_ops *ops, const uint32_t *word) {
    (void)ops;
    port_futex_wake(word, 1);
}

static const struct ck_ec_ops ec_ops = {.gettime = ec_gettime,
                                        .wait32 = ec_wait32,
                                        .wake32 = ec_wake32,
                                        .busy_loop_iter = 1 /* the worker has spun already */};
static const struct ck_ec_mode ec_mode = {.ops = &ec_ops, .single_producer = false};

static void ec_sleep(worker *w, uint32_t seen, int64_t deadline) {
    store_relaxed(&w->park_until, deadline); /* relaxed: own word */
    if (deadline == PORT_NEVER) {
        ck_ec32_wait(&w->ec, &ec_mode, seen, NULL);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000),
                             .tv_nsec = (long)(deadline % 1000000000)};
    ck_ec32_wait(&w->ec, &ec_mode, seen, &until);
}

/* ---- waking -------------------------------------------------------------------------------------------- */

/* Clears the worker's bit. True: we did, so it was parked and is ours to wake (or we are it). */
static bool unpark(sched *s, uint32_t index) {
    uint64_t bit = UINT64_C(1) << (index % 64);
    /* seq_cst: one order with the parker's set and the counts below */
    if ((fetch_and_seq_cst(&s->parked[index / 64], ~bit) & bit) == 0) {
        return false;
    }
    fetch_add_seq_cst(&s->idle,
                      SEARCHING_ONE - PARKED_ONE); /* seq_cst: pairs with sched_notify's read */
    return true;
}

/* True: it was parked, and is awake. */
static bool wake_parked(sched *s, uint32_t index) {
    if (!unpark(s, index)) {
        return false;
    }
    worker *w = &s->workers[index];
    count_shared(&s->foreign, COUNT_WAKES, 1);
    ck_ec32_inc(&w->ec, &ec_mode);
    port_fence_after_push(); /* the raise, then the flag: pairs with the full fence in event/fd_poll.c */
    if (unlikely(load_acquire(&w->in_poller) != 0)) { /* pairs with fd_sleep: the poller is open */
        s->drv->ring(s);
    }
    return true;
}

/* The worker that watches the descriptors only if there is no other. */
static bool wake_some(sched *s, bool in_poller) {
    for (uint32_t i = 0; i < (sched_live(s) + 63) / 64; i++) {
        uint64_t bits =
            load_relaxed(&s->parked[i]); /* relaxed, both: unpark decides; a preference */
        for (; bits != 0; bits &= bits - 1) {
            uint32_t index = i * 64 + (uint32_t)__builtin_ctzll(bits);
            bool is_there = load_relaxed(&s->workers[index].in_poller) != 0;
            if (is_there == in_poller && wake_parked(s, index)) {
                return true;
            }
        }
    }
    return false;
}

/* One may enter or leave the poller while we look: then the first round may find none, although one is parked. */
static void wake_one(sched *s) {
    if (!wake_some(s, false) && !wake_some(s, true)) {
        (void)wake_some(s, false);
    }
}

void sched_notify_seen(sched *s, uint64_t idle) {
    if (searching_of(idle) == 0 && parked_of(idle) != 0) {
        wake_one(s);
    }
}

void sched_notify(sched *s, bool worker_side) {
    if (worker_side) {
        sched_notify_worker(s);
    } else {
        /* seq_cst: the caller's push was a locked instruction; this read comes after it in the order that the
         * parker's read-modify-writes are in */
        sched_notify_seen(s, load_seq_cst(&s->idle));
    }
}

void sched_nudge(sched *s) {
    uint64_t idle = load_seq_cst(&s->idle); /* a look; the next one comes soon */
    if (searching_of(idle) == 0 && parked_of(idle) != 0 &&
        (work_visible(s, NULL) || work_hidden(s, NULL))) {
        wake_one(s);
    }
}

void sched_rouse(sched *s) {
    uint64_t idle = load_seq_cst(&s->idle); /* a look; the next one comes soon */
    if (searching_of(idle) == 0 && parked_of(idle) != 0) {
        wake_one(s);
    }
}

void sched_wake(sched *s, uint32_t index) {
    uint64_t bit = UINT64_C(1) << (index % 64);
    /* seq_cst: after the locked push to the inbox; the parker sets its bit before its last look */
    if ((load_seq_cst(&s->parked[index / 64]) & bit) != 0) {
        (void)wake_parked(s, index);
    }
}

/* ---- searching and parking ----------------------------------------------------------------------------- */

bool idle_search_begin(sched *s) {
    uint64_t idle = load_relaxed(&s->idle); /* relaxed: the swap decides */
    do {
        if (searching_of(idle) * 2 >= s->count && searching_of(idle) != 0) {
            return false;
        }
    } while (!cas_seq_cst(&s->idle, &idle, idle + SEARCHING_ONE)); /* seq_cst: publishers read it */
    return true;
}

void idle_search_end(worker *w, bool found) {
    sched *s = w->sched;
    uint64_t before = fetch_sub_seq_cst(&s->idle, SEARCHING_ONE); /* seq_cst: publishers read it */
    CHECK(searching_of(before) > 0);
    if (searching_of(before) != 1) {
        return;
    }
    if (!found) { /* a spare leaves: it looks for others, as one who parks looks for itself */
        work_ask(w);
        port_fence_heavy(
            s->symmetric); /* pairs with the light fence in sched_notify, and a fork's */
    }
    if (MUTANT(idle_no_successor) && found) {
        return;
    }
    if (parked_of(before) != 0 && work_visible(s, w)) {
        wake_one(s);
    }
}

/* Takes back the own bit, or, if a waker was faster, accepts its wake: waits for it, because the waker moves our count
 * before it. Else we would count ourselves out before we were counted in, and a publisher would believe in a searcher
 * that is none. Either way we are a searcher now. */
static void leave_parked(worker *w, uint32_t seen) {
    if (!unpark(w->sched, w->index) && !MUTANT(idle_wake_not_accepted)) {
        while (ck_ec32_value(&w->ec) == seen) {
            ec_sleep(w, seen, PORT_NEVER);
        }
    }
}

/* True: it slept where descriptors are watched. */
static bool sleep_parked(worker *w, uint32_t seen, int64_t deadline) {
    const driver *drv = w->sched->drv;
    if (drv->sleep != NULL && drv->sleep(w, seen, deadline)) {
        return true;
    }
    ec_sleep(w, seen, deadline);
    return false;
}

void idle_park(worker *w, bool searching) {
    sched *s = w->sched;
    bool in_poller = false;
    uint32_t seen = ck_ec32_value(&w->ec);
    uint64_t bit = UINT64_C(1) << (w->index % 64);
    fetch_or_seq_cst(&s->parked[w->index / 64],
                     bit); /* seq_cst: before the last look; see sched_wake */
    uint64_t change = searching ? PARKED_ONE - SEARCHING_ONE : PARKED_ONE;
    uint64_t before = fetch_add_seq_cst(&s->idle, change); /* seq_cst: pairs with sched_notify */
    bool last = searching_of(before) == (searching ? 1u : 0u);
    work_ask(w);
    if (!last) {
        port_fence_after_push(); /* the bit, then the look at the inbox: pairs with sched_submit_pinned's */
    } else if (!MUTANT(idle_no_heavy_fence)) {
        port_fence_heavy(
            s->symmetric); /* pairs with the light fence in sched_notify, and with a fork's */
    }
    /* The place after the bit: who takes it away, and does not see the bit, is seen here. */
    bool stay = load_seq_cst(&s->stopping) == 0 && inbox_empty(w) && !block_must_leave(w) &&
                (MUTANT(idle_no_last_look) || !(last && work_visible(s, w)));
    if (stay) {
        /* Only now: who arms a timer on our wheel and does not see our bit is seen by us. */
        int64_t deadline = s->drv->deadline(w);
        int64_t limit = work_hidden(s, w) ? port_clock_now() + SCHED_HIDDEN_NS : PORT_NEVER;
        count_own(&w->count, COUNT_PARKS, 1);
        in_poller = sleep_parked(w, seen, limit < deadline ? limit : deadline);
    }
    leave_parked(w, seen);
    if (in_poller) {
        s->drv->arrived(w);
    }
}

bool idle_all_parked(const sched *s) {
    uint64_t idle = load_seq_cst(&s->idle); /* seq_cst: see event/monitor.c */
    return parked_of(idle) == s->count + extra_of(idle);
}

bool worker_quiet(worker *w, uint32_t starved) {
    const sched *s = w->sched;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!inbox_empty(&s->workers[i])) {
            return false;
        }
    }
    uint64_t idle = load_seq_cst(&s->idle); /* seq_cst: after the count of the starved */
    /* relaxed: a hint */
    return inject_empty(s) && load_relaxed(&s->bulk) == 0 &&
           parked_of(idle) + starved >= s->count + extra_of(idle);
}

uint64_t worker_turns(const worker *w) {
    const sched *s = w->sched;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < sched_live(s); i++) {
        sum += load_relaxed(&s->workers[i].turn); /* relaxed: ordered by the caller */
    }
    return sum;
}

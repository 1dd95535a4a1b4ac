/* Robbing other workers, and knowing whether there is anything to rob.
 *
 * A thief starts at a random victim and takes half of what its queue shows, then forked calls. What a victim hides
 * (the claimed batch, the hand-off slot, the private part of a fork deque) is left alone until the victim has been
 * busy with one task for SCHED_HIDDEN_NS. Taking half after R. Blumofe, C. Leiserson (JACM 1999) and D. Hendler, N.
 * Shavit ("Non-blocking steal-half work queues", PODC 2002). */
#include "sched/block.h"

static uint32_t next_random(worker *w) {
    uint32_t x = load_relaxed(&w->rng); /* relaxed: own word */
    x ^= x << 13;                       /* G. Marsaglia, "Xorshift RNGs", 2003 */
    x ^= x >> 17;
    x ^= x << 5;
    store_relaxed(&w->rng, x);
    return x;
}

/* Has the victim run the same task since some thief looked SCHED_HIDDEN_NS ago, or does it block? */
static bool busy_for_long(worker *victim, int64_t now) {
    if (block_says(victim)) {
        return true;
    }
    uint64_t turn = load_relaxed(&victim->turn); /* relaxed, all: an approximation */
    if (load_relaxed(&victim->watched_turn) != turn) {
        store_relaxed(&victim->watched_turn, turn);
        store_relaxed(&victim->watched_since, now);
        return false;
    }
    return now - load_relaxed(&victim->watched_since) >= SCHED_HIDDEN_NS;
}

/* One to run, the rest to the own queue. */
static runnable *keep(worker *w, runnable *const *got, uint32_t n) {
    if (n == 0) {
        return NULL;
    }
    count_own(&w->count, COUNT_STEALS, 1);
    count_own(&w->count, COUNT_STOLEN_TASKS, n);
    for (uint32_t i = 1; i < n; i++) {
        worker_push(w, got[i]);
    }
    return got[0];
}

static runnable *rob(worker *w, worker *victim, int64_t now) {
    runnable *got[RUNQ_STEAL];
    runnable *r = keep(w, got, runq_steal(&victim->queue, got));
    if (r != NULL) {
        return r;
    }
    bool force = busy_for_long(victim, now);
    r = upcall_steal_fork(w, victim, force);
    if (r == NULL && force) {
        r = keep(w, got, worker_raid(victim, got));
    }
    return r;
}

runnable *steal_any(worker *w, int64_t now) {
    sched *s = w->sched;
    uint32_t live = sched_live(s);
    if (live > 1) {
        uint32_t start = next_random(w) % live;
        for (uint32_t i = 0; i < live; i++) {
            worker *victim = &s->workers[(start + i) % live];
            runnable *r = victim == w ? NULL : rob(w, victim, now);
            if (r != NULL) {
                return r;
            }
        }
    }
    return upcall_steal_orphan(w);
}

void work_ask(worker *w) {
    sched *s = w->sched;
    for (uint32_t i = 0; i < sched_live(s); i++) {
        if (i != w->index) {
            upcall_ask_forks(&s->workers[i]);
        }
    }
}

bool work_visible(sched *s, const worker *w) {
    /* relaxed: after the fence of who parks; pairs with the seq_cst change of who posts */
    if (!inject_empty(s) || load_relaxed(&s->bulk) != 0 || upcall_orphans_visible(s)) {
        return true;
    }
    for (uint32_t i = 0; i < sched_live(s); i++) {
        bool hidden = false;
        if (runq_size(&s->workers[i].queue) != 0 ||
            (&s->workers[i] != w && upcall_forks_visible(&s->workers[i], &hidden))) {
            return true;
        }
    }
    return false;
}

bool work_hidden(sched *s, const worker *w) {
    for (uint32_t i = 0; i < sched_live(s); i++) {
        bool hidden = false;
        if (&s->workers[i] != w && (worker_hides(&s->workers[i]) ||
                                    upcall_forks_visible(&s->workers[i], &hidden) || hidden)) {
            return true;
        }
    }
    return false;
}

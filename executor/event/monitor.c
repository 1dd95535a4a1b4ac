/* See event/monitor.h.
 *
 * The word: NONE -> ACTIVE (start), ACTIVE <-> ASLEEP, any -> STOP. A worker that leaves idleness changes the idle
 * word (seq_cst), then reads this one; the monitor writes ASLEEP (seq_cst), then reads the idle word: one sees the
 * other. The same holds for who has something for upcall_tend: it says so (seq_cst), then reads the word. */
#include "event/monitor.h"

#include "sched/block.h"

enum { NONE, ACTIVE, ASLEEP, STOP };
enum { PERIOD = 5000000, GRACE = 1000000, QUIET_PERIODS = 4 };

bool monitor_init(monitor *m, sched *s, fd_table *fds, int64_t stall, const allocator *alloc) {
    m->sched = s;
    m->fds = fds;
    m->stall = stall;
    m->alloc = alloc;
    m->watch = NULL;
    m->idle_report = 0;
    m->idle_until = PORT_NEVER;
    lock_init(&m->lock);
    init_plain(&m->word, NONE);
    init_plain(&m->wanted, stall != 0 ? 1u : 0u);
    init_plain(&m->stalls, 0u);
    if (stall != 0) {
        m->watch = mem_allocate(alloc, s->most * sizeof *m->watch, 16);
    }
    return stall == 0 || m->watch != NULL;
}

void monitor_report_idle(monitor *m, int64_t after) {
    m->idle_report = after;
    store_relaxed(&m->wanted, 1u); /* relaxed: nobody reads it yet */
}

static void fire_overdue(monitor *m, int64_t now) {
    for (uint32_t i = 0; i < m->sched->count; i++) {
        wheel *w = m->sched->workers[i].wheel;
        int64_t next = wheel_next(w);
        if (next != PORT_NEVER && next + GRACE <= now) {
            (void)wheel_poll(w, now);
        }
    }
}

static void watch_worker(monitor *m, uint32_t i, int64_t now) {
    worker *w = &m->sched->workers[i];
    monitor_watch *seen = &m->watch[i];
    uint64_t turn = load_relaxed(&w->turn); /* relaxed, both: an approximation */
    if (turn != seen->turn || load_relaxed(&w->task) == NULL || block_says(w)) {
        *seen = (monitor_watch){.turn = turn, .since = now};
    } else if (!seen->reported && now - seen->since >= m->stall) {
        seen->reported = true;
        fetch_add_relaxed(&m->stalls, 1u); /* relaxed: a counter */
        upcall_stalled(w, now - seen->since);
    }
}

static int64_t period(const monitor *m) {
    return m->stall != 0 && m->stall / 2 < PERIOD ? m->stall / 2 : PERIOD;
}

/* Asleep; once, after the time for it, it looks whether the executor is stuck. */
static void sleep_on(monitor *m) {
    port_futex_wait(&m->word.value, ASLEEP, m->idle_until);
    /* relaxed: who wakes us changes it by a swap, and a look more does no harm */
    if (m->idle_until <= port_clock_now() && load_relaxed(&m->word) == ASLEEP) {
        m->idle_until = PORT_NEVER;
        upcall_idle(m->sched);
    }
}

/* All workers are parked: sleeps until one is not. */
static void sleep_idle(monitor *m) {
    uint32_t active = ACTIVE;
    if (!cas_seq_cst(&m->word, &active,
                     ASLEEP)) { /* seq_cst: see above; pairs with monitor_busy and the idle word */
        return;
    }
    if (!idle_all_parked(m->sched) || upcall_untended(m->sched)) {
        uint32_t asleep = ASLEEP;
        (void)cas_seq_cst(&m->word, &asleep,
                          ACTIVE); /* seq_cst: as above; pairs with monitor_busy */
    }
    m->idle_until = m->idle_report != 0 ? port_clock_now() + m->idle_report : PORT_NEVER;
    sleep_on(m);
}

static void monitor_main(void *arg) {
    monitor *m = arg;
    uint32_t quiet = 0;
    int64_t tend = PORT_NEVER;
    for (;;) {
        uint32_t word = load_acquire(&m->word); /* pairs with monitor_fini and monitor_busy */
        if (word == STOP) {
            return;
        }
        if (word == ASLEEP) {
            sleep_on(m);
            continue;
        }
        int64_t round = port_clock_now() + period(m);
        port_futex_wait(&m->word.value, ACTIVE, round < tend ? round : tend);
        int64_t now = port_clock_now();
        fire_overdue(m, now);
        tend = upcall_tend(m->sched, now);
        for (uint32_t i = 0; m->watch != NULL && i < sched_live(m->sched); i++) {
            watch_worker(m, i, now);
        }
        sched_nudge(m->sched);
        bool watched = fd_look_after(m->fds);
        quiet = watched && idle_all_parked(m->sched) ? quiet + 1 : 0;
        if (quiet >= QUIET_PERIODS && tend == PORT_NEVER) {
            quiet = 0;
            sleep_idle(m);
        }
    }
}

/* Without a thread to be had it is tried again at the next occasion. */
static void start(monitor *m) {
    lock_take(&m->lock);
    if (load_relaxed(&m->word) == NONE) { /* relaxed: leaves NONE under the lock only */
        store_release(&m->word, ACTIVE);  /* pairs with monitor_main */
        if (!port_thread_start(&m->thread, monitor_main, m, "belay-monitor")) {
            store_release(&m->word, NONE); /* pairs with monitor_busy */
        }
    }
    lock_release(&m->lock);
}

void monitor_busy(monitor *m) {
    uint32_t word = load_seq_cst(&m->word); /* seq_cst: see above; pairs with sleep_idle */
    if (likely(word == ACTIVE)) {
        return;
    }
    if (word == NONE) {
        if (load_relaxed(&m->wanted) != 0) { /* relaxed: asked again each time a worker wakes */
            start(m);
        }
        return;
    }
    if (word == ASLEEP &&
        cas_seq_cst(&m->word, &word, ACTIVE)) { /* seq_cst: as above; pairs with sleep_idle */
        port_futex_wake(&m->word.value, 1);
    }
}

void monitor_fini(monitor *m) {
    lock_take(&m->lock);
    /* acq_rel: pairs with monitor_main */
    bool started = exchange_acq_rel(&m->word, STOP) != NONE;
    lock_release(&m->lock);
    if (started) {
        port_futex_wake(&m->word.value, 1);
        port_thread_join(&m->thread);
    }
    mem_release(m->alloc, m->watch, m->sched->most * sizeof *m->watch, 16);
    m->watch = NULL;
}

/* Timers that tell when they fired, on two wheels under a made-up clock. */
#ifndef TESTS_EVENT_PROBE_H
#define TESTS_EVENT_PROBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "event/wheel.h"
#include "sched/bare.h"

#define TICK (INT64_C(1) << WHEEL_TICK_BITS)

enum { PROBES = 3000 };

typedef struct probe {
    union { /* first */
        timer timer;
        late_timer late;
    };
    runnable run;
    int64_t deadline;
    ATOMIC(uint32_t) fired;
    ATOMIC(uint32_t) after;
    bool submits;
    bool wants_after;
    bool rearms;
} probe;

static sched s;
static wheel wheels[2];
static wheel *w;
static int64_t base; /* the wheel's time at the start */
static probe probes[PROBES];
static probe *order[PROBES]; /* who fired, in order */
static uint32_t logged;
static uint32_t locked_in_after;

static runnable *fire(timer *t, due *d) {
    probe *p = list_entry(t, probe, timer);
    fetch_add_acq_rel(&p->fired, 1u); /* acq_rel: pairs with the looks of other threads */
    if (p->wants_after) {
        p->late.later = d->later;
        d->later = &p->late;
    }
    if (logged < PROBES) {
        order[logged++] = p; /* under the wheel's lock */
    }
    return p->submits ? &p->run : NULL;
}

static void after(late_timer *late) {
    probe *p = list_entry(late, probe, late);
    timer *t = &p->timer;
    owner_add(&p->after, 1u);
    if (lock_try(&t->wheel->lock)) {
        lock_release(&t->wheel->lock);
    } else {
        locked_in_after++;
    }
    if (p->rearms) {
        p->rearms = false;
        p->deadline += 10 * TICK;
        timer_arm(t->wheel, t, p->deadline);
    }
}

static int start(void **state) {
    (void)state;
    bare_open(&s, 2, true, 0);
    for (uint32_t i = 0; i < 2; i++) {
        wheel_init(&wheels[i], &s, i);
        s.workers[i].wheel = &wheels[i];
    }
    port_current_set(&s.workers[0]);
    w = &wheels[0];
    /* At the start of a slot of the third level: what `next` says of timers soon after does not depend on the clock. */
    w->now = (w->now | ((UINT64_C(1) << 18) - 1)) + 1;
    base = (int64_t)(w->now << WHEEL_TICK_BITS);
    logged = 0;
    locked_in_after = 0;
    memset(probes, 0, sizeof probes);
    for (uint32_t i = 0; i < PROBES; i++) {
        list_init(&probes[i].timer.link);
        probes[i].timer.fire = fire;
        probes[i].late.after = after;
    }
    return 0;
}

static int stop(void **state) {
    (void)state;
    bare_close(&s);
    return 0;
}

static inline void arm(probe *p, int64_t deadline) {
    p->deadline = deadline;
    timer_arm(w, &p->timer, deadline);
}

static inline uint32_t fired(const probe *p) {
    return load_acquire(&p->fired); /* pairs with fire */
}

#endif

/* The timing wheel under a made-up clock: never early and never late by more than a tick, in order, across all levels,
 * `next` as a promise, disarming, `after`, waking. Several threads: wheel_threads_test.c. */
#include "event/probe.h"

/* When the wheel has to fire it: the deadline, rounded up to a tick. */
static int64_t latest(int64_t deadline) {
    return (deadline + TICK - 1) / TICK * TICK;
}

static uint32_t random_state = 1;

static uint32_t random_next(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void rounds_up_to_a_tick(void **state) {
    (void)state;
    const int64_t offsets[] = {1, TICK - 1, TICK, TICK + 1, 5 * TICK, 5 * TICK + 100};
    for (uint32_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        probe *p = &probes[i];
        int64_t at = latest(base + offsets[i]);
        assert_true(at >= base + offsets[i]);
        arm(p, base + offsets[i]);
        assert_int_equal(wheel_next(w), at);
        assert_int_equal(wheel_poll(w, at - 1), 0);
        assert_int_equal(fired(p), 0);
        assert_int_equal(wheel_poll(w, at), 1);
        assert_int_equal(fired(p), 1);
        assert_int_equal(wheel_next(w), PORT_NEVER);
        assert_int_equal(wheel_poll(w, at), 0);
        base = at;
    }
}

static void what_is_past_fires_at_once(void **state) {
    (void)state;
    arm(&probes[0], base - 1000 * TICK);
    arm(&probes[1], 0);
    arm(&probes[2], base);
    assert_true(wheel_next(w) <= base);
    assert_int_equal(wheel_poll(w, base), 3);
}

/* Random deadlines over a range that covers several levels, and a clock that goes on in random steps. */
static void never_early_never_late(void **state) {
    (void)state;
    for (uint32_t i = 0; i < PROBES; i++) {
        unsigned range = 15 + random_next() % 25; /* up to 9 minutes: four levels */
        uint64_t random = (uint64_t)random_next() << 20 | random_next();
        arm(&probes[i], base + (int64_t)(random & ((UINT64_C(1) << range) - 1)));
    }
    uint32_t sum = 0;
    for (int64_t now = base; sum < PROBES;) {
        assert_true(wheel_next(w) != PORT_NEVER);
        sum += wheel_poll(w, now);
        int64_t earliest = PORT_NEVER;
        for (uint32_t i = 0; i < PROBES; i++) {
            const probe *p = &probes[i];
            assert_true(fired(p) == 0 ? latest(p->deadline) > now : p->deadline <= now);
            if (fired(p) == 0 && latest(p->deadline) < earliest) {
                earliest = latest(p->deadline);
            }
        }
        assert_true(wheel_next(w) <= earliest && (earliest == PORT_NEVER || wheel_next(w) > now));
        now += (int64_t)(random_next() % (1u << (14 + random_next() % 10))) * 1000;
    }
    assert_int_equal(sum, PROBES);
    assert_int_equal(wheel_next(w), PORT_NEVER);
}

/* One look after a long time finds all of them, oldest first, and those of a slot in more than one batch. */
static void fires_in_order(void **state) {
    (void)state;
    for (uint32_t i = 0; i < PROBES; i++) {
        bool same = i % 3 == 0; /* a thousand for one tick */
        arm(&probes[i], base + (same ? 777 * TICK : (int64_t)(random_next() % 300000) * TICK));
    }
    assert_int_equal(wheel_poll(w, base + 300000 * TICK), PROBES);
    assert_int_equal(logged, PROBES);
    for (uint32_t i = 1; i < PROBES; i++) {
        assert_true(latest(order[i - 1]->deadline) <= latest(order[i]->deadline));
    }
}

/* What `fire` returns is queued in the order of firing. */
static void runnables_are_queued_in_order(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 500; i++) {
        probes[i].submits = true;
        arm(&probes[i], base + (int64_t)(1 + (i * 7) % 500) * TICK);
    }
    assert_int_equal(wheel_poll(w, base + 501 * TICK), 500);
    for (int64_t i = 1; i <= 500; i++) {
        runnable *r = private_take(&s.workers[0]);
        assert_non_null(r);
        assert_int_equal(list_entry(r, probe, run)->deadline, base + i * TICK);
    }
    assert_null(private_take(&s.workers[0]));
}

/* What a slot of this level spans; the last level has two that a clock can show. */
static int64_t span_of(unsigned level) {
    return TICK << (6 * level);
}

/* From any level a timer comes down in at most a step per level, each at a time that `next` told. */
static void comes_down_through_all_levels(void **state) {
    (void)state;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        probe *p = &probes[level];
        arm(p, base + (level < WHEEL_LEVELS - 1 ? 3 : 1) * span_of(level) + 5 * TICK + 77);
        int64_t at = latest(p->deadline), now = base;
        for (unsigned steps = 0; fired(p) == 0; steps++) {
            assert_true(steps <= WHEEL_LEVELS);
            int64_t next = wheel_next(w);
            assert_true(next > now && next <= at);
            assert_int_equal(wheel_poll(w, next - 1), 0);
            assert_int_equal(wheel_poll(w, next), next == at);
            now = next;
        }
        assert_int_equal(now, at);
        assert_int_equal(wheel_next(w), PORT_NEVER);
        assert_int_equal(stop(NULL) | start(NULL), 0); /* back to the real time */
    }
}

/* As far ahead as time goes: kept, and no hindrance to others. */
static void centuries_ahead(void **state) {
    (void)state;
    arm(&probes[0], INT64_MAX - 1);
    arm(&probes[1], base + (INT64_C(1) << 62));
    arm(&probes[2], base + 3 * TICK);
    assert_int_equal(wheel_next(w), base + 3 * TICK);
    assert_int_equal(wheel_poll(w, base + 3 * TICK), 1);
    assert_int_equal(wheel_poll(w, base + (INT64_C(1) << 61)), 0);
    arm(&probes[3], base + (INT64_C(1) << 61) + 5 * TICK);
    assert_int_equal(wheel_next(w), base + (INT64_C(1) << 61) + 5 * TICK);
    assert_int_equal(wheel_poll(w, base + (INT64_C(1) << 61) + 5 * TICK), 1);
    assert_int_equal(wheel_poll(w, latest(probes[1].deadline) - 1), 0);
    assert_int_equal(wheel_poll(w, latest(probes[1].deadline)), 1);
    assert_int_equal(fired(&probes[0]), 0);
    assert_int_equal(wheel_poll(w, INT64_MAX - 2), 0); /* never early */
    assert_true(timer_disarm(&probes[0].timer));
}

static void next_is_the_earliest(void **state) {
    (void)state;
    assert_int_equal(wheel_next(w), PORT_NEVER);
    arm(&probes[0], base + 40 * TICK);
    int64_t far = wheel_next(w);
    assert_true(far <= base + 40 * TICK);
    arm(&probes[1], base + 50 * TICK);
    assert_int_equal(wheel_next(w), far);
    arm(&probes[2], base + 2 * TICK);
    assert_int_equal(wheel_next(w), base + 2 * TICK);
    assert_true(timer_disarm(&probes[2].timer));
    assert_true(wheel_next(w) <= far); /* may stay too early, until somebody looks */
    assert_int_equal(wheel_poll(w, base + 2 * TICK), 0);
    assert_true(wheel_next(w) > base + 2 * TICK && wheel_next(w) <= base + 40 * TICK);
    assert_true(timer_disarm(&probes[0].timer));
    assert_true(timer_disarm(&probes[1].timer));
    assert_int_equal(wheel_poll(w, base + 3 * TICK), 0);
    assert_int_equal(wheel_next(w), PORT_NEVER);
}

static void disarmed_never_fires(void **state) {
    (void)state;
    for (uint32_t i = 0; i < PROBES; i++) {
        arm(&probes[i], base + (int64_t)(random_next() % 100000) * TICK);
    }
    for (uint32_t i = 0; i < PROBES; i += 2) { /* from the midst of the slots */
        assert_true(timer_disarm(&probes[i].timer));
        assert_false(timer_disarm(&probes[i].timer));
    }
    assert_int_equal(wheel_poll(w, base + 100000 * TICK), PROBES / 2);
    for (uint32_t i = 0; i < PROBES; i++) {
        assert_int_equal(fired(&probes[i]), i % 2);
        assert_false(timer_disarm(&probes[i].timer));
    }
}

/* The last one of a slot takes the slot's bit with it, so that nobody has to search for it later. */
static void disarming_leaves_nothing_behind(void **state) {
    (void)state;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        arm(&probes[2 * level], base + (level < WHEEL_LEVELS - 1 ? 2 : 1) * span_of(level));
        arm(&probes[2 * level + 1], probes[2 * level].deadline);
    }
    for (unsigned i = 0; i < 2 * WHEEL_LEVELS; i++) {
        assert_true(timer_disarm(&probes[i].timer));
        assert_true(list_empty(&probes[i].timer.link));
    }
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        assert_int_equal(w->used[level], 0);
    }
}

static void after_runs_without_the_lock(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 300; i++) {
        probes[i].wants_after = i % 2 == 0;
        probes[i].rearms = i % 4 == 0;
        arm(&probes[i], base + (int64_t)(i % 5) * TICK);
    }
    assert_int_equal(wheel_poll(w, base + 5 * TICK), 300);
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(fired(&probes[i]), 1);
        assert_int_equal(load_relaxed(&probes[i].after), i % 2 == 0);
    }
    assert_int_equal(locked_in_after, 0);
    assert_int_equal(wheel_poll(w, base + 15 * TICK), 75); /* armed anew in `after` */
    assert_int_equal(load_relaxed(&probes[0].after), 2);
    assert_int_equal(load_relaxed(&probes[2].after), 1);
}

/* Pretends that worker 1 is parked, and looks whether arming on its wheel clears its bit. */
static void an_earlier_timer_wakes_its_worker(void **state) {
    (void)state;
    store_relaxed(&s.idle, 1u); /* relaxed, all: a single thread */
    store_relaxed(&s.parked[0], 2u);
    w = &wheels[1];
    arm(&probes[0], base + 100 * TICK);
    assert_int_equal(load_relaxed(&s.parked[0]), 0);
    store_relaxed(&s.idle, 1u);
    store_relaxed(&s.parked[0], 2u);
    arm(&probes[1], base + 500 * TICK); /* it wakes earlier anyway */
    assert_int_equal(load_relaxed(&s.parked[0]), 2);
    port_current_set(&s.workers[1]);
    arm(&probes[2], base + TICK); /* on its own wheel: it is awake */
    assert_int_equal(load_relaxed(&s.parked[0]), 2);
    assert_ptr_equal(wheel_here(&s), &wheels[1]);
    port_current_set(NULL);
    assert_ptr_equal(wheel_here(&s)->sched, &s);
}

int main(void) {
    alarm(BARE_LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rounds_up_to_a_tick, start, stop),
        cmocka_unit_test_setup_teardown(what_is_past_fires_at_once, start, stop),
        cmocka_unit_test_setup_teardown(never_early_never_late, start, stop),
        cmocka_unit_test_setup_teardown(fires_in_order, start, stop),
        cmocka_unit_test_setup_teardown(runnables_are_queued_in_order, start, stop),
        cmocka_unit_test_setup_teardown(comes_down_through_all_levels, start, stop),
        cmocka_unit_test_setup_teardown(centuries_ahead, start, stop),
        cmocka_unit_test_setup_teardown(next_is_the_earliest, start, stop),
        cmocka_unit_test_setup_teardown(disarmed_never_fires, start, stop),
        cmocka_unit_test_setup_teardown(disarming_leaves_nothing_behind, start, stop),
        cmocka_unit_test_setup_teardown(after_runs_without_the_lock, start, stop),
        cmocka_unit_test_setup_teardown(an_earlier_timer_wakes_its_worker, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

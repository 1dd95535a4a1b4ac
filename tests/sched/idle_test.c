/* Idling and waking: who may search, what keeps a worker from sleeping, what wakes it, and that no wake is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/bare.h"

enum { ENTRIES = 4000, WORKERS = 3 };

static entry entries[ENTRIES];
static sched s;

static uint64_t idle_word(void) {
    return load_seq_cst(&s.idle); /* a look, after what the workers did */
}

static uint32_t parked(void) {
    return (uint32_t)idle_word();
}

static uint32_t searching(void) {
    return (uint32_t)(idle_word() >> 32);
}

static void open_with(uint32_t workers, bool symmetric, int64_t spin) {
    entries_reset(entries, ENTRIES);
    bare_open(&s, workers, symmetric, spin);
}

/* ---- on the main thread alone -------------------------------------------------------------------- */

static void at_most_half_search_but_one_may(void **state) {
    (void)state;
    const uint32_t most[] = {0, 1, 1, 2, 2, 3, 3, 4, 4};
    for (uint32_t workers = 1; workers <= 8; workers++) {
        open_with(workers, true, 0);
        uint32_t count = 0;
        while (idle_search_begin(&s)) {
            count++;
            assert_true(count <= workers);
        }
        assert_int_equal(count, most[workers]);
        assert_int_equal(searching(), count);
        for (; count > 0; count--) {
            idle_search_end(&s.workers[0], false);
        }
        assert_int_equal(idle_word(), 0);
        bare_close(&s);
    }
}

/* Would hang if it slept: nobody would wake it. */
static void assert_stays_awake(worker *w) {
    port_current_set(w);
    for (int was_searching = 0; was_searching < 2; was_searching++) {
        if (was_searching != 0) {
            assert_true(idle_search_begin(&s));
        }
        idle_park(w, was_searching != 0);
        assert_int_equal(searching(), 1);
        assert_int_equal(parked(), 0);
        assert_int_equal(load_relaxed(&w->count.value[COUNT_PARKS]), 0);
        idle_search_end(w, false);
        assert_int_equal(idle_word(), 0);
    }
}

static void who_sees_work_does_not_sleep(void **state) {
    (void)state;
    for (int symmetric = bare_asymmetric() ? 0 : 1; symmetric < 2; symmetric++) {
        open_with(2, symmetric != 0, 0);
        worker *w = &s.workers[0];
        assert_false(work_visible(&s, w));
        assert_true(runq_push(&s.workers[1].queue, &entries[0].run)); /* with no wake after it */
        assert_true(work_visible(&s, w));
        assert_stays_awake(w);
        runnable *got[RUNQ_STEAL];
        assert_int_equal(runq_steal(&s.workers[1].queue, got), 1);
        port_current_set(NULL);
        sched_inject(&s, &entries[1].run);
        assert_stays_awake(w);
        port_current_set(w);
        assert_true(inject_drain(w));
        assert_entry(private_take(w), 1);
        assert_false(work_visible(&s, w));
        port_current_set(NULL);
        sched_submit_pinned(&s, 0, &entries[2].run);
        assert_false(work_visible(&s, w)); /* only for the one it is pinned to */
        assert_stays_awake(w);
        port_current_set(w);
        assert_entry(worker_poll(w), 2);
        sched_stop(&s);
        assert_stays_awake(w);
        assert_null(worker_next(w));
        bare_close(&s);
    }
}

static void sleeps_until_its_timer(void **state) {
    (void)state;
    open_with(1, true, 0);
    worker *w = &s.workers[0];
    port_current_set(w);
    int64_t due = port_clock_now() + 2000000;
    store_relaxed(&bare_deadline, due); /* relaxed: this thread reads it */
    idle_park(w, false);
    assert_true(port_clock_now() >= due);
    assert_int_equal(searching(), 1);
    idle_search_end(w, false);
    assert_int_equal(idle_word(), 0);
    assert_int_equal(load_relaxed(&w->count.value[COUNT_PARKS]), 1);
    bare_close(&s);
}

/* Work that only a raid reaches is no reason to stay awake, but to look again soon. */
static void naps_beside_hidden_work(void **state) {
    (void)state;
    open_with(2, true, 0);
    worker *busy = &s.workers[0], *other = &s.workers[1];
    port_current_set(busy);
    assert_false(work_hidden(&s, other));
    worker_handoff(busy, &entries[0].run);
    assert_true(work_hidden(&s, other));
    assert_true(work_hidden(&s, NULL));
    assert_false(work_hidden(&s, busy)); /* not from itself */
    assert_false(work_visible(&s, other));
    port_current_set(other);
    int64_t before = port_clock_now();
    idle_park(other, false); /* would hang without a limit */
    assert_true(port_clock_now() - before >= SCHED_HIDDEN_NS);
    assert_int_equal(load_relaxed(&other->count.value[COUNT_PARKS]), 1);
    idle_search_end(other, false);
    port_current_set(busy);
    assert_entry(private_take(busy), 0);
    assert_false(work_hidden(&s, other));
    bare_close(&s);
}

/* ---- with workers on threads of their own -------------------------------------------------------- */

static port_thread threads[WORKERS];
static ATOMIC(uint32_t) received;

static void worker_thread(void *arg) {
    worker *w = arg;
    port_current_set(w);
    for (runnable *r; (r = worker_next(w)) != NULL;) {
        store_relaxed(&entry_of(r)->worker, w->index + 1); /* relaxed: `received` publishes it */
        entry_mark(r);
        fetch_add_acq_rel(&received, 1u); /* pairs with await_received */
    }
    port_current_set(NULL);
}

static void await_received(uint32_t count) {
    while (load_acquire(&received) < count) { /* pairs with worker_thread */
        port_thread_yield();
    }
}

static void await_parked(uint32_t count) {
    while (idle_word() != count) {
        port_thread_yield();
    }
}

/* Workers from `first` on get a thread; those before it are the main thread's. */
static void threads_start(uint32_t first) {
    store_relaxed(&received, 0u); /* relaxed: the thread's start publishes it */
    for (uint32_t i = first; i < s.count; i++) {
        assert_true(port_thread_start(&threads[i], worker_thread, &s.workers[i], "worker"));
    }
}

static void threads_stop(uint32_t first) {
    sched_stop(&s);
    for (uint32_t i = first; i < s.count; i++) {
        port_thread_join(&threads[i]);
    }
    assert_int_equal(idle_word(), 0);
    for (uint32_t i = 0; i < SCHED_MAX_WORKERS / 64; i++) {
        assert_int_equal(load_relaxed(&s.parked[i]), 0);
    }
    bare_close(&s);
}

static void stop_wakes_everybody(void **state) {
    (void)state;
    for (int round = 0; round < 200; round++) {
        open_with(WORKERS, true, 0);
        threads_start(0);
        if (round % 2 == 0) {
            await_parked(WORKERS);
            assert_true(idle_all_parked(&s));
        }
        threads_stop(0);
    }
}

/* One entry after another, without waiting for anybody to park: each push meets another moment of parking. */
static void no_wake_is_lost(bool symmetric, int64_t spin) {
    open_with(WORKERS, symmetric, spin);
    threads_start(0);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        sched_submit(&s, &entries[i].run);
        if (i % 3 != 0) {
            await_received(i + 1);
        }
    }
    await_received(ENTRIES);
    assert_int_equal(entries_wrong(entries, ENTRIES), 0);
    threads_stop(0);
}

static void every_injection_is_answered(void **state) {
    (void)state;
    no_wake_is_lost(true, 0);
    no_wake_is_lost(true, 20000);
    if (bare_asymmetric()) {
        no_wake_is_lost(false, 0);
        no_wake_is_lost(false, 20000);
    }
}

/* The pusher is a worker too: its half of the fence pair may be only a compiler barrier. */
static void every_push_is_answered(void **state) {
    (void)state;
    for (int symmetric = bare_asymmetric() ? 0 : 1; symmetric < 2; symmetric++) {
        open_with(2, symmetric != 0, 0);
        threads_start(1);
        port_current_set(&s.workers[0]);
        for (uint32_t i = 0; i < ENTRIES; i++) {
            worker_push(&s.workers[0], &entries[i].run);
            await_received(i + 1); /* by the other one: we take nothing */
        }
        assert_int_equal(entries_wrong(entries, ENTRIES), 0);
        threads_stop(1);
    }
}

static void pinned_run_where_they_belong(void **state) {
    (void)state;
    open_with(WORKERS, true, 0);
    threads_start(0);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        sched_submit_pinned(&s, i % WORKERS, &entries[i].run);
        if (i % 7 == 0) {
            await_received(i + 1);
        }
    }
    await_received(ENTRIES);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        assert_int_equal(load_relaxed(&entries[i].worker), i % WORKERS + 1);
    }
    threads_stop(0);
}

static void nudge_finds_forgotten_work(void **state) {
    (void)state;
    open_with(2, true, 0);
    threads_start(1);
    for (uint32_t i = 0; i < 200; i++) {
        await_parked(1);
        sched_nudge(&s);
        assert_int_equal(idle_word(), 1); /* nothing to do: nobody is woken */
        assert_true(runq_push(&s.workers[0].queue, &entries[i].run)); /* with no wake after it */
        sched_nudge(&s);
        await_received(i + 1);
    }
    threads_stop(1);
}

static void the_last_searcher_names_a_successor(void **state) {
    (void)state;
    open_with(2, true, 0);
    threads_start(1);
    for (uint32_t i = 0; i < 200; i++) {
        await_parked(1);
        assert_true(idle_search_begin(&s));
        assert_true(
            runq_push(&s.workers[0].queue, &entries[i].run)); /* in the belief that we search on */
        idle_search_end(&s.workers[0], true);
        await_received(i + 1);
    }
    threads_stop(1);
}

/* Nobody is woken while somebody searches: he will find it. */
static void a_searcher_spares_the_wake(void **state) {
    (void)state;
    open_with(2, true, 0);
    threads_start(1);
    await_parked(1);
    assert_true(idle_search_begin(&s));
    uint64_t wakes = load_relaxed(&s.foreign.value[COUNT_WAKES]);
    port_current_set(&s.workers[0]);
    worker_push(&s.workers[0], &entries[0].run);
    assert_int_equal(load_relaxed(&s.foreign.value[COUNT_WAKES]), wakes);
    assert_int_equal(parked(), 1);
    assert_entry(private_take(&s.workers[0]), 0);
    idle_search_end(&s.workers[0], true);
    assert_int_equal(parked(), 1); /* and no successor without more work */
    threads_stop(1);
}

int main(void) {
    alarm(BARE_LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_half_search_but_one_may),
        cmocka_unit_test(who_sees_work_does_not_sleep),
        cmocka_unit_test(sleeps_until_its_timer),
        cmocka_unit_test(naps_beside_hidden_work),
        cmocka_unit_test(stop_wakes_everybody),
        cmocka_unit_test(every_injection_is_answered),
        cmocka_unit_test(every_push_is_answered),
        cmocka_unit_test(pinned_run_where_they_belong),
        cmocka_unit_test(nudge_finds_forgotten_work),
        cmocka_unit_test(the_last_searcher_names_a_successor),
        cmocka_unit_test(a_searcher_spares_the_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

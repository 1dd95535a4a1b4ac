/* The private area: the claimed batch, hand-offs (three in a row at most where others wait), and raids on both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/bare.h"

enum { ENTRIES = 4000 };

static entry entries[ENTRIES];
static sched s;
static worker *own;

static int start_with(bool symmetric) {
    entries_reset(entries, ENTRIES);
    bare_open(&s, 2, symmetric, 0);
    own = &s.workers[0];
    port_current_set(own);
    return 0;
}

static int start(void **state) {
    (void)state;
    return start_with(!bare_asymmetric());
}

static int stop(void **state) {
    (void)state;
    bare_close(&s);
    return 0;
}

static void push(uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        worker_push(own, &entries[i].run);
    }
}

static void order_is_the_queue_s(void **state) {
    (void)state;
    assert_null(private_take(own));
    push(0, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_entry(private_take(own), i);
    }
    assert_null(private_take(own));
}

static void a_batch_is_half_the_queue(void **state) {
    (void)state;
    push(0, 40);
    assert_false(worker_hides(own)); /* nothing is claimed before it is wanted */
    assert_entry(private_take(own), 0);
    assert_true(worker_hides(own));
    assert_int_equal(runq_size(&own->queue), 20);
    for (uint32_t i = 1; i < 20; i++) {
        assert_entry(private_take(own), i);
    }
    assert_false(worker_hides(own));
    assert_int_equal(runq_size(&own->queue), 20);
}

static void handoff_goes_first(void **state) {
    (void)state;
    push(0, 4);
    assert_entry(private_take(own), 0);
    worker_handoff(own, &entries[10].run);
    assert_true(worker_hides(own));
    assert_entry(private_take(own), 10);
    assert_entry(private_take(own), 1);
}

static void a_newer_handoff_sends_the_older_to_the_queue(void **state) {
    (void)state;
    push(0, 1);
    worker_handoff(own, &entries[10].run);
    worker_handoff(own, &entries[11].run);
    assert_entry(private_take(own), 11);
    assert_entry(private_take(own), 0);
    assert_entry(private_take(own), 10);
    assert_null(private_take(own));
}

/* Two tasks that wake each other must not keep the rest of the queue waiting for ever. */
static void three_handoffs_in_a_row(void **state) {
    (void)state;
    push(0, 3);
    for (uint32_t i = 10; i < 13; i++) {
        worker_handoff(own, &entries[i].run);
        assert_entry(private_take(own), i);
    }
    worker_handoff(own, &entries[13].run);
    assert_entry(private_take(own), 0);
    for (uint32_t i = 20; i < 23; i++) { /* it had its pause: three again */
        worker_handoff(own, &entries[i].run);
        assert_entry(private_take(own), i);
    }
    worker_handoff(own, &entries[23].run);
    assert_entry(private_take(own), 1);
    assert_entry(private_take(own), 2);
    assert_entry(private_take(own), 13); /* last in the queue when it was late */
    assert_entry(private_take(own), 23);
    assert_null(private_take(own));
}

/* The batch holds nobody back either, and an empty one lets two who wake each other go on: in the queue a thief would
 * part them. */
static void handoffs_go_on_where_nobody_waits(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        worker_handoff(own, &entries[i].run);
        assert_entry(private_take(own), i);
        assert_true(runq_seems_empty(&own->queue));
    }
    push(100, 104);
    worker_handoff(own, &entries[104].run);
    assert_entry(private_take(own), 100); /* the turns were had, and now somebody waits */
    assert_true(worker_hides(own));
    assert_entry(private_take(own), 101); /* claimed with it: the batch */
    assert_entry(private_take(own), 102);
    assert_entry(private_take(own), 103);
    assert_entry(private_take(own), 104);
    assert_null(private_take(own));
}

static void the_batch_is_waited_for_too(void **state) {
    (void)state;
    push(0, 4);
    assert_entry(private_take(own), 0); /* the batch has 1, the queue 2 and 3 */
    runnable *stolen[RUNQ_CLAIM];
    assert_int_equal(runq_claim_all(&own->queue, stolen), 2);
    for (uint32_t i = 10; i < 13; i++) {
        worker_handoff(own, &entries[i].run);
        assert_entry(private_take(own), i);
    }
    worker_handoff(own, &entries[13].run);
    assert_true(runq_seems_empty(&own->queue));
    assert_entry(private_take(own), 1);
    assert_entry(private_take(own), 13);
    assert_null(private_take(own));
}

static void raid_takes_half_of_the_batch(void **state) {
    (void)state;
    runnable *got[RUNQ_CLAIM];
    push(0, 40);
    assert_entry(private_take(own), 0); /* hidden: 1 to 19 */
    worker_handoff(own, &entries[50].run);
    port_current_set(&s.workers[1]);
    assert_int_equal(worker_raid(own, got), 10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_entry(got[i], i + 1);
    }
    assert_int_equal(worker_raid(own, got), 5);
    assert_entry(got[0], 11);
    port_current_set(own);
    assert_entry(private_take(own), 50); /* a hand-off is taken only when nothing else is hidden */
    for (uint32_t i = 16; i < 40; i++) {
        assert_entry(private_take(own), i);
    }
    assert_null(private_take(own));
}

static void raid_takes_the_handoff_alone(void **state) {
    (void)state;
    runnable *got[RUNQ_CLAIM];
    worker_handoff(own, &entries[5].run);
    port_current_set(&s.workers[1]);
    assert_int_equal(worker_raid(own, got), 1);
    assert_entry(got[0], 5);
    assert_int_equal(worker_raid(own, got), 0);
    assert_false(worker_hides(own));
    port_current_set(own);
    assert_null(private_take(own));
}

static void one_raider_at_a_time(void **state) {
    (void)state;
    runnable *got[RUNQ_CLAIM];
    worker_handoff(own, &entries[5].run);
    port_current_set(&s.workers[1]);
    lock_take(&own->raid_lock);
    assert_int_equal(worker_raid(own, got), 0);
    lock_release(&own->raid_lock);
    assert_int_equal(worker_raid(own, got), 1);
}

/* ---- threads ------------------------------------------------------------------------------------- */

enum { RAIDERS = 2, ROUNDS = 4, MOST_ROUNDS = 1000 };

typedef struct raider {
    port_thread thread;
    uint64_t taken;
} raider;

static ATOMIC(uint32_t) finished;
static ATOMIC(uint32_t) looking; /* raiders that have begun */

static void raider_run(void *arg) {
    raider *r = arg;
    runnable *got[RUNQ_CLAIM];
    port_current_set(&s.workers[1]);
    fetch_add_relaxed(&looking, 1u);       /* relaxed: a number */
    while (load_acquire(&finished) == 0) { /* pairs with raided_meanwhile */
        uint32_t n = worker_raid(own, got);
        for (uint32_t i = 0; i < n; i++) {
            entry_mark(got[i]);
        }
        r->taken += n;
    }
    port_current_set(NULL);
}

/* Pushes, hands off and takes in changing proportions, until all entries went in and nothing comes out. */
static uint64_t own_side(void) {
    uint64_t taken = 0;
    uint32_t random = 99;
    uint32_t next = 0;
    runnable *r;
    while ((r = private_take(own)) != NULL || next < ENTRIES) {
        if (r != NULL) {
            entry_mark(r);
            taken++;
        }
        random = random * 1664525u + 1013904223u;
        if ((random >> 12) % 256 == 0 && worker_hides(own)) {
            port_thread_yield(); /* as if the task took long */
        }
        for (uint32_t burst = (random >> 16) % 4; burst > 0 && next < ENTRIES; burst--, next++) {
            if ((random >> 20) % 3 == 0) {
                worker_handoff(own, &entries[next].run);
            } else {
                worker_push(own, &entries[next].run);
            }
        }
    }
    return taken;
}

static uint64_t raided_meanwhile(bool symmetric) {
    raider r[RAIDERS] = {0};
    start_with(symmetric);
    store_relaxed(&finished, 0u); /* relaxed, both: starting the threads publishes them */
    store_relaxed(&looking, 0u);
    for (int i = 0; i < RAIDERS; i++) {
        assert_true(port_thread_start(&r[i].thread, raider_run, &r[i], "raider"));
    }
    while (load_relaxed(&looking) < RAIDERS) { /* relaxed: a number */
        port_thread_yield();
    }
    uint64_t taken = own_side();
    store_release(&finished, 1u); /* pairs with raider_run */
    uint64_t raided = 0;
    for (int i = 0; i < RAIDERS; i++) {
        port_thread_join(&r[i].thread);
        raided += r[i].taken;
    }
    assert_int_equal(taken + raided, ENTRIES);
    assert_int_equal(entries_wrong(entries, ENTRIES), 0);
    bare_close(&s);
    return raided;
}

static void owner_against_raiders(void **state) {
    (void)state;
    uint64_t raided = 0;
    for (int round = 0; round < ROUNDS || (raided == 0 && round < MOST_ROUNDS); round++) {
        raided += raided_meanwhile(true);
        if (bare_asymmetric()) {
            raided += raided_meanwhile(false);
        }
    }
    assert_true(raided > 0);
}

int main(void) {
    alarm(BARE_LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_is_the_queue_s, start, stop),
        cmocka_unit_test_setup_teardown(a_batch_is_half_the_queue, start, stop),
        cmocka_unit_test_setup_teardown(handoff_goes_first, start, stop),
        cmocka_unit_test_setup_teardown(a_newer_handoff_sends_the_older_to_the_queue, start, stop),
        cmocka_unit_test_setup_teardown(three_handoffs_in_a_row, start, stop),
        cmocka_unit_test_setup_teardown(handoffs_go_on_where_nobody_waits, start, stop),
        cmocka_unit_test_setup_teardown(the_batch_is_waited_for_too, start, stop),
        cmocka_unit_test_setup_teardown(raid_takes_half_of_the_batch, start, stop),
        cmocka_unit_test_setup_teardown(raid_takes_the_handoff_alone, start, stop),
        cmocka_unit_test_setup_teardown(one_raider_at_a_time, start, stop),
        cmocka_unit_test(owner_against_raiders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

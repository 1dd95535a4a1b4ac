/* Waiting: the table of claims, waits that are told apart by their number, and one winner whoever comes when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include <belay/belay.h>

#include "port/port.h"
#include "task/wait.h"

enum { LIMIT_SECONDS = 100, NUMBER = 77 * WAIT_NUMBER };

/* ---- the words ----------------------------------------------------------------------------------- */

static bool may_claim(wait_word base, bool drain, wait_word result) {
    return (base == WAIT_ARMED || base == WAIT_PARKED) && !(drain && result == WAIT_CANCELED);
}

static void table_of_claims(void **state) {
    (void)state;
    for (uint32_t base = WAIT_IDLE; base <= WAIT_CANCELED; base++) {
        for (uint32_t result = WAIT_OK; result <= WAIT_CANCELED; result++) {
            for (uint32_t drain = 0; drain <= WAIT_DRAIN; drain += WAIT_DRAIN) {
                uint32_t before = NUMBER + drain + base;
                atomic_u32 word = {before};
                bool parked = base != WAIT_PARKED;
                bool claimed = wait_claim(&word, (wait_word)result, &parked);
                assert_int_equal(claimed,
                                 may_claim((wait_word)base, drain != 0, (wait_word)result));
                assert_int_equal(load_relaxed(&word), claimed ? NUMBER + result : before);
                assert_true(!claimed || parked == (base == WAIT_PARKED));
                assert_false(claimed &&
                             wait_claim(&word, (wait_word)result, &parked)); /* only one */
            }
        }
    }
}

static belay_task unstarted;

static void a_deferred_start_is_claimed_once(void **state) {
    (void)state;
    memset(&unstarted, 0, sizeof unstarted);
    bool parked = false;
    uint32_t first = wait_park_unstarted(&unstarted);
    assert_int_equal(first & WAIT_BASE, WAIT_PARKED);
    assert_true(wait_claim(&unstarted.wait, WAIT_OK, &parked));
    assert_true(parked);
    assert_false(wait_take_back(&unstarted, first, WAIT_OK)); /* somebody was faster */
    wait_started(&unstarted);
    assert_int_equal(load_relaxed(&unstarted.wait) & WAIT_BASE, WAIT_IDLE);
    assert_false(wait_claim(&unstarted.wait, WAIT_CANCELED, &parked));
    uint32_t second = wait_park_unstarted(&unstarted);
    assert_int_not_equal(first, second);
    assert_false(wait_take_back(&unstarted, first, WAIT_OK)); /* another wait of the same record */
    assert_true(wait_take_back(&unstarted, second, WAIT_CANCELED));
    assert_int_equal(load_relaxed(&unstarted.wait) & WAIT_BASE, WAIT_CANCELED);
    assert_false(wait_take_back(&unstarted, second, WAIT_CANCELED));
}

static void kinds_have_names(void **state) {
    (void)state;
    assert_null(wait_kind_text(WAIT_FOR_NOTHING));
    for (int kind = WAIT_FOR_NOTHING + 1; kind < WAIT_KINDS; kind++) {
        assert_non_null(wait_kind_text((wait_kind)kind));
    }
    assert_null(wait_kind_text(WAIT_KINDS));
}

enum { CLAIMERS = 3, RACES = 20000 };

typedef struct claimer {
    port_thread thread;
    wait_word result;
    uint64_t won;
} claimer;

static atomic_u32 raced;
static ATOMIC(uint32_t) race; /* the race that goes on */
static ATOMIC(uint32_t) done; /* claimers that have run in it */

static void claimer_run(void *arg) {
    claimer *c = arg;
    for (uint32_t i = 1; i <= RACES; i++) {
        while (load_acquire(&race) < i) { /* pairs with one_claimer_wins */
            port_thread_yield();
        }
        bool parked;
        c->won += wait_claim(&raced, c->result, &parked);
        fetch_add_acq_rel(&done, 1u); /* pairs with the load in one_claimer_wins */
    }
}

static void one_claimer_wins(void **state) {
    (void)state;
    claimer c[CLAIMERS] = {
        {.result = WAIT_OK}, {.result = WAIT_TIMEDOUT}, {.result = WAIT_CANCELED}};
    uint64_t won = 0;
    store_relaxed(&race, 0u); /* relaxed: starting the threads publishes it */
    for (int i = 0; i < CLAIMERS; i++) {
        assert_true(port_thread_start(&c[i].thread, claimer_run, &c[i], "claimer"));
    }
    for (uint32_t i = 1; i <= RACES; i++) {
        store_relaxed(&raced, i * WAIT_NUMBER + (i % 2 == 0 ? WAIT_ARMED : WAIT_PARKED));
        store_relaxed(&done, 0u);                /* relaxed, both: published by the next */
        store_release(&race, i);                 /* pairs with claimer_run */
        while (load_acquire(&done) < CLAIMERS) { /* pairs with claimer_run */
            port_thread_yield();
        }
    }
    for (int i = 0; i < CLAIMERS; i++) {
        port_thread_join(&c[i].thread);
        won += c[i].won;
    }
    assert_int_equal(won, RACES);
}

/* ---- an object to wait for ----------------------------------------------------------------------- */

typedef struct gate {
    lock lock;
    list waiters;          /* under the lock */
    ATOMIC(uint32_t) here; /* waiters that are or were linked */
    uint32_t woken;        /* under the lock */
} gate;

static gate g;

static void gate_reset(void) {
    lock_init(&g.lock);
    list_init(&g.waiters);
    store_relaxed(&g.here, 0u); /* relaxed: nobody else knows it yet */
    g.woken = 0;
}

static wait_word gate_wait(belay_task *self, bool drain, int64_t deadline) {
    waiter w;
    waiter_init(&w, self, drain);
    lock_take(&g.lock);
    list_append(&g.waiters, &w.arm.link);
    lock_release(&g.lock);
    fetch_add_acq_rel(&g.here, 1u); /* pairs with gate_await */
    wait_word result = waiter_block(&w, deadline, WAIT_FOR_JOIN);
    lock_take(&g.lock);
    list_remove(&w.arm.link);
    lock_release(&g.lock);
    return result;
}

/* Until somebody has come: linked, perhaps not yet asleep. */
static void gate_await(uint32_t count) {
    while (load_acquire(&g.here) < count) { /* pairs with gate_wait */
        port_thread_yield();
    }
}

static void gate_wake(void) {
    lock_take(&g.lock);
    if (!list_empty(&g.waiters)) {
        list *node = g.waiters.next;
        list_remove(node);
        g.woken += waiter_wake(list_entry(node, waiter, arm.link));
    }
    lock_release(&g.lock);
}

/* ---- foreign threads ----------------------------------------------------------------------------- */

static void foreign_deadlines(void **state) {
    (void)state;
    gate_reset();
    assert_int_equal(gate_wait(NULL, false, 0), WAIT_TIMEDOUT);
    assert_int_equal(gate_wait(NULL, false, port_clock_now()), WAIT_TIMEDOUT);
    int64_t at = port_clock_now() + 1000000;
    assert_int_equal(gate_wait(NULL, false, at), WAIT_TIMEDOUT);
    assert_true(port_clock_now() >= at);
}

static void woken_before_blocking(void **state) {
    (void)state;
    waiter w;
    gate_reset();
    waiter_init(&w, NULL, false);
    list_append(&g.waiters, &w.arm.link);
    gate_wake();
    assert_int_equal(g.woken, 1);
    assert_false(waiter_wake(&w));
    assert_int_equal(waiter_block(&w, 0, WAIT_FOR_JOIN),
                     WAIT_OK); /* although the deadline has passed */
    waiter_init(&w, NULL, false);
    waiter_cancel(&w);
    assert_false(waiter_wake(&w));
}

enum { ROUNDS = 2000 };

static void wake_rounds(void *arg) {
    (void)arg;
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        gate_await(i);
        gate_wake();
    }
}

/* The sleeper and the waker agree on who ended the wait, also when the deadline comes at the same moment. */
static void foreign_wakes_and_timeouts(void **state) {
    (void)state;
    port_thread thread;
    uint32_t ok = 0;
    gate_reset();
    assert_true(port_thread_start(&thread, wake_rounds, NULL, "waker"));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        bool timed = i % 2 == 1;
        wait_word result = gate_wait(
            NULL, false, timed ? port_clock_now() + (int64_t)(i % 32) * 1000 : PORT_NEVER);
        assert_true(result == WAIT_OK || (timed && result == WAIT_TIMEDOUT));
        ok += result == WAIT_OK;
    }
    port_thread_join(&thread);
    assert_int_equal(g.woken, ok);
}

/* ---- tasks --------------------------------------------------------------------------------------- */

static belay_executor *ex;

static int executor_start(void **state) {
    (void)state;
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.ignore_env = 1;
    config.workers = 2;
    gate_reset();
    return belay_executor_create(&config, &ex) == BELAY_OK ? 0 : -1;
}

static int executor_stop(void **state) {
    (void)state;
    return belay_executor_destroy(ex) == BELAY_OK ? 0 : -1;
}

typedef struct sleeper {
    bool drain;
    int64_t deadline;
    uint32_t rounds;
    uint32_t results[WAIT_CANCELED + 1];
    uint32_t numbers; /* how many waits the word has counted */
} sleeper;

static belay_status sleeper_body(belay_task *self, void *arg) {
    sleeper *s = arg;
    uint32_t first = load_relaxed(&self->wait) / WAIT_NUMBER; /* relaxed: idle */
    for (uint32_t i = 0; i < s->rounds; i++) {
        s->results[gate_wait(self, s->drain, s->deadline)]++;
    }
    s->numbers = load_relaxed(&self->wait) / WAIT_NUMBER - first; /* relaxed: idle */
    return BELAY_OK;
}

static belay_task_handle sleeper_start(sleeper *s) {
    belay_task_handle h;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), sleeper_body, s, NULL, &h),
                     BELAY_OK);
    return h;
}

static void sleeper_end(belay_task_handle h) {
    assert_int_equal(belay_join(NULL, h, NULL), BELAY_OK);
    assert_int_equal(belay_task_release(h), BELAY_OK);
}

/* The wake comes while the task is still on its way to sleep, or later: it is never lost. */
static void tasks_are_woken(void **state) {
    (void)state;
    sleeper s = {.deadline = PORT_NEVER, .rounds = ROUNDS};
    belay_task_handle h = sleeper_start(&s);
    wake_rounds(NULL);
    sleeper_end(h);
    assert_int_equal(s.results[WAIT_OK], ROUNDS);
    assert_int_equal(g.woken, ROUNDS);
    assert_int_equal(s.numbers, ROUNDS);
}

/* The claim comes between arming and parking, every time: the worker must find it when it parks the task. */
static belay_status early_body(belay_task *self, void *arg) {
    uint32_t *results = arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        waiter w;
        waiter_init(&w, self, i % 2 == 0);
        results[0] += !waiter_wake(&w);
        results[0] += waiter_wake(&w); /* only one */
        results[waiter_block(&w, i % 3 == 0 ? port_clock_now() + 1000000000 : PORT_NEVER,
                             WAIT_FOR_JOIN)]++;
    }
    return BELAY_OK;
}

static void tasks_woken_before_they_park(void **state) {
    (void)state;
    uint32_t results[WAIT_CANCELED + 1] = {0};
    assert_int_equal(belay_executor_run(ex, early_body, results, NULL), BELAY_OK);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[WAIT_OK], ROUNDS);
}

static void tasks_time_out(void **state) {
    (void)state;
    sleeper s = {.deadline = port_clock_now() + 1000000, .rounds = 3};
    sleeper_end(sleeper_start(&s));
    assert_true(port_clock_now() >= s.deadline);
    assert_int_equal(s.results[WAIT_TIMEDOUT], 3); /* twice without suspending */
}

static void cancel_ends_this_and_all_later_waits(void **state) {
    (void)state;
    for (int round = 0; round < 200; round++) {
        gate_reset();
        sleeper s = {.deadline = PORT_NEVER, .rounds = 3};
        belay_task_handle h = sleeper_start(&s);
        gate_await(1);
        assert_int_equal(belay_task_cancel(h, BELAY_OK, "test"), BELAY_OK);
        sleeper_end(h);
        assert_int_equal(s.results[WAIT_CANCELED], 3);
    }
}

static void cancel_does_not_end_a_drain(void **state) {
    (void)state;
    for (int round = 0; round < 200; round++) {
        gate_reset();
        sleeper s = {.drain = true, .deadline = PORT_NEVER, .rounds = 1};
        belay_task_handle h = sleeper_start(&s);
        gate_await(1);
        assert_int_equal(belay_task_cancel(h, BELAY_OK, "test"), BELAY_OK);
        gate_wake();
        sleeper_end(h);
        assert_int_equal(s.results[WAIT_OK], 1);
        assert_int_equal(g.woken, 1);
    }
}

int main(void) {
    alarm(LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_claims),
        cmocka_unit_test(a_deferred_start_is_claimed_once),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(one_claimer_wins),
        cmocka_unit_test(foreign_deadlines),
        cmocka_unit_test(woken_before_blocking),
        cmocka_unit_test(foreign_wakes_and_timeouts),
        cmocka_unit_test_setup_teardown(tasks_are_woken, executor_start, executor_stop),
        cmocka_unit_test_setup_teardown(tasks_woken_before_they_park, executor_start,
                                        executor_stop),
        cmocka_unit_test_setup_teardown(tasks_time_out, executor_start, executor_stop),
        cmocka_unit_test_setup_teardown(cancel_ends_this_and_all_later_waits, executor_start,
                                        executor_stop),
        cmocka_unit_test_setup_teardown(cancel_does_not_end_a_drain, executor_start, executor_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A scope's count: the home worker's part and the word together, unbiasing, flags, pins, watching, and death. The
 * scope is alone here, in an executor of which nothing runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>
#include "owner/scope.h"

enum { LIMIT_SECONDS = 100, HOME = 1 /* worker 0 */ };

static belay_executor ex;
static scope s;
static worker *home, *other;

static bool poll_nothing(worker *w) {
    (void)w;
    return false;
}
static int64_t never(worker *w) {
    (void)w;
    return PORT_NEVER;
}
static void nobody(sched *sc, bool wanted) {
    (void)sc;
    (void)wanted;
}
static const driver no_driver = {.poll = poll_nothing, .deadline = never, .busy = nobody};

static int start_with(bool symmetric) {
    memset(&ex, 0, sizeof ex);
    memset(&s, 0, sizeof s);
    if (!sched_init(&ex.sched, 2, 0, symmetric, 0, &no_driver, allocator_default())) {
        return -1;
    }
    s.executor = &ex;
    list_init(&s.waiters);
    list_init(&s.takers);
    home = &ex.sched.workers[0];
    other = &ex.sched.workers[1];
    port_current_set(home);
    return 0;
}

static int start(void **state) {
    (void)state;
    return start_with(!port_membarrier_init());
}

static int stop(void **state) {
    (void)state;
    port_current_set(NULL);
    sched_fini(&ex.sched);
    return 0;
}

static uint64_t word(void) {
    return load_relaxed(&s.word); /* relaxed: a look */
}

static int64_t local(void) {
    return load_relaxed(&s.local); /* relaxed: a look */
}

static void enter(worker *w) {
    assert_int_equal(count_enter(w, &s, count_generation(&s), true), BELAY_OK);
}

static bool watch(void) {
    lock_take(&s.lock);
    bool watched = count_watch(&s);
    lock_release(&s.lock);
    return watched;
}

static void unbias(void) {
    lock_take(&s.lock);
    count_unbias(&s);
    lock_release(&s.lock);
}

static bool kill_it(void) {
    lock_take(&s.lock);
    bool dead = count_kill(&s);
    lock_release(&s.lock);
    return dead;
}

/* ---- the two parts ------------------------------------------------------------------------------- */

static void home_leaves_the_word_alone(void **state) {
    (void)state;
    count_born(&s, HOME);
    uint64_t before = word();
    assert_int_equal(count_read(&s), 0);
    enter(home);
    enter(home);
    assert_int_equal(word(), before);
    assert_int_equal(local(), 2);
    assert_int_equal(count_read(&s), 2);
    count_leave(home, &s);
    assert_int_equal(word(), before);
    assert_int_equal(count_read(&s), 1);
    assert_int_equal(load_relaxed(&home->section) & 1, 0); /* the section was left */
}

static void others_change_the_word(void **state) {
    (void)state;
    count_born(&s, HOME);
    uint64_t before = word();
    enter(other);
    enter(NULL);
    assert_int_equal(word(), before + 2);
    assert_int_equal(local(), 0);
    assert_int_equal(count_read(&s), 2);
}

/* Begun here, ended there: each part alone may be anything, the sum is right, and unbiasing makes it the word's. */
static void parts_add_up(void **state) {
    (void)state;
    count_born(&s, HOME);
    for (int i = 0; i < 10; i++) {
        enter(home);
    }
    for (int i = 0; i < 7; i++) {
        count_leave(other, &s);
    }
    enter(other);
    enter(other);
    count_leave(home, &s);
    assert_int_equal(count_read(&s), 4);
    assert_int_equal(local(), 9);
    unbias();
    assert_int_equal(load_relaxed(&s.home), 0);
    assert_int_equal((uint32_t)word(), 4);
    assert_int_equal(count_read(&s), 4);
    enter(home); /* no home any more */
    assert_int_equal((uint32_t)word(), 5);
    unbias();
    assert_int_equal((uint32_t)word(), 5);
}

/* A scope that lives long: few are alive at a time, all begin at home, all end elsewhere; or the other way round. */
static void drift_never_leaves_its_bits(void **state) {
    (void)state;
    worker *const begins[] = {home, NULL};
    for (int way = 0; way < 2; way++) {
        count_born(&s, HOME);
        uint64_t start_word = word();
        enter(home); /* one that stays */
        for (int64_t i = 0; i < 4 * COUNT_DRIFT + 3; i++) {
            enter(begins[way]);
            count_leave(begins[1 - way], &s);
            assert_true(local() < COUNT_DRIFT && local() > -COUNT_DRIFT);
            int64_t moved = (int64_t)(word() - start_word);
            assert_true(moved <= COUNT_DRIFT && moved >= -COUNT_DRIFT);
        }
        assert_int_equal(count_read(&s), 1);
        unbias();
        assert_int_equal((uint32_t)word(), 1);
        count_leave(NULL, &s);
        assert_true(kill_it());
    }
}

static void born_without_a_home(void **state) {
    (void)state;
    count_born(&s, 0);
    enter(home);
    assert_int_equal((uint32_t)word(), 1);
    assert_int_equal(count_read(&s), 1);
}

/* ---- flags and generations ----------------------------------------------------------------------- */

static void wrong_generations_are_stale(void **state) {
    (void)state;
    count_born(&s, HOME);
    uint32_t generation = count_generation(&s);
    assert_int_not_equal(generation, 0); /* the all-zero handle names nothing */
    assert_int_equal(count_enter(home, &s, generation + 1, true), BELAY_ESTALE);
    assert_int_equal(count_enter(NULL, &s, generation - 1, true), BELAY_ESTALE);
    assert_false(count_pin(&s, generation + 1));
    assert_true(count_is(&s, generation));
    assert_false(count_is(&s, generation + 1));
    assert_int_equal(count_read(&s), 0);
}

static void sealed_lets_nobody_in(void **state) {
    (void)state;
    count_born(&s, HOME);
    uint32_t generation = count_generation(&s);
    enter(home);
    lock_take(&s.lock);
    assert_true(count_seal(&s));
    assert_false(count_seal(&s));
    lock_release(&s.lock);
    assert_int_equal(count_enter(home, &s, generation, true), BELAY_ESHUTDOWN);
    assert_int_equal(count_enter(NULL, &s, generation, false), BELAY_ESHUTDOWN);
    assert_int_equal(count_read(&s), 1);
    assert_true(count_pin(&s, generation)); /* to look at it is allowed */
    assert_int_equal(count_read(&s), 2);
}

static void closing_lets_members_in(void **state) {
    (void)state;
    count_born(&s, HOME);
    uint32_t generation = count_generation(&s);
    lock_take(&s.lock);
    assert_true(count_close(&s));
    assert_false(count_close(&s));
    lock_release(&s.lock);
    assert_int_equal(count_enter(home, &s, generation, false), BELAY_ESHUTDOWN);
    assert_int_equal(count_enter(home, &s, generation, true), BELAY_OK);
    assert_int_equal(count_read(&s), 1);
}

static void dies_only_empty(void **state) {
    (void)state;
    count_born(&s, HOME);
    uint32_t generation = count_generation(&s);
    enter(home);
    unbias();
    assert_false(kill_it());
    assert_true(count_is_open(&s));
    assert_true(count_pin(&s, generation));
    count_pin_open(&s);
    count_leave(home, &s);
    count_leave(NULL, &s);
    assert_false(kill_it()); /* a pin holds it like a task */
    count_leave(NULL, &s);
    assert_true(kill_it());
    assert_false(count_is_open(&s));
    assert_false(count_is(&s, generation));
    assert_false(count_is(&s, generation + 1));
    assert_false(count_pin(&s, generation));
    assert_false(count_pin(&s, generation + 1));
    assert_int_equal(count_enter(NULL, &s, generation + 1, true), BELAY_ESTALE);
    count_born(&s, HOME);
    assert_int_equal(count_generation(&s), generation + 1);
    assert_int_equal(count_enter(home, &s, generation, true), BELAY_ESTALE);
    assert_int_equal(count_read(&s), 0);
}

static void generation_zero_is_left_out(void **state) {
    (void)state;
    store_relaxed(&s.word, (uint64_t)UINT32_MAX << 32); /* relaxed: a single thread */
    count_born(&s, 0);
    assert_int_equal(count_generation(&s), UINT32_MAX);
    assert_true(kill_it());
    assert_false(count_is_open(&s));
    count_born(&s, 0);
    assert_int_equal(count_generation(&s), 1);
}

/* ---- watching ------------------------------------------------------------------------------------ */

static void watching_an_empty_one_is_pointless(void **state) {
    (void)state;
    count_born(&s, HOME);
    assert_false(watch());
    enter(home);
    count_leave(home, &s);
    assert_false(watch());
}

static void the_last_one_wakes_the_watchers(void **state) {
    (void)state;
    waiter w[2];
    count_born(&s, HOME);
    enter(home);
    enter(NULL);
    assert_true(watch());
    assert_int_equal(load_relaxed(&s.home), 0); /* from now on the word is the truth */
    port_current_set(NULL);
    for (int i = 0; i < 2; i++) {
        waiter_init(&w[i], NULL, false);
        list_append(&s.waiters, &w[i].arm.link);
    }
    count_leave(home, &s);
    assert_int_equal(load_relaxed(&w[0].own) & WAIT_BASE, WAIT_ARMED);
    count_leave(NULL, &s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waiter_block(&w[i], 0, WAIT_FOR_CLOSE), WAIT_OK);
    }
    assert_true(list_empty(&s.waiters));
    assert_false(watch());
    enter(NULL);
    count_leave(NULL, &s); /* not watched any more */
    assert_true(kill_it());
}

/* ---- threads ------------------------------------------------------------------------------------- */

enum { ROUNDS = 100, KEPT = 40 };

static ATOMIC(uint32_t) entered;

/* The home worker: enters and leaves without a pause; KEPT stay. */
static void home_run(void *arg) {
    uint64_t *refused = arg;
    port_current_set(home);
    for (int i = 0; i < KEPT; i++) {
        for (int again = 0; again < 10; again++) {
            *refused += count_enter(home, &s, count_generation(&s), true) != BELAY_OK;
            count_leave(home, &s);
        }
        *refused += count_enter(home, &s, count_generation(&s), true) != BELAY_OK;
        fetch_add_acq_rel(&entered, 1u); /* pairs with unbiased_while_home_works */
    }
    port_current_set(NULL);
}

static void unbiased_while_home_works(bool symmetric) {
    for (uint32_t round = 0; round < ROUNDS; round++) {
        port_thread thread;
        uint64_t refused = 0;
        assert_int_equal(start_with(symmetric), 0);
        port_current_set(other);
        count_born(&s, HOME);
        store_relaxed(&entered, 0u); /* relaxed: the thread's start publishes it */
        assert_true(port_thread_start(&thread, home_run, &refused, "home"));
        while (load_acquire(&entered) < round % KEPT) { /* pairs with home_run */
            port_cpu_relax();
        }
        enter(other);
        unbias();
        count_leave(other, &s);
        port_thread_join(&thread);
        assert_int_equal(refused, 0);
        assert_int_equal((uint32_t)word(), KEPT);
        assert_int_equal(count_read(&s), KEPT);
        stop(NULL);
    }
}

static void unbiasing_loses_nothing(void **state) {
    (void)state;
    unbiased_while_home_works(true);
    if (port_membarrier_init()) {
        unbiased_while_home_works(false);
    }
}

static void leave_all(void *arg) {
    (void)arg;
    for (int i = 0; i < KEPT; i++) {
        count_leave(NULL, &s);
    }
}

/* The watcher comes while the last ones leave: it either finds nothing to wait for, or is woken. */
static void watcher_against_leavers(void **state) {
    (void)state;
    port_current_set(NULL);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        port_thread thread;
        waiter w;
        count_born(&s, 0);
        for (int i = 0; i < KEPT; i++) {
            enter(NULL);
        }
        assert_true(port_thread_start(&thread, leave_all, NULL, "leaver"));
        waiter_init(&w, NULL, false);
        lock_take(&s.lock);
        bool watched = count_watch(&s);
        if (watched) {
            list_append(&s.waiters, &w.arm.link);
        }
        lock_release(&s.lock);
        if (watched) {
            assert_int_equal(waiter_block(&w, PORT_NEVER, WAIT_FOR_CLOSE), WAIT_OK);
        }
        port_thread_join(&thread);
        assert_true(kill_it());
    }
}

int main(void) {
    alarm(LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(home_leaves_the_word_alone, start, stop),
        cmocka_unit_test_setup_teardown(others_change_the_word, start, stop),
        cmocka_unit_test_setup_teardown(parts_add_up, start, stop),
        cmocka_unit_test_setup_teardown(drift_never_leaves_its_bits, start, stop),
        cmocka_unit_test_setup_teardown(born_without_a_home, start, stop),
        cmocka_unit_test_setup_teardown(wrong_generations_are_stale, start, stop),
        cmocka_unit_test_setup_teardown(sealed_lets_nobody_in, start, stop),
        cmocka_unit_test_setup_teardown(closing_lets_members_in, start, stop),
        cmocka_unit_test_setup_teardown(dies_only_empty, start, stop),
        cmocka_unit_test_setup_teardown(generation_zero_is_left_out, start, stop),
        cmocka_unit_test_setup_teardown(watching_an_empty_one_is_pointless, start, stop),
        cmocka_unit_test_setup_teardown(the_last_one_wakes_the_watchers, start, stop),
        cmocka_unit_test(unbiasing_loses_nothing),
        cmocka_unit_test_setup_teardown(watcher_against_leavers, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

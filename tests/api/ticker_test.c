/* Ticks keep their rhythm: those that were missed are skipped and counted, or delivered one by one. The test moves the
 * ticker, not the clock: a tick is in the past because the test says so. */
#include "api/support.h"

static belay_ticker late_by(int64_t period, int periods, belay_tick_mode mode) {
    belay_ticker t;
    EXPECT_STATUS(belay_ticker_init(&t, period, mode), BELAY_OK);
    t.next = belay_now() - periods * period - period / 2;
    return t;
}

static belay_status skip_missed(belay_task *self, void *arg) {
    (void)arg;
    belay_ticker t = late_by(3600 * BELAY_SECOND, 3, BELAY_TICK_SKIP);
    belay_time first = t.next;
    uint64_t missed = 99;
    EXPECT_STATUS(belay_ticker_wait(self, &t, &missed), BELAY_OK);
    EXPECT(missed == 3);
    EXPECT(t.next == first + 4 * t.period);
    EXPECT_STATUS(belay_ticker_wait_until(self, &t, 0, &missed), BELAY_ETIMEDOUT);
    EXPECT(t.next == first + 4 * t.period);
    return BELAY_OK;
}

static void test_missed_ticks_are_skipped_and_counted_and_the_grid_stays(void **state) {
    run(executor_of(state), skip_missed, NULL);
}

static belay_status catch_up(belay_task *self, void *arg) {
    (void)arg;
    belay_ticker t = late_by(3600 * BELAY_SECOND, 3, BELAY_TICK_CATCH_UP);
    belay_time first = t.next;
    for (int i = 1; i <= 4; i++) {
        uint64_t missed = 99;
        EXPECT_STATUS(belay_ticker_wait(self, &t, &missed), BELAY_OK);
        EXPECT(missed == 0 && t.next == first + i * t.period);
    }
    EXPECT_STATUS(belay_ticker_wait_until(self, &t, 0, NULL), BELAY_ETIMEDOUT);
    return BELAY_OK;
}

static void test_missed_ticks_are_delivered_one_by_one(void **state) {
    run(executor_of(state), catch_up, NULL);
}

static belay_status keep_time(belay_task *self, void *arg) {
    (void)arg;
    belay_ticker t;
    belay_time start = belay_now();
    EXPECT_STATUS(belay_ticker_init(&t, BELAY_MILLISECOND, BELAY_TICK_CATCH_UP), BELAY_OK);
    belay_time first = t.next;
    for (int i = 0; i < 10; i++) {
        EXPECT_STATUS(belay_ticker_wait(self, &t, NULL), BELAY_OK);
        EXPECT(belay_now() >= first + i * BELAY_MILLISECOND);
    }
    EXPECT(t.next == first + 10 * BELAY_MILLISECOND && first >= start + BELAY_MILLISECOND);
    return BELAY_OK;
}

static void test_a_tick_never_comes_early_and_does_not_drift(void **state) {
    run(executor_of(state), keep_time, NULL);
}

static belay_status tick_until_canceled(belay_task *self, void *arg) {
    belay_ticker *t = arg;
    return belay_ticker_wait(self, t, NULL);
}

static void test_a_cancelled_wait_leaves_the_tick_to_come(void **state) {
    belay_ticker t;
    assert_int_equal(belay_ticker_init(&t, 3600 * BELAY_SECOND, BELAY_TICK_SKIP), BELAY_OK);
    belay_time next = t.next;
    belay_task_handle task = spawn_outside(executor_of(state), tick_until_canceled, &t);
    await_waiting(executor_of(state), "sleep", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(t.next, next);
}

static void test_a_thread_may_wait_for_ticks_and_a_deadline_ends_the_wait(void **state) {
    (void)state;
    belay_ticker t;
    assert_int_equal(belay_ticker_init(&t, BELAY_MILLISECOND, BELAY_TICK_SKIP), BELAY_OK);
    assert_int_equal(belay_ticker_wait(NULL, &t, NULL), BELAY_OK);
    assert_int_equal(belay_ticker_init(&t, 3600 * BELAY_SECOND, BELAY_TICK_SKIP), BELAY_OK);
    assert_int_equal(belay_ticker_wait_until(NULL, &t, belay_after(BELAY_MILLISECOND), NULL),
                     BELAY_ETIMEDOUT);
}

static void test_mistakes_are_statuses(void **state) {
    (void)state;
    belay_ticker t = {0};
    assert_int_equal(belay_ticker_wait(NULL, &t, NULL), BELAY_EINVAL);
    assert_int_equal(belay_ticker_wait(NULL, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_ticker_init(&t, 0, BELAY_TICK_SKIP), BELAY_EINVAL);
    assert_int_equal(belay_ticker_init(&t, -1, BELAY_TICK_SKIP), BELAY_EINVAL);
    assert_int_equal(belay_ticker_init(&t, 1, (belay_tick_mode)2), BELAY_EINVAL);
    assert_int_equal(belay_ticker_init(NULL, 1, BELAY_TICK_SKIP), BELAY_EINVAL);
    assert_int_equal(belay_ticker_init(&t, BELAY_NEVER, BELAY_TICK_SKIP), BELAY_OK);
    assert_int_equal(t.next, BELAY_NEVER);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_missed_ticks_are_skipped_and_counted_and_the_grid_stays),
        BOTH(test_missed_ticks_are_delivered_one_by_one),
        BOTH(test_a_tick_never_comes_early_and_does_not_drift),
        BOTH(test_a_cancelled_wait_leaves_the_tick_to_come),
        BOTH(test_a_thread_may_wait_for_ticks_and_a_deadline_ends_the_wait),
        BOTH(test_mistakes_are_statuses),
    };
    return cmocka_run_group_tests_name("ticker", tests, NULL, NULL);
}

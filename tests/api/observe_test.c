/* Counters, snapshots, and what is reported through the log hook. */
#include "api/support.h"

static belay_stats stats_of(belay_executor *ex) {
    belay_stats s;
    assert_int_equal(belay_executor_stats(ex, &s, sizeof s), BELAY_OK);
    return s;
}

/* ---- counters ---------------------------------------------------------------------------------------------------- */

static belay_status failing(belay_task *self, void *arg) {
    (void)self;
    (void)tally_add(arg);
    return 3;
}

static void test_every_spawn_is_counted_once_by_its_outcome(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    tally ran = {0};
    assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(belay_spawn(NULL, scope, failing, &ran, NULL, NULL), BELAY_OK);
        assert_int_equal(belay_spawn(NULL, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
        assert_int_equal(belay_spawn_at(NULL, scope, BELAY_NEVER, body_tally, &ran, NULL, NULL),
                         BELAY_OK);
    }
    for (int i = 0; i < 6; i++) {
        run(ex, body_tally, &ran);
    }
    tally_await(&ran, 11);
    await_waiting(ex, "sleep", 5);
    assert_int_equal(stats_of(ex).scopes_open, 2);
    assert_true(stats_of(ex).alive >= 10);
    assert_int_equal(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    belay_stats s = stats_of(ex);
    assert_int_equal(s.spawned, 21);
    assert_int_equal(s.value, 6);
    assert_int_equal(s.error, 5);
    assert_int_equal(s.canceled, 5);
    assert_int_equal(s.skipped, 5);
    assert_int_equal(s.alive, 0);
    assert_int_equal(s.scopes_open, 1);
    assert_true(s.suspensions >= 5);
}

static void test_destructors_called_are_counted(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_options options = {.arg_drop = tally_drop};
    tally drops = {0};
    for (int i = 0; i < 50; i++) {
        assert_int_equal(
            belay_spawn(NULL, belay_executor_root(ex), body_nothing, &drops, &options, NULL),
            BELAY_OK);
        assert_int_equal(belay_spawn_at(NULL, belay_executor_root(ex), BELAY_NEVER, body_nothing,
                                        &drops, &options, NULL),
                         BELAY_OK);
    }
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&drops), 100);
    assert_int_equal(stats_of(ex).args_dropped, 100);
}

static void test_stats_of_a_smaller_struct_write_no_more(void **state) {
    uint64_t words[4] = {7, 7, 7, 7};
    assert_int_equal(belay_executor_stats(executor_of(state), (belay_stats *)(void *)words,
                                          2 * sizeof(uint64_t)),
                     BELAY_OK);
    assert_int_equal(words[0], 0);
    assert_int_equal(words[2], 7);
}

static void test_stats_of_a_larger_struct_are_zero_filled(void **state) {
    struct {
        belay_stats stats;
        uint64_t later;
    } s;
    memset(&s, 0x55, sizeof s);
    assert_int_equal(belay_executor_stats(executor_of(state), &s.stats, sizeof s), BELAY_OK);
    assert_int_equal(s.later, 0);
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

static void test_snapshot_counts_beyond_its_capacity(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_info infos[3];
    size_t count = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), body_sleep, NULL, NULL, NULL),
                         BELAY_OK);
    }
    await_waiting(ex, "sleep", 10);
    memset(infos, 0x55, sizeof infos);
    assert_int_equal(belay_snapshot(ex, infos, 2, &count), BELAY_OK);
    assert_int_equal(count, 10);
    assert_int_equal(infos[0].state, BELAY_STATE_SUSPENDED);
    assert_int_equal((unsigned)infos[2].state, 0x55555555);
    assert_int_equal(belay_snapshot(ex, NULL, 0, &count), BELAY_OK);
    assert_int_equal(count, 10);
}

static belay_status see_myself(belay_task *self, void *arg) {
    belay_task_info info;
    size_t count = 0;
    EXPECT_STATUS(belay_snapshot(arg, &info, 1, &count), BELAY_OK);
    EXPECT(count == 1 && info.state == BELAY_STATE_RUNNING && info.waiting_on == NULL);
    EXPECT(info.scope.slot == belay_scope_current(self).slot);
    EXPECT(!info.cancel_requested);
    return BELAY_OK;
}

static void test_snapshot_from_a_task_shows_it_running(void **state) {
    run(executor_of(state), see_myself, executor_of(state));
}

static void test_snapshot_shows_a_cancel_request(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_info info = {0};
    size_t count = 0;
    tally stop = {0};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_sleep, &stop, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_snapshot(ex, &info, 1, &count), BELAY_OK);
    assert_false(info.cancel_requested);
    assert_int_equal(belay_scope_cancel(scope, 4, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), 4);
    do { /* a record is freed a moment after its task was counted out */
        assert_int_equal(belay_snapshot(ex, &info, 1, &count), BELAY_OK);
    } while (count != 0);
}

static void test_info_text_counts_like_snprintf(void **state) {
    (void)state;
    belay_task_info info = {.name = "n", .site = "s", .state = BELAY_STATE_QUEUED};
    char line[128], shorter[8];
    size_t length = belay_task_info_text(&info, line, sizeof line);
    assert_int_equal(length, strlen(line));
    assert_int_equal(belay_task_info_text(&info, shorter, sizeof shorter), length);
    assert_int_equal(strlen(shorter), sizeof shorter - 1);
    assert_int_equal(belay_task_info_text(&info, NULL, 0), length);
}

/* ---- reports ----------------------------------------------------------------------------------------------------- */

/* Holds its worker until the watchdog has said so. */
static belay_status hog(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    while (tally_read(&support_log.lines) == 0) {
    }
    return BELAY_OK;
}

static void test_task_that_reaches_no_yield_point_is_reported_with_name_and_site(void **state) {
    belay_config config = test_config(workers_of(state));
    config.stall = 20 * BELAY_MILLISECOND;
    belay_executor *ex = executor_make(&config);
    belay_task_options options = {.name = "hog"};
    belay_task_handle task;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), hog, NULL, &options, &task),
                     BELAY_OK);
    (void)join_outside(task);
    assert_true(log_holds("task hog (hog@"));
    assert_true(log_holds("observe_test.c:"));
    assert_int_equal(stats_of(ex).stalls, 1);
    assert_true(executor_end(ex));
}

static belay_status wait_in_spite(belay_task *self, void *arg) {
    tally *tries = arg;
    (void)belay_task_cancel(belay_task_self_handle(self), 4, NULL);
    while (tally_read(&support_log.lines) == 0) {
        EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
        (void)tally_add(tries);
    }
    return BELAY_OK;
}

static void test_task_that_goes_on_waiting_though_canceled_is_reported(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_options options = {.name = "deaf"};
    belay_task_handle task;
    tally tries = {0};
    assert_int_equal(
        belay_spawn(NULL, belay_executor_root(ex), wait_in_spite, &tries, &options, &task),
        BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    assert_true(log_holds("task deaf (wait_in_spite@"));
    assert_true(tally_read(&tries) >= 100);
    assert_int_equal(stats_of(ex).ignored_cancels, 1);
}

static void test_nothing_is_said_when_all_is_well(void **state) {
    tally ran = {0};
    run(executor_of(state), body_tally, &ran);
    assert_string_equal(support_log.text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_every_spawn_is_counted_once_by_its_outcome),
        BOTH(test_destructors_called_are_counted),
        BOTH(test_stats_of_a_smaller_struct_write_no_more),
        BOTH(test_stats_of_a_larger_struct_are_zero_filled),
        BOTH(test_snapshot_counts_beyond_its_capacity),
        BOTH(test_snapshot_from_a_task_shows_it_running),
        BOTH(test_snapshot_shows_a_cancel_request),
        BOTH(test_info_text_counts_like_snprintf),
        BOTH_BARE(test_task_that_reaches_no_yield_point_is_reported_with_name_and_site),
        BOTH(test_task_that_goes_on_waiting_though_canceled_is_reported),
        BOTH(test_nothing_is_said_when_all_is_well),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

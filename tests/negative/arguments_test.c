/* NULL, absurd values, and configurations that make no sense: a status, and nothing changed. */
#include "api/support.h"

/* ---- NULL -------------------------------------------------------------------------------------------------------- */

static void test_null_executor(void **state) {
    belay_scope scope;
    belay_stats stats;
    belay_task_info info;
    size_t count;
    (void)state;
    assert_int_equal(belay_executor_create(NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_executor_shutdown(NULL, 0, 0), BELAY_EINVAL);
    assert_int_equal(belay_executor_destroy(NULL), BELAY_OK);
    assert_int_equal(belay_executor_root(NULL).generation, 0);
    assert_int_equal(belay_executor_workers(NULL), 0);
    assert_int_equal(belay_executor_run(NULL, body_nothing, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_executor_trim(NULL), 0);
    assert_int_equal(belay_scope_open_root(NULL, NULL, &scope), BELAY_EINVAL);
    assert_int_equal(belay_executor_stats(NULL, &stats, sizeof stats), BELAY_EINVAL);
    assert_int_equal(belay_snapshot(NULL, &info, 1, &count), BELAY_EINVAL);
    belay_config_init(NULL, sizeof(belay_config));
}

static void test_null_where_an_answer_should_go(void **state) {
    belay_executor *ex = executor_of(state);
    belay_stats stats;
    belay_scope root = belay_executor_root(ex);
    belay_task_info info;
    assert_int_equal(belay_scope_open_root(ex, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_scope_count(root, NULL), BELAY_EINVAL);
    assert_int_equal(belay_executor_stats(ex, NULL, sizeof stats), BELAY_EINVAL);
    assert_int_equal(belay_snapshot(ex, &info, 1, NULL), BELAY_EINVAL);
    assert_int_equal(belay_snapshot(ex, NULL, 1, &(size_t){0}), BELAY_EINVAL);
    assert_int_equal(belay_scope_stragglers(root, NULL, 1, &(size_t){0}), BELAY_EINVAL);
    assert_int_equal(belay_task_info_text(NULL, NULL, 0), 0);
}

static void test_null_self_and_body(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = {1, 1, 1};
    belay_cancel_reason reason;
    tally drops = {0};
    belay_task_options options = {.arg_drop = tally_drop};
    belay_task_handle task = {1, 1, 1};
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), NULL, &drops, &options, &task),
                     BELAY_EINVAL);
    assert_int_equal(task.generation, 0);
    assert_int_equal(belay_try_spawn(NULL, belay_executor_root(ex), NULL, &drops, NULL, NULL),
                     BELAY_EINVAL);
    assert_int_equal(belay_executor_run(ex, NULL, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_scope_open(NULL, NULL, &scope), BELAY_ECONTEXT);
    assert_int_equal(scope.generation, 0);
    assert_int_equal(belay_yield(NULL), BELAY_ECONTEXT);
    assert_int_equal(belay_checkpoint(NULL), BELAY_ECONTEXT);
    assert_int_equal(belay_set_result(NULL, NULL, NULL), BELAY_ECONTEXT);
    assert_int_equal(belay_sleep_until(NULL, BELAY_NEVER), BELAY_EINVAL);
    assert_int_equal(belay_reason(NULL, &reason), BELAY_EINVAL);
    assert_int_equal(belay_fork(NULL, body_nothing, NULL), BELAY_EINVAL);
    assert_int_equal(belay_sync(NULL), BELAY_EINVAL);
    assert_null(belay_task_executor(NULL));
    assert_int_equal(belay_scope_current(NULL).generation, 0);
    assert_int_equal(belay_task_self_handle(NULL).generation, 0);
    assert_int_equal(tally_read(&drops), 0);
}

static belay_status null_in_a_task(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_reason(self, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_spawn(self, belay_scope_current(self), NULL, NULL, NULL, NULL),
                  BELAY_EINVAL);
    EXPECT_STATUS(belay_fork(self, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_sync(self), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_null_from_a_task(void **state) {
    run(executor_of(state), null_in_a_task, NULL);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static void test_bad_task_options_refuse_the_spawn(void **state) {
    belay_executor *ex = executor_of(state);
    tally drops = {0};
    const belay_task_options bad[] = {{.arg_drop = tally_drop, .pin = BELAY_PIN_HERE},
                                      {.arg_drop = tally_drop, .pin = -2},
                                      {.arg_drop = tally_drop, .pin = INT32_MIN},
                                      {.arg_drop = tally_drop, .pin = BELAY_PIN(workers_of(state))},
                                      {.arg_drop = tally_drop, .pin = INT32_MAX},
                                      {.arg_drop = tally_drop, .flags = 0x80},
                                      {.arg_drop = tally_drop, .start_at = -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(
            belay_spawn(NULL, belay_executor_root(ex), body_nothing, &drops, &bad[i], NULL),
            BELAY_EINVAL);
    }
    assert_int_equal(tally_read(&drops), 0);
}

static void test_bad_scope_options_open_nothing(void **state) {
    belay_executor *ex = executor_of(state);
    const belay_scope_options bad[] = {{.deadline = -1}, {.policy = (belay_failure_policy)7}};
    belay_scope scope;
    for (size_t i = 0; i < 2; i++) {
        scope = (belay_scope){1, 2, 3};
        assert_int_equal(belay_scope_open_root(ex, &bad[i], &scope), BELAY_EINVAL);
        assert_int_equal(scope.generation, 0);
    }
}

static void test_negative_deadlines_have_passed(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope;
    belay_task_handle gate = gate_make(ex);
    assert_int_equal(belay_join_until(NULL, gate, INT64_MIN, NULL), BELAY_ETIMEDOUT);
    assert_int_equal(belay_sleep_until(NULL, INT64_MIN), BELAY_OK);
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_wait_until(NULL, scope, -1), BELAY_ETIMEDOUT);
    assert_int_equal(belay_scope_set_deadline(scope, INT64_MIN), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ETIMEDOUT);
    gate_open(gate);
}

/* ---- configurations ---------------------------------------------------------------------------------------------- */

static void expect_refused(const belay_config *config) {
    belay_executor *ex = (belay_executor *)(void *)&ex;
    assert_int_equal(belay_executor_create(config, &ex), BELAY_EINVAL);
    assert_null(ex);
}

static void test_config_that_was_not_initialised_is_einval(void **state) {
    belay_config zero, garbage;
    (void)state;
    memset(&zero, 0, sizeof zero);
    memset(&garbage, 0xa5, sizeof garbage);
    expect_refused(&zero);
    expect_refused(&garbage);
}

static void test_config_values_out_of_range_are_einval(void **state) {
    static const size_t fields[] = {offsetof(belay_config, workers),
                                    offsetof(belay_config, stack_size),
                                    offsetof(belay_config, stack_cache),
                                    offsetof(belay_config, max_stacks),
                                    offsetof(belay_config, max_tasks),
                                    offsetof(belay_config, max_scopes),
                                    offsetof(belay_config, spin),
                                    offsetof(belay_config, membarrier),
                                    offsetof(belay_config, stall),
                                    offsetof(belay_config, fork_depth),
                                    offsetof(belay_config, blocking_threads)};
    static const int64_t absurd[] = {-1, INT64_MIN + 1, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        for (size_t j = 0; j < 3; j++) {
            belay_config config = test_config(1);
            memcpy((char *)&config + fields[i], &absurd[j], sizeof absurd[j]);
            expect_refused(&config);
        }
    }
    belay_config config = test_config(0);
    expect_refused(&config);
}

static void *half_a_hook(size_t size, size_t alignment, void *arg) {
    (void)size;
    (void)alignment;
    (void)arg;
    return NULL;
}

static void test_allocate_without_release_is_einval(void **state) {
    belay_config config = test_config(1);
    (void)state;
    config.allocate = half_a_hook;
    expect_refused(&config);
}

static void test_other_layout_is_einval(void **state) {
    belay_config config = test_config(1);
    (void)state;
    config.layout++;
    expect_refused(&config);
}

static void test_strict_environment_is_einval_and_lenient_is_one_line(void **state) {
    belay_config config = test_config(1);
    (void)state;
    config.workers = BELAY_UNSET;
    config.ignore_env = 0;
    setenv("BELAY_WORKERS", "three", 1);
    setenv("BELAY_STRICT", "1", 1);
    expect_refused(&config);
    unsetenv("BELAY_STRICT");
    belay_executor *ex = executor_make(&config);
    unsetenv("BELAY_WORKERS");
    assert_true(belay_executor_workers(ex) >= 1);
    assert_true(log_holds("BELAY_WORKERS"));
    assert_true(executor_end(ex));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_null_executor),
        BOTH(test_null_where_an_answer_should_go),
        BOTH(test_null_self_and_body),
        BOTH(test_null_from_a_task),
        BOTH(test_bad_task_options_refuse_the_spawn),
        BOTH(test_bad_scope_options_open_nothing),
        BOTH(test_negative_deadlines_have_passed),
        BOTH_BARE(test_config_that_was_not_initialised_is_einval),
        BOTH_BARE(test_config_values_out_of_range_are_einval),
        BOTH_BARE(test_allocate_without_release_is_einval),
        BOTH_BARE(test_other_layout_is_einval),
        BOTH_BARE(test_strict_environment_is_einval_and_lenient_is_one_line),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Errors that nobody has observed. */
#include "api/support.h"

typedef struct ear {
    tally heard;
    belay_failure last;
    belay_status waited;
} ear;

static void hear(const belay_failure *failure, void *arg) {
    ear *e = arg;
    e->last = *failure;
    e->waited = belay_sleep_until(belay_self(), 0);
    (void)tally_add(&e->heard);
}

static belay_executor *make(void **state, ear *e) {
    belay_config config = test_config(workers_of(state));
    config.unobserved = hear;
    config.unobserved_arg = e;
    return executor_make(&config);
}

static belay_status fail_with(belay_task *self, void *arg) {
    (void)self;
    return (belay_status)(intptr_t)arg;
}

static void *const nine = (void *)(intptr_t)9;

static void test_an_error_without_a_handle_is_heard_before_close_returns(void **state) {
    ear e = {0};
    belay_executor *ex = make(state, &e);
    const belay_scope_options supervise = {.policy = BELAY_SUPERVISE};
    const belay_task_options named = {.name = "loner"};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, &supervise, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, fail_with, nine, &named, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&e.heard), 1);
    assert_int_equal(e.last.status, 9);
    assert_string_equal(e.last.name, "loner");
    assert_non_null(strstr(e.last.site, "fail_with@"));
    assert_int_equal(e.waited, BELAY_ECONTEXT);
    assert_true(executor_end(ex));
}

static void test_an_error_is_heard_when_the_last_handle_goes(void **state) {
    ear e = {0};
    belay_executor *ex = make(state, &e);
    belay_task_handle task = spawn_outside(ex, fail_with, nine);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(tally_read(&e.heard), 0);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    tally_await(&e.heard, 1);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&e.heard), 1);
}

static void test_a_join_that_saw_the_outcome_has_observed(void **state) {
    ear e = {0};
    belay_executor *ex = make(state, &e);
    belay_task_handle task = spawn_outside(ex, fail_with, nine);
    assert_int_equal(join_outside(task).status, 9);
    await_stale(task);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&e.heard), 0);
}

static void test_values_and_cancellations_are_no_errors(void **state) {
    ear e = {0};
    belay_executor *ex = make(state, &e);
    belay_task_handle task = gate_make(ex);
    await_waiting(ex, "sleep", 1);
    gate_open(task);
    (void)spawn_outside(ex, body_nothing, NULL);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&e.heard), 0);
}

static void test_policies_that_report_an_error_have_observed_it(void **state) {
    ear e = {0};
    belay_executor *ex = make(state, &e);
    const belay_failure_policy policies[] = {BELAY_FAIL_FAST, BELAY_COLLECT};
    for (int i = 0; i < 2; i++) {
        const belay_scope_options options = {.policy = policies[i]};
        belay_scope scope;
        assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
        assert_int_equal(belay_spawn(NULL, scope, fail_with, nine, NULL, NULL), BELAY_OK);
        assert_int_equal(belay_scope_close(NULL, scope), 9);
    }
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&e.heard), 0);
}

static void test_next_observes_and_close_does_not(void **state) {
    ear e = {0};
    belay_executor *ex = make(state, &e);
    const belay_scope_options options = {.policy = BELAY_SUPERVISE,
                                         .flags = BELAY_SCOPE_KEEP_OUTCOMES};
    belay_scope scope;
    belay_outcome outcome;
    assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(belay_spawn(NULL, scope, fail_with, nine, NULL, NULL), BELAY_OK);
    }
    assert_int_equal(belay_scope_next(NULL, scope, &outcome, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&e.heard), 1);
    assert_true(executor_end(ex));
}

static void test_an_error_whose_handle_was_never_released_is_heard_at_destroy(void **state) {
    ear e = {0};
    belay_executor *ex = make(state, &e);
    belay_task_handle task = spawn_outside(ex, fail_with, nine);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&e.heard), 1);
    assert_int_equal(e.last.status, 9);
}

static belay_status start_failing(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_start(self, belay_scope_current(self), fail_with, arg, NULL, NULL, NULL),
                  9);
    return BELAY_OK;
}

static void test_an_early_error_of_a_started_task_was_observed_by_its_starter(void **state) {
    ear e = {0};
    belay_executor *ex = make(state, &e);
    run(ex, start_failing, nine);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&e.heard), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_an_error_without_a_handle_is_heard_before_close_returns),
        BOTH_BARE(test_an_error_is_heard_when_the_last_handle_goes),
        BOTH_BARE(test_a_join_that_saw_the_outcome_has_observed),
        BOTH_BARE(test_values_and_cancellations_are_no_errors),
        BOTH_BARE(test_policies_that_report_an_error_have_observed_it),
        BOTH_BARE(test_next_observes_and_close_does_not),
        BOTH_BARE(test_an_error_whose_handle_was_never_released_is_heard_at_destroy),
        BOTH_BARE(test_an_early_error_of_a_started_task_was_observed_by_its_starter),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/unobserved", tests, NULL, NULL);
}

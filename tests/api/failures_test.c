/* Policies, and what is reported of members' errors. */
#include "api/support.h"

enum { MANY = 30 };

static belay_status return_it(belay_task *self, void *arg) {
    (void)self;
    return (belay_status)(intptr_t)arg;
}

static void spawn_failing(belay_task *self, belay_scope scope, intptr_t code) {
    const belay_task_options named = {.name = "failing"};
    EXPECT_STATUS(belay_spawn(self, scope, return_it, (void *)code, &named, NULL), BELAY_OK);
}

static belay_status collect_errors(belay_task *self, void *arg) {
    tally *done = arg;
    const belay_scope_options collect = {.policy = BELAY_COLLECT};
    belay_scope scope;
    belay_failures report;
    EXPECT_STATUS(belay_scope_open(self, &collect, &scope), BELAY_OK);
    for (int i = 1; i <= 3; i++) {
        spawn_failing(self, scope, i);
        EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_OK);
    }
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, done, NULL, NULL), BELAY_OK);
    EXPECT(!belay_canceled(self));
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), 1);
    EXPECT(report.listed == 3 && report.more == 0);
    for (int i = 0; i < 3; i++) {
        EXPECT(report.list[i].status == i + 1);
        EXPECT(strcmp(report.list[i].name, "failing") == 0);
        EXPECT(strstr(report.list[i].site, "return_it@") != NULL);
    }
    return BELAY_OK;
}

static void test_collect_cancels_nobody_and_lists_errors_in_order(void **state) {
    tally done = {0};
    run(executor_of(state), collect_errors, &done);
    assert_int_equal(tally_read(&done), 1);
}

static belay_status many_errors(belay_task *self, void *arg) {
    const belay_scope_options options = {.policy = *(belay_failure_policy *)arg};
    belay_scope scope;
    belay_failures report;
    EXPECT_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
    for (int i = 1; i <= MANY; i++) {
        spawn_failing(self, scope, 7);
    }
    EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_failures(scope, &report), BELAY_OK);
    EXPECT(report.listed == BELAY_FAILURES_LISTED && report.more == MANY - BELAY_FAILURES_LISTED);
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report),
                  options.policy == BELAY_COLLECT ? 7 : BELAY_OK);
    EXPECT(report.listed == BELAY_FAILURES_LISTED && report.more == MANY - BELAY_FAILURES_LISTED);
    EXPECT_STATUS(belay_scope_failures(scope, &report), BELAY_ESTALE);
    EXPECT(report.listed == 0 && report.more == 0);
    return BELAY_OK;
}

static void test_more_errors_than_the_list_holds_are_counted(void **state) {
    belay_failure_policy policy = BELAY_COLLECT;
    run(executor_of(state), many_errors, &policy);
}

static void test_supervise_lists_errors_and_closes_well(void **state) {
    belay_failure_policy policy = BELAY_SUPERVISE;
    run(executor_of(state), many_errors, &policy);
}

static belay_status fail_when_cancelled(belay_task *self, void *arg) {
    (void)belay_sleep_until(self, BELAY_NEVER);
    return (belay_status)(intptr_t)arg;
}

static belay_status fail_fast_with_two(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    belay_failures report;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, fail_when_cancelled, (void *)(intptr_t)8, NULL, NULL),
                  BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    spawn_failing(self, scope, 7);
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), 7);
    EXPECT(report.list[0].status == 7 && report.more == 0);
    EXPECT(report.listed == 1 || (report.listed == 2 && report.list[1].status == 8));
    return BELAY_OK;
}

static void test_fail_fast_reports_the_siblings_error_that_came_after_its_cancel(void **state) {
    run(executor_of(state), fail_fast_with_two, NULL);
}

static belay_status cancelled_member(belay_task *self, void *arg) {
    const belay_scope_options options = {.policy = *(belay_failure_policy *)arg};
    belay_task_handle task;
    belay_scope scope;
    belay_failures report;
    EXPECT_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, &task), BELAY_OK);
    EXPECT_STATUS(belay_cancel_and_join(self, task, 3, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), BELAY_OK);
    EXPECT(report.listed == 0 && report.more == 0);
    return BELAY_OK;
}

static void test_a_members_own_cancellation_is_no_error(void **state) {
    belay_failure_policy policies[] = {BELAY_FAIL_FAST, BELAY_SUPERVISE, BELAY_COLLECT};
    for (int i = 0; i < 3; i++) {
        run(executor_of(state), cancelled_member, &policies[i]);
    }
}

static belay_status returns_canceled_by_itself(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_ECANCELED;
}

static belay_status canceled_without_cancel(belay_task *self, void *arg) {
    (void)arg;
    const belay_scope_options collect = {.policy = BELAY_COLLECT};
    belay_scope scope;
    belay_failures report;
    EXPECT_STATUS(belay_scope_open(self, &collect, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, returns_canceled_by_itself, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), BELAY_ECANCELED);
    EXPECT(report.listed == 1 && report.list[0].status == BELAY_ECANCELED);
    return BELAY_OK;
}

static void test_canceled_without_a_cancel_is_an_error(void **state) {
    run(executor_of(state), canceled_without_cancel, NULL);
}

static belay_status collect_and_cancel(belay_task *self, void *arg) {
    (void)arg;
    const belay_scope_options collect = {.policy = BELAY_COLLECT};
    belay_scope scope;
    belay_failures report;
    EXPECT_STATUS(belay_scope_open(self, &collect, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    spawn_failing(self, scope, 4);
    belay_failures now = {0};
    while (now.listed == 0) {
        (void)belay_yield(self);
        EXPECT_STATUS(belay_scope_failures(scope, &now), BELAY_OK);
    }
    EXPECT_STATUS(belay_scope_cancel(scope, 11, "enough"), BELAY_OK);
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), 11);
    EXPECT(report.listed == 1 && report.list[0].status == 4);
    return BELAY_OK;
}

static void
test_a_cancelled_collecting_scope_closes_with_the_cancels_code_and_keeps_the_list(void **state) {
    run(executor_of(state), collect_and_cancel, NULL);
}

/* The member fails and nobody notices the cancel. */
static belay_status error_beside_unnoticed_cancel(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    const belay_task_options always = {.flags = BELAY_TASK_RUN_CANCELED};
    EXPECT_STATUS(belay_scope_cancel(scope, BELAY_OK, "enough"), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, return_it, (void *)(intptr_t)6, &always, NULL),
                  BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), 6);
    return BELAY_OK;
}

static void test_a_cancel_that_nobody_noticed_does_not_hide_an_error(void **state) {
    run(executor_of(state), error_beside_unnoticed_cancel, NULL);
}

static belay_status busy_report(belay_task *self, void *arg) {
    (void)arg;
    const belay_scope_options collect = {.policy = BELAY_COLLECT};
    belay_scope scope;
    belay_failures report;
    EXPECT_STATUS(belay_scope_open(self, &collect, &scope), BELAY_OK);
    spawn_failing(self, scope, 4);
    EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close_report(self, scope, 0, &report), BELAY_EBUSY);
    EXPECT(report.listed == 1 && report.list[0].status == 4);
    EXPECT_STATUS(belay_scope_close_report(self, scope, 0, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), BELAY_OK);
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), BELAY_ESTALE);
    EXPECT(report.listed == 0);
    return BELAY_OK;
}

static void test_a_close_that_ran_out_reports_the_errors_so_far(void **state) {
    run(executor_of(state), busy_report, NULL);
}

static void test_the_root_lists_its_members_errors(void **state) {
    belay_executor *ex = executor_of(state);
    belay_failures report;
    for (intptr_t i = 1; i <= 2; i++) {
        belay_task_handle task = spawn_outside(ex, return_it, (void *)i);
        (void)join_outside(task);
        await_stale(task);
    }
    assert_int_equal(belay_scope_failures(belay_executor_root(ex), &report), BELAY_OK);
    assert_int_equal(report.listed, 2);
    assert_int_equal(report.list[1].status, 2);
    assert_int_equal(belay_scope_failures(belay_executor_root(ex), NULL), BELAY_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_collect_cancels_nobody_and_lists_errors_in_order),
        BOTH(test_more_errors_than_the_list_holds_are_counted),
        BOTH(test_supervise_lists_errors_and_closes_well),
        BOTH(test_fail_fast_reports_the_siblings_error_that_came_after_its_cancel),
        BOTH(test_a_members_own_cancellation_is_no_error),
        BOTH(test_canceled_without_a_cancel_is_an_error),
        BOTH(test_a_cancelled_collecting_scope_closes_with_the_cancels_code_and_keeps_the_list),
        BOTH(test_a_cancel_that_nobody_noticed_does_not_hide_an_error),
        BOTH(test_a_close_that_ran_out_reports_the_errors_so_far),
        BOTH(test_the_root_lists_its_members_errors),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/failures", tests, NULL, NULL);
}

/* The budget of time that a cancel leaves to deferred cleanup. */
#include "api/defers.h"

static belay_status wait_briefly_refused(belay_task *self, void *arg) {
    mark *m = arg;
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    write_letter(m->t, m->letter);
    return BELAY_OK;
}

static belay_status no_budget(belay_task *self, void *arg) {
    static mark marks[2];
    for (int i = 0; i < 2; i++) {
        marks[i] = (mark){arg, (char)('x' + i)};
        EXPECT_STATUS(belay_defer(self, wait_briefly_refused, &marks[i]), BELAY_OK);
    }
    return belay_sleep_until(self, BELAY_NEVER);
}

static void test_without_a_budget_waits_fail_at_once_and_all_still_run(void **state) {
    trace t = {.text = ""};
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.cleanup_budget = BELAY_NO_BUDGET};
    belay_scope scope = scope_make(ex, &options);
    belay_task_handle task = spawn_into(scope, no_budget, &t);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_cancel(scope, 154, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_string_equal(t.text, "yx");
    assert_int_equal(belay_scope_close(NULL, scope), 154);
}

/* Sleeps until the budget is used up. */
static belay_status use_up(belay_task *self, void *arg) {
    trace *t = arg;
    belay_time begin = belay_now();
    (void)tally_add(&t->over);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT(belay_now() - begin >= SOON - BELAY_MILLISECOND);
    EXPECT(belay_canceled(self));
    write_letter(t, 'u');
    return BELAY_OK;
}

static belay_status with_budget(belay_task *self, void *arg) {
    static mark first;
    first = (mark){arg, 'f'};
    EXPECT_STATUS(belay_defer(self, letter, &first), BELAY_OK);
    EXPECT_STATUS(belay_defer(self, use_up, arg), BELAY_OK);
    return belay_sleep_until(self, BELAY_NEVER);
}

static void test_when_the_budget_is_used_up_waits_are_refused_and_the_rest_runs(void **state) {
    trace t = {.text = ""};
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.cleanup_budget = SOON};
    belay_scope scope = scope_make(ex, &options);
    belay_task_handle task = spawn_into(scope, with_budget, &t);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 155, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_string_equal(t.text, "uf");
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static belay_status cleanup_first(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_defer(self, use_up, arg), BELAY_OK);
    return BELAY_OK;
}

static void test_a_cancel_during_the_cleanup_starts_the_budget_then(void **state) {
    trace t = {.text = ""};
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.cleanup_budget = 2 * SOON};
    belay_scope scope = scope_make(ex, &options);
    belay_task_handle task = spawn_into(scope, cleanup_first, &t);
    await_waiting(ex, "sleep", 1); /* in its cleanup */
    belay_time canceled = belay_now();
    assert_int_equal(belay_scope_cancel(scope, 156, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    assert_true(belay_now() - canceled >= 2 * SOON);
    assert_string_equal(t.text, "u");
    (void)belay_scope_close(NULL, scope);
}

static belay_status outlast_soft(belay_task *self, void *arg) {
    trace *t = arg;
    (void)tally_add(&t->ready);
    EXPECT(tally_await_in(self, &t->over, 1));
    EXPECT_STATUS(nap(self, 2 * SOON), BELAY_OK); /* longer than the budget */
    (void)tally_add(&t->ready);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    write_letter(t, 's');
    return BELAY_OK;
}

static belay_status cleanup_under_soft(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_defer(self, outlast_soft, arg), BELAY_OK);
    return BELAY_OK;
}

static void test_a_soft_cancel_does_not_start_the_budget(void **state) {
    trace t = {.text = ""};
    belay_scope_options options = {.cleanup_budget = SOON};
    belay_scope scope = scope_make(executor_of(state), &options);
    belay_task_handle task = spawn_into(scope, cleanup_under_soft, &t);
    tally_await(&t.ready, 1);
    assert_int_equal(belay_scope_soft_cancel(scope, 157, NULL), BELAY_OK);
    (void)tally_add(&t.over);
    tally_await(&t.ready, 2);
    belay_time canceled = belay_now();
    assert_int_equal(belay_scope_cancel(scope, 158, NULL), BELAY_OK);
    (void)join_outside(task);
    assert_true(belay_now() - canceled >= SOON);
    assert_string_equal(t.text, "s");
    (void)belay_scope_close(NULL, scope);
}

static belay_status nested_budgets(belay_task *self, void *arg) {
    trace *t = arg;
    belay_scope_options larger = {.cleanup_budget = LONG};
    belay_scope inner;
    EXPECT_STATUS(belay_scope_open(self, &larger, &inner), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, inner, with_budget, t, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_nested_budget_is_never_more_than_the_one_around(void **state) {
    trace t = {.text = ""};
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.cleanup_budget = SOON};
    belay_scope scope = scope_make(ex, &options);
    belay_task_handle task = spawn_into(scope, nested_budgets, &t);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_cancel(scope, 159, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_string_equal(t.text, "uf");
    (void)belay_scope_close(NULL, scope);
}

static belay_status cancel_and_use_up(belay_task *self, void *arg) {
    trace *t = arg;
    EXPECT_STATUS(belay_scope_cancel(t->scope, 160, NULL), BELAY_OK);
    return use_up(self, t);
}

static belay_status budget_behind_shield(belay_task *self, void *arg) {
    trace *t = arg;
    belay_scope_options small = {.cleanup_budget = SOON};
    belay_scope s, inner;
    EXPECT_STATUS(belay_shield_open(self, belay_after(LONG), &s), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, &small, &inner), BELAY_OK);
    t->scope = inner;
    EXPECT_STATUS(belay_scope_defer(inner, cancel_and_use_up, t), BELAY_OK);
    (void)belay_scope_close(self, inner);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    return BELAY_OK;
}

static void test_a_long_shield_around_does_not_stretch_the_budget(void **state) {
    trace t = {.text = ""};
    run(executor_of(state), budget_behind_shield, &t);
    assert_string_equal(t.text, "u");
}

static belay_status use_up_scope(belay_task *self, void *arg) {
    trace *t = arg;
    EXPECT_STATUS(belay_scope_defer(t->scope, use_up, t), BELAY_OK);
    (void)tally_add(&t->ready);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    (void)belay_scope_close(self, t->scope);
    return BELAY_ECANCELED;
}

static void test_the_budget_of_the_scope_that_is_closed_counts_whoever_closes_it(void **state) {
    trace t = {.text = ""};
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.cleanup_budget = SOON};
    t.scope = scope_make(ex, &options);
    belay_scope_options long_budget = {.cleanup_budget = LONG};
    belay_scope closers = scope_make(ex, &long_budget);
    belay_task_handle task = spawn_into(closers, use_up_scope, &t);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 163, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_string_equal(t.text, "u");
    assert_int_equal(belay_scope_close(NULL, closers), BELAY_OK);
}

static belay_status endless_cleanup(belay_task *self, void *arg) {
    (void)tally_add(&((trace *)arg)->ready);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    write_letter(arg, 'e');
    return BELAY_OK;
}

static belay_status defer_endless(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_defer(self, endless_cleanup, arg), BELAY_OK);
    return BELAY_OK;
}

static void test_the_end_of_a_timed_shutdown_ends_the_budget(void **state) {
    trace t = {.text = ""};
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), defer_endless, &t, NULL, NULL),
                     BELAY_OK);
    tally_await(&t.ready, 1);
    assert_int_equal(belay_executor_shutdown(ex, 0, belay_after(SOON)), BELAY_EBUSY);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_string_equal(t.text, "e");
    assert_true(executor_end(ex));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_without_a_budget_waits_fail_at_once_and_all_still_run),
        BOTH(test_when_the_budget_is_used_up_waits_are_refused_and_the_rest_runs),
        BOTH(test_a_cancel_during_the_cleanup_starts_the_budget_then),
        BOTH(test_a_soft_cancel_does_not_start_the_budget),
        BOTH(test_a_nested_budget_is_never_more_than_the_one_around),
        BOTH(test_a_long_shield_around_does_not_stretch_the_budget),
        BOTH(test_the_budget_of_the_scope_that_is_closed_counts_whoever_closes_it),
        BOTH_BARE(test_the_end_of_a_timed_shutdown_ends_the_budget),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

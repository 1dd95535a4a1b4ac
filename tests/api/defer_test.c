/* Deferred cleanup: order, and what it may do. The time it has: cleanup_budget_test.c. */
#include "api/defers.h"

static void drop_letter(void *arg) {
    write_letter(arg, 'D');
}

static belay_status defer_three(belay_task *self, void *arg) {
    static mark marks[3];
    for (int i = 0; i < 3; i++) {
        marks[i] = (mark){arg, (char)('a' + i)};
        EXPECT_STATUS(belay_defer(self, letter, &marks[i]), BELAY_OK);
    }
    write_letter(arg, 'B');
    return BELAY_OK;
}

static belay_outcome run_with_drop(belay_executor *ex, belay_body *body, trace *t) {
    belay_task_options options = {.arg_drop = drop_letter};
    belay_task_handle task;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), body, t, &options, &task),
                     BELAY_OK);
    return join_outside(task);
}

static void test_they_run_last_in_first_out_between_the_body_and_the_arguments_end(void **state) {
    trace t = {.text = ""};
    assert_int_equal(run_with_drop(executor_of(state), defer_three, &t).kind, BELAY_OUTCOME_VALUE);
    assert_string_equal(t.text, "BcbaD");
}

static belay_status defer_and_fail(belay_task *self, void *arg) {
    (void)defer_three(self, arg);
    return 151;
}

static void test_they_run_after_an_error_too(void **state) {
    trace t = {.text = ""};
    belay_outcome o = run_with_drop(executor_of(state), defer_and_fail, &t);
    assert_true(o.kind == BELAY_OUTCOME_ERROR && o.status == 151);
    assert_string_equal(t.text, "BcbaD");
}

static belay_status fail_loudly(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 152;
}

static belay_status defer_failing(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_defer(self, fail_loudly, NULL), BELAY_OK);
    return defer_three(self, arg);
}

static void test_an_error_of_one_is_logged_and_changes_no_outcome(void **state) {
    trace t = {.text = ""};
    belay_outcome o = run_with_drop(executor_of(state), defer_failing, &t);
    assert_true(o.kind == BELAY_OUTCOME_VALUE && o.status == BELAY_OK);
    assert_string_equal(t.text, "BcbaD");
    assert_true(log_holds("152"));
}

static belay_status busy_cleanup(belay_task *self, void *arg) {
    trace *t = arg;
    static mark again;
    belay_scope scope, left;
    again = (mark){t, 'n'};
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, &t->over, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(&t->over) >= 1);
    EXPECT_STATUS(belay_defer(self, letter, &again), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &left), BELAY_OK); /* and forgets it */
    write_letter(t, 'w');
    return BELAY_OK;
}

static belay_status defer_busy(belay_task *self, void *arg) {
    trace *t = arg;
    EXPECT_STATUS(belay_defer(self, busy_cleanup, t), BELAY_OK);
    (void)tally_add(&t->ready);
    return belay_sleep_until(self, BELAY_NEVER);
}

static void test_after_a_cancel_they_may_wait_spawn_open_scopes_and_defer_again(void **state) {
    trace t = {.text = ""};
    belay_executor *ex = executor_of(state);
    belay_task_handle task = spawn_outside(ex, defer_busy, &t);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 153, NULL), BELAY_OK);
    belay_outcome o = join_outside(task);
    assert_true(o.kind == BELAY_OUTCOME_CANCELED && o.cancel_requested);
    assert_string_equal(t.text, "wn");
    assert_true(log_holds("open scopes"));
}

static belay_status flush(belay_task *self, void *arg) {
    trace *t = arg;
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND), BELAY_OK);
    tally_set(&t->over, tally_read(&t->ready));
    return BELAY_OK;
}

static belay_status collect_batch(belay_task *self, void *arg) {
    trace *t = arg;
    EXPECT_STATUS(belay_defer(self, flush, t), BELAY_OK);
    while (belay_yield(self) == BELAY_OK) {
        (void)tally_add(&t->ready);
    }
    return BELAY_ECANCELED;
}

static void test_a_batch_is_flushed_when_its_collector_is_canceled(void **state) {
    trace t = {.text = ""};
    belay_task_handle task = spawn_outside(executor_of(state), collect_batch, &t);
    tally_await(&t.ready, 10);
    assert_int_equal(belay_task_cancel(task, 161, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_true(tally_read(&t.over) >= 10 && tally_read(&t.over) == tally_read(&t.ready));
}

static belay_status defer_in_scope(belay_task *self, void *arg) {
    static mark marks[3];
    trace *t = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        marks[i] = (mark){t, (char)('a' + i)};
        EXPECT_STATUS(belay_scope_defer(scope, letter, &marks[i]), BELAY_OK);
    }
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, &t->over, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(&t->over) == 1 && strcmp(t->text, "cba") == 0);
    EXPECT_STATUS(belay_scope_defer(scope, letter, &marks[0]), BELAY_ESTALE);
    return BELAY_OK;
}

static void test_a_scopes_run_after_its_last_task_before_close_returns(void **state) {
    trace t = {.text = ""};
    run(executor_of(state), defer_in_scope, &t);
    assert_string_equal(t.text, "cba");
}

static belay_status foreign_cleanup(belay_task *self, void *arg) {
    EXPECT(self == NULL);
    return letter(self, arg);
}

static void
test_a_canceled_and_a_sealed_scope_still_take_some_and_a_thread_runs_them(void **state) {
    trace t = {.text = ""};
    mark a = {&t, 'a'}, b = {&t, 'b'};
    belay_scope scope = scope_make(executor_of(state), NULL);
    assert_int_equal(belay_scope_cancel(scope, 162, NULL), BELAY_OK);
    assert_int_equal(belay_scope_defer(scope, foreign_cleanup, &a), BELAY_OK);
    assert_int_equal(belay_scope_seal(scope), BELAY_OK);
    assert_int_equal(belay_scope_defer(scope, foreign_cleanup, &b), BELAY_OK);
    assert_int_equal(belay_scope_defer(scope, NULL, &b), BELAY_EINVAL);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_string_equal(t.text, "ba");
    assert_int_equal(belay_scope_defer(scope, foreign_cleanup, &b), BELAY_ESTALE);
}

static void defer_in_callback(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    EXPECT_STATUS(belay_defer(belay_self(), letter, arg), BELAY_ECONTEXT);
}

static belay_status bad_defers(belay_task *self, void *arg) {
    belay_scope scope;
    EXPECT_STATUS(belay_defer(self, NULL, arg), BELAY_EINVAL);
    EXPECT_STATUS(belay_defer(NULL, letter, arg), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_on_cancel(belay_scope_token(scope), BELAY_HARD_CANCELED, defer_in_callback,
                                  arg, NULL, NULL),
                  BELAY_OK);
    EXPECT_STATUS(belay_scope_cancel(scope, 164, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

static void test_only_the_running_task_may_defer_and_not_in_a_callback(void **state) {
    trace t = {.text = ""};
    run(executor_of(state), bad_defers, &t);
    assert_string_equal(t.text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_they_run_last_in_first_out_between_the_body_and_the_arguments_end),
        BOTH(test_they_run_after_an_error_too),
        BOTH(test_an_error_of_one_is_logged_and_changes_no_outcome),
        BOTH(test_after_a_cancel_they_may_wait_spawn_open_scopes_and_defer_again),
        BOTH(test_a_batch_is_flushed_when_its_collector_is_canceled),
        BOTH(test_a_scopes_run_after_its_last_task_before_close_returns),
        BOTH(test_a_canceled_and_a_sealed_scope_still_take_some_and_a_thread_runs_them),
        BOTH(test_only_the_running_task_may_defer_and_not_in_a_callback),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Deferred cleanup: order, what it may do, and the budget of time that a cancel leaves it. */
#include <belay/cleanup.h>

#include "api/cancels.h"

typedef struct trace {
    char text[32];
    tally length;
    belay_scope scope;
    belay_task_handle gate;
    belay_scope_options options;
    tally ready, over;
} trace;

typedef struct mark {
    trace *t;
    char letter;
} mark;

static void write_letter(trace *t, char letter) {
    t->text[tally_add(&t->length) - 1] = letter;
}

static belay_status letter(belay_task *self, void *arg) {
    const mark *m = arg;
    (void)self;
    write_letter(m->t, m->letter);
    return BELAY_OK;
}

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
        BOTH(test_they_run_last_in_first_out_between_the_body_and_the_arguments_end),
        BOTH(test_they_run_after_an_error_too),
        BOTH(test_an_error_of_one_is_logged_and_changes_no_outcome),
        BOTH(test_after_a_cancel_they_may_wait_spawn_open_scopes_and_defer_again),
        BOTH(test_without_a_budget_waits_fail_at_once_and_all_still_run),
        BOTH(test_when_the_budget_is_used_up_waits_are_refused_and_the_rest_runs),
        BOTH(test_a_cancel_during_the_cleanup_starts_the_budget_then),
        BOTH(test_a_soft_cancel_does_not_start_the_budget),
        BOTH(test_a_nested_budget_is_never_more_than_the_one_around),
        BOTH(test_a_long_shield_around_does_not_stretch_the_budget),
        BOTH(test_a_batch_is_flushed_when_its_collector_is_canceled),
        BOTH(test_a_scopes_run_after_its_last_task_before_close_returns),
        BOTH(test_a_canceled_and_a_sealed_scope_still_take_some_and_a_thread_runs_them),
        BOTH(test_the_budget_of_the_scope_that_is_closed_counts_whoever_closes_it),
        BOTH(test_only_the_running_task_may_defer_and_not_in_a_callback),
        BOTH_BARE(test_the_end_of_a_timed_shutdown_ends_the_budget),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

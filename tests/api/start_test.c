/* Starting a task that says when it is ready. */
#include "api/support.h"

typedef struct server {
    belay_executor *ex;
    belay_task_handle gate;
    tally ready, drops, ended;
    belay_status code;
    int value;
} server;

static void drop_server(void *arg) {
    (void)tally_add(&((server *)arg)->drops);
}

static const belay_task_options drops_server = {.name = "server", .arg_drop = drop_server};

static belay_status serve(belay_task *self, void *arg) {
    server *s = arg;
    EXPECT_STATUS(belay_started(self, &s->value), BELAY_OK);
    EXPECT_STATUS(belay_started(self, &s->value), BELAY_EALREADY);
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    (void)tally_add(&s->ended);
    return status;
}

static belay_status start_and_stop(belay_task *self, void *arg) {
    server *s = arg;
    belay_scope scope;
    belay_task_handle task;
    void *value = NULL;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_start(self, scope, serve, s, &drops_server, &task, &value), BELAY_OK);
    EXPECT(value == &s->value);
    EXPECT(tally_read(&s->drops) == 0);
    EXPECT_STATUS(belay_join_until(self, task, 0, NULL), BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_cancel_and_join(self, task, 1, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(&s->drops) == 1);
    return BELAY_OK;
}

static void test_start_returns_with_the_value_when_the_task_is_ready(void **state) {
    server s = {.ex = executor_of(state)};
    run(s.ex, start_and_stop, &s);
    assert_int_equal(tally_read(&s.ended), 1);
}

static belay_status fail_early(belay_task *self, void *arg) {
    server *s = arg;
    (void)belay_yield(self);
    return s->code;
}

static belay_status start_failing(belay_task *self, void *arg) {
    server *s = arg;
    belay_scope scope;
    belay_task_handle task;
    belay_failures report;
    void *value = s;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_start(self, scope, fail_early, s, &drops_server, &task, &value), 77);
    EXPECT(value == NULL && task.slot == 0);
    EXPECT(tally_read(&s->drops) == 1);
    EXPECT(!belay_canceled(self));
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), BELAY_OK);
    EXPECT(report.listed == 0);
    return BELAY_OK;
}

static void test_an_early_error_goes_to_the_starter_alone(void **state) {
    server s = {.ex = executor_of(state), .code = 77};
    run(s.ex, start_failing, &s);
}

static belay_status start_unready(belay_task *self, void *arg) {
    server *s = arg;
    belay_scope scope = belay_scope_current(self);
    EXPECT_STATUS(belay_start(self, scope, fail_early, s, NULL, NULL, NULL), BELAY_ENOTREADY);
    s->code = BELAY_ECANCELED; /* of its own accord */
    EXPECT_STATUS(belay_start(self, scope, fail_early, s, NULL, NULL, NULL), BELAY_ENOTREADY);
    return BELAY_OK;
}

static void test_ending_without_being_ready_has_a_status_of_its_own(void **state) {
    server s = {.ex = executor_of(state)};
    run(s.ex, start_unready, &s);
}

static belay_status start_into_cancelled(belay_task *self, void *arg) {
    server *s = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open_root(s->ex, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_cancel(scope, 3, NULL), BELAY_OK);
    EXPECT_STATUS(belay_start(self, scope, serve, s, &drops_server, NULL, NULL), BELAY_ENOTREADY);
    EXPECT(tally_read(&s->drops) == 1 && tally_read(&s->ended) == 0);
    EXPECT_STATUS(belay_scope_close(self, scope), 3);
    return BELAY_OK;
}

static void test_a_skipped_task_was_never_ready(void **state) {
    server s = {.ex = executor_of(state)};
    run(s.ex, start_into_cancelled, &s);
}

static belay_status never_ready(belay_task *self, void *arg) {
    server *s = arg;
    (void)tally_add(&s->ready);
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    EXPECT_STATUS(belay_started(self, NULL), BELAY_ECANCELED);
    (void)tally_add(&s->ended);
    return status;
}

static belay_status start_and_be_cancelled(belay_task *self, void *arg) {
    server *s = arg;
    belay_task_handle task;
    EXPECT_STATUS(
        belay_start(self, belay_executor_root(s->ex), never_ready, s, &drops_server, &task, NULL),
        BELAY_ECANCELED);
    EXPECT(tally_read(&s->ended) == 1 && tally_read(&s->drops) == 1 && task.slot == 0);
    /* level-triggered, and the argument is taken all the same */
    EXPECT_STATUS(
        belay_start(self, belay_executor_root(s->ex), never_ready, s, &drops_server, &task, NULL),
        BELAY_ECANCELED);
    EXPECT(tally_read(&s->ended) == 1 && tally_read(&s->drops) == 2);
    return BELAY_ECANCELED;
}

static void test_a_cancelled_starters_child_is_cancelled_and_joined(void **state) {
    server s = {.ex = executor_of(state)};
    belay_task_handle starter = spawn_outside(s.ex, start_and_be_cancelled, &s);
    tally_await(&s.ready, 1);
    await_waiting(s.ex, "its child to be ready", 1);
    assert_int_equal(belay_task_cancel(starter, 1, NULL), BELAY_OK);
    assert_int_equal(join_outside(starter).kind, BELAY_OUTCOME_CANCELED);
}

static belay_status start_in_time(belay_task *self, void *arg) {
    server *s = arg;
    belay_time deadline = belay_after(2 * BELAY_MILLISECOND);
    EXPECT_STATUS(belay_start_until(self, belay_executor_root(s->ex), never_ready, s, &drops_server,
                                    deadline, NULL, NULL),
                  BELAY_ETIMEDOUT);
    EXPECT(belay_now() >= deadline && tally_read(&s->drops) == 1);
    EXPECT(!belay_canceled(self));
    return BELAY_OK;
}

static void test_a_start_that_takes_too_long_is_cancelled_and_joined(void **state) {
    server s = {.ex = executor_of(state)};
    run(s.ex, start_in_time, &s);
}

static void test_a_thread_can_start_a_task(void **state) {
    server s = {.ex = executor_of(state), .code = 5};
    belay_scope root = belay_executor_root(s.ex);
    belay_task_handle task;
    void *value = NULL;
    assert_int_equal(belay_start(NULL, root, serve, &s, &drops_server, &task, &value), BELAY_OK);
    assert_ptr_equal(value, &s.value);
    assert_int_equal(belay_cancel_and_join(NULL, task, 1, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    assert_int_equal(belay_start(NULL, root, fail_early, &s, NULL, NULL, NULL), 5);
}

static belay_status not_started(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_started(self, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_started(NULL, NULL), BELAY_ECONTEXT);
    return BELAY_OK;
}

static void test_started_is_only_for_tasks_that_were_started(void **state) {
    run(executor_of(state), not_started, NULL);
    assert_int_equal(belay_started(NULL, NULL), BELAY_ECONTEXT);
}

static belay_status refuse_start(belay_task *self, void *arg) {
    server *s = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open_root(s->ex, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_seal(scope), BELAY_OK);
    EXPECT_STATUS(belay_start(self, scope, serve, s, &drops_server, NULL, NULL), BELAY_ESHUTDOWN);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT_STATUS(belay_start(self, scope, serve, s, &drops_server, NULL, NULL), BELAY_ESTALE);
    EXPECT_STATUS(belay_start(self, scope, NULL, s, &drops_server, NULL, NULL), BELAY_EINVAL);
    EXPECT(tally_read(&s->drops) == 3);
    return BELAY_OK;
}

static void test_a_refused_start_destroys_the_argument(void **state) {
    server s = {.ex = executor_of(state)};
    run(s.ex, refuse_start, &s);
}

static belay_status ready_at_gate(belay_task *self, void *arg) {
    server *s = arg;
    EXPECT_STATUS(gate_pass(self, s->gate), BELAY_OK);
    EXPECT_STATUS(belay_started(self, NULL), BELAY_OK);
    return 66;
}

typedef struct starter {
    server *server;
    belay_scope scope;
} starter;

static belay_status start_at_gate(belay_task *self, void *arg) {
    starter *st = arg;
    EXPECT_STATUS(belay_start(self, st->scope, ready_at_gate, st->server, NULL, NULL, NULL),
                  BELAY_OK);
    return BELAY_OK;
}

static void test_a_pending_start_holds_the_scope_open_and_a_late_error_is_the_scopes(void **state) {
    server s = {.ex = executor_of(state)};
    starter st = {.server = &s};
    const belay_scope_options collect = {.policy = BELAY_COLLECT};
    s.gate = gate_make(s.ex);
    assert_int_equal(belay_scope_open_root(s.ex, &collect, &st.scope), BELAY_OK);
    belay_task_handle task = spawn_outside(s.ex, start_at_gate, &st);
    await_waiting(s.ex, "its child to be ready", 1);
    assert_int_equal(belay_scope_close_until(NULL, st.scope, 0), BELAY_EBUSY);
    gate_open(s.gate);
    assert_int_equal(belay_scope_close(NULL, st.scope), 66);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
}

static belay_status result_but_not_ready(belay_task *self, void *arg) {
    server *s = arg;
    return belay_set_result(self, s, drop_server);
}

static belay_status start_with_result(belay_task *self, void *arg) {
    server *s = arg;
    EXPECT_STATUS(
        belay_start(self, belay_scope_current(self), result_but_not_ready, s, NULL, NULL, NULL),
        BELAY_ENOTREADY);
    EXPECT(tally_read(&s->drops) == 1);
    return BELAY_OK;
}

static void test_the_result_of_a_task_that_was_never_ready_is_dropped(void **state) {
    server s = {.ex = executor_of(state)};
    run(s.ex, start_with_result, &s);
}

static belay_status start_in_keeping_scope(belay_task *self, void *arg) {
    server *s = arg;
    const belay_scope_options keep = {.flags = BELAY_SCOPE_KEEP_OUTCOMES};
    belay_scope scope;
    belay_outcome outcome;
    EXPECT_STATUS(belay_scope_open(self, &keep, &scope), BELAY_OK);
    EXPECT_STATUS(belay_start(self, scope, fail_early, s, NULL, NULL, NULL), 12);
    EXPECT_STATUS(belay_scope_next(self, scope, &outcome, NULL), BELAY_ENOENT);
    belay_task_handle task;
    EXPECT_STATUS(belay_start(self, scope, serve, s, NULL, &task, NULL), BELAY_OK);
    EXPECT_STATUS(belay_task_cancel(task, 1, NULL), BELAY_OK);
    EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    EXPECT_STATUS(belay_scope_next(self, scope, &outcome, NULL), BELAY_OK);
    EXPECT(outcome.kind == BELAY_OUTCOME_CANCELED);
    return belay_scope_close(self, scope);
}

static void test_only_a_ready_tasks_outcome_is_kept(void **state) {
    server s = {.ex = executor_of(state), .code = 12};
    run(s.ex, start_in_keeping_scope, &s);
}

static belay_status start_later(belay_task *self, void *arg) {
    server *s = arg;
    belay_task_options later = drops_server;
    later.start_at = belay_after(BELAY_MILLISECOND);
    EXPECT_STATUS(
        belay_start(self, belay_scope_current(self), ready_at_gate, s, &later, NULL, NULL),
        BELAY_OK);
    return BELAY_OK;
}

static void test_a_task_with_a_start_time_can_be_started(void **state) {
    server s = {.ex = executor_of(state)};
    s.gate = gate_make(s.ex);
    gate_open(s.gate);
    run(s.ex, start_later, &s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_start_returns_with_the_value_when_the_task_is_ready),
        BOTH(test_an_early_error_goes_to_the_starter_alone),
        BOTH(test_ending_without_being_ready_has_a_status_of_its_own),
        BOTH(test_a_skipped_task_was_never_ready),
        BOTH(test_a_cancelled_starters_child_is_cancelled_and_joined),
        BOTH(test_a_start_that_takes_too_long_is_cancelled_and_joined),
        BOTH(test_a_thread_can_start_a_task),
        BOTH(test_started_is_only_for_tasks_that_were_started),
        BOTH(test_a_refused_start_destroys_the_argument),
        BOTH(test_a_pending_start_holds_the_scope_open_and_a_late_error_is_the_scopes),
        BOTH(test_the_result_of_a_task_that_was_never_ready_is_dropped),
        BOTH(test_only_a_ready_tasks_outcome_is_kept),
        BOTH(test_a_task_with_a_start_time_can_be_started),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/start", tests, NULL, NULL);
}

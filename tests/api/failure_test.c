/* Failure policies: with fail fast the first error cancels the rest and is what close returns; supervised members fail
 * alone. */
#include "api/support.h"

typedef struct team {
    belay_scope scope;
    belay_task_handle gate;
    tally canceled, reasons;
    belay_status fail;
} team;

static void team_open(belay_executor *ex, team *t, belay_failure_policy policy) {
    belay_scope_options options = {.policy = policy};
    *t = (team){.gate = gate_make(ex), .fail = 501};
    assert_int_equal(belay_scope_open_root(ex, &options, &t->scope), BELAY_OK);
}

static belay_status sleeping_member(belay_task *self, void *arg) {
    team *t = arg;
    belay_cancel_reason reason;
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    EXPECT_STATUS(status, BELAY_ECANCELED);
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_OK);
    if (reason.code == 501) {
        (void)tally_add(&t->reasons);
    }
    (void)tally_add(&t->canceled);
    return status;
}

static belay_status failing_member(belay_task *self, void *arg) {
    team *t = arg;
    (void)gate_pass(self, t->gate);
    return t->fail;
}

static void team_fill(belay_executor *ex, team *t) {
    for (int i = 0; i < 5; i++) {
        assert_int_equal(belay_spawn(NULL, t->scope, sleeping_member, t, NULL, NULL), BELAY_OK);
    }
    assert_int_equal(belay_spawn(NULL, t->scope, failing_member, t, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 6);
    await_waiting(ex, "join", 1);
}

static void test_first_error_cancels_the_siblings_and_is_what_close_returns(void **state) {
    team t;
    team_open(executor_of(state), &t, BELAY_FAIL_FAST);
    team_fill(executor_of(state), &t);
    gate_open(t.gate);
    assert_int_equal(belay_scope_close(NULL, t.scope), 501);
    assert_int_equal(tally_read(&t.canceled), 5);
    assert_int_equal(tally_read(&t.reasons), 5);
}

static void test_error_is_returned_though_nobody_else_was_there(void **state) {
    belay_executor *ex = executor_of(state);
    team t;
    team_open(ex, &t, BELAY_FAIL_FAST);
    assert_int_equal(belay_spawn(NULL, t.scope, failing_member, &t, NULL, NULL), BELAY_OK);
    gate_open(t.gate);
    assert_int_equal(belay_scope_close(NULL, t.scope), 501);
}

static void test_supervised_members_fail_alone(void **state) {
    belay_executor *ex = executor_of(state);
    team t;
    team_open(ex, &t, BELAY_SUPERVISE);
    team_fill(ex, &t);
    gate_open(t.gate);
    uint64_t left = 6;
    while (left != 5) {
        assert_int_equal(belay_scope_count(t.scope, &left), BELAY_OK);
        sched_yield();
    }
    assert_int_equal(tally_read(&t.canceled), 0);
    assert_int_equal(belay_scope_close_until(NULL, t.scope, 0), BELAY_EBUSY);
    assert_int_equal(belay_scope_cancel(t.scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, t.scope), BELAY_OK);
    assert_int_equal(tally_read(&t.canceled), 5);
}

static void test_supervised_error_is_not_reported_by_close(void **state) {
    team t;
    team_open(executor_of(state), &t, BELAY_SUPERVISE);
    assert_int_equal(belay_spawn(NULL, t.scope, failing_member, &t, NULL, NULL), BELAY_OK);
    gate_open(t.gate);
    assert_int_equal(belay_scope_close(NULL, t.scope), BELAY_OK);
}

static void test_cancelled_member_is_no_failure(void **state) {
    belay_executor *ex = executor_of(state);
    team t;
    belay_task_handle member;
    team_open(ex, &t, BELAY_FAIL_FAST);
    assert_int_equal(belay_spawn(NULL, t.scope, sleeping_member, &t, NULL, &member), BELAY_OK);
    await_waiting(ex, "sleep", 2);
    assert_int_equal(belay_task_cancel(member, 9, NULL), BELAY_OK);
    assert_int_equal(join_outside(member).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_spawn(NULL, t.scope, body_nothing, NULL, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, t.scope), BELAY_OK);
    gate_open(t.gate);
}

static void test_canceled_status_without_a_cancel_fails_the_scope(void **state) {
    belay_executor *ex = executor_of(state);
    team t;
    team_open(ex, &t, BELAY_FAIL_FAST);
    t.fail = BELAY_ECANCELED;
    team_fill(ex, &t);
    gate_open(t.gate);
    assert_int_equal(belay_scope_close(NULL, t.scope), BELAY_ECANCELED);
    assert_int_equal(tally_read(&t.canceled), 5);
}

static void test_cancel_before_the_error_is_what_close_reports(void **state) {
    belay_executor *ex = executor_of(state);
    team t;
    team_open(ex, &t, BELAY_FAIL_FAST);
    team_fill(ex, &t);
    assert_int_equal(belay_scope_cancel(t.scope, 600, NULL), BELAY_OK);
    gate_open(t.gate);
    assert_int_equal(belay_scope_close(NULL, t.scope), 600);
}

/* ---- errors travel up as far as bodies pass them on -------------------------------------------------------------- */

static belay_status fail_at_once(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 33;
}

static belay_status pass_it_on(belay_task *self, void *arg) {
    belay_scope scope;
    belay_status status = belay_scope_open(self, NULL, &scope);
    if (status == BELAY_OK) {
        EXPECT_STATUS(belay_spawn(self, scope, fail_at_once, arg, NULL, NULL), BELAY_OK);
        EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER),
                      BELAY_ECANCELED); /* the opener is inside */
        status = belay_scope_close(self, scope);
    }
    return status;
}

static void test_failure_cancels_the_openers_wait_too(void **state) {
    belay_outcome outcome;
    assert_int_equal(belay_executor_run(executor_of(state), pass_it_on, NULL, &outcome), BELAY_OK);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_ERROR);
    assert_int_equal(outcome.status, 33);
    assert_false(outcome.cancel_requested);
}

static void test_root_scope_does_not_fail_fast(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle gate = gate_make(ex);
    assert_int_equal(join_outside(spawn_outside(ex, fail_at_once, NULL)).status, 33);
    assert_int_equal(belay_join_until(NULL, gate, 0, NULL), BELAY_ETIMEDOUT);
    assert_int_equal(join_outside(spawn_outside(ex, body_nothing, NULL)).kind, BELAY_OUTCOME_VALUE);
    gate_open(gate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_first_error_cancels_the_siblings_and_is_what_close_returns),
        BOTH(test_error_is_returned_though_nobody_else_was_there),
        BOTH(test_supervised_members_fail_alone),
        BOTH(test_supervised_error_is_not_reported_by_close),
        BOTH(test_cancelled_member_is_no_failure),
        BOTH(test_canceled_status_without_a_cancel_fails_the_scope),
        BOTH(test_cancel_before_the_error_is_what_close_reports),
        BOTH(test_failure_cancels_the_openers_wait_too),
        BOTH(test_root_scope_does_not_fail_fast),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

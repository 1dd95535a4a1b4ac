/* Soft cancels: seen by those who look, interrupting only those who asked for it; and the hard cancel after them. */
#include "api/cancels.h"

typedef struct asked {
    belay_scope scope, inner;
    belay_task_handle gate;
    tally ready, ran;
} asked;

static belay_status wait_in_spite(belay_task *self, void *arg) {
    asked *a = arg;
    EXPECT_STATUS(gate_pass(self, a->gate), BELAY_OK);
    EXPECT(belay_stopping(self));
    EXPECT(!belay_canceled(self));
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    (void)tally_add(&a->ran);
    return BELAY_OK;
}

static void test_a_soft_cancel_wakes_nobody_who_did_not_opt_in_and_polls_see_it(void **state) {
    belay_executor *ex = executor_of(state);
    asked a = {.gate = gate_make(ex), .scope = scope_make(ex, NULL)};
    assert_int_equal(belay_spawn(NULL, a.scope, wait_in_spite, &a, NULL, NULL), BELAY_OK);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_scope_soft_cancel(a.scope, 31, "please"), BELAY_OK);
    gate_open(a.gate);
    assert_int_equal(belay_scope_close(NULL, a.scope), BELAY_OK);
    assert_int_equal(tally_read(&a.ran), 1);
}

static void test_a_soft_cancel_is_hard_in_a_scope_that_opted_in(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.flags = BELAY_SCOPE_SOFT};
    belay_scope scope = scope_make(ex, &options);
    tally woken = {0};
    belay_task_handle task = spawn_into(scope, body_until_hard, &woken);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_soft_cancel(scope, 32, NULL), BELAY_OK);
    assert_int_equal(level_of(belay_scope_token(scope)), BELAY_HARD_CANCELED);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_scope_close(NULL, scope), 32);
}

static belay_status accept_loop(belay_task *self, void *arg) {
    asked *a = arg;
    belay_scope_options options = {.flags = BELAY_SCOPE_SOFT, .name = "accept"};
    belay_scope inner;
    EXPECT_STATUS(belay_scope_open(self, &options, &inner), BELAY_OK);
    (void)tally_add(&a->ready);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT(belay_stopping(self) && !belay_canceled(self));
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND), BELAY_OK); /* the farewell goes undisturbed */
    (void)tally_add(&a->ran);
    return BELAY_OK;
}

static void test_an_accept_loop_is_interrupted_and_its_farewell_is_not(void **state) {
    belay_executor *ex = executor_of(state);
    asked a = {.scope = scope_make(ex, NULL)};
    assert_int_equal(belay_spawn(NULL, a.scope, accept_loop, &a, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_soft_cancel(a.scope, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, a.scope), BELAY_OK);
    assert_int_equal(tally_read(&a.ran), 1);
}

static belay_status open_late(belay_task *self, void *arg) {
    asked *a = arg;
    belay_scope_options opted = {.flags = BELAY_SCOPE_SOFT};
    belay_scope scope;
    EXPECT_STATUS(gate_pass(self, a->gate), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, &opted, &scope), BELAY_OK);
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, &a->ran, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT(!belay_canceled(self) && belay_stopping(self));
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, &a->ready, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

static void test_a_scope_opened_late_inherits_the_soft_cancel(void **state) {
    belay_executor *ex = executor_of(state);
    asked a = {.gate = gate_make(ex), .scope = scope_make(ex, NULL)};
    assert_int_equal(belay_spawn(NULL, a.scope, open_late, &a, NULL, NULL), BELAY_OK);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_scope_soft_cancel(a.scope, BELAY_ECANCELED, NULL), BELAY_OK);
    gate_open(a.gate);
    assert_int_equal(belay_scope_close(NULL, a.scope), BELAY_OK);
    assert_int_equal(tally_read(&a.ran), 0);   /* skipped where it is hard */
    assert_int_equal(tally_read(&a.ready), 1); /* run where it is soft */
}

static void test_soft_and_then_hard_each_take_effect_once(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = scope_make(ex, NULL);
    tally woken = {0};
    assert_int_equal(belay_spawn(NULL, scope, body_until_hard, &woken, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_soft_cancel(scope, 33, "soft"), BELAY_OK);
    assert_int_equal(belay_scope_soft_cancel(scope, 34, "soft again"), BELAY_EALREADY);
    assert_int_equal(tally_read(&woken), 0);
    assert_int_equal(belay_scope_cancel(scope, 35, "hard"), BELAY_OK);
    assert_int_equal(belay_scope_cancel(scope, 36, "hard again"), BELAY_EALREADY);
    assert_int_equal(belay_scope_soft_cancel(scope, 37, "late"), BELAY_EALREADY);
    assert_int_equal(belay_scope_close(NULL, scope), 35);
    assert_int_equal(tally_read(&woken), 1);
}

static void test_a_hard_cancel_covers_a_soft_one(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    assert_int_equal(belay_scope_cancel(scope, 38, "hard"), BELAY_OK);
    assert_int_equal(belay_scope_soft_cancel(scope, 39, "soft"), BELAY_EALREADY);
    belay_cancel_reason reason;
    assert_int_equal(belay_token_reason(belay_scope_token(scope), &reason), BELAY_OK);
    assert_int_equal(reason.code, 38);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK); /* nobody noticed */
}

static belay_status read_reasons(belay_task *self, void *arg) {
    asked *a = arg;
    belay_cancel_reason reason;
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_ENOENT);
    (void)tally_add(&a->ready);
    EXPECT(tally_await_in(self, &a->ready, 2));
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_OK);
    EXPECT(reason.code == 40 && strcmp(reason.text, "soft") == 0);
    EXPECT(reason.origin.slot == a->scope.slot);
    (void)tally_add(&a->ran);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_OK);
    EXPECT(reason.code == 41 && strcmp(reason.text, "hard") == 0);
    return BELAY_ECANCELED;
}

static void test_the_reason_is_the_soft_ones_until_there_is_a_hard_one(void **state) {
    belay_executor *ex = executor_of(state);
    asked a = {.scope = scope_make(ex, NULL)};
    assert_int_equal(belay_spawn(NULL, a.scope, read_reasons, &a, NULL, NULL), BELAY_OK);
    tally_await(&a.ready, 1);
    assert_int_equal(belay_scope_soft_cancel(a.scope, 40, "soft"), BELAY_OK);
    (void)tally_add(&a.ready);
    tally_await(&a.ran, 1);
    assert_int_equal(belay_scope_cancel(a.scope, 41, "hard"), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, a.scope), 41);
}

static void test_spawns_into_a_softly_canceled_scope_run(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    tally ran = {0};
    assert_int_equal(belay_scope_soft_cancel(scope, 42, NULL), BELAY_OK);
    assert_int_equal(join_outside(spawn_into(scope, body_tally, &ran)).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&ran), 1);
}

static belay_status stop_when_asked(belay_task *self, void *arg) {
    asked *a = arg;
    (void)tally_add(&a->ready);
    while (!belay_stopping(self)) {
        (void)belay_checkpoint(self);
    }
    return BELAY_OK;
}

static void test_a_poll_for_stopping_notices_a_hard_cancel(void **state) {
    asked a = {.scope = scope_make(executor_of(state), NULL)};
    assert_int_equal(belay_spawn(NULL, a.scope, stop_when_asked, &a, NULL, NULL), BELAY_OK);
    tally_await(&a.ready, 1);
    assert_int_equal(belay_scope_cancel(a.scope, 43, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, a.scope), 43);
}

static belay_status poll_only(belay_task *self, void *arg) {
    asked *a = arg;
    (void)tally_add(&a->ready);
    while (!belay_stopping(self)) {
    }
    return BELAY_OK;
}

static void test_a_loop_that_only_polls_hears_of_both_levels(void **state) {
    for (int hard = 0; hard < 2; hard++) {
        asked a = {.scope = scope_make(executor_of(state), NULL)};
        belay_task_handle task = spawn_into(a.scope, poll_only, &a);
        tally_await(&a.ready, 1);
        assert_int_equal(hard ? belay_scope_cancel(a.scope, 44, NULL)
                              : belay_scope_soft_cancel(a.scope, 44, NULL),
                         BELAY_OK);
        assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
        assert_int_equal(belay_scope_close(NULL, a.scope), hard ? 44 : BELAY_OK);
    }
}

static belay_status leave_in_grace(belay_task *self, void *arg) {
    asked *a = arg;
    (void)tally_add(&a->ready);
    while (!belay_stopping(self)) {
        EXPECT_STATUS(nap(self, BELAY_MILLISECOND / 10), BELAY_OK);
    }
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND), BELAY_OK);
    (void)tally_add(&a->ran);
    return BELAY_OK;
}

static void test_shutdown_asks_softly_and_lets_who_answers_end_undisturbed(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    asked a = {.ran = {0}};
    belay_task_handle task = spawn_outside(ex, leave_in_grace, &a);
    tally_await(&a.ready, 1);
    assert_int_equal(belay_executor_shutdown(ex, belay_after(LONG), BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&a.ran), 1);
    belay_outcome outcome;
    assert_int_equal(belay_join(NULL, task, &outcome), BELAY_OK);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    assert_true(executor_end(ex));
}

static void test_shutdown_cancels_hard_who_did_not_answer_in_the_grace(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    tally woken = {0};
    assert_int_equal(
        belay_spawn(NULL, belay_executor_root(ex), body_until_hard, &woken, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_executor_shutdown(ex, belay_after(SOON), BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&woken), 1);
    assert_true(executor_end(ex));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_soft_cancel_wakes_nobody_who_did_not_opt_in_and_polls_see_it),
        BOTH(test_a_soft_cancel_is_hard_in_a_scope_that_opted_in),
        BOTH(test_an_accept_loop_is_interrupted_and_its_farewell_is_not),
        BOTH(test_a_scope_opened_late_inherits_the_soft_cancel),
        BOTH(test_soft_and_then_hard_each_take_effect_once),
        BOTH(test_a_hard_cancel_covers_a_soft_one),
        BOTH(test_the_reason_is_the_soft_ones_until_there_is_a_hard_one),
        BOTH(test_spawns_into_a_softly_canceled_scope_run),
        BOTH(test_a_poll_for_stopping_notices_a_hard_cancel),
        BOTH(test_a_loop_that_only_polls_hears_of_both_levels),
        BOTH_BARE(test_shutdown_asks_softly_and_lets_who_answers_end_undisturbed),
        BOTH_BARE(test_shutdown_cancels_hard_who_did_not_answer_in_the_grace),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

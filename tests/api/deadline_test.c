/* Deadlines: the minimum of those around, adjustable, and BELAY_ETIMEDOUT only at the scope whose deadline it was. */
#include "api/cancels.h"

static belay_scope open_until(belay_task *self, belay_time deadline) {
    belay_scope_options options = {.deadline = deadline};
    belay_scope scope = {0};
    EXPECT_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
    return scope;
}

static belay_status outer_first(belay_task *self, void *arg) {
    (void)arg;
    belay_scope outer = open_until(self, belay_after(SOON));
    belay_scope inner = open_until(self, belay_after(LONG));
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    return BELAY_OK;
}

static void test_an_earlier_deadline_around_wins_and_only_its_scope_says_timedout(void **state) {
    run(executor_of(state), outer_first, NULL);
}

static belay_status inner_first(belay_task *self, void *arg) {
    (void)arg;
    belay_scope outer = open_until(self, belay_after(LONG));
    belay_scope inner = open_until(self, belay_after(SOON));
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_yield(self), BELAY_OK); /* nothing is left of it outside */
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_OK);
    return BELAY_OK;
}

static void test_an_earlier_deadline_inside_leaves_the_scope_around_alone(void **state) {
    run(executor_of(state), inner_first, NULL);
}

static belay_status move_both_ways(belay_task *self, void *arg) {
    (void)arg;
    belay_time early = belay_after(SOON);
    belay_scope scope = open_until(self, early);
    EXPECT_STATUS(belay_scope_set_deadline(scope, early + 2 * SOON), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, early + SOON / 2), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT(belay_now() >= early + 2 * SOON);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ETIMEDOUT);
    scope = open_until(self, belay_after(LONG));
    EXPECT_STATUS(belay_scope_set_deadline(scope, belay_after(BELAY_MILLISECOND)), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ETIMEDOUT);
    return BELAY_OK;
}

static void test_a_deadline_moves_later_and_earlier(void **state) {
    run(executor_of(state), move_both_ways, NULL);
}

static belay_status earlier_reason(belay_task *self, void *arg) {
    belay_cancel_reason reason;
    (void)arg;
    belay_scope scope = open_until(self, belay_after(SOON));
    EXPECT_STATUS(belay_scope_cancel(scope, 211, "first"), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    belay_time over = belay_after(2 * SOON);
    while (belay_now() < over) {
        (void)belay_yield(self);
    }
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_OK);
    EXPECT(reason.code == 211);
    EXPECT_STATUS(belay_scope_close(self, scope), 211);
    scope = open_until(self, belay_after(BELAY_MILLISECOND));
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_cancel(scope, 212, "late"), BELAY_EALREADY);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ETIMEDOUT);
    return BELAY_OK;
}

static void test_the_first_of_deadline_and_cancel_gives_the_reason(void **state) {
    run(executor_of(state), earlier_reason, NULL);
}

static belay_status unnoticed(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope = open_until(self, belay_after(BELAY_MILLISECOND));
    belay_token token = belay_scope_token(scope);
    while (level_of(token) == BELAY_NOT_CANCELED) {
    }
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

static void test_a_deadline_that_nobody_noticed_changes_no_result(void **state) {
    run(executor_of(state), unnoticed, NULL);
}

static belay_status member_fails_late(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    return 213;
}

static belay_status error_after_deadline(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope = open_until(self, belay_after(SOON));
    EXPECT_STATUS(belay_spawn(self, scope, member_fails_late, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ETIMEDOUT);
    return BELAY_OK;
}

static void test_an_error_that_came_of_the_deadline_does_not_replace_it(void **state) {
    run(executor_of(state), error_after_deadline, NULL);
}

static belay_status same_moment(belay_task *self, void *arg) {
    (void)arg;
    belay_time at = belay_after(SOON);
    belay_scope outer = open_until(self, at), inner = open_until(self, at);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    belay_status status = belay_scope_close(self, inner);
    EXPECT(status == BELAY_ETIMEDOUT || status == BELAY_ECANCELED);
    while (!belay_canceled(self)) {
        (void)belay_yield(self);
    }
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    return BELAY_OK;
}

static void test_two_deadlines_of_one_moment_are_not_confused(void **state) {
    run(executor_of(state), same_moment, NULL);
}

static belay_status many_in_turn(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 300; i++) {
        belay_scope scope = open_until(self, belay_after(i % 3 == 0 ? 0 : BELAY_MILLISECOND / 20));
        belay_status slept = nap(self, BELAY_MILLISECOND / 20);
        belay_status status = belay_scope_close(self, scope);
        EXPECT(slept == BELAY_ECANCELED ? status == BELAY_ETIMEDOUT : status == BELAY_OK);
        EXPECT_STATUS(belay_yield(self), BELAY_OK); /* never one that lingers */
    }
    return BELAY_OK;
}

static void test_no_deadline_outlives_its_scope(void **state) {
    run(executor_of(state), many_in_turn, NULL);
}

static belay_status of_a_follower(belay_task *self, void *arg) {
    belay_scope_options options = {.token = *(belay_token *)arg};
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ECANCELED);
    return BELAY_OK;
}

static void
test_a_deadline_reaches_those_who_follow_the_token_as_a_cancel_from_outside(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.deadline = belay_after(SOON)};
    belay_scope leader = scope_make(ex, &options);
    belay_token token = belay_scope_token(leader);
    run(ex, of_a_follower, &token);
    assert_int_equal(belay_scope_close(NULL, leader), BELAY_OK); /* nobody in it noticed */
}

/* ---- one that has passed already ------------------------------------------------------------------------------ */

/* What such a scope is for whoever looks first, without a turn for any timer in between. */
static void check_over(belay_task *self, belay_scope scope) {
    tally ran = {0};
    belay_task_handle task;
    belay_outcome outcome;
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, &ran, NULL, &task), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_set_deadline(scope, BELAY_NEVER), BELAY_EALREADY);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_join(self, task, &outcome), BELAY_OK);
    EXPECT(outcome.kind == BELAY_OUTCOME_SKIPPED && tally_read(&ran) == 0);
    EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
}

static belay_status past_at_open(belay_task *self, void *arg) {
    (void)arg;
    const belay_time times[] = {1, belay_now(), belay_after(0), belay_after(-5)};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        check_over(self, open_until(self, times[i]));
    }
    return BELAY_OK;
}

static void test_a_deadline_in_the_past_cancels_before_open_has_returned(void **state) {
    run(executor_of(state), past_at_open, NULL);
}

static belay_status set_to_the_past(belay_task *self, void *arg) {
    (void)arg;
    const belay_time times[] = {0, 1, -1, belay_now()};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        for (int armed = 0; armed < 2; armed++) {
            belay_scope scope = open_until(self, armed ? belay_after(LONG) : 0);
            EXPECT(!belay_canceled(self));
            EXPECT_STATUS(belay_scope_set_deadline(scope, times[i]), BELAY_OK);
            check_over(self, scope);
        }
    }
    return BELAY_OK;
}

static void test_a_deadline_set_to_the_past_cancels_before_the_call_has_returned(void **state) {
    run(executor_of(state), set_to_the_past, NULL);
}

static void test_a_scope_of_a_thread_and_an_owner_are_over_at_once_too(void **state) {
    belay_executor *ex = executor_of(state);
    belay_owner_options options = {.scope = {.deadline = 1}};
    belay_scope scope = scope_make(ex, &options.scope);
    tally ran = {0};
    belay_owner owner;
    belay_cancel_reason reason;
    assert_int_equal(level_of(belay_scope_token(scope)), BELAY_HARD_CANCELED);
    assert_int_equal(join_outside(spawn_into(scope, body_tally, &ran)).kind, BELAY_OUTCOME_SKIPPED);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ETIMEDOUT);
    assert_int_equal(belay_owner_create(ex, &options, &owner), BELAY_OK);
    assert_int_equal(belay_token_reason(belay_scope_token(belay_owner_scope(owner)), &reason),
                     BELAY_OK);
    assert_int_equal(reason.code, BELAY_ETIMEDOUT);
    assert_int_equal(belay_owner_release(owner), BELAY_OK);
}

static belay_status no_deadline(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope = open_until(self, 0);
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(belay_now() > 0 && belay_after(0) > 0 && belay_after(-1) > 0);
    return BELAY_OK;
}

static void test_zero_in_the_options_is_no_deadline_and_no_time_is_zero(void **state) {
    run(executor_of(state), no_deadline, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_an_earlier_deadline_around_wins_and_only_its_scope_says_timedout),
        BOTH(test_an_earlier_deadline_inside_leaves_the_scope_around_alone),
        BOTH(test_a_deadline_moves_later_and_earlier),
        BOTH(test_the_first_of_deadline_and_cancel_gives_the_reason),
        BOTH(test_a_deadline_that_nobody_noticed_changes_no_result),
        BOTH(test_an_error_that_came_of_the_deadline_does_not_replace_it),
        BOTH(test_two_deadlines_of_one_moment_are_not_confused),
        BOTH(test_no_deadline_outlives_its_scope),
        BOTH(test_a_deadline_reaches_those_who_follow_the_token_as_a_cancel_from_outside),
        BOTH(test_a_deadline_in_the_past_cancels_before_open_has_returned),
        BOTH(test_a_deadline_set_to_the_past_cancels_before_the_call_has_returned),
        BOTH(test_a_scope_of_a_thread_and_an_owner_are_over_at_once_too),
        BOTH(test_zero_in_the_options_is_no_deadline_and_no_time_is_zero),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

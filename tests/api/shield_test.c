/* Shields: they defer a cancel and never lose it. Scopes and members behind one: shield_scopes_test.c. */
#include "api/shields.h"

static void test_a_task_cancel_during_a_shield_arrives_after_it(void **state) {
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(executor_of(state), wait_shielded, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_task_cancel(task, 51, "outside"), BELAY_OK);
    assert_int_equal(belay_task_cancel(task, 52, "again"), BELAY_EALREADY);
    tally_set(&p.go, 1);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&p.ended), 1);
}

static void test_a_cancel_of_a_scope_around_arrives_after_the_shield(void **state) {
    shielded p = {.scope = scope_make(executor_of(state), NULL)};
    belay_task_handle task = spawn_into(p.scope, wait_shielded, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_scope_cancel(p.scope, 53, "around"), BELAY_OK);
    tally_set(&p.go, 1);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_scope_close(NULL, p.scope), 53);
}

static belay_status shielded_in_own_scope(belay_task *self, void *arg) {
    belay_scope_options options = {.deadline = belay_after(SOON)};
    belay_scope around, s;
    (void)arg;
    EXPECT_STATUS(belay_scope_open(self, &options, &around), BELAY_OK);
    s = shield(self, LONG);
    EXPECT_STATUS(belay_sleep_until(self, options.deadline + SOON), BELAY_OK);
    EXPECT(belay_now() >= options.deadline + SOON && !belay_canceled(self));
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    while (!belay_canceled(self)) { /* the timer's cancel may just be on its way */
        (void)belay_yield(self);
    }
    EXPECT_STATUS(belay_scope_close(self, around), BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    return BELAY_OK;
}

static void test_a_deadline_around_a_shield_arrives_after_it_as_timedout(void **state) {
    run(executor_of(state), shielded_in_own_scope, NULL);
}

static belay_status cancel_own_shield(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s = shield(self, LONG);
    EXPECT_STATUS(belay_scope_cancel(s, 54, "its own"), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), 54);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    return BELAY_OK;
}

static void test_a_shield_does_not_keep_out_its_own_cancel(void **state) {
    run(executor_of(state), cancel_own_shield, NULL);
}

static belay_status own_deadline(belay_task *self, void *arg) {
    belay_scope_options options = {.shield_until = belay_after(LONG),
                                   .deadline = belay_after(SOON)};
    belay_scope s;
    (void)arg;
    EXPECT_STATUS(belay_scope_open(self, &options, &s), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ETIMEDOUT);
    return BELAY_OK;
}

static void test_a_shield_does_not_keep_out_its_own_deadline(void **state) {
    run(executor_of(state), own_deadline, NULL);
}

static belay_status own_token(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope_options options = {.shield_until = belay_after(LONG), .token = p->token};
    belay_scope s;
    EXPECT_STATUS(belay_scope_open(self, &options, &s), BELAY_OK);
    (void)tally_add(&p->inside);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    return BELAY_OK;
}

static void test_a_shield_does_not_keep_out_the_token_that_it_follows(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source source = source_make(ex, NULL, 0);
    shielded p = {.token = belay_source_token(source)};
    belay_task_handle task = spawn_outside(ex, own_token, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_source_cancel(source, BELAY_HARD_CANCELED, 55, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_source_release(source), BELAY_OK);
}

static belay_status wait_for_its_end(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_time until = belay_after(2 * SOON);
    belay_scope s;
    EXPECT_STATUS(belay_shield_open(self, until, &s), BELAY_OK);
    (void)tally_add(&p->inside);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT(belay_now() >= until);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_shield_ends_at_its_time_and_wakes_who_waits_behind_it(void **state) {
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(executor_of(state), wait_for_its_end, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_task_cancel(task, 56, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);

    p = (shielded){.scope = scope_make(executor_of(state), NULL)};
    task = spawn_into(p.scope, wait_for_its_end, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_scope_cancel(p.scope, 57, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_scope_close(NULL, p.scope), 57);
}

static belay_status outlive_a_shield(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope s = shield(self, BELAY_MILLISECOND);
    EXPECT_STATUS(nap(self, SOON), BELAY_OK); /* its end alone cancels nobody */
    (void)tally_add(&p->inside);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_cancel_after_the_shields_time_comes_in_at_once(void **state) {
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(executor_of(state), outlive_a_shield, &p);
    tally_await(&p.inside, 1);
    await_waiting(executor_of(state), "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 58, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

static belay_status shield_when_canceled(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_cancel_reason reason;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    belay_scope s = shield(self, LONG);
    EXPECT(!belay_canceled(self));
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_ENOENT);
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND), BELAY_OK); /* the commit */
    (void)tally_add(&p->ended);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_OK);
    EXPECT(reason.code == 67);
    return BELAY_ECANCELED;
}

static void test_a_canceled_task_may_shield_its_farewell(void **state) {
    belay_executor *ex = executor_of(state);
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(ex, shield_when_canceled, &p);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 67, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&p.ended), 1);
}

static belay_status soft_behind(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope s = shield(self, LONG);
    enter(self, p);
    EXPECT(!belay_stopping(self));
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    EXPECT(belay_stopping(self) && !belay_canceled(self));
    return BELAY_OK;
}

static void test_a_soft_cancel_is_kept_out_too_and_is_seen_afterwards(void **state) {
    shielded p = {.scope = scope_make(executor_of(state), NULL)};
    assert_int_equal(belay_spawn(NULL, p.scope, soft_behind, &p, NULL, NULL), BELAY_OK);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_scope_soft_cancel(p.scope, 68, NULL), BELAY_OK);
    tally_set(&p.go, 1);
    assert_int_equal(belay_scope_close(NULL, p.scope), BELAY_OK);
}

static belay_status bad_shields(belay_task *self, void *arg) {
    belay_scope s = {.slot = 9};
    belay_scope_options past = {.shield_until = -1};
    (void)arg;
    EXPECT_STATUS(belay_shield_open(self, BELAY_NEVER, &s), BELAY_EINVAL);
    EXPECT(s.slot == 0);
    EXPECT_STATUS(belay_shield_open(self, 0, &s), BELAY_EINVAL);
    EXPECT_STATUS(belay_shield_open(self, -1, &s), BELAY_EINVAL);
    EXPECT_STATUS(belay_shield_open(self, belay_after(LONG), NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_shield_open(NULL, belay_after(LONG), &s), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_scope_open(self, &past, &s), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_a_shield_must_have_an_end_and_an_opener(void **state) {
    belay_scope scope;
    belay_scope_options options = {.shield_until = belay_after(LONG)};
    run(executor_of(state), bad_shields, NULL);
    assert_int_equal(belay_scope_open_root(executor_of(state), &options, &scope), BELAY_EINVAL);
}

static belay_status over_already(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope s;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_shield_open(self, 1, &s), BELAY_OK);
    EXPECT(belay_canceled(self)); /* before a timer has had a turn */
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    (void)tally_add(&p->ended);
    return BELAY_ECANCELED;
}

static void test_a_shield_whose_time_is_past_ends_at_once(void **state) {
    belay_executor *ex = executor_of(state);
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(ex, over_already, &p);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 69, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&p.ended), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_task_cancel_during_a_shield_arrives_after_it),
        BOTH(test_a_cancel_of_a_scope_around_arrives_after_the_shield),
        BOTH(test_a_deadline_around_a_shield_arrives_after_it_as_timedout),
        BOTH(test_a_shield_does_not_keep_out_its_own_cancel),
        BOTH(test_a_shield_does_not_keep_out_its_own_deadline),
        BOTH(test_a_shield_does_not_keep_out_the_token_that_it_follows),
        BOTH(test_a_shield_ends_at_its_time_and_wakes_who_waits_behind_it),
        BOTH(test_a_cancel_after_the_shields_time_comes_in_at_once),
        BOTH(test_a_canceled_task_may_shield_its_farewell),
        BOTH(test_a_soft_cancel_is_kept_out_too_and_is_seen_afterwards),
        BOTH(test_a_shield_must_have_an_end_and_an_opener),
        BOTH(test_a_shield_whose_time_is_past_ends_at_once),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Scopes that follow a token. */
#include "api/cancels.h"

enum { MANY = 100000, FEW = 1000 };

static void test_a_scope_is_canceled_with_the_token_that_it_follows_as_from_outside(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope leader = scope_make(ex, NULL);
    belay_scope_options options = {.token = belay_scope_token(leader)};
    belay_scope scope = scope_make(ex, &options);
    belay_cancel_reason reason;
    tally woken = {0};
    assert_int_equal(belay_spawn(NULL, scope, body_until_hard, &woken, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_cancel(leader, 78, "leader"), BELAY_OK);
    assert_int_equal(belay_token_reason(belay_scope_token(scope), &reason), BELAY_OK);
    assert_int_equal(reason.code, 78);
    assert_int_equal(reason.origin.slot, leader.slot);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ECANCELED);
    assert_int_equal(belay_scope_close(NULL, leader), BELAY_OK);
    assert_int_equal(tally_read(&woken), 1);
}

static void test_a_following_scope_takes_over_soft_and_then_hard(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope leader = scope_make(ex, NULL);
    belay_scope_options options = {.token = belay_scope_token(leader)};
    belay_scope scope = scope_make(ex, &options);
    tally woken = {0};
    assert_int_equal(belay_spawn(NULL, scope, body_until_hard, &woken, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_soft_cancel(leader, 79, NULL), BELAY_OK);
    assert_int_equal(level_of(belay_scope_token(scope)), BELAY_SOFT_CANCELED);
    assert_int_equal(belay_scope_cancel(leader, 80, NULL), BELAY_OK);
    assert_int_equal(level_of(belay_scope_token(scope)), BELAY_HARD_CANCELED);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ECANCELED);
    assert_int_equal(belay_scope_close(NULL, leader), BELAY_OK);
}

static void test_a_scope_that_follows_a_canceled_token_skips_its_tasks(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope leader = scope_make(ex, NULL);
    belay_scope_options options = {.token = belay_scope_token(leader)};
    tally ran = {0};
    assert_int_equal(belay_scope_soft_cancel(leader, 81, NULL), BELAY_OK);
    belay_scope soft = scope_make(ex, &options);
    assert_int_equal(level_of(belay_scope_token(soft)), BELAY_SOFT_CANCELED);
    assert_int_equal(belay_scope_cancel(leader, 82, NULL), BELAY_OK);
    assert_int_equal(level_of(belay_scope_token(soft)), BELAY_HARD_CANCELED);
    belay_scope hard = scope_make(ex, &options);
    belay_task_handle task = spawn_into(hard, body_tally, &ran);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_SKIPPED);
    assert_int_equal(belay_scope_close(NULL, soft), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, hard), BELAY_ECANCELED);
    assert_int_equal(belay_scope_close(NULL, leader), BELAY_OK);
    assert_int_equal(tally_read(&ran), 0);
}

static void test_a_scope_that_follows_a_stale_or_no_token_is_never_canceled_by_it(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope leader = scope_make(ex, NULL);
    belay_scope_options options = {.token = belay_scope_token(leader)};
    assert_int_equal(belay_scope_close(NULL, leader), BELAY_OK);
    belay_scope scope = scope_make(ex, &options);
    belay_scope next = scope_make(ex, NULL);
    assert_int_equal(belay_scope_cancel(next, 83, NULL),
                     BELAY_OK); /* perhaps in the leader's slot */
    assert_int_equal(level_of(belay_scope_token(scope)), BELAY_NOT_CANCELED);
    assert_int_equal(belay_scope_close(NULL, next), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static belay_status open_and_close_many(belay_task *self, void *arg) {
    belay_scope_options options = {.token = *(belay_token *)arg};
    for (int i = 0; i < MANY; i++) {
        belay_scope scope;
        EXPECT_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
        EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    }
    return BELAY_OK;
}

static void test_a_long_lived_token_does_not_collect_the_scopes_that_followed_it(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source source = source_make(ex, NULL, 0);
    belay_token token = belay_source_token(source);
    belay_registration r;
    run(ex, open_and_close_many, &token);
    /* Registrations come from the same slots: had they been kept, this one's number would be high. */
    assert_int_equal(belay_on_cancel(token, BELAY_HARD_CANCELED, count_cancel, NULL, NULL, &r),
                     BELAY_OK);
    assert_true(r.slot <= FEW);
    assert_int_equal(belay_on_cancel_forget(r), BELAY_OK);
    assert_int_equal(belay_source_release(source), BELAY_OK);
}

static void test_a_scope_may_follow_a_token_of_another_executor(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *one = executor_make(&config), *two = executor_make(&config);
    belay_source source = source_make(two, NULL, 0);
    belay_scope_options options = {.token = belay_source_token(source)};
    belay_scope scope = scope_make(one, &options);
    tally woken = {0};
    assert_int_equal(belay_spawn(NULL, scope, body_until_hard, &woken, NULL, NULL), BELAY_OK);
    await_waiting(one, "sleep", 1);
    assert_int_equal(belay_source_cancel(source, BELAY_HARD_CANCELED, 84, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ECANCELED);
    /* and may outlive it */
    scope = scope_make(one, &options);
    assert_int_equal(belay_source_release(source), BELAY_OK);
    assert_true(executor_end(two));
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_true(executor_end(one));
}

static belay_status nest_and_cancel(belay_task *self, void *arg) {
    belay_scope outer, inner;
    belay_cancel_reason reason;
    (void)arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, &outer), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT_STATUS(belay_scope_soft_cancel(outer, 88, NULL), BELAY_OK);
    EXPECT(level_of(belay_scope_token(inner)) == BELAY_SOFT_CANCELED);
    EXPECT_STATUS(belay_scope_cancel(outer, 89, NULL), BELAY_OK);
    EXPECT(level_of(belay_scope_token(inner)) == BELAY_HARD_CANCELED);
    EXPECT_STATUS(belay_token_reason(belay_scope_token(inner), &reason), BELAY_OK);
    EXPECT(reason.code == 89 && reason.origin.slot == outer.slot);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_OK); /* nobody noticed */
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_OK);
    return BELAY_OK;
}

static void test_a_cancel_of_the_parent_shows_in_the_childs_token(void **state) {
    run(executor_of(state), nest_and_cancel, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_scope_is_canceled_with_the_token_that_it_follows_as_from_outside),
        BOTH(test_a_following_scope_takes_over_soft_and_then_hard),
        BOTH(test_a_scope_that_follows_a_canceled_token_skips_its_tasks),
        BOTH(test_a_scope_that_follows_a_stale_or_no_token_is_never_canceled_by_it),
        BOTH(test_a_long_lived_token_does_not_collect_the_scopes_that_followed_it),
        BOTH_BARE(test_a_scope_may_follow_a_token_of_another_executor),
        BOTH(test_a_cancel_of_the_parent_shows_in_the_childs_token),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

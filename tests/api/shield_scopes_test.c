/* Shields and what is below or above them: members, scopes, further shields, callbacks, shutdown. */
#include "api/shields.h"

/* A member that is to be counted runs even if the cancel comes before its start. */
static const belay_task_options run_anyway = {.flags = BELAY_TASK_RUN_CANCELED};

static belay_status nested_shields(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_time until = belay_after(2 * SOON);
    belay_scope outer, inner;
    EXPECT_STATUS(belay_shield_open(self, until, &outer), BELAY_OK);
    inner = shield(self, LONG);
    (void)tally_add(&p->inside);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT(belay_now() >= until);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_an_inner_shield_ends_with_the_outer_one(void **state) {
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(executor_of(state), nested_shields, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_task_cancel(task, 59, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

static belay_status inner_ends_first(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope outer = shield(self, LONG);
    belay_scope inner = shield(self, LONG);
    enter(self, p);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_OK); /* the outer one holds */
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_the_end_of_an_inner_shield_leaves_the_outer_one(void **state) {
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(executor_of(state), inner_ends_first, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_task_cancel(task, 60, NULL), BELAY_OK);
    tally_set(&p.go, 1);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

static belay_status member_behind(belay_task *self, void *arg) {
    shielded *p = arg;
    (void)tally_add(&p->members);
    EXPECT(tally_await_in(self, &p->go, 1));
    EXPECT(!belay_canceled(self));
    return BELAY_OK;
}

static belay_status shield_with_members(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope s = shield(self, LONG);
    for (int i = 0; i < 4; i++) {
        EXPECT_STATUS(belay_spawn(self, s, member_behind, p, NULL, NULL), BELAY_OK);
    }
    EXPECT(tally_await_in(self, &p->members, 4));
    (void)tally_add(&p->inside);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_members_of_a_shielded_scope_are_not_woken(void **state) {
    shielded p = {.scope = scope_make(executor_of(state), NULL)};
    belay_task_handle task = spawn_into(p.scope, shield_with_members, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_scope_cancel(p.scope, 61, NULL), BELAY_OK);
    assert_int_equal(belay_task_cancel(task, 62, NULL), BELAY_OK);
    tally_set(&p.go, 1);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_scope_close(NULL, p.scope), 61);
}

static belay_status open_scope_then_shield(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope around;
    EXPECT_STATUS(belay_scope_open(self, NULL, &around), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, around, body_until_hard, &p->members, &run_anyway, NULL),
                  BELAY_OK);
    belay_scope s = shield(self, LONG);
    enter(self, p);
    EXPECT(tally_await_in(self, &p->members, 1));
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, around), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_members_of_a_scope_around_the_shield_are_woken(void **state) {
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(executor_of(state), open_scope_then_shield, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_task_cancel(task, 63, NULL), BELAY_OK);
    tally_set(&p.go, 1);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

static belay_status open_behind(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope inner;
    belay_scope s = shield(self, LONG);
    enter(self, p);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT(!belay_canceled(self));
    EXPECT_STATUS(belay_spawn(self, inner, body_tally, &p->members, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_scope_opened_behind_a_shield_after_the_cancel_is_not_canceled(void **state) {
    shielded p = {.scope = scope_make(executor_of(state), NULL)};
    belay_task_handle task = spawn_into(p.scope, open_behind, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_task_cancel(task, 64, NULL), BELAY_OK);
    assert_int_equal(belay_scope_cancel(p.scope, 65, NULL), BELAY_OK);
    tally_set(&p.go, 1);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&p.members), 1);
    assert_int_equal(belay_scope_close(NULL, p.scope), 65);
}

static belay_status end_below(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope inner, s = shield(self, 2 * SOON);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, inner, body_until_hard, &p->members, &run_anyway, NULL),
                  BELAY_OK);
    (void)tally_add(&p->inside);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_the_end_of_a_shield_cancels_all_that_was_opened_behind_it(void **state) {
    shielded p = {.ended = {0}};
    belay_task_handle task = spawn_outside(executor_of(state), end_below, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_task_cancel(task, 66, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&p.members), 1);
}

enum { DEEPEST = 63 };

static belay_status too_deep(belay_task *self, void *arg) {
    belay_scope s[DEEPEST], one_more;
    (void)arg;
    for (int i = 0; i < DEEPEST; i++) {
        s[i] = shield(self, LONG);
    }
    EXPECT_STATUS(belay_shield_open(self, belay_after(LONG), &one_more), BELAY_ENOMEM);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    for (int i = DEEPEST; i-- > 0;) {
        EXPECT_STATUS(belay_scope_close(self, s[i]), BELAY_OK);
    }
    return BELAY_OK;
}

static void test_shields_nest_up_to_63_and_one_more_is_enomem(void **state) {
    run(executor_of(state), too_deep, NULL);
}

static belay_status shielded_for_ever(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope s = shield(self, LONG);
    (void)tally_add(&p->inside);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    (void)tally_add(&p->ended);
    return BELAY_ECANCELED;
}

static void test_the_end_of_a_timed_shutdown_breaks_shields(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    shielded p = {.ended = {0}};
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), shielded_for_ever, &p, NULL, NULL),
                     BELAY_OK);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_executor_shutdown(ex, 0, belay_after(SOON)), BELAY_EBUSY);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&p.ended), 1);
    assert_true(executor_end(ex));
}

static void test_callbacks_of_a_scope_run_though_its_tasks_are_shielded(void **state) {
    shielded p = {.scope = scope_make(executor_of(state), NULL)};
    tally told = {0};
    belay_task_handle task = spawn_into(p.scope, wait_shielded, &p);
    tally_await(&p.inside, 1);
    assert_int_equal(belay_on_cancel(belay_scope_token(p.scope), BELAY_HARD_CANCELED, count_cancel,
                                     &told, NULL, NULL),
                     BELAY_OK);
    assert_int_equal(belay_scope_cancel(p.scope, 70, NULL), BELAY_OK);
    assert_int_equal(tally_read(&told),
                     1); /* the scope around is cancelled, whoever is shielded in it */
    tally_set(&p.go, 1);
    (void)join_outside(task);
    assert_int_equal(belay_scope_close(NULL, p.scope), 70);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_an_inner_shield_ends_with_the_outer_one),
        BOTH(test_the_end_of_an_inner_shield_leaves_the_outer_one),
        BOTH(test_members_of_a_shielded_scope_are_not_woken),
        BOTH(test_members_of_a_scope_around_the_shield_are_woken),
        BOTH(test_a_scope_opened_behind_a_shield_after_the_cancel_is_not_canceled),
        BOTH(test_the_end_of_a_shield_cancels_all_that_was_opened_behind_it),
        BOTH(test_shields_nest_up_to_63_and_one_more_is_enomem),
        BOTH_BARE(test_the_end_of_a_timed_shutdown_breaks_shields),
        BOTH(test_callbacks_of_a_scope_run_though_its_tasks_are_shielded),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

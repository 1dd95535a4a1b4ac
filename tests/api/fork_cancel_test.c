/* Forked calls are part of the task that forked: cancelling it reaches them, stolen or not, and what a task may do to
 * itself they may do. */
#include "api/support.h"

typedef struct shared {
    belay_task_handle task, gate;
    tally stolen, canceled, drops;
} shared;

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

static belay_status sleep_in_fork(belay_task *self, void *arg) {
    shared *s = arg;
    belay_cancel_reason reason;
    (void)tally_add(&s->stolen);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_OK);
    EXPECT(reason.code == 71);
    (void)tally_add(&s->canceled);
    return BELAY_ECANCELED;
}

static belay_status fork_and_wait(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_fork(self, sleep_in_fork, arg), BELAY_OK);
    EXPECT_STATUS(belay_fork(self, sleep_in_fork, arg), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_cancel_of_a_task_reaches_its_stolen_forks(void **state) {
    for (int i = 0; i < 10; i++) {
        shared s = {0};
        belay_task_handle task = spawn_outside(executor_of(state), fork_and_wait, &s);
        tally_await(&s.stolen, 2);
        assert_int_equal(belay_task_cancel(task, 71, NULL), BELAY_OK);
        assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
        assert_int_equal(tally_read(&s.canceled), 2);
    }
}

static void test_cancel_of_the_scope_reaches_stolen_forks(void **state) {
    belay_scope scope;
    shared s = {0};
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, fork_and_wait, &s, NULL, NULL), BELAY_OK);
    tally_await(&s.stolen, 2);
    assert_int_equal(belay_scope_cancel(scope, 71, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), 71);
    assert_int_equal(tally_read(&s.canceled), 2);
}

static belay_status sync_at_once(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_fork(self, sleep_in_fork, arg), BELAY_OK);
    return belay_sync(self);
}

static void test_canceled_sync_stays_until_its_fork_has_ended(void **state) {
    for (int i = 0; i < 10; i++) {
        shared s = {0};
        belay_task_handle task = spawn_outside(executor_of(state), sync_at_once, &s);
        tally_await(&s.stolen, 1);
        assert_int_equal(belay_task_cancel(task, 71, NULL), BELAY_OK);
        assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
        assert_int_equal(tally_read(&s.canceled), 1);
    }
}

/* ---- forks of forks, each stolen: the walk down to the last needs no stack ------------------------ */

enum { DEPTH = 3000 };

typedef struct deep {
    uint64_t left;
    shared *s;
} deep;

static belay_status go_deeper(belay_task *self, void *arg) {
    deep *d = arg;
    deep next = {.left = d->left - 1, .s = d->s};
    if (next.left != 0) {
        EXPECT_STATUS(belay_fork(self, go_deeper, &next), BELAY_OK);
    }
    (void)tally_add(&d->s->stolen);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    (void)tally_add(&d->s->canceled);
    if (next.left != 0) {
        EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    }
    return BELAY_ECANCELED;
}

static belay_status cancel_the_first(belay_task *self, void *arg) {
    shared *s = arg;
    (void)self;
    EXPECT_STATUS(belay_task_cancel(s->task, 71, NULL), BELAY_OK);
    return BELAY_OK;
}

static void test_cancel_reaches_the_last_of_a_long_chain_of_stolen_forks(void **state) {
    shared s = {0};
    deep first = {.left = DEPTH, .s = &s};
    s.task = spawn_outside(executor_of(state), go_deeper, &first);
    tally_await(&s.stolen, DEPTH);
    run(executor_of(state), cancel_the_first, &s);
    assert_int_equal(join_outside(s.task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&s.canceled), DEPTH);
}

/* ---- what a fork does in its task's name: `nap` makes sure that it was stolen ------------------------------------ */

static belay_status fork_then_nap(belay_task *self, shared *s, belay_fork_body *body) {
    EXPECT_STATUS(belay_fork(self, body, s), BELAY_OK);
    EXPECT(tally_await_in(self, &s->stolen, 1));
    return belay_sync(self);
}

static belay_status join_own_task(belay_task *self, void *arg) {
    shared *s = arg;
    (void)tally_add(&s->stolen);
    EXPECT_STATUS(belay_join(self, s->task, NULL), BELAY_EDEADLK);
    return BELAY_OK;
}

static belay_status task_joined_by_fork(belay_task *self, void *arg) {
    shared *s = arg;
    s->task = belay_task_self_handle(self);
    return fork_then_nap(self, s, join_own_task);
}

static void test_stolen_fork_that_joins_its_own_task_is_edeadlk(void **state) {
    shared s = {0};
    run(executor_of(state), task_joined_by_fork, &s);
}

static belay_status set_result_in_fork(belay_task *self, void *arg) {
    shared *s = arg;
    (void)tally_add(&s->stolen);
    EXPECT_STATUS(belay_set_result(self, &s->drops, tally_drop), BELAY_OK);
    return BELAY_OK;
}

static belay_status task_with_result_of_fork(belay_task *self, void *arg) {
    return fork_then_nap(self, arg, set_result_in_fork);
}

static void test_result_set_by_a_stolen_fork_is_the_tasks(void **state) {
    shared s = {0};
    belay_outcome outcome;
    assert_int_equal(belay_executor_run(executor_of(state), task_with_result_of_fork, &s, &outcome),
                     BELAY_OK);
    assert_true(outcome.has_result);
    assert_ptr_equal(outcome.result, &s.drops);
    assert_int_equal(tally_read(&s.drops), 0);
}

static belay_status leave_scope_in_fork(belay_task *self, void *arg) {
    shared *s = arg;
    belay_scope scope;
    (void)tally_add(&s->stolen);
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    return BELAY_OK;
}

static belay_status task_with_leaky_fork(belay_task *self, void *arg) {
    return fork_then_nap(self, arg, leave_scope_in_fork);
}

static void test_scope_left_open_by_a_stolen_fork_is_drained_and_reported(void **state) {
    shared s = {0};
    run(executor_of(state), task_with_leaky_fork, &s);
    assert_true(log_holds("returned with open scopes"));
}

static belay_status spawn_in_fork(belay_task *self, void *arg) {
    shared *s = arg;
    (void)tally_add(&s->stolen);
    for (int i = 0; i < 10; i++) {
        EXPECT_STATUS(
            belay_spawn(self, belay_scope_current(self), body_tally, &s->drops, NULL, NULL),
            BELAY_OK);
    }
    return BELAY_OK;
}

static belay_status task_with_spawning_fork(belay_task *self, void *arg) {
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(fork_then_nap(self, arg, spawn_in_fork), BELAY_OK);
    return belay_scope_close(self, scope);
}

static void test_stolen_fork_spawns_into_its_tasks_scope(void **state) {
    shared s = {0};
    run(executor_of(state), task_with_spawning_fork, &s);
    assert_int_equal(tally_read(&s.drops), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_cancel_of_a_task_reaches_its_stolen_forks),
        BOTH(test_cancel_of_the_scope_reaches_stolen_forks),
        BOTH(test_canceled_sync_stays_until_its_fork_has_ended),
        BOTH(test_cancel_reaches_the_last_of_a_long_chain_of_stolen_forks),
        BOTH(test_scope_left_open_by_a_stolen_fork_is_drained_and_reported),
        BOTH(test_stolen_fork_spawns_into_its_tasks_scope),
        BOTH(test_result_set_by_a_stolen_fork_is_the_tasks),
        BOTH(test_stolen_fork_that_joins_its_own_task_is_edeadlk),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

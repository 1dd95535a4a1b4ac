/* Select: what is chosen, what losers keep, how it ends. Channels as clauses: select_channel_test.c. */
#include "support.h"

static void test_the_first_ready_clause_in_the_order_given_is_taken(void **state) {
    (void)state;
    belay_clause clauses[] = {belay_on_time(BELAY_NEVER), belay_on_time(0), belay_on_time(0)};
    size_t which = 99;
    assert_int_equal(belay_select(NULL, clauses, 3, 0, &which), BELAY_OK);
    assert_int_equal(which, 1);
    assert_int_equal(belay_try_select(clauses, 3, 0, &which), BELAY_OK);
    assert_int_equal(which, 1);
}

static void test_a_fair_select_takes_each_ready_clause_about_as_often(void **state) {
    (void)state;
    belay_clause clauses[] = {belay_on_time(0), belay_on_time(BELAY_NEVER), belay_on_time(0),
                              belay_on_time(0)};
    int taken[4] = {0};
    for (int i = 0; i < 3000; i++) {
        size_t which = 99;
        assert_int_equal(belay_try_select(clauses, 4, BELAY_SELECT_FAIR, &which), BELAY_OK);
        assert_in_range(which, 0, 3);
        taken[which]++;
    }
    assert_int_equal(taken[1], 0);
    assert_in_range(taken[0], 700, 1300);
    assert_in_range(taken[2], 700, 1300);
    assert_in_range(taken[3], 700, 1300);
}

static belay_status time_clause_body(belay_task *self, void *arg) {
    (void)arg;
    belay_time soon = belay_after(BELAY_MILLISECOND);
    belay_clause clauses[] = {belay_on_time(belay_after(BELAY_SECOND * 50)), belay_on_time(soon)};
    size_t which = 99;
    EXPECT_STATUS(belay_select(self, clauses, 2, 0, &which), BELAY_OK);
    EXPECT(which == 1 && belay_now() >= soon);
    return BELAY_OK;
}

static void test_a_time_clause_is_chosen_at_its_time_and_not_before(void **state) {
    run(executor_of(state), time_clause_body, NULL);
    belay_clause later = belay_on_time(belay_after(BELAY_MILLISECOND));
    size_t which = 99;
    assert_int_equal(belay_select(NULL, &later, 1, 0, &which), BELAY_OK);
    assert_true(which == 0 && belay_now() >= later.time);
}

static void test_a_deadline_of_zero_polls(void **state) {
    (void)state;
    belay_clause clause = belay_on_time(belay_after(BELAY_SECOND * 50));
    size_t which = 99;
    assert_int_equal(belay_select_until(NULL, &clause, 1, 0, 0, &which), BELAY_ETIMEDOUT);
    assert_int_equal(belay_try_select(&clause, 1, 0, &which), BELAY_EAGAIN);
    assert_int_equal(which, 99);
}

static void test_a_deadline_before_all_times_ends_the_select(void **state) {
    (void)state;
    belay_clause clause = belay_on_time(belay_after(BELAY_SECOND * 50));
    size_t which = 99;
    belay_time soon = belay_after(BELAY_MILLISECOND);
    assert_int_equal(belay_select_until(NULL, &clause, 1, 0, soon, &which), BELAY_ETIMEDOUT);
    assert_true(belay_now() >= soon && which == 99);
}

static belay_status no_clause_body(belay_task *self, void *arg) {
    (void)arg;
    size_t which = 99;
    EXPECT_STATUS(belay_select(self, NULL, 0, 0, &which), BELAY_ECANCELED);
    EXPECT(which == 99);
    return BELAY_ECANCELED;
}

static void test_without_a_clause_it_waits_to_be_cancelled(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task = spawn_outside(ex, no_clause_body, NULL);
    await_waiting(ex, "select", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

static void test_a_foreign_thread_that_could_never_wake_is_refused(void **state) {
    (void)state;
    size_t which = 99;
    belay_clause never = belay_on_time(BELAY_NEVER);
    assert_int_equal(belay_select(NULL, NULL, 0, 0, &which), BELAY_EINVAL);
    assert_int_equal(belay_select(NULL, &never, 1, 0, &which), BELAY_EINVAL);
    assert_int_equal(belay_select_until(NULL, &never, 1, 0, 1, &which), BELAY_ETIMEDOUT);
}

static void test_mistakes_in_the_call(void **state) {
    (void)state;
    size_t which = 99;
    belay_clause clause = belay_on_time(0);
    assert_int_equal(belay_select(NULL, &clause, 1, 0, NULL), BELAY_EINVAL);
    assert_int_equal(belay_select(NULL, NULL, 1, 0, &which), BELAY_EINVAL);
    assert_int_equal(belay_select(NULL, &clause, 1, 2, &which), BELAY_EINVAL);
    clause.kind = 77;
    assert_int_equal(belay_select(NULL, &clause, 1, 0, &which), BELAY_EINVAL);
    assert_int_equal(belay_try_select(&clause, 1, 0, &which), BELAY_EINVAL);
    assert_int_equal(which, 99);
}

/* ---- joining ---------------------------------------------------------------------------------------------------- */

static belay_status body_seven(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 7;
}

static void test_a_join_clause_is_chosen_when_the_task_ends(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle sleeper = gate_make(ex);
    belay_task_handle quick = spawn_outside(ex, body_seven, NULL);
    belay_outcome outcome = {0}, untouched = {.status = 42};
    belay_clause clauses[] = {belay_on_join(sleeper, &untouched), belay_on_join(quick, &outcome)};
    size_t which = 99;
    assert_int_equal(belay_select(NULL, clauses, 2, 0, &which), BELAY_OK);
    assert_int_equal(which, 1);
    assert_int_equal(clauses[1].status, BELAY_OK);
    assert_int_equal(outcome.status, 7);
    assert_int_equal(untouched.status, 42);
    assert_int_equal(belay_task_release(quick), BELAY_OK);
    gate_open(sleeper);
}

typedef struct pair {
    belay_task_handle a, b;
    tally chosen;
} pair;

static belay_status choose_pair_body(belay_task *self, void *arg) {
    pair *p = arg;
    belay_clause clauses[] = {belay_on_join(p->a, NULL), belay_on_join(p->b, NULL),
                              belay_on_time(BELAY_NEVER)};
    size_t which = 99;
    EXPECT_STATUS(belay_select(self, clauses, 3, 0, &which), BELAY_OK);
    EXPECT(which == 1 && clauses[1].status == BELAY_OK);
    (void)tally_add(&p->chosen);
    return BELAY_OK;
}

static void test_many_selects_wake_for_the_same_task(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = {.a = gate_make(ex), .b = gate_make(ex)};
    belay_task_handle task[3];
    for (int i = 0; i < 3; i++) {
        task[i] = spawn_outside(ex, choose_pair_body, &p);
    }
    await_waiting(ex, "select", 3);
    assert_int_equal(belay_task_cancel(p.b, BELAY_OK, NULL), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(join_outside(task[i]).kind, BELAY_OUTCOME_VALUE);
    }
    assert_int_equal(tally_read(&p.chosen), 3);
    gate_open(p.a);
    assert_int_equal(belay_task_release(p.b), BELAY_OK);
}

static belay_status own_join_body(belay_task *self, void *arg) {
    (void)arg;
    belay_clause clause = belay_on_join(belay_task_self_handle(self), NULL);
    size_t which = 99;
    EXPECT_STATUS(belay_select(self, &clause, 1, 0, &which), BELAY_OK);
    EXPECT_STATUS(clause.status, BELAY_EDEADLK);
    return BELAY_OK;
}

static void test_joining_oneself_is_ready_with_a_deadlock(void **state) {
    belay_task_handle task = spawn_outside(executor_of(state), own_join_body, NULL);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
}

static void test_a_stale_handle_is_ready_with_that(void **state) {
    belay_task_handle task = spawn_outside(executor_of(state), body_nothing, NULL);
    (void)join_outside(task);
    await_stale(task);
    belay_clause clause = belay_on_join(task, NULL);
    size_t which = 99;
    assert_int_equal(belay_select(NULL, &clause, 1, 0, &which), BELAY_OK);
    assert_int_equal(clause.status, BELAY_ESTALE);
}

static belay_status canceled_body(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_sleep_until(self, BELAY_NEVER);
    belay_clause ready = belay_on_time(0);
    size_t which = 99;
    EXPECT_STATUS(belay_select(self, &ready, 1, 0, &which), BELAY_ECANCELED);
    EXPECT_STATUS(belay_select_until(self, &ready, 1, 0, 0, &which), BELAY_ECANCELED);
    EXPECT_STATUS(belay_try_select(&ready, 1, 0, &which), BELAY_OK);
    ready.kind = 77; /* a mistake comes first */
    EXPECT_STATUS(belay_select(self, &ready, 1, 0, &which), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_a_cancelled_caller_is_refused_before_any_clause(void **state) {
    belay_task_handle task = spawn_outside(executor_of(state), canceled_body, NULL);
    await_waiting(executor_of(state), "sleep", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(task);
}

static belay_status context_body(belay_task *self, void *arg) {
    (void)arg;
    belay_clause ready = belay_on_time(0);
    size_t which = 99;
    EXPECT(self != NULL);
    EXPECT_STATUS(belay_select(NULL, &ready, 1, 0, &which), BELAY_ECONTEXT);
    return BELAY_OK;
}

static void test_self_must_be_the_calling_task(void **state) {
    run(executor_of(state), context_body, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_the_first_ready_clause_in_the_order_given_is_taken),
        BOTH(test_a_fair_select_takes_each_ready_clause_about_as_often),
        BOTH(test_a_time_clause_is_chosen_at_its_time_and_not_before),
        BOTH(test_a_deadline_of_zero_polls),
        BOTH(test_a_deadline_before_all_times_ends_the_select),
        BOTH(test_without_a_clause_it_waits_to_be_cancelled),
        BOTH(test_a_foreign_thread_that_could_never_wake_is_refused),
        BOTH(test_mistakes_in_the_call),
        BOTH(test_a_join_clause_is_chosen_when_the_task_ends),
        BOTH(test_many_selects_wake_for_the_same_task),
        BOTH(test_joining_oneself_is_ready_with_a_deadlock),
        BOTH(test_a_stale_handle_is_ready_with_that),
        BOTH(test_a_cancelled_caller_is_refused_before_any_clause),
        BOTH(test_self_must_be_the_calling_task),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

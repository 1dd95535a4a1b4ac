/* Joining all of several tasks. */
#include "api/support.h"

enum { MANY = 20 };

static belay_status return_it(belay_task *self, void *arg) {
    (void)belay_yield(self);
    return *(belay_status *)arg;
}

static void test_all_outcomes_are_in_the_order_of_the_handles(void **state) {
    belay_executor *ex = executor_of(state);
    belay_status codes[MANY];
    belay_task_handle tasks[MANY];
    belay_outcome outcomes[MANY];
    for (int i = 0; i < MANY; i++) {
        codes[i] = i;
        tasks[i] = spawn_outside(ex, return_it, &codes[i]);
    }
    assert_int_equal(belay_join_all(NULL, tasks, MANY, outcomes), BELAY_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(outcomes[i].status, i);
        assert_int_equal(belay_task_release(tasks[i]), BELAY_OK);
    }
}

static void test_timed_out_all_says_how_many_have_ended_and_which(void **state) {
    belay_executor *ex = executor_of(state);
    belay_status code = 7;
    size_t ended = 99;
    belay_outcome outcomes[4];
    belay_task_handle tasks[4] = {gate_make(ex), spawn_outside(ex, return_it, &code), gate_make(ex),
                                  spawn_outside(ex, return_it, &code)};
    assert_int_equal(belay_join(NULL, tasks[1], NULL), BELAY_OK);
    assert_int_equal(belay_join(NULL, tasks[3], NULL), BELAY_OK);
    assert_int_equal(
        belay_join_all_until(NULL, tasks, 4, belay_after(BELAY_MILLISECOND), outcomes, &ended),
        BELAY_ETIMEDOUT);
    assert_int_equal(ended, 2);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(outcomes[i].kind, i % 2 == 0 ? 0 : BELAY_OUTCOME_ERROR);
        assert_int_equal(outcomes[i].status, i % 2 == 0 ? 0 : 7);
    }
    assert_int_equal(belay_join_all_until(NULL, tasks, 4, 0, NULL, &ended), BELAY_ETIMEDOUT);
    assert_int_equal(ended, 2);
    gate_open(tasks[0]);
    gate_open(tasks[2]);
    assert_int_equal(belay_task_release(tasks[1]), BELAY_OK);
    assert_int_equal(belay_task_release(tasks[3]), BELAY_OK);
}

static void test_all_of_none_is_done_at_once(void **state) {
    (void)state;
    size_t ended = 99;
    assert_int_equal(belay_join_all_until(NULL, NULL, 0, 0, NULL, &ended), BELAY_OK);
    assert_int_equal(ended, 0);
    assert_int_equal(belay_join_all(NULL, NULL, 3, NULL), BELAY_EINVAL);
}

static void test_a_stale_handle_is_found_before_anything_is_waited_for(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle gone = spawn_outside(ex, body_nothing, NULL);
    (void)join_outside(gone);
    await_stale(gone);
    belay_task_handle tasks[2] = {gate_make(ex), gone};
    assert_int_equal(belay_join_all(NULL, tasks, 2, NULL), BELAY_ESTALE);
    gate_open(tasks[0]);
}

static belay_status all_with_itself(belay_task *self, void *arg) {
    belay_task_handle list[2] = {*(belay_task_handle *)arg, belay_task_self_handle(self)};
    EXPECT_STATUS(belay_join_all(self, list, 2, NULL), BELAY_EDEADLK);
    return BELAY_OK;
}

static void test_all_with_oneself_among_them_is_refused(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle gate = gate_make(ex);
    run(ex, all_with_itself, &gate);
    gate_open(gate);
}

typedef struct pair {
    belay_task_handle tasks[2];
} pair;

static belay_status all_until_cancelled(belay_task *self, void *arg) {
    pair *p = arg;
    belay_outcome outcomes[2];
    size_t ended = 99;
    EXPECT_STATUS(belay_join_all_until(self, p->tasks, 2, BELAY_NEVER, outcomes, &ended),
                  BELAY_ECANCELED);
    EXPECT(ended == 1 && outcomes[0].kind == 0 && outcomes[1].kind == BELAY_OUTCOME_VALUE);
    EXPECT_STATUS(belay_join_all(self, NULL, 0, NULL), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_cancelled_caller_of_all_gets_the_outcomes_there_are(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = {{gate_make(ex), spawn_outside(ex, body_nothing, NULL)}};
    assert_int_equal(belay_join(NULL, p.tasks[1], NULL), BELAY_OK);
    belay_task_handle waiter = spawn_outside(ex, all_until_cancelled, &p);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_task_cancel(waiter, 1, NULL), BELAY_OK);
    assert_int_equal(join_outside(waiter).kind, BELAY_OUTCOME_CANCELED);
    gate_open(p.tasks[0]);
    assert_int_equal(belay_task_release(p.tasks[1]), BELAY_OK);
}

static belay_status with_result(belay_task *self, void *arg) {
    return belay_set_result(self, arg, tally_drop);
}

static void test_a_task_given_twice_leaves_its_result_at_the_first_place(void **state) {
    belay_executor *ex = executor_of(state);
    tally drops = {0};
    belay_outcome outcomes[2];
    belay_task_handle task = spawn_outside(ex, with_result, &drops);
    belay_task_handle tasks[2] = {task, task};
    assert_int_equal(belay_join_all(NULL, tasks, 2, outcomes), BELAY_OK);
    assert_true(outcomes[0].has_result && !outcomes[1].has_result);
    assert_int_equal(outcomes[1].kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

static belay_status join_children(belay_task *self, void *arg) {
    belay_task_handle tasks[MANY];
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < MANY; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, body_tally, arg, NULL, &tasks[i]), BELAY_OK);
    }
    EXPECT_STATUS(belay_join_all(self, tasks, MANY, NULL), BELAY_OK);
    EXPECT(tally_read(arg) == MANY);
    for (int i = 0; i < MANY; i++) {
        EXPECT_STATUS(belay_task_release(tasks[i]), BELAY_OK);
    }
    return belay_scope_close(self, scope);
}

static void test_a_task_joins_all_its_children(void **state) {
    tally t = {0};
    run(executor_of(state), join_children, &t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_all_outcomes_are_in_the_order_of_the_handles),
        BOTH(test_timed_out_all_says_how_many_have_ended_and_which),
        BOTH(test_all_of_none_is_done_at_once),
        BOTH(test_a_stale_handle_is_found_before_anything_is_waited_for),
        BOTH(test_all_with_oneself_among_them_is_refused),
        BOTH(test_a_cancelled_caller_of_all_gets_the_outcomes_there_are),
        BOTH(test_a_task_given_twice_leaves_its_result_at_the_first_place),
        BOTH(test_a_task_joins_all_its_children),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/join_all", tests, NULL, NULL);
}

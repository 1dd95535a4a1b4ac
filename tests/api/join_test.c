/* Joining: from tasks and foreign threads, with and without a deadline, by many, and of finished tasks. */
#include "api/support.h"

enum { JOINERS = 12 };

typedef struct meeting {
    belay_task_handle task, gate;
    tally joined, drops;
} meeting;

static belay_status wait_at_gate(belay_task *self, void *arg) {
    meeting *m = arg;
    EXPECT_STATUS(gate_pass(self, m->gate), BELAY_OK);
    return 17;
}

static belay_status join_it(belay_task *self, void *arg) {
    meeting *m = arg;
    belay_outcome outcome;
    EXPECT_STATUS(belay_join(self, m->task, &outcome), BELAY_OK);
    EXPECT(outcome.status == 17 && outcome.kind == BELAY_OUTCOME_ERROR);
    (void)tally_add(&m->joined);
    return BELAY_OK;
}

static void *join_outside_thread(void *arg) {
    (void)join_it(NULL, arg);
    return NULL;
}

static void meet(belay_executor *ex, meeting *m) {
    m->gate = gate_make(ex);
    m->task = spawn_outside(ex, wait_at_gate, m);
}

static void test_many_tasks_and_threads_join_one_task(void **state) {
    belay_executor *ex = executor_of(state);
    meeting m = {0};
    pthread_t threads[3];
    belay_task_handle joiners[JOINERS];
    meet(ex, &m);
    for (int i = 0; i < JOINERS; i++) {
        joiners[i] = spawn_outside(ex, join_it, &m);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, join_outside_thread, &m), 0);
    }
    await_waiting(ex, "join", JOINERS + 1);
    assert_int_equal(tally_read(&m.joined), 0);
    gate_open(m.gate);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < JOINERS; i++) {
        assert_int_equal(join_outside(joiners[i]).kind, BELAY_OUTCOME_VALUE);
    }
    assert_int_equal(tally_read(&m.joined), JOINERS + 3);
    assert_int_equal(belay_task_release(m.task), BELAY_OK);
}

static void test_finished_task_is_joined_at_once_again_and_again(void **state) {
    belay_executor *ex = executor_of(state);
    belay_outcome outcome;
    belay_task_handle task = spawn_outside(ex, body_nothing, NULL);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(belay_join_until(NULL, task, 0, &outcome), BELAY_OK);
        assert_int_equal(outcome.kind, BELAY_OUTCOME_VALUE);
    }
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

static void test_outside_join_with_deadline_times_out_not_early(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task = gate_make(ex);
    belay_time deadline = belay_after(5 * BELAY_MILLISECOND);
    assert_int_equal(belay_join_until(NULL, task, deadline, NULL), BELAY_ETIMEDOUT);
    assert_true(belay_now() >= deadline);
    assert_int_equal(belay_join_until(NULL, task, 0, NULL), BELAY_ETIMEDOUT);
    gate_open(task);
}

static belay_status join_with_deadline(belay_task *self, void *arg) {
    belay_task_handle task = *(belay_task_handle *)arg;
    belay_time deadline = belay_after(5 * BELAY_MILLISECOND);
    EXPECT_STATUS(belay_join_until(self, task, 0, NULL), BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_join_until(self, task, deadline, NULL), BELAY_ETIMEDOUT);
    EXPECT(belay_now() >= deadline);
    EXPECT_STATUS(belay_task_cancel(task, BELAY_OK, NULL), BELAY_OK);
    EXPECT_STATUS(belay_join_until(self, task, belay_after(60 * BELAY_SECOND), NULL), BELAY_OK);
    return BELAY_OK;
}

static void test_task_join_with_deadline_times_out_then_succeeds(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task = gate_make(ex);
    run(ex, join_with_deadline, &task);
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

static belay_status give_word(belay_task *self, void *arg) {
    meeting *m = arg;
    EXPECT_STATUS(gate_pass(self, m->gate), BELAY_OK);
    return belay_set_result(self, &m->drops, tally_drop);
}

static belay_status take_word(belay_task *self, void *arg) {
    meeting *m = arg;
    belay_outcome outcome;
    EXPECT_STATUS(belay_join(self, m->task, &outcome), BELAY_OK);
    if (outcome.has_result) {
        EXPECT(outcome.result == &m->drops);
        (void)tally_add(&m->joined);
    }
    return BELAY_OK;
}

static void test_exactly_one_of_many_joiners_takes_the_result(void **state) {
    belay_executor *ex = executor_of(state);
    meeting m = {0};
    belay_task_handle joiners[JOINERS];
    m.gate = gate_make(ex);
    m.task = spawn_outside(ex, give_word, &m);
    for (int i = 0; i < JOINERS; i++) {
        joiners[i] = spawn_outside(ex, take_word, &m);
    }
    await_waiting(ex, "join", JOINERS + 1);
    gate_open(m.gate);
    for (int i = 0; i < JOINERS; i++) {
        (void)join_outside(joiners[i]);
    }
    assert_int_equal(tally_read(&m.joined), 1);
    assert_int_equal(belay_task_release(m.task), BELAY_OK);
    assert_int_equal(tally_read(&m.drops), 0);
}

static belay_status join_canceled(belay_task *self, void *arg) {
    belay_task_handle task = *(belay_task_handle *)arg;
    EXPECT_STATUS(belay_join(self, task, NULL), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_canceled_joiner_leaves_the_task_alone(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task = gate_make(ex);
    belay_task_handle joiner = spawn_outside(ex, join_canceled, &task);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_task_cancel(joiner, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(joiner).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_join_until(NULL, task, 0, NULL), BELAY_ETIMEDOUT);
    gate_open(task);
}

static void test_released_while_it_is_joined(void **state) {
    belay_executor *ex = executor_of(state);
    meeting m = {0};
    meet(ex, &m);
    belay_task_handle joiner = spawn_outside(ex, join_it, &m);
    await_waiting(ex, "join", 2);
    assert_int_equal(belay_task_release(m.task), BELAY_OK);
    gate_open(m.gate);
    assert_int_equal(join_outside(joiner).kind, BELAY_OUTCOME_VALUE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_many_tasks_and_threads_join_one_task),
        BOTH(test_finished_task_is_joined_at_once_again_and_again),
        BOTH(test_outside_join_with_deadline_times_out_not_early),
        BOTH(test_task_join_with_deadline_times_out_then_succeeds),
        BOTH(test_exactly_one_of_many_joiners_takes_the_result),
        BOTH(test_canceled_joiner_leaves_the_task_alone),
        BOTH(test_released_while_it_is_joined),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

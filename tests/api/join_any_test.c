/* Joining any of several tasks, and cancelling one to wait for its end. */
#include "api/support.h"

enum { MANY = 40 };

typedef struct field {
    belay_executor *ex;
    belay_task_handle tasks[MANY], gates[MANY];
    bool is_open[MANY];
    tally drops, passed;
} field;

static belay_status pass_gate(belay_task *self, void *arg) {
    return gate_pass(self, *(belay_task_handle *)arg) == BELAY_OK ? 17 : BELAY_ECANCELED;
}

static void field_open(field *f, belay_executor *ex, int n) {
    *f = (field){.ex = ex};
    for (int i = 0; i < n; i++) {
        f->gates[i] = gate_make(ex);
        f->tasks[i] = spawn_outside(ex, pass_gate, &f->gates[i]);
    }
}

static void field_let(field *f, int i) {
    f->is_open[i] = true;
    gate_open(f->gates[i]);
}

static void field_close(field *f, int n) {
    for (int i = 0; i < n; i++) {
        if (!f->is_open[i]) {
            gate_open(f->gates[i]);
        }
        (void)belay_join(NULL, f->tasks[i], NULL);
        assert_int_equal(belay_task_release(f->tasks[i]), BELAY_OK);
    }
}

static void test_the_one_that_has_ended_is_named(void **state) {
    field f;
    size_t index = 99;
    belay_outcome outcome;
    field_open(&f, executor_of(state), 3);
    field_let(&f, 1);
    assert_int_equal(belay_join_any(NULL, f.tasks, 3, &index, &outcome), BELAY_OK);
    assert_int_equal(index, 1);
    assert_int_equal(outcome.status, 17);
    field_close(&f, 3);
}

static belay_status any_of_many(belay_task *self, void *arg) {
    field *f = arg;
    size_t index = 99;
    belay_outcome outcome;
    EXPECT_STATUS(belay_join_any(self, f->tasks, MANY, &index, &outcome), BELAY_OK);
    EXPECT(index == MANY - 2 && outcome.status == 17);
    return BELAY_OK;
}

static void test_a_task_waits_for_any_of_more_than_fit_on_its_stack(void **state) {
    field f;
    field_open(&f, executor_of(state), MANY);
    belay_task_handle waiter = spawn_outside(f.ex, any_of_many, &f);
    await_waiting(f.ex, "join", 1 + MANY / 2);
    field_let(&f, MANY - 2);
    assert_int_equal(join_outside(waiter).kind, BELAY_OUTCOME_VALUE);
    field_close(&f, MANY);
}

static void test_of_several_that_have_ended_the_first_in_the_list_counts(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle tasks[3];
    size_t index = 99;
    for (int i = 0; i < 3; i++) {
        tasks[i] = spawn_outside(ex, body_nothing, NULL);
        assert_int_equal(belay_join(NULL, tasks[i], NULL), BELAY_OK);
    }
    assert_int_equal(belay_join_any(NULL, tasks, 3, &index, NULL), BELAY_OK);
    assert_int_equal(index, 0);
    assert_int_equal(belay_join_any(NULL, tasks + 1, 2, &index, NULL), BELAY_OK);
    assert_int_equal(index, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(belay_task_release(tasks[i]), BELAY_OK);
    }
}

static void test_any_times_out_not_early_and_leaves_the_tasks_alone(void **state) {
    field f;
    field_open(&f, executor_of(state), 2);
    belay_time deadline = belay_after(3 * BELAY_MILLISECOND);
    assert_int_equal(belay_join_any_until(NULL, f.tasks, 2, deadline, NULL, NULL), BELAY_ETIMEDOUT);
    assert_true(belay_now() >= deadline);
    assert_int_equal(belay_join_any_until(NULL, f.tasks, 2, 0, NULL, NULL), BELAY_ETIMEDOUT);
    field_close(&f, 2);
}

static void test_a_task_given_twice_is_found_at_its_first_place(void **state) {
    field f;
    size_t index = 99;
    field_open(&f, executor_of(state), 2);
    belay_task_handle list[4] = {f.tasks[0], f.tasks[1], f.tasks[1], f.tasks[0]};
    field_let(&f, 1);
    assert_int_equal(belay_join_any(NULL, list, 4, &index, NULL), BELAY_OK);
    assert_int_equal(index, 1);
    field_close(&f, 2);
}

static void test_mistakes_of_any_name_the_handle_and_do_nothing(void **state) {
    field f;
    size_t index = 99;
    belay_task_handle gone = spawn_outside(executor_of(state), body_nothing, NULL);
    (void)join_outside(gone);
    await_stale(gone);
    field_open(&f, executor_of(state), 1);
    belay_task_handle list[2] = {f.tasks[0], gone};
    assert_int_equal(belay_join_any(NULL, list, 2, &index, NULL), BELAY_ESTALE);
    assert_int_equal(index, 1);
    assert_int_equal(belay_join_any(NULL, list, 0, &index, NULL), BELAY_EINVAL);
    assert_int_equal(belay_join_any(NULL, NULL, 2, &index, NULL), BELAY_EINVAL);
    field_close(&f, 1);
}

static belay_status any_with_itself(belay_task *self, void *arg) {
    belay_task_handle list[2] = {*(belay_task_handle *)arg, belay_task_self_handle(self)};
    size_t index = 99;
    EXPECT_STATUS(belay_join_any(self, list, 2, &index, NULL), BELAY_EDEADLK);
    EXPECT(index == 1);
    return BELAY_OK;
}

static void test_any_with_oneself_among_them_is_refused(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle gate = gate_make(ex);
    run(ex, any_with_itself, &gate);
    gate_open(gate);
}

static belay_status any_until_cancelled(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_join_any(self, arg, 2, NULL, NULL), BELAY_ECANCELED);
    EXPECT_STATUS(belay_join_any(self, arg, 2, NULL, NULL), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_cancelled_caller_of_any_leaves_the_tasks_running(void **state) {
    field f;
    field_open(&f, executor_of(state), 2);
    belay_task_handle waiter = spawn_outside(f.ex, any_until_cancelled, f.tasks);
    await_waiting(f.ex, "join", 3);
    assert_int_equal(belay_task_cancel(waiter, 1, NULL), BELAY_OK);
    assert_int_equal(join_outside(waiter).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_join_any_until(NULL, f.tasks, 2, 0, NULL, NULL), BELAY_ETIMEDOUT);
    field_close(&f, 2);
}

static belay_status with_result(belay_task *self, void *arg) {
    return belay_set_result(self, arg, tally_drop);
}

static void test_any_takes_the_result_of_the_one_it_names_only(void **state) {
    belay_executor *ex = executor_of(state);
    tally drops = {0};
    belay_outcome outcome;
    belay_task_handle tasks[2] = {spawn_outside(ex, with_result, &drops),
                                  spawn_outside(ex, with_result, &drops)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(belay_join(NULL, tasks[i], NULL), BELAY_OK);
    }
    assert_int_equal(belay_join_any(NULL, tasks, 2, NULL, &outcome), BELAY_OK);
    assert_true(outcome.has_result && outcome.result == &drops);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(belay_task_release(tasks[i]), BELAY_OK);
    }
    tally_await(&drops, 1);
    await_stale(tasks[0]);
    assert_int_equal(tally_read(&drops), 1);
}

/* Takes them out one after the other, like a completion queue. */
static void test_any_again_and_again_hears_of_each_once(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle tasks[MANY];
    size_t left = MANY;
    for (int i = 0; i < MANY; i++) {
        tasks[i] = spawn_outside(ex, body_nothing, NULL);
    }
    while (left > 0) {
        size_t index = left;
        assert_int_equal(belay_join_any(NULL, tasks, left, &index, NULL), BELAY_OK);
        assert_true(index < left);
        assert_int_equal(belay_task_release(tasks[index]), BELAY_OK);
        tasks[index] = tasks[--left];
    }
}

static void test_any_waits_for_tasks_of_two_executors(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *other = NULL;
    assert_int_equal(belay_executor_create(&config, &other), BELAY_OK);
    size_t index = 99;
    belay_task_handle here = gate_make(executor_of(state)), there = gate_make(other);
    belay_task_handle list[2] = {here, there};
    gate_open(there);
    assert_int_equal(belay_join_any_until(NULL, list, 1, 0, NULL, NULL), BELAY_ETIMEDOUT);
    (void)belay_executor_shutdown(other, 0, BELAY_NEVER);
    belay_status status = belay_join_any(NULL, list, 2, &index, NULL);
    assert_true(index == 1 && (status == BELAY_OK || status == BELAY_ESTALE));
    gate_open(here);
    assert_int_equal(belay_executor_destroy(other), BELAY_OK);
}

/* ---- cancel and join ------------------------------------------------------------------------------------------- */

static belay_status cancel_child(belay_task *self, void *arg) {
    belay_outcome outcome = {0};
    EXPECT_STATUS(belay_cancel_and_join(self, *(belay_task_handle *)arg, 5, "enough", &outcome),
                  BELAY_OK);
    EXPECT(outcome.kind == BELAY_OUTCOME_CANCELED && outcome.status == BELAY_ECANCELED);
    EXPECT(!belay_canceled(self));
    return BELAY_OK;
}

static void test_the_childs_cancel_is_not_the_callers(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle child = spawn_outside(ex, body_sleep, NULL);
    await_waiting(ex, "sleep", 1);
    run(ex, cancel_child, &child);
    assert_int_equal(belay_task_release(child), BELAY_OK);
}

/* Ends some time after its cancel, whatever that says. */
typedef struct stubborn {
    belay_task_handle child;
    tally told, may_end, ended;
} stubborn;

static belay_status end_when_allowed(belay_task *self, void *arg) {
    stubborn *s = arg;
    (void)belay_sleep_until(self, BELAY_NEVER);
    (void)tally_add(&s->told);
    while (tally_read(&s->may_end) == 0) {
        (void)belay_yield(self);
    }
    (void)tally_add(&s->ended);
    return 23;
}

static belay_status cancel_stubborn(belay_task *self, void *arg) {
    stubborn *s = arg;
    belay_outcome outcome = {0};
    EXPECT_STATUS(belay_cancel_and_join(self, s->child, 5, NULL, &outcome), BELAY_ECANCELED);
    EXPECT(tally_read(&s->ended) == 1);
    EXPECT(outcome.kind == BELAY_OUTCOME_ERROR && outcome.status == 23);
    return BELAY_ECANCELED;
}

static void
test_a_caller_that_is_cancelled_meanwhile_stays_until_the_child_has_ended(void **state) {
    belay_executor *ex = executor_of(state);
    stubborn s = {0};
    s.child = spawn_outside(ex, end_when_allowed, &s);
    await_waiting(ex, "sleep", 1);
    belay_task_handle caller = spawn_outside(ex, cancel_stubborn, &s);
    tally_await(&s.told, 1);
    assert_int_equal(belay_task_cancel(caller, 1, NULL), BELAY_OK);
    assert_int_equal(belay_join_until(NULL, caller, belay_after(BELAY_MILLISECOND), NULL),
                     BELAY_ETIMEDOUT);
    tally_set(&s.may_end, 1);
    assert_int_equal(join_outside(caller).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_task_release(s.child), BELAY_OK);
}

static belay_status cancel_and_join_oneself(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_cancel_and_join(self, belay_task_self_handle(self), 1, NULL, NULL),
                  BELAY_EDEADLK);
    EXPECT(!belay_canceled(self));
    return BELAY_OK;
}

static void test_cancel_and_join_of_oneself_is_refused_and_cancels_nothing(void **state) {
    run(executor_of(state), cancel_and_join_oneself, NULL);
}

static void test_cancel_and_join_of_a_finished_task_gives_its_outcome(void **state) {
    belay_executor *ex = executor_of(state);
    tally drops = {0};
    belay_outcome outcome = {0};
    belay_task_handle task = spawn_outside(ex, with_result, &drops);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_cancel_and_join(NULL, task, 1, NULL, &outcome), BELAY_OK);
    assert_true(outcome.kind == BELAY_OUTCOME_VALUE && !outcome.cancel_requested);
    assert_true(outcome.has_result && outcome.result == &drops);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    await_stale(task);
    assert_int_equal(belay_cancel_and_join(NULL, task, 1, NULL, NULL), BELAY_ESTALE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_the_one_that_has_ended_is_named),
        BOTH(test_a_task_waits_for_any_of_more_than_fit_on_its_stack),
        BOTH(test_of_several_that_have_ended_the_first_in_the_list_counts),
        BOTH(test_any_times_out_not_early_and_leaves_the_tasks_alone),
        BOTH(test_a_task_given_twice_is_found_at_its_first_place),
        BOTH(test_mistakes_of_any_name_the_handle_and_do_nothing),
        BOTH(test_any_with_oneself_among_them_is_refused),
        BOTH(test_a_cancelled_caller_of_any_leaves_the_tasks_running),
        BOTH(test_any_takes_the_result_of_the_one_it_names_only),
        BOTH(test_any_again_and_again_hears_of_each_once),
        BOTH(test_any_waits_for_tasks_of_two_executors),
        BOTH(test_the_childs_cancel_is_not_the_callers),
        BOTH(test_a_caller_that_is_cancelled_meanwhile_stays_until_the_child_has_ended),
        BOTH(test_cancel_and_join_of_oneself_is_refused_and_cancels_nothing),
        BOTH(test_cancel_and_join_of_a_finished_task_gives_its_outcome),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/join_any", tests, NULL, NULL);
}

/* Outcomes and results: exactly one outcome, in the promised order; a result goes to one joiner or is dropped. */
#include "api/support.h"

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

static belay_status return_it(belay_task *self, void *arg) {
    (void)self;
    return *(belay_status *)arg;
}

static belay_outcome outcome_of(belay_executor *ex, belay_status status) {
    belay_outcome outcome;
    assert_int_equal(belay_executor_run(ex, return_it, &status, &outcome), BELAY_OK);
    assert_int_equal(outcome.status, status);
    assert_false(outcome.cancel_requested);
    assert_false(outcome.has_result);
    return outcome;
}

static void test_status_decides_the_kind(void **state) {
    belay_executor *ex = executor_of(state);
    assert_int_equal(outcome_of(ex, BELAY_OK).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(outcome_of(ex, 4711).kind, BELAY_OUTCOME_ERROR);
    assert_int_equal(outcome_of(ex, BELAY_EINVAL).kind, BELAY_OUTCOME_ERROR);
}

static void test_canceled_status_without_a_cancel_is_an_error(void **state) {
    assert_int_equal(outcome_of(executor_of(state), BELAY_ECANCELED).kind, BELAY_OUTCOME_ERROR);
}

static belay_status value_in_spite(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER) == BELAY_ECANCELED ? BELAY_OK : BELAY_EINVAL;
}

static void test_value_in_spite_of_a_cancel_stays_a_value(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task = spawn_outside(ex, value_in_spite, NULL);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 3, NULL), BELAY_OK);
    belay_outcome outcome = join_outside(task);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_VALUE);
    assert_true(outcome.cancel_requested);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static belay_status give_result(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_set_result(self, arg, tally_drop), BELAY_OK);
    return BELAY_OK;
}

static void test_first_joiner_takes_the_result(void **state) {
    tally drops = {0};
    belay_outcome first = {0}, second = {0};
    belay_task_handle task = spawn_outside(executor_of(state), give_result, &drops);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_join(NULL, task, &first), BELAY_OK);
    assert_int_equal(belay_join(NULL, task, &second), BELAY_OK);
    assert_true(first.has_result);
    assert_ptr_equal(first.result, &drops);
    assert_true(first.result_drop == tally_drop);
    assert_false(second.has_result);
    assert_null(second.result);
    assert_int_equal(second.kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    assert_int_equal(tally_read(&drops), 0);
}

static void test_untaken_result_is_dropped_with_the_last_reference(void **state) {
    tally drops = {0};
    belay_task_handle task = spawn_outside(executor_of(state), give_result, &drops);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(tally_read(&drops), 0);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    tally_await(&drops, 1); /* the task's own reference may be the last */
    assert_int_equal(tally_read(&drops), 1);
}

static void test_result_of_a_task_without_handle_is_dropped(void **state) {
    tally drops = {0};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, give_result, &drops, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&drops), 1);
}

static void test_result_of_an_unreleased_handle_is_dropped_by_destroy(void **state) {
    tally drops = {0};
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    belay_task_handle task = spawn_outside(ex, give_result, &drops);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&drops), 1);
}

static belay_status give_two_results(belay_task *self, void *arg) {
    tally *drops = arg;
    EXPECT_STATUS(belay_set_result(self, &drops[0], tally_drop), BELAY_OK);
    EXPECT_STATUS(belay_set_result(self, &drops[1], tally_drop), BELAY_OK);
    EXPECT(tally_read(&drops[0]) == 1);
    return 5;
}

static void test_second_result_drops_the_first_and_errors_keep_results(void **state) {
    tally drops[2] = {{0}, {0}};
    belay_outcome outcome;
    assert_int_equal(belay_executor_run(executor_of(state), give_two_results, drops, &outcome),
                     BELAY_OK);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_ERROR);
    assert_int_equal(outcome.status, 5);
    assert_true(outcome.has_result);
    assert_ptr_equal(outcome.result, &drops[1]);
    assert_int_equal(tally_read(&drops[0]), 1);
    assert_int_equal(tally_read(&drops[1]), 0);
}

static belay_status give_word(belay_task *self, void *arg) {
    return belay_set_result(self, arg, NULL);
}

static void test_result_without_hook_is_just_a_word(void **state) {
    belay_outcome outcome;
    int word;
    assert_int_equal(belay_executor_run(executor_of(state), give_word, &word, &outcome), BELAY_OK);
    assert_true(outcome.has_result);
    assert_ptr_equal(outcome.result, &word);
    assert_true(outcome.result_drop == NULL);
}

/* ---- the order at the end ---------------------------------------------------------------------------------------- */

typedef struct order {
    tally steps;
    uint64_t body, drop, joined;
    belay_task_handle task;
} order;

static belay_status order_body(belay_task *self, void *arg) {
    order *o = arg;
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_yield(self), BELAY_OK);
    }
    o->body = tally_add(&o->steps);
    return BELAY_OK;
}

static void order_drop(void *arg) {
    order *o = arg;
    o->drop = tally_add(&o->steps);
}

static belay_status order_joiner(belay_task *self, void *arg) {
    order *o = arg;
    EXPECT_STATUS(belay_join(self, o->task, NULL), BELAY_OK);
    o->joined = tally_add(&o->steps);
    return BELAY_OK;
}

static belay_status order_all(belay_task *self, void *arg) {
    order *o = arg;
    belay_scope scope;
    belay_task_options options = {.arg_drop = order_drop};
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, order_body, o, &options, &o->task), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, order_joiner, o, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(o->body == 1 && o->drop == 2 && o->joined == 3);
    return belay_task_release(o->task);
}

static void test_body_then_argument_then_joiners_then_close(void **state) {
    for (int i = 0; i < 50; i++) {
        order o = {0};
        run(executor_of(state), order_all, &o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_status_decides_the_kind),
        BOTH(test_canceled_status_without_a_cancel_is_an_error),
        BOTH(test_value_in_spite_of_a_cancel_stays_a_value),
        BOTH(test_first_joiner_takes_the_result),
        BOTH(test_untaken_result_is_dropped_with_the_last_reference),
        BOTH(test_result_of_a_task_without_handle_is_dropped),
        BOTH_BARE(test_result_of_an_unreleased_handle_is_dropped_by_destroy),
        BOTH(test_second_result_drops_the_first_and_errors_keep_results),
        BOTH(test_result_without_hook_is_just_a_word),
        BOTH(test_body_then_argument_then_joiners_then_close),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Outcomes in the order of completion. */
#include "api/support.h"

enum { MANY = 50 };

static const belay_scope_options keep = {.flags = BELAY_SCOPE_KEEP_OUTCOMES,
                                         .policy = BELAY_COLLECT};

static belay_status return_it(belay_task *self, void *arg) {
    (void)self;
    return (belay_status)(intptr_t)arg;
}

static belay_status take_all(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    belay_outcome outcome;
    bool seen[MANY + 1] = {false};
    EXPECT_STATUS(belay_scope_open(self, &keep, &scope), BELAY_OK);
    for (intptr_t i = 1; i <= MANY; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, return_it, (void *)i, NULL, NULL), BELAY_OK);
    }
    for (int i = 1; i <= MANY; i++) {
        EXPECT_STATUS(belay_scope_next(self, scope, &outcome, NULL), BELAY_OK);
        EXPECT(outcome.status >= 1 && outcome.status <= MANY && !seen[outcome.status]);
        seen[outcome.status] = true;
    }
    EXPECT_STATUS(belay_scope_next(self, scope, &outcome, NULL), BELAY_ENOENT);
    EXPECT(belay_scope_close(self, scope) > 0);
    return BELAY_OK;
}

static void test_every_outcome_comes_once_and_then_there_is_none(void **state) {
    run(executor_of(state), take_all, NULL);
}

typedef struct row {
    belay_executor *ex;
    belay_task_handle gates[3];
    belay_scope scope;
    tally taken, drops;
} row;

static belay_status pass_gate(belay_task *self, void *arg) {
    return gate_pass(self, *(belay_task_handle *)arg);
}

static belay_status take_in_order(belay_task *self, void *arg) {
    row *r = arg;
    static const int order[3] = {2, 0, 1};
    belay_task_handle tasks[3], task;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, &keep, &scope), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, pass_gate, &r->gates[i], NULL, &tasks[i]), BELAY_OK);
    }
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_scope_try_next(scope, NULL, NULL), BELAY_EAGAIN);
        gate_open(r->gates[order[i]]);
        EXPECT_STATUS(belay_scope_next(self, scope, NULL, &task), BELAY_OK);
        EXPECT(memcmp(&task, &tasks[order[i]], sizeof task) == 0);
        EXPECT_STATUS(belay_join(self, task, NULL), BELAY_OK);
        EXPECT_STATUS(belay_task_release(task), BELAY_OK);
        EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    }
    return belay_scope_close(self, scope);
}

static void test_outcomes_come_in_the_order_of_completion(void **state) {
    row r = {.ex = executor_of(state)};
    for (int i = 0; i < 3; i++) {
        r.gates[i] = gate_make(r.ex);
    }
    run(r.ex, take_in_order, &r);
}

static belay_status give_result(belay_task *self, void *arg) {
    return belay_set_result(self, arg, tally_drop);
}

static belay_status take_one_of_three(belay_task *self, void *arg) {
    tally *drops = arg;
    belay_outcome outcome;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, &keep, &scope), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, give_result, drops, NULL, NULL), BELAY_OK);
    }
    EXPECT_STATUS(belay_scope_next(self, scope, &outcome, NULL), BELAY_OK);
    EXPECT(outcome.has_result && outcome.result == drops && outcome.result_drop == tally_drop);
    EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_OK);
    EXPECT(tally_read(drops) == 0);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(drops) == 2); /* before close returns */
    return BELAY_OK;
}

static void test_untaken_results_are_dropped_before_close_returns(void **state) {
    tally drops = {0};
    run(executor_of(state), take_one_of_three, &drops);
    assert_int_equal(tally_read(&drops), 2);
}

static belay_status refuse_without_keep(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_next(self, scope, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_scope_try_next(scope, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_next(self, scope, NULL, NULL), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_try_next(scope, NULL, NULL), BELAY_ESTALE);
    const belay_scope_options bad = {.flags = 1u << 16};
    EXPECT_STATUS(belay_scope_open(self, &bad, &scope), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_a_scope_that_keeps_nothing_refuses(void **state) {
    run(executor_of(state), refuse_without_keep, NULL);
}

static belay_status member_asks(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_scope_next(self, *(belay_scope *)arg, NULL, NULL), BELAY_EDEADLK);
    EXPECT_STATUS(belay_scope_try_next(*(belay_scope *)arg, NULL, NULL), BELAY_EAGAIN);
    return BELAY_OK;
}

static belay_status ask_from_inside(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, &keep, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, member_asks, &scope, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_next(self, scope, NULL, NULL), BELAY_OK);
    return belay_scope_close(self, scope);
}

static void test_a_member_would_wait_for_itself(void **state) {
    run(executor_of(state), ask_from_inside, NULL);
}

static belay_status wait_in_vain(belay_task *self, void *arg) {
    row *r = arg;
    belay_scope scope;
    belay_time deadline = belay_after(2 * BELAY_MILLISECOND);
    EXPECT_STATUS(belay_scope_open(self, &keep, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, pass_gate, &r->gates[0], NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_next_until(self, scope, deadline, NULL, NULL), BELAY_ETIMEDOUT);
    EXPECT(belay_now() >= deadline);
    EXPECT_STATUS(belay_scope_cancel(scope, 5, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_next(self, scope, NULL, NULL), BELAY_ECANCELED);
    while (belay_scope_try_next(scope, NULL, NULL) != BELAY_OK) {
        (void)belay_yield(self);
    }
    EXPECT_STATUS(belay_scope_try_next(scope, NULL, NULL), BELAY_ENOENT);
    EXPECT_STATUS(belay_scope_close(self, scope), 5);
    return BELAY_OK;
}

static void test_next_ends_with_its_deadline_and_with_a_cancel_and_try_goes_on(void **state) {
    row r = {.ex = executor_of(state)};
    r.gates[0] = gate_make(r.ex);
    run(r.ex, wait_in_vain, &r);
    gate_open(r.gates[0]);
}

static belay_status taker(belay_task *self, void *arg) {
    row *r = arg;
    belay_outcome outcome;
    belay_status status;
    while ((status = belay_scope_next(self, r->scope, &outcome, NULL)) == BELAY_OK) {
        if (outcome.status == 9) { /* the others are cancelled in the end */
            (void)tally_add(&r->taken);
        }
    }
    EXPECT(status == BELAY_ENOENT || status == BELAY_ESTALE);
    return BELAY_OK;
}

static void *taker_thread(void *arg) {
    (void)taker(NULL, arg);
    return NULL;
}

static void test_tasks_and_threads_share_the_outcomes(void **state) {
    row r = {.ex = executor_of(state)};
    pthread_t thread;
    belay_task_handle takers[3], gate = gate_make(r.ex);
    assert_int_equal(belay_scope_open_root(r.ex, &keep, &r.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, r.scope, pass_gate, &gate, NULL, NULL), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        takers[i] = spawn_outside(r.ex, taker, &r);
    }
    assert_int_equal(pthread_create(&thread, NULL, taker_thread, &r), 0);
    await_waiting(r.ex, "the next outcome", 3);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(belay_spawn(NULL, r.scope, return_it, (void *)(intptr_t)9, NULL, NULL),
                         BELAY_OK);
    }
    tally_await(&r.taken, MANY);
    assert_int_equal(belay_scope_close_until(NULL, r.scope, 0), BELAY_EBUSY);
    gate_open(gate);
    assert_int_equal(belay_scope_close(NULL, r.scope), 9);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(join_outside(takers[i]).kind, BELAY_OUTCOME_VALUE);
    }
    pthread_join(thread, NULL);
}

static belay_status spawn_from_results(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    belay_outcome outcome;
    int rounds = 0;
    EXPECT_STATUS(belay_scope_open(self, &keep, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, return_it, NULL, NULL, NULL), BELAY_OK);
    while (belay_scope_next(self, scope, &outcome, NULL) == BELAY_OK) {
        if (++rounds < MANY) {
            EXPECT_STATUS(belay_spawn(self, scope, return_it, NULL, NULL, NULL), BELAY_OK);
        }
    }
    EXPECT(rounds == MANY);
    return belay_scope_close(self, scope);
}

static void test_what_is_spawned_after_the_end_comes_too(void **state) {
    run(executor_of(state), spawn_from_results, NULL);
}

static belay_status fail_fast_and_look(belay_task *self, void *arg) {
    (void)arg;
    static const belay_scope_options fast = {.flags = BELAY_SCOPE_KEEP_OUTCOMES};
    belay_scope scope;
    belay_outcome outcome = {0};
    EXPECT_STATUS(belay_scope_open(self, &fast, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, return_it, (void *)(intptr_t)3, NULL, NULL), BELAY_OK);
    belay_status status = BELAY_OK;
    while (status == BELAY_OK) {
        status = belay_sleep_until(self, BELAY_NEVER);
    }
    EXPECT_STATUS(belay_scope_try_next(scope, &outcome, NULL), BELAY_OK);
    EXPECT(outcome.kind == BELAY_OUTCOME_ERROR && outcome.status == 3);
    EXPECT_STATUS(belay_scope_close(self, scope), 3);
    return BELAY_OK;
}

static void test_the_error_that_failed_the_scope_can_be_taken(void **state) {
    run(executor_of(state), fail_fast_and_look, NULL);
}

static void test_memory_is_had_back_as_outcomes_are_taken(void **state) {
    belay_config config = test_config(workers_of(state));
    config.max_tasks = 64;
    belay_executor *ex = executor_make(&config);
    belay_scope scope;
    belay_outcome outcome;
    assert_int_equal(belay_scope_open_root(ex, &keep, &scope), BELAY_OK);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(belay_spawn(NULL, scope, body_nothing, NULL, NULL, NULL), BELAY_OK);
        assert_int_equal(belay_scope_next(NULL, scope, &outcome, NULL), BELAY_OK);
    }
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_true(executor_end(ex));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_every_outcome_comes_once_and_then_there_is_none),
        BOTH(test_outcomes_come_in_the_order_of_completion),
        BOTH(test_untaken_results_are_dropped_before_close_returns),
        BOTH(test_a_scope_that_keeps_nothing_refuses),
        BOTH(test_a_member_would_wait_for_itself),
        BOTH(test_next_ends_with_its_deadline_and_with_a_cancel_and_try_goes_on),
        BOTH(test_tasks_and_threads_share_the_outcomes),
        BOTH(test_what_is_spawned_after_the_end_comes_too),
        BOTH(test_the_error_that_failed_the_scope_can_be_taken),
        BOTH_BARE(test_memory_is_had_back_as_outcomes_are_taken),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/next", tests, NULL, NULL);
}

/* Done callbacks. */
#include "api/support.h"

enum { CALLS = 5 };

typedef struct notice {
    belay_executor *ex;
    tally called, dropped;
    belay_outcome outcome;
    belay_task_handle task;
    belay_status removed, joined, waited;
    belay_registration self;
    int order[CALLS];
} notice;

static void hear(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    notice *n = arg;
    n->outcome = *outcome;
    n->task = task;
    (void)tally_add(&n->called);
}

static void drop_notice(void *arg) {
    (void)tally_add(&((notice *)arg)->dropped);
}

static belay_status wait_and_fail(belay_task *self, void *arg) {
    (void)gate_pass(self, *(belay_task_handle *)arg);
    return 41;
}

static void test_a_callback_hears_how_the_task_ended(void **state) {
    notice n = {.ex = executor_of(state)};
    belay_task_handle gate = gate_make(n.ex);
    belay_task_handle task = spawn_outside(n.ex, wait_and_fail, &gate);
    belay_registration r;
    assert_int_equal(belay_on_done(task, hear, &n, drop_notice, &r), BELAY_OK);
    assert_true(r.slot != 0);
    assert_int_equal(tally_read(&n.called), 0);
    gate_open(gate);
    tally_await(&n.dropped, 1);
    assert_int_equal(tally_read(&n.called), 1);
    assert_int_equal(n.outcome.kind, BELAY_OUTCOME_ERROR);
    assert_int_equal(n.outcome.status, 41);
    assert_memory_equal(&n.task, &task, sizeof task);
    assert_int_equal(belay_on_done_remove(NULL, r), BELAY_ESTALE);
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

static void test_a_late_callback_runs_at_once(void **state) {
    notice n = {.ex = executor_of(state)};
    belay_task_handle task = spawn_outside(n.ex, body_nothing, NULL);
    belay_registration r = {1, 1, 1};
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_on_done(task, hear, &n, drop_notice, &r), BELAY_OK);
    assert_int_equal(tally_read(&n.called), 1);
    assert_int_equal(tally_read(&n.dropped), 1);
    assert_int_equal(n.outcome.kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(r.slot, 0);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    await_stale(task);
    assert_int_equal(belay_on_done(task, hear, &n, drop_notice, &r), BELAY_ESTALE);
    assert_int_equal(belay_on_done(task, NULL, &n, drop_notice, &r), BELAY_EINVAL);
    assert_int_equal(tally_read(&n.dropped), 1);
}

static void test_a_removed_callback_is_not_called(void **state) {
    notice n = {.ex = executor_of(state)};
    belay_task_handle gate = gate_make(n.ex);
    belay_task_handle task = spawn_outside(n.ex, wait_and_fail, &gate);
    belay_registration r[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(belay_on_done(task, hear, &n, drop_notice, &r[i]), BELAY_OK);
    }
    assert_int_equal(belay_on_done_remove(NULL, r[0]), BELAY_OK);
    assert_int_equal(belay_on_done_forget(r[1]), BELAY_OK);
    assert_int_equal(tally_read(&n.dropped), 2);
    gate_open(gate);
    assert_int_equal(join_outside(task).status, 41);
    assert_int_equal(belay_on_done_remove(NULL, r[0]), BELAY_ESTALE);
    assert_int_equal(tally_read(&n.called), 0);
}

static notice *ordered;
static void hear_in_order(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    (void)outcome;
    (void)task;
    ordered->order[tally_add(&ordered->called) - 1] = (int)(intptr_t)arg;
}

static void test_callbacks_run_in_the_order_of_registration(void **state) {
    notice n = {.ex = executor_of(state)};
    ordered = &n;
    belay_task_handle gate = gate_make(n.ex);
    belay_task_handle task = spawn_outside(n.ex, wait_and_fail, &gate);
    for (intptr_t i = 0; i < CALLS; i++) {
        assert_int_equal(belay_on_done(task, hear_in_order, (void *)i, NULL, NULL), BELAY_OK);
    }
    gate_open(gate);
    tally_await(&n.called, CALLS);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(n.order[i], i);
    }
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

static void remove_itself(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    notice *n = arg;
    (void)outcome;
    n->removed = belay_on_done_remove(belay_self(), n->self);
    n->joined = belay_join(belay_self(), task, NULL);
    n->waited = belay_task_retain(task);
    if (n->waited == BELAY_OK) {
        (void)belay_task_release(task);
    }
    (void)tally_add(&n->called);
}

static void test_a_callback_may_not_wait_and_may_remove_itself(void **state) {
    notice n = {.ex = executor_of(state)};
    belay_task_handle gate = gate_make(n.ex);
    belay_task_handle task = spawn_outside(n.ex, wait_and_fail, &gate);
    assert_int_equal(belay_on_done(task, remove_itself, &n, NULL, &n.self), BELAY_OK);
    gate_open(gate);
    tally_await(&n.called, 1);
    assert_int_equal(n.removed, BELAY_EALREADY);
    assert_int_equal(n.joined, BELAY_ECONTEXT);
    assert_int_equal(n.waited, BELAY_OK);
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

/* A callback that takes its time. */
static tally entered, may_leave;
static void linger(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    (void)outcome;
    (void)task;
    (void)tally_add(&entered);
    while (tally_read(&may_leave) == 0) {
        sched_yield();
    }
    (void)tally_add(&((notice *)arg)->called);
}

static void *let_leave(void *arg) {
    (void)arg;
    tally_await(&entered, 1);
    for (int i = 0; i < 100; i++) {
        sched_yield();
    }
    tally_set(&may_leave, 1);
    return NULL;
}

static void test_close_waits_for_done_callbacks(void **state) {
    notice n = {.ex = executor_of(state)};
    pthread_t thread;
    belay_scope scope;
    belay_task_handle task, gate = gate_make(n.ex);
    tally_set(&entered, 0);
    tally_set(&may_leave, 0);
    assert_int_equal(belay_scope_open_root(n.ex, NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, wait_and_fail, &gate, NULL, &task), BELAY_OK);
    assert_int_equal(belay_on_done(task, linger, &n, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    gate_open(gate);
    assert_int_equal(pthread_create(&thread, NULL, let_leave, NULL), 0);
    assert_int_equal(belay_scope_close(NULL, scope), 41);
    assert_int_equal(tally_read(&n.called), 1);
    pthread_join(thread, NULL);
}

static void test_removal_waits_for_a_running_callback_and_forgetting_does_not(void **state) {
    notice n = {.ex = executor_of(state)};
    pthread_t thread;
    belay_registration r;
    belay_task_handle gate = gate_make(n.ex);
    belay_task_handle task = spawn_outside(n.ex, wait_and_fail, &gate);
    tally_set(&entered, 0);
    tally_set(&may_leave, 0);
    assert_int_equal(belay_on_done(task, linger, &n, NULL, &r), BELAY_OK);
    gate_open(gate);
    tally_await(&entered, 1);
    assert_int_equal(belay_on_done_forget(r), BELAY_EALREADY);
    assert_int_equal(tally_read(&n.called), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_leave, NULL), 0);
    assert_int_equal(belay_on_done_remove(NULL, r), BELAY_EALREADY);
    assert_int_equal(tally_read(&n.called), 1);
    pthread_join(thread, NULL);
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

static belay_status with_result(belay_task *self, void *arg) {
    return belay_set_result(self, arg, tally_drop);
}

static void test_the_result_is_for_joiners(void **state) {
    notice n = {.ex = executor_of(state)};
    tally drops = {0};
    belay_task_handle task = spawn_outside(n.ex, with_result, &drops);
    assert_int_equal(belay_on_done(task, hear, &n, NULL, NULL), BELAY_OK);
    tally_await(&n.called, 1);
    assert_false(n.outcome.has_result);
    belay_outcome outcome = join_outside(task);
    assert_true(outcome.has_result && outcome.result == &drops);
    assert_int_equal(tally_read(&drops), 0);
}

static void test_a_skipped_task_calls_too(void **state) {
    notice n = {.ex = executor_of(state)};
    belay_scope scope;
    belay_task_handle task;
    const belay_task_options later = {.start_at = belay_after(BELAY_SECOND * 1000)};
    assert_int_equal(belay_scope_open_root(n.ex, NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_nothing, NULL, &later, &task), BELAY_OK);
    assert_int_equal(belay_on_done(task, hear, &n, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&n.called), 1);
    assert_int_equal(n.outcome.kind, BELAY_OUTCOME_SKIPPED);
    assert_true(n.outcome.cancel_requested);
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

static void count_unobserved(const belay_failure *failure, void *arg) {
    (void)failure;
    (void)tally_add(arg);
}

static void test_an_error_that_a_callback_heard_of_is_observed(void **state) {
    tally unobserved = {0};
    notice n = {0};
    belay_config config = test_config(workers_of(state));
    config.unobserved = count_unobserved;
    config.unobserved_arg = &unobserved;
    belay_executor *ex = executor_make(&config);
    belay_task_handle gate = gate_make(ex);
    belay_task_handle heard = spawn_outside(ex, wait_and_fail, &gate);
    belay_task_handle unheard = spawn_outside(ex, wait_and_fail, &gate);
    belay_registration r;
    assert_int_equal(belay_on_done(heard, hear, &n, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_on_done(unheard, hear, &n, NULL, &r), BELAY_OK);
    assert_int_equal(belay_on_done_remove(NULL, r), BELAY_OK);
    assert_int_equal(belay_task_release(heard), BELAY_OK);
    assert_int_equal(belay_task_release(unheard), BELAY_OK);
    await_waiting(ex, "join", 2);
    gate_open(gate);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&n.called), 1);
    assert_int_equal(tally_read(&unobserved), 1);
}

/* ---- registering again from inside ------------------------------------------------------------------------------- */

enum { AGAIN = 100000 };

typedef struct again {
    notice n;
    uint64_t depth, deepest; /* of calls in each other; one thread at a time */
    belay_registration last; /* of the one put down at last */
} again;

/* Until it has been called so often. */
static void hear_again(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    again *a = arg;
    a->depth++;
    a->deepest = a->depth > a->deepest ? a->depth : a->deepest;
    hear(outcome, task, &a->n);
    if (tally_read(&a->n.called) < AGAIN) {
        EXPECT_STATUS(belay_on_done(task, hear_again, a, drop_notice, &a->last), BELAY_OK);
        EXPECT(a->last.generation != 0); /* not called yet */
    }
    a->depth--;
}

static void check_again(const again *a) {
    assert_int_equal(tally_read(&a->n.called), AGAIN);
    assert_int_equal(tally_read(&a->n.dropped), AGAIN);
    assert_int_equal(a->deepest, 1);
}

static void test_one_that_registers_again_is_not_called_inside_itself(void **state) {
    again late = {.n = {.ex = executor_of(state)}}, early = late;
    belay_task_handle gate = gate_make(late.n.ex);
    belay_task_handle task = spawn_outside(late.n.ex, wait_and_fail, &gate);
    assert_int_equal(belay_on_done(task, hear_again, &early, drop_notice, NULL), BELAY_OK);
    gate_open(gate);
    tally_await(&early.n.dropped, AGAIN); /* all by the worker that has ended it */
    check_again(&early);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_on_done(task, hear_again, &late, drop_notice, NULL), BELAY_OK);
    check_again(&late); /* all before it has returned */
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

/* From inside it is only put down, so it may be taken back. */
static void put_down_and_take_back(const belay_outcome *outcome, belay_task_handle task,
                                   void *arg) {
    notice *n = arg;
    belay_registration r[2];
    (void)outcome;
    for (int i = 0; i < 2; i++) {
        EXPECT_STATUS(belay_on_done(task, hear, n, drop_notice, &r[i]), BELAY_OK);
        EXPECT(r[i].generation != 0);
    }
    EXPECT(tally_read(&n->called) == 0);
    EXPECT_STATUS(belay_on_done_remove(belay_self(), r[0]), BELAY_OK);
    EXPECT(tally_read(&n->dropped) == 1);
}

static void test_one_put_down_by_a_late_one_can_be_taken_back(void **state) {
    notice n = {.ex = executor_of(state)};
    belay_task_handle task = spawn_outside(n.ex, body_nothing, NULL);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_on_done(task, put_down_and_take_back, &n, NULL, NULL), BELAY_OK);
    assert_int_equal(tally_read(&n.called), 1);
    assert_int_equal(tally_read(&n.dropped), 2);
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

/* Of another task that has ended, it is made at once also there. */
static void hear_other(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    notice *n = arg;
    uint64_t before = tally_read(&n->called);
    (void)outcome;
    (void)task;
    EXPECT_STATUS(belay_on_done(n->task, hear, n, NULL, NULL), BELAY_OK);
    EXPECT(tally_read(&n->called) == before + 1);
}

static void test_one_of_another_ended_task_is_made_at_once_inside_a_callback(void **state) {
    notice n = {.ex = executor_of(state)};
    belay_task_handle task = spawn_outside(n.ex, body_nothing, NULL);
    belay_task_handle other = spawn_outside(n.ex, body_nothing, NULL);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_join(NULL, other, NULL), BELAY_OK);
    n.task = other;
    assert_int_equal(belay_on_done(task, hear_other, &n, NULL, NULL), BELAY_OK);
    assert_int_equal(tally_read(&n.called), 1);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    assert_int_equal(belay_task_release(other), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_callback_hears_how_the_task_ended),
        BOTH(test_a_late_callback_runs_at_once),
        BOTH(test_a_removed_callback_is_not_called),
        BOTH(test_callbacks_run_in_the_order_of_registration),
        BOTH(test_a_callback_may_not_wait_and_may_remove_itself),
        BOTH(test_close_waits_for_done_callbacks),
        BOTH(test_removal_waits_for_a_running_callback_and_forgetting_does_not),
        BOTH(test_the_result_is_for_joiners),
        BOTH(test_a_skipped_task_calls_too),
        BOTH_BARE(test_an_error_that_a_callback_heard_of_is_observed),
        BOTH(test_one_that_registers_again_is_not_called_inside_itself),
        BOTH(test_one_put_down_by_a_late_one_can_be_taken_back),
        BOTH(test_one_of_another_ended_task_is_made_at_once_inside_a_callback),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/on_done", tests, NULL, NULL);
}

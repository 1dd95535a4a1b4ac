/* The executor's life: create, run, shutdown, destroy; several at once; thread hooks. */
#include "api/support.h"

/* ---- create, run, destroy ---------------------------------------------------------------------------------------- */

static void test_create_and_destroy_many_times(void **state) {
    belay_config config = test_config(workers_of(state));
    for (int i = 0; i < 30; i++) {
        tally ran = {0};
        belay_executor *ex = executor_make(&config);
        assert_int_equal(belay_executor_workers(ex), workers_of(state));
        run(ex, body_tally, &ran);
        assert_int_equal(tally_read(&ran), 1);
        assert_true(executor_end(ex));
    }
}

static void test_destroy_cancels_and_awaits_what_is_left(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    tally drops = {0};
    belay_task_options options = {.arg_drop = tally_drop};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(
            belay_spawn(NULL, belay_executor_root(ex), body_sleep, &drops, &options, NULL),
            BELAY_OK);
        assert_int_equal(belay_spawn_at(NULL, belay_executor_root(ex), BELAY_NEVER, body_sleep,
                                        &drops, &options, NULL),
                         BELAY_OK);
    }
    assert_int_equal(belay_executor_destroy(ex), BELAY_OK);
    assert_int_equal(tally_read(&drops), 20);
}

static belay_status look_around(belay_task *self, void *arg) {
    EXPECT(belay_task_executor(self) == arg);
    EXPECT(belay_scope_current(self).slot == belay_executor_root(arg).slot);
    return BELAY_OK;
}

static void test_run_is_a_task_of_the_root_scope(void **state) {
    belay_executor *ex = executor_of(state);
    run(ex, look_around, ex);
    assert_int_equal(belay_executor_run(ex, look_around, ex, NULL), BELAY_OK);
}

static void test_trim_is_harmless(void **state) {
    belay_executor *ex = executor_of(state);
    tally ran = {0};
    (void)belay_executor_trim(ex);
    run(ex, body_tally, &ran);
    (void)belay_executor_trim(ex);
    run(ex, body_tally, &ran);
    assert_int_equal(tally_read(&ran), 2);
}

/* ---- shutdown ---------------------------------------------------------------------------------------------------- */

typedef struct ending {
    belay_executor *ex;
    tally started, ended;
} ending;

static belay_status member(belay_task *self, void *arg) {
    ending *e = arg;
    belay_status status = belay_sleep_until(self, belay_after(5 * BELAY_MILLISECOND));
    (void)tally_add(&e->ended);
    return status;
}

static void test_shutdown_lets_tasks_end_within_the_grace(void **state) {
    belay_executor *ex = executor_of(state);
    ending e = {0};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), member, &e, NULL, NULL),
                         BELAY_OK);
    }
    assert_int_equal(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&e.ended), 8);
    belay_stats s;
    assert_int_equal(belay_executor_stats(ex, &s, sizeof s), BELAY_OK);
    assert_int_equal(s.value, 8);
    assert_int_equal(s.canceled, 0);
}

static void test_after_shutdown_nothing_is_accepted(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope;
    tally drops = {0};
    belay_task_options options = {.arg_drop = tally_drop};
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_int_equal(
        belay_spawn(NULL, belay_executor_root(ex), body_nothing, &drops, &options, NULL),
        BELAY_ESHUTDOWN);
    assert_int_equal(belay_executor_run(ex, body_nothing, NULL, NULL), BELAY_ESHUTDOWN);
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_ESHUTDOWN);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&drops), 0);
}

/* Stays for as long as its gate is shut, cancelled or not. */
static belay_status stubborn(belay_task *self, void *arg) {
    ending *e = arg;
    (void)tally_add(&e->started);
    while (tally_read(&e->ended) == 0) {
        (void)belay_yield(self);
    }
    return BELAY_OK;
}

static void test_timed_shutdown_is_ebusy_names_who_is_left_and_goes_on_later(void **state) {
    belay_executor *ex = executor_of(state);
    ending e = {0};
    belay_task_options named = {.name = "stubborn one"};
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), stubborn, &e, &named, NULL),
                     BELAY_OK);
    tally_await(&e.started, 1);
    belay_time deadline = belay_after(20 * BELAY_MILLISECOND);
    assert_int_equal(belay_executor_shutdown(ex, 0, deadline), BELAY_EBUSY);
    assert_true(belay_now() >= deadline);
    assert_true(log_holds("stubborn one"));
    tally_set(&e.ended, 1);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
}

static void test_shutdown_cancels_after_the_grace(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task = spawn_outside(ex, body_sleep, NULL);
    await_waiting(ex, "sleep", 1);
    belay_time grace = belay_after(5 * BELAY_MILLISECOND);
    assert_int_equal(belay_executor_shutdown(ex, grace, BELAY_NEVER), BELAY_OK);
    assert_true(belay_now() >= grace);
    belay_outcome outcome = join_outside(task);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_CANCELED);
}

static belay_status spawn_in_shutdown(belay_task *self, void *arg) {
    ending *e = arg;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    belay_status status =
        belay_spawn(self, belay_executor_root(e->ex), body_nothing, NULL, NULL, NULL);
    EXPECT_STATUS(status, BELAY_ESHUTDOWN);
    (void)tally_add(&e->ended);
    return BELAY_OK;
}

static void test_shutdown_seals_the_root_scope_for_its_members_too(void **state) {
    belay_executor *ex = executor_of(state);
    ending e = {.ex = ex};
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), spawn_in_shutdown, &e, NULL, NULL),
                     BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&e.ended), 1);
}

/* ---- several ----------------------------------------------------------------------------------------------------- */

typedef struct pair {
    belay_executor *a, *b;
    belay_task_handle gate;
    belay_scope scope;
    tally ran;
} pair;

static belay_status visit(belay_task *self, void *arg) {
    pair *p = arg;
    belay_task_handle task;
    belay_outcome outcome;
    EXPECT_STATUS(belay_spawn(self, belay_executor_root(p->b), body_tally, &p->ran, NULL, &task),
                  BELAY_OK);
    EXPECT_STATUS(belay_join(self, task, &outcome), BELAY_OK);
    EXPECT(outcome.kind == BELAY_OUTCOME_VALUE);
    EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    EXPECT(belay_task_executor(self) == p->a);
    EXPECT_STATUS(belay_scope_open_root(p->b, NULL, &p->scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, p->scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_wait_until(self, p->scope, belay_after(BELAY_MILLISECOND)),
                  BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_scope_cancel(p->scope, 5, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_wait(self, p->scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, p->scope), 5);
    return BELAY_OK;
}

static void test_task_waits_for_tasks_and_scopes_of_another_executor(void **state) {
    belay_config config = test_config(workers_of(state));
    pair p = {.a = executor_make(&config), .b = executor_make(&config)};
    for (int i = 0; i < 20; i++) {
        run(p.a, visit, &p);
    }
    assert_int_equal(tally_read(&p.ran), 20);
    assert_true(executor_end(p.b));
    assert_true(executor_end(p.a));
}

static belay_status wait_across(belay_task *self, void *arg) {
    pair *p = arg;
    belay_status status = gate_pass(self, p->gate);
    (void)tally_add(&p->ran);
    return status;
}

static void test_waiting_on_another_executor_keeps_no_worker(void **state) {
    belay_config config = test_config(workers_of(state));
    pair p = {.a = executor_make(&config), .b = executor_make(&config)};
    p.gate = gate_make(p.b);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(belay_spawn(NULL, belay_executor_root(p.a), wait_across, &p, NULL, NULL),
                         BELAY_OK);
    }
    await_waiting(p.a, "join", 10);
    run(p.a, body_nothing, NULL);
    gate_open(p.gate);
    assert_int_equal(belay_executor_shutdown(p.a, BELAY_NEVER, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&p.ran), 10);
    assert_true(executor_end(p.a));
    assert_true(executor_end(p.b));
}

static void test_canceled_while_it_waits_on_another_executor(void **state) {
    belay_config config = test_config(workers_of(state));
    pair p = {.a = executor_make(&config), .b = executor_make(&config)};
    p.gate = gate_make(p.b);
    belay_task_handle task = spawn_outside(p.a, wait_across, &p);
    await_waiting(p.a, "join", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    gate_open(p.gate);
    assert_true(executor_end(p.a));
    assert_true(executor_end(p.b));
}

static belay_status make_executor_inside(belay_task *self, void *arg) {
    belay_config config = test_config(1);
    belay_executor **out = arg;
    (void)self;
    EXPECT_STATUS(belay_executor_create(&config, out), BELAY_OK);
    return BELAY_OK;
}

static void test_task_creates_an_executor(void **state) {
    belay_executor *inner = NULL;
    run(executor_of(state), make_executor_inside, &inner);
    run(inner, body_nothing, NULL);
    assert_true(executor_end(inner));
}

/* ---- thread hooks ------------------------------------------------------------------------------------------------ */

typedef struct hooks {
    tally starts, stops;
    tally started[8];
    pthread_t thread[8];
} hooks;

static void hook_start(uint32_t worker, void *arg) {
    hooks *h = arg;
    h->thread[worker] = pthread_self();
    EXPECT(tally_add(&h->started[worker]) == 1);
    (void)tally_add(&h->starts);
}

static void hook_stop(uint32_t worker, void *arg) {
    hooks *h = arg;
    EXPECT(pthread_equal(h->thread[worker], pthread_self()));
    EXPECT(tally_read(&h->started[worker]) == 1);
    (void)tally_add(&h->stops);
}

static belay_status on_hooked_thread(belay_task *self, void *arg) {
    hooks *h = arg;
    (void)self;
    EXPECT(tally_read(&h->started[belay_worker_index()]) == 1);
    return BELAY_OK;
}

static void test_thread_hooks_run_once_on_each_worker_around_all_tasks(void **state) {
    hooks h = {0};
    belay_config config = test_config(workers_of(state));
    config.thread_start = hook_start;
    config.thread_stop = hook_stop;
    config.thread_arg = &h;
    belay_executor *ex = executor_make(&config);
    for (int i = 0; i < 20; i++) {
        run(ex, on_hooked_thread, &h);
    }
    assert_int_equal(tally_read(&h.stops), 0);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&h.starts), workers_of(state));
    assert_int_equal(tally_read(&h.stops), workers_of(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_create_and_destroy_many_times),
        BOTH_BARE(test_destroy_cancels_and_awaits_what_is_left),
        BOTH(test_run_is_a_task_of_the_root_scope),
        BOTH(test_trim_is_harmless),
        BOTH(test_shutdown_lets_tasks_end_within_the_grace),
        BOTH(test_after_shutdown_nothing_is_accepted),
        BOTH(test_timed_shutdown_is_ebusy_names_who_is_left_and_goes_on_later),
        BOTH(test_shutdown_cancels_after_the_grace),
        BOTH(test_shutdown_seals_the_root_scope_for_its_members_too),
        BOTH_BARE(test_task_waits_for_tasks_and_scopes_of_another_executor),
        BOTH_BARE(test_waiting_on_another_executor_keeps_no_worker),
        BOTH_BARE(test_canceled_while_it_waits_on_another_executor),
        BOTH(test_task_creates_an_executor),
        BOTH_BARE(test_thread_hooks_run_once_on_each_worker_around_all_tasks),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

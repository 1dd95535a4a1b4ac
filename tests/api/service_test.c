/* Service tasks: ended after a scope's ordinary tasks, the youngest first. */
#include "api/support.h"

enum { SERVICES = 6 };

static const belay_task_options service = {.name = "service", .flags = BELAY_TASK_SERVICE};

typedef struct shop {
    belay_executor *ex;
    belay_scope scope;
    belay_task_handle gate;
    tally running, ended, customers, drops;
    int order[SERVICES];
    belay_status status;
} shop;

typedef struct clerk {
    shop *shop;
    int number;
} clerk;

static belay_status serve(belay_task *self, void *arg) {
    clerk *c = arg;
    (void)tally_add(&c->shop->running);
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    c->shop->order[tally_add(&c->shop->ended) - 1] = c->number;
    return status;
}

static void hire(belay_task *self, belay_scope scope, shop *s, clerk *clerks) {
    for (int i = 0; i < SERVICES; i++) {
        clerks[i] = (clerk){s, i};
        EXPECT_STATUS(belay_spawn(self, scope, serve, &clerks[i], &service, NULL), BELAY_OK);
    }
    EXPECT(tally_await_in(self, &s->running, SERVICES));
}

static belay_status keep_shop(belay_task *self, void *arg) {
    shop *s = arg;
    clerk clerks[SERVICES];
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    hire(self, scope, s, clerks);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(&s->ended) == SERVICES);
    for (int i = 0; i < SERVICES; i++) {
        EXPECT(s->order[i] == SERVICES - 1 - i);
    }
    return BELAY_OK;
}

static void test_services_end_youngest_first(void **state) {
    shop s = {.ex = executor_of(state)};
    run(s.ex, keep_shop, &s);
}

static belay_status customer(belay_task *self, void *arg) {
    shop *s = arg;
    EXPECT_STATUS(gate_pass(self, s->gate), BELAY_OK);
    EXPECT(tally_read(&s->ended) == 0);
    (void)tally_add(&s->customers);
    return BELAY_OK;
}

static void *open_gate(void *arg) {
    shop *s = arg;
    await_waiting(s->ex, "scope close", 1);
    gate_open(s->gate);
    return NULL;
}

static belay_status serve_customer(belay_task *self, void *arg) {
    shop *s = arg;
    clerk clerks[SERVICES];
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    hire(self, scope, s, clerks);
    EXPECT_STATUS(belay_spawn(self, scope, customer, s, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(&s->customers) == 1 && tally_read(&s->ended) == SERVICES);
    return BELAY_OK;
}

static void test_services_run_until_the_last_ordinary_task_has_ended(void **state) {
    shop s = {.ex = executor_of(state)};
    pthread_t thread;
    s.gate = gate_make(s.ex);
    assert_int_equal(pthread_create(&thread, NULL, open_gate, &s), 0);
    run(s.ex, serve_customer, &s);
    pthread_join(thread, NULL);
}

static belay_status wait_beside_services(belay_task *self, void *arg) {
    shop *s = arg;
    clerk clerks[SERVICES];
    belay_scope scope;
    uint64_t count = 99;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    hire(self, scope, s, clerks);
    EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_count(scope, &count), BELAY_OK);
    EXPECT(count == 0 && tally_read(&s->ended) == 0);
    belay_task_info infos[SERVICES + 1];
    size_t listed = 0;
    EXPECT_STATUS(belay_scope_stragglers(scope, infos, SERVICES + 1, &listed), BELAY_OK);
    EXPECT(listed == SERVICES);
    EXPECT(memcmp(&infos[0].scope, &scope, sizeof scope) == 0);
    return belay_scope_close(self, scope);
}

static void test_waiting_for_a_scope_ignores_its_services(void **state) {
    shop s = {.ex = executor_of(state)};
    run(s.ex, wait_beside_services, &s);
}

static belay_status fail_at_end(belay_task *self, void *arg) {
    shop *s = arg;
    (void)tally_add(&s->running);
    (void)belay_sleep_until(self, BELAY_NEVER);
    return 31;
}

static belay_status failing_service(belay_task *self, void *arg) {
    shop *s = arg;
    belay_scope scope;
    belay_failures report;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, fail_at_end, s, &service, NULL), BELAY_OK);
    EXPECT(tally_await_in(self, &s->running, 1));
    EXPECT_STATUS(belay_scope_close_report(self, scope, BELAY_NEVER, &report), 31);
    EXPECT(report.listed == 1 && report.list[0].status == 31);
    EXPECT(strcmp(report.list[0].name, "service") == 0);
    return BELAY_OK;
}

static void test_a_services_error_is_the_scopes(void **state) {
    shop s = {.ex = executor_of(state)};
    run(s.ex, failing_service, &s);
}

static belay_status fail_at_once(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 32;
}

static belay_status service_fails_fast(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, fail_at_once, NULL, &service, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), 32);
    return BELAY_OK;
}

static void test_a_service_that_fails_cancels_the_ordinary_tasks(void **state) {
    run(executor_of(state), service_fails_fast, NULL);
}

static belay_status cancel_shop(belay_task *self, void *arg) {
    shop *s = arg;
    clerk clerks[SERVICES];
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    hire(self, scope, s, clerks);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_cancel(scope, 4, NULL), BELAY_OK);
    while (tally_read(&s->ended) < SERVICES) { /* before any close */
        (void)belay_yield(self);
    }
    EXPECT_STATUS(belay_scope_close(self, scope), 4);
    return BELAY_OK;
}

static void test_a_cancel_reaches_services_with_all_others(void **state) {
    shop s = {.ex = executor_of(state)};
    run(s.ex, cancel_shop, &s);
}

static belay_status late_service(belay_task *self, void *arg) {
    shop *s = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    const belay_task_options o = {.flags = BELAY_TASK_SERVICE, .arg_drop = tally_drop};
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, &s->drops, &o, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(&s->drops) == 1); /* skipped */
    return BELAY_OK;
}

static void test_a_service_in_a_cancelled_scope_is_skipped(void **state) {
    shop s = {.ex = executor_of(state)};
    run(s.ex, late_service, &s);
}

/* Closed at once: some services have begun, others not. Each ends once, and has run until its cancel or not at all. */
static belay_status close_at_once(belay_task *self, void *arg) {
    shop *s = arg;
    belay_scope scope;
    belay_task_handle handles[SERVICES];
    const belay_task_options o = {.flags = BELAY_TASK_SERVICE, .arg_drop = tally_drop};
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < SERVICES; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, body_sleep, &s->drops, &o, &handles[i]), BELAY_OK);
    }
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(&s->drops) == SERVICES);
    for (int i = 0; i < SERVICES; i++) {
        belay_outcome o_i;
        EXPECT_STATUS(belay_join(self, handles[i], &o_i), BELAY_OK);
        EXPECT(o_i.kind == BELAY_OUTCOME_SKIPPED || o_i.kind == BELAY_OUTCOME_CANCELED);
        EXPECT(belay_executor_workers(s->ex) > 1 || i < SERVICES - 1 ||
               o_i.kind == BELAY_OUTCOME_SKIPPED); /* alone, the first to be told has not begun */
        (void)belay_task_release(handles[i]);
    }
    return BELAY_OK;
}

static void test_services_that_have_not_begun_when_their_turn_comes_are_skipped(void **state) {
    shop s = {.ex = executor_of(state)};
    run(s.ex, close_at_once, &s);
}

static belay_status spawn_at_end(belay_task *self, void *arg) {
    shop *s = arg;
    belay_scope here = belay_scope_current(self);
    EXPECT(memcmp(&here, &s->scope, sizeof here) == 0);
    EXPECT_STATUS(belay_spawn(self, here, body_tally, &s->customers, NULL, NULL), BELAY_OK);
    (void)tally_add(&s->running);
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    EXPECT_STATUS(belay_spawn(self, here, body_tally, &s->customers, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, here, body_nothing, NULL, &service, NULL), BELAY_ESHUTDOWN);
    return status;
}

static belay_status service_spawns(belay_task *self, void *arg) {
    shop *s = arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, &s->scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, s->scope, spawn_at_end, s, &service, NULL), BELAY_OK);
    EXPECT(tally_await_in(self, &s->running, 1));
    EXPECT_STATUS(belay_scope_close(self, s->scope), BELAY_OK);
    EXPECT(tally_read(&s->customers) == 2);
    return BELAY_OK;
}

static void test_what_a_service_spawns_is_waited_for(void **state) {
    shop s = {.ex = executor_of(state)};
    run(s.ex, service_spawns, &s);
}

static belay_status stubborn(belay_task *self, void *arg) {
    shop *s = arg;
    (void)tally_add(&s->running);
    (void)belay_sleep_until(self, BELAY_NEVER);
    (void)tally_add(&s->ended);
    while (tally_read(&s->customers) == 0) {
        (void)belay_yield(self);
    }
    return BELAY_OK;
}

static void test_a_timed_close_that_runs_out_with_services_goes_on_later(void **state) {
    shop s = {.ex = executor_of(state)};
    assert_int_equal(belay_scope_open_root(s.ex, NULL, &s.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, s.scope, stubborn, &s, &service, NULL), BELAY_OK);
    tally_await(&s.running, 1);
    assert_int_equal(belay_scope_close_until(NULL, s.scope, belay_after(5 * BELAY_MILLISECOND)),
                     BELAY_EBUSY);
    tally_await(&s.ended, 1);
    tally_set(&s.customers, 1);
    assert_int_equal(belay_scope_close(NULL, s.scope), BELAY_OK);
}

static void test_services_that_end_by_themselves_leave_nothing_behind(void **state) {
    belay_config config = test_config(workers_of(state));
    config.max_tasks = 64;
    belay_executor *ex = executor_make(&config);
    belay_scope scope;
    tally done = {0};
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    for (uint64_t i = 1; i <= 5000; i++) {
        assert_int_equal(belay_spawn(NULL, scope, body_tally, &done, &service, NULL), BELAY_OK);
        tally_await(&done, i);
    }
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_true(executor_end(ex));
}

static void test_services_of_the_root_end_at_shutdown(void **state) {
    shop s = {.ex = executor_of(state)};
    clerk clerks[2] = {{&s, 0}, {&s, 1}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            belay_spawn(NULL, belay_executor_root(s.ex), serve, &clerks[i], &service, NULL),
            BELAY_OK);
    }
    tally_await(&s.running, 2);
    assert_int_equal(belay_executor_shutdown(s.ex, BELAY_NEVER, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&s.ended), 2);
    assert_int_equal(s.order[0], 1);
}

static void test_a_service_has_a_handle_and_can_be_started_and_joined(void **state) {
    shop s = {.ex = executor_of(state)};
    belay_task_handle task;
    belay_outcome outcome;
    assert_int_equal(belay_scope_open_root(s.ex, NULL, &s.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, s.scope, body_sleep, NULL, &service, &task), BELAY_OK);
    await_waiting(s.ex, "sleep", 1);
    assert_int_equal(belay_cancel_and_join(NULL, task, 1, NULL, &outcome), BELAY_OK);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    assert_int_equal(belay_start(NULL, s.scope, fail_at_once, NULL, &service, NULL, NULL), 32);
    assert_int_equal(belay_scope_close(NULL, s.scope), BELAY_OK);
}

static void test_services_are_refused_where_they_make_no_sense(void **state) {
    shop s = {.ex = executor_of(state)};
    belay_owner owner;
    assert_int_equal(belay_owner_create(s.ex, NULL, &owner), BELAY_OK);
    assert_int_equal(
        belay_spawn(NULL, belay_owner_scope(owner), body_nothing, NULL, &service, NULL),
        BELAY_EINVAL);
    assert_int_equal(belay_owner_release(owner), BELAY_OK);
    assert_int_equal(belay_scope_open_root(s.ex, NULL, &s.scope), BELAY_OK);
    assert_int_equal(belay_scope_seal(s.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, s.scope, body_nothing, NULL, &service, NULL),
                     BELAY_ESHUTDOWN);
    assert_int_equal(belay_scope_close(NULL, s.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, s.scope, body_nothing, NULL, &service, NULL), BELAY_ESTALE);
}

static belay_status leave_open(belay_task *self, void *arg) {
    shop *s = arg;
    static clerk clerks[SERVICES]; /* outlives the body */
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    hire(self, scope, s, clerks);
    s->status = BELAY_OK;
    return BELAY_OK;
}

static void test_services_of_a_scope_that_was_left_open_end_with_its_opener(void **state) {
    shop s = {.ex = executor_of(state)};
    run(s.ex, leave_open, &s);
    assert_int_equal(tally_read(&s.ended), SERVICES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_services_end_youngest_first),
        BOTH(test_services_run_until_the_last_ordinary_task_has_ended),
        BOTH(test_waiting_for_a_scope_ignores_its_services),
        BOTH(test_a_services_error_is_the_scopes),
        BOTH(test_a_service_that_fails_cancels_the_ordinary_tasks),
        BOTH(test_a_cancel_reaches_services_with_all_others),
        BOTH(test_a_service_in_a_cancelled_scope_is_skipped),
        BOTH(test_services_that_have_not_begun_when_their_turn_comes_are_skipped),
        BOTH(test_what_a_service_spawns_is_waited_for),
        BOTH(test_a_timed_close_that_runs_out_with_services_goes_on_later),
        BOTH_BARE(test_services_that_end_by_themselves_leave_nothing_behind),
        BOTH(test_services_of_the_root_end_at_shutdown),
        BOTH(test_a_service_has_a_handle_and_can_be_started_and_joined),
        BOTH(test_services_are_refused_where_they_make_no_sense),
        BOTH(test_services_of_a_scope_that_was_left_open_end_with_its_opener),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/service", tests, NULL, NULL);
}

/* Spawning: every option does what the header says, and an accepted argument is destroyed once in every outcome. */
#include "api/support.h"

enum { MANY = 500 };

/* ---- the plain call ---------------------------------------------------------------------------------------------- */

static belay_status spawn_many(belay_task *self, void *arg) {
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < MANY; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, body_tally, arg, NULL, NULL), BELAY_OK);
    }
    return belay_scope_close(self, scope);
}

static void test_spawned_tasks_all_run_once(void **state) {
    tally ran = {0};
    run(executor_of(state), spawn_many, &ran);
    assert_int_equal(tally_read(&ran), MANY);
}

static void test_spawn_from_outside_runs(void **state) {
    tally ran = {0};
    belay_executor *ex = executor_of(state);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), body_tally, &ran, NULL, NULL),
                         BELAY_OK);
    }
    assert_int_equal(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&ran), MANY);
}

/* ---- the argument's destructor ----------------------------------------------------------------------------------- */

typedef struct ending_case {
    tally drops;
    belay_status status;
    bool cancel; /* the task before it can start */
    bool wait;   /* until cancelled */
} ending_case;

static void ending_drop(void *value) {
    (void)tally_add(&((ending_case *)value)->drops);
}

static belay_status ending_body(belay_task *self, void *arg) {
    ending_case *c = arg;
    EXPECT(tally_read(&c->drops) == 0);
    return c->wait ? belay_sleep_until(self, BELAY_NEVER) : c->status;
}

static belay_outcome end_one(belay_executor *ex, ending_case *c) {
    belay_task_options options = {.arg_drop = ending_drop, .start_at = c->cancel ? BELAY_NEVER : 0};
    belay_task_handle task;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), ending_body, c, &options, &task),
                     BELAY_OK);
    if (c->cancel || c->wait) {
        await_waiting(ex, c->cancel ? "its start time" : "sleep", 1);
        assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, "test"), BELAY_OK);
    }
    return join_outside(task);
}

static void test_argument_is_dropped_once_in_every_outcome(void **state) {
    static const belay_outcome_kind kinds[] = {BELAY_OUTCOME_VALUE, BELAY_OUTCOME_ERROR,
                                               BELAY_OUTCOME_SKIPPED, BELAY_OUTCOME_CANCELED};
    ending_case cases[] = {{.status = BELAY_OK}, {.status = 7}, {.cancel = true}, {.wait = true}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(end_one(executor_of(state), &cases[i]).kind, kinds[i]);
        assert_int_equal(tally_read(&cases[i].drops), 1);
    }
}

static void test_refused_spawn_leaves_the_argument(void **state) {
    tally drops = {0};
    belay_scope scope;
    belay_task_handle task = {1, 2, 3};
    belay_task_options options = {.arg_drop = tally_drop};
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_scope_seal(scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_nothing, &drops, &options, &task),
                     BELAY_ESHUTDOWN);
    assert_true(task.slot == 0 && task.executor == 0 && task.generation == 0);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&drops), 0);
}

/* ---- names, handles ---------------------------------------------------------------------------------------------- */

static void test_name_and_site_are_reported(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_options options = {.name = "the sleeper"};
    belay_task_handle task;
    belay_task_info info;
    size_t count;
    char line[256];
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), body_sleep, NULL, &options, &task),
                     BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_snapshot(ex, &info, 1, &count), BELAY_OK);
    assert_int_equal(count, 1);
    assert_string_equal(info.name, "the sleeper");
    assert_non_null(strstr(info.site, "body_sleep@"));
    assert_non_null(strstr(info.site, "spawn_test.c:"));
    assert_true(info.task.slot == task.slot && info.task.generation == task.generation);
    assert_true(belay_task_info_text(&info, line, sizeof line) < sizeof line);
    assert_non_null(strstr(line, "the sleeper"));
    assert_non_null(strstr(line, "suspended on sleep"));
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

static void test_handle_counts_references(void **state) {
    belay_task_handle task = spawn_outside(executor_of(state), body_nothing, NULL);
    assert_int_equal(belay_task_retain(task), BELAY_OK);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_task_release(task), BELAY_OK);
}

static belay_status check_own_handle(belay_task *self, void *arg) {
    belay_task_handle *seen = arg;
    *seen = belay_task_self_handle(self);
    EXPECT(seen->slot != 0);
    EXPECT(belay_self() == self);
    EXPECT(belay_worker_index() >= 0);
    EXPECT_STATUS(belay_task_retain(*seen), BELAY_OK);
    EXPECT_STATUS(belay_task_release(*seen), BELAY_OK);
    return BELAY_OK;
}

static void test_own_handle_is_the_one_given_out_and_weak(void **state) {
    belay_task_handle seen, task = spawn_outside(executor_of(state), check_own_handle, &seen);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_true(seen.slot == task.slot && seen.executor == task.executor);
    assert_true(seen.generation == task.generation);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    await_stale(seen);
    assert_int_equal(belay_task_retain(seen), BELAY_ESTALE);
    assert_null(belay_self());
    assert_int_equal(belay_worker_index(), -1);
}

static belay_status spawn_self_teller(belay_task *self, void *arg) {
    (void)self;
    *(belay_task_handle *)arg = belay_task_self_handle(self);
    return BELAY_OK;
}

static void test_own_handle_of_a_task_without_one_goes_stale(void **state) {
    belay_task_handle seen = {0};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, spawn_self_teller, &seen, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_not_equal(seen.slot, 0);
    await_stale(seen); /* the scope is empty a moment before the task's own reference goes */
    assert_int_equal(belay_task_retain(seen), BELAY_ESTALE);
}

/* ---- pins -------------------------------------------------------------------------------------------------------- */

static belay_status stay_pinned(belay_task *self, void *arg) {
    int32_t home = *(int32_t *)arg;
    for (int i = 0; i < 20; i++) {
        EXPECT(belay_worker_index() == home);
        EXPECT_STATUS(i % 2 == 0 ? belay_yield(self) : belay_sleep_until(self, belay_after(1000)),
                      BELAY_OK);
    }
    return BELAY_OK;
}

static void test_pinned_task_runs_and_resumes_on_its_worker(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle tasks[4];
    int32_t homes[4];
    for (int32_t i = 0; i < 4; i++) {
        homes[i] = (int32_t)(i % (int32_t)belay_executor_workers(ex));
        belay_task_options options = {.pin = BELAY_PIN(homes[i])};
        assert_int_equal(
            belay_spawn(NULL, belay_executor_root(ex), stay_pinned, &homes[i], &options, &tasks[i]),
            BELAY_OK);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(join_outside(tasks[i]).kind, BELAY_OUTCOME_VALUE);
    }
}

static belay_status pin_here(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    belay_task_options options = {.pin = BELAY_PIN_HERE};
    int32_t home = belay_worker_index();
    EXPECT_STATUS(belay_spawn(self, scope, stay_pinned, &home, &options, NULL), BELAY_OK);
    return belay_scope_close(self, scope);
}

static void test_pin_here_is_the_spawners_worker(void **state) {
    run(executor_of(state), pin_here, NULL);
}

/* ---- start times ------------------------------------------------------------------------------------------------- */

static belay_status note_time(belay_task *self, void *arg) {
    (void)self;
    *(belay_time *)arg = belay_now();
    return BELAY_OK;
}

static void test_deferred_start_is_never_early(void **state) {
    belay_executor *ex = executor_of(state);
    belay_time started = 0, when = belay_after(20 * BELAY_MILLISECOND);
    belay_task_handle task;
    assert_int_equal(
        belay_spawn_at(NULL, belay_executor_root(ex), when, note_time, &started, NULL, &task),
        BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    assert_true(started >= when);
}

static void test_start_in_the_past_starts_at_once(void **state) {
    belay_executor *ex = executor_of(state);
    belay_time started = 0;
    belay_task_options options = {.start_at = 1};
    belay_task_handle task;
    assert_int_equal(
        belay_spawn(NULL, belay_executor_root(ex), note_time, &started, &options, &task), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    assert_true(started != 0);
}

static void test_deferred_task_is_listed_and_has_no_stack(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task;
    belay_task_info info;
    size_t count;
    assert_int_equal(
        belay_spawn_at(NULL, belay_executor_root(ex), BELAY_NEVER, body_nothing, NULL, NULL, &task),
        BELAY_OK);
    assert_int_equal(belay_snapshot(ex, &info, 1, &count), BELAY_OK);
    assert_int_equal(count, 1);
    assert_int_equal(info.state, BELAY_STATE_DEFERRED);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_SKIPPED);
}

/* ---- cancelled before the start ---------------------------------------------------------------------------------- */

static belay_status see_cancel(belay_task *self, void *arg) {
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    (void)tally_add(arg);
    return BELAY_ECANCELED;
}

static void test_run_canceled_runs_the_body(void **state) {
    tally ran = {0};
    belay_scope scope;
    belay_task_handle skipped, run_anyway;
    belay_task_options options = {.flags = BELAY_TASK_RUN_CANCELED};
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, see_cancel, &ran, NULL, &skipped), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, see_cancel, &ran, &options, &run_anyway), BELAY_OK);
    belay_outcome outcome = join_outside(skipped);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_SKIPPED);
    assert_int_equal(outcome.status, BELAY_ECANCELED);
    assert_true(outcome.cancel_requested);
    outcome = join_outside(run_anyway);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&ran), 1);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_spawned_tasks_all_run_once),
        BOTH(test_spawn_from_outside_runs),
        BOTH(test_argument_is_dropped_once_in_every_outcome),
        BOTH(test_refused_spawn_leaves_the_argument),
        BOTH(test_name_and_site_are_reported),
        BOTH(test_handle_counts_references),
        BOTH(test_own_handle_is_the_one_given_out_and_weak),
        BOTH(test_own_handle_of_a_task_without_one_goes_stale),
        BOTH(test_pinned_task_runs_and_resumes_on_its_worker),
        BOTH(test_pin_here_is_the_spawners_worker),
        BOTH(test_deferred_start_is_never_early),
        BOTH(test_start_in_the_past_starts_at_once),
        BOTH(test_deferred_task_is_listed_and_has_no_stack),
        BOTH(test_run_canceled_runs_the_body),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

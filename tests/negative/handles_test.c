/* Stale, foreign and all-zero handles: every call answers BELAY_ESTALE and does nothing, from everywhere, also after
 * the executor was destroyed or another took its place. */
#include "api/support.h"

static void expect_stale_task(belay_task *self, belay_task_handle task) {
    belay_outcome outcome;
    EXPECT_STATUS(belay_join(self, task, &outcome), BELAY_ESTALE);
    EXPECT_STATUS(belay_join_until(self, task, 0, NULL), BELAY_ESTALE);
    EXPECT_STATUS(belay_task_retain(task), BELAY_ESTALE);
    EXPECT_STATUS(belay_task_release(task), BELAY_ESTALE);
    EXPECT_STATUS(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_ESTALE);
}

static void expect_stale_scope(belay_task *self, belay_scope scope) {
    belay_task_info info;
    belay_task_handle task;
    uint64_t alive;
    size_t count;
    tally drops = {0};
    belay_task_options options = {.arg_drop = tally_drop};
    EXPECT_STATUS(belay_spawn(self, scope, body_nothing, &drops, NULL, &task), BELAY_ESTALE);
    EXPECT_STATUS(belay_try_spawn(self, scope, body_nothing, &drops, &options, &task),
                  BELAY_ESTALE);
    EXPECT_STATUS(belay_spawn_at(self, scope, 1, body_nothing, &drops, &options, &task),
                  BELAY_ESTALE);
    EXPECT(task.generation == 0 && tally_read(&drops) == 0);
    EXPECT_STATUS(belay_scope_seal(scope), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_cancel(scope, 1, NULL), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_set_deadline(scope, BELAY_NEVER), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_wait_until(self, scope, 0), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_close_until(self, scope, 0), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_count(scope, &alive), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_stragglers(scope, &info, 1, &count), BELAY_ESTALE);
}

typedef struct old {
    belay_scope scope;
    belay_task_handle task;
} old;

static belay_status expect_stale_inside(belay_task *self, void *arg) {
    old *o = arg;
    expect_stale_task(self, o->task);
    expect_stale_scope(self, o->scope);
    return BELAY_OK;
}

/* A closed scope and a reaped task. */
static old make_old(belay_executor *ex) {
    old o;
    assert_int_equal(belay_scope_open_root(ex, NULL, &o.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, o.scope, body_nothing, NULL, NULL, &o.task), BELAY_OK);
    assert_int_equal(belay_join(NULL, o.task, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, o.scope), BELAY_OK);
    assert_int_equal(belay_task_release(o.task), BELAY_OK);
    await_stale(o.task);
    return o;
}

static void test_after_close_and_reap_handles_are_stale(void **state) {
    belay_executor *ex = executor_of(state);
    old o = make_old(ex);
    expect_stale_task(NULL, o.task);
    expect_stale_scope(NULL, o.scope);
    run(ex, expect_stale_inside, &o);
}

static void test_stale_handles_stay_stale_when_their_slots_are_used_again(void **state) {
    belay_executor *ex = executor_of(state);
    old first = make_old(ex);
    for (int i = 0; i < 300; i++) {
        (void)make_old(ex);
    }
    belay_scope alive;
    belay_task_handle sleeper;
    assert_int_equal(belay_scope_open_root(ex, NULL, &alive), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, alive, body_sleep, NULL, NULL, &sleeper), BELAY_OK);
    expect_stale_task(NULL, first.task);
    expect_stale_scope(NULL, first.scope);
    assert_int_equal(belay_join_until(NULL, sleeper, 0, NULL), BELAY_ETIMEDOUT);
    gate_open(sleeper);
    assert_int_equal(belay_scope_close(NULL, alive), BELAY_OK);
}

static void test_after_trim_handles_are_stale(void **state) {
    old o = make_old(executor_of(state));
    (void)belay_executor_trim(executor_of(state));
    expect_stale_task(NULL, o.task);
    expect_stale_scope(NULL, o.scope);
}

static void test_all_zero_and_absurd_handles_are_stale(void **state) {
    old absurd[] = {{{0}, {0}},
                    {{1, 0, 1}, {1, 0, 1}},
                    {{UINT32_MAX, UINT32_MAX, UINT64_MAX}, {UINT32_MAX, UINT32_MAX, UINT64_MAX}},
                    {{1, 255, 1}, {1, 255, 1}}};
    belay_scope root = belay_executor_root(executor_of(state));
    for (size_t i = 0; i < 4; i++) {
        expect_stale_task(NULL, absurd[i].task);
        expect_stale_scope(NULL, absurd[i].scope);
        run(executor_of(state), expect_stale_inside, &absurd[i]);
    }
    root.slot = 4000000000u; /* the right executor and generation, a slot that does not exist */
    expect_stale_scope(NULL, root);
    expect_stale_task(NULL, (belay_task_handle){root.slot, root.executor, root.generation});
}

/* Slots are made by the dozen: the root's neighbours exist, and have never been a scope or a task. */
static void test_a_slot_that_never_was_in_use_is_stale(void **state) {
    belay_scope root = belay_executor_root(executor_of(state));
    for (uint32_t slot = 40; slot < 50; slot++) {
        belay_scope never = {slot, root.executor, root.generation >> 40 << 40};
        expect_stale_scope(NULL, never);
        expect_stale_task(NULL, (belay_task_handle){slot, never.executor, never.generation});
    }
    assert_int_equal(belay_executor_shutdown(executor_of(state), 0, BELAY_NEVER), BELAY_OK);
}

static void test_after_destroy_all_handles_are_stale(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    belay_task_handle task = spawn_outside(ex, body_nothing, NULL);
    belay_scope root = belay_executor_root(ex);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_true(executor_end(ex));
    expect_stale_task(NULL, task);
    expect_stale_scope(NULL, root);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_ESTALE);

    belay_executor *next = executor_make(&config); /* in its place */
    old o = {root, task};
    expect_stale_task(NULL, task);
    expect_stale_scope(NULL, root);
    run(next, expect_stale_inside, &o);
    assert_true(executor_end(next));
}

static void *stale_thread(void *arg) {
    (void)expect_stale_inside(NULL, arg);
    return NULL;
}

static void test_stale_from_many_foreign_threads_at_once(void **state) {
    old o = make_old(executor_of(state));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, stale_thread, &o), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* A listed task that nobody has a handle to: what the list says of it must not name the next task in its slot. */
static void test_listed_task_without_a_handle_is_named_by_none(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope;
    belay_task_info info = {0};
    size_t count = 0;
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_snapshot(ex, &info, 1, &count), BELAY_OK);
    assert_int_equal(count, 1);
    assert_int_equal(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    belay_task_handle next[200];
    for (int i = 0; i < 200; i++) {
        next[i] = gate_make(ex);
    }
    expect_stale_task(NULL, info.task);
    for (int i = 0; i < 200; i++) {
        gate_open(next[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_after_close_and_reap_handles_are_stale),
        BOTH(test_stale_handles_stay_stale_when_their_slots_are_used_again),
        BOTH(test_after_trim_handles_are_stale),
        BOTH(test_all_zero_and_absurd_handles_are_stale),
        BOTH(test_a_slot_that_never_was_in_use_is_stale),
        BOTH_BARE(test_after_destroy_all_handles_are_stale),
        BOTH(test_stale_from_many_foreign_threads_at_once),
        BOTH(test_listed_task_without_a_handle_is_named_by_none),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

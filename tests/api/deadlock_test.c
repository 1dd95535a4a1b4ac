/* Deadlocks are told: tasks that wait for each other, and an executor in which nothing can go on. */
#include "api/support.h"

typedef struct told {
    tally cycles;
    tally idles;
    tally tasks; /* of the last report */
} told;

static void on_deadlock(belay_executor *executor, belay_deadlock_kind kind, size_t tasks,
                        void *arg) {
    told *t = arg;
    EXPECT_STATUS(belay_sleep_until(NULL, 0), BELAY_ECONTEXT);
    EXPECT(belay_executor_workers(executor) != 0);
    tally_set(&t->tasks, tasks);
    (void)tally_add(kind == BELAY_DEADLOCK_CYCLE ? &t->cycles : &t->idles);
}

static belay_executor *make(void **state, told *t) {
    belay_config config = test_config(workers_of(state));
    config.idle_report = BELAY_MILLISECOND;
    config.deadlock = on_deadlock;
    config.deadlock_arg = t;
    return executor_make(&config);
}

/* ---- cycles ------------------------------------------------------------------------------------------------------ */

typedef struct ring {
    belay_task_handle task[3];
    tally ready;
    uint32_t count;
} ring;

typedef struct member {
    ring *r;
    uint32_t index;
} member;

static belay_status join_the_next(belay_task *self, void *arg) {
    member *m = arg;
    (void)tally_await_in(self, &m->r->ready, 1);
    return belay_join(self, m->r->task[(m->index + 1) % m->r->count], NULL);
}

static void a_ring_is_told(void **state, uint32_t count) {
    told t = {.idles = {0}};
    belay_executor *ex = make(state, &t);
    ring r = {.count = count};
    member m[3];
    for (uint32_t i = 0; i < count; i++) {
        m[i] = (member){&r, i};
        r.task[i] = spawn_outside(ex, join_the_next, &m[i]);
    }
    tally_set(&r.ready, 1);
    tally_await(&t.cycles, 1);
    assert_int_equal(tally_read(&t.tasks), count);
    assert_true(log_holds("wait for each other's end"));
    assert_true(log_holds("tests/api/support.h") && log_holds("body@"));
    assert_int_equal(belay_task_cancel(r.task[0], BELAY_ECANCELED, NULL), BELAY_OK);
    for (uint32_t i = 0; i < count; i++) {
        (void)join_outside(r.task[i]);
    }
    assert_int_equal(tally_read(&t.idles), 0);
    assert_true(executor_end(ex));
}

static void test_two_tasks_that_join_each_other_are_told(void **state) {
    a_ring_is_told(state, 2);
}

static void test_three_tasks_in_a_ring_are_told(void **state) {
    a_ring_is_told(state, 3);
}

typedef struct closing {
    belay_scope scope;
    belay_task_handle closer;
    tally open;
    tally handed;
} closing;

static belay_status join_the_closer(belay_task *self, void *arg) {
    closing *c = arg;
    (void)tally_await_in(self, &c->handed, 1);
    return belay_join(self, c->closer, NULL);
}

static belay_status close_the_scope(belay_task *self, void *arg) {
    closing *c = arg;
    (void)tally_await_in(self, &c->handed, 1);
    return belay_scope_close(self, c->scope);
}

/* The scope is of the root, so that joining its closer is no mistake that could be seen at once. */
static void test_a_member_that_joins_its_scopes_closer_is_told(void **state) {
    told t = {.idles = {0}};
    belay_executor *ex = make(state, &t);
    closing c = {.closer = {0}};
    assert_int_equal(belay_scope_open_root(ex, NULL, &c.scope), BELAY_OK);
    c.closer = spawn_outside(ex, close_the_scope, &c);
    belay_task_handle joiner;
    assert_int_equal(belay_spawn(NULL, c.scope, join_the_closer, &c, NULL, &joiner), BELAY_OK);
    tally_set(&c.handed, 1);
    tally_await(&t.cycles, 1);
    assert_int_equal(tally_read(&t.tasks), 2);
    assert_int_equal(belay_task_cancel(joiner, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(joiner);
    (void)join_outside(c.closer);
    assert_true(executor_end(ex));
}

typedef struct crossing {
    belay_mutex first, second;
    tally held;
} crossing;

static belay_status lock_both(belay_task *self, crossing *c, belay_mutex *one, belay_mutex *other) {
    EXPECT_STATUS(belay_mutex_lock(self, one), BELAY_OK);
    (void)tally_add(&c->held);
    (void)tally_await_in(self, &c->held, 2);
    belay_status status = belay_mutex_lock(self, other);
    if (status == BELAY_OK) {
        EXPECT_STATUS(belay_mutex_unlock(self, other), BELAY_OK);
    }
    EXPECT_STATUS(belay_mutex_unlock(self, one), BELAY_OK);
    return status;
}

static belay_status lock_forth(belay_task *self, void *arg) {
    crossing *c = arg;
    return lock_both(self, c, &c->first, &c->second);
}

static belay_status lock_back(belay_task *self, void *arg) {
    crossing *c = arg;
    return lock_both(self, c, &c->second, &c->first);
}

static void test_two_tasks_that_lock_crosswise_are_told(void **state) {
    told t = {.idles = {0}};
    belay_executor *ex = make(state, &t);
    crossing c = {.held = {0}};
    belay_mutex_init(&c.first);
    belay_mutex_init(&c.second);
    belay_task_handle forth = spawn_outside(ex, lock_forth, &c);
    belay_task_handle back = spawn_outside(ex, lock_back, &c);
    tally_await(&t.cycles, 1);
    assert_int_equal(tally_read(&t.tasks), 2);
    assert_int_equal(belay_task_cancel(forth, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(forth).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(join_outside(back).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_mutex_fini(&c.first), BELAY_OK);
    assert_int_equal(belay_mutex_fini(&c.second), BELAY_OK);
    assert_true(executor_end(ex));
}

/* ---- idle -------------------------------------------------------------------------------------------------------- */

static void test_tasks_that_nothing_can_wake_are_told_with_their_tree(void **state) {
    told t = {.idles = {0}};
    belay_executor *ex = make(state, &t);
    belay_task_handle gate = gate_make(ex);
    tally_await(&t.idles, 1);
    assert_int_equal(tally_read(&t.tasks), 1);
    assert_int_equal(tally_read(&t.cycles), 0);
    assert_true(log_holds("nothing here can wake the 1 suspended tasks"));
    assert_true(log_holds("scope root"));
    assert_true(log_holds("suspended on sleep"));
    gate_open(gate);
    assert_true(executor_end(ex));
}

static belay_status sleep_an_hour(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(3600 * BELAY_SECOND));
}

static void test_a_timer_that_was_taken_back_keeps_no_report(void **state) {
    told t = {.idles = {0}};
    belay_executor *ex = make(state, &t);
    belay_task_handle sleeper = spawn_outside(ex, sleep_an_hour, NULL);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(sleeper, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(sleeper);
    belay_task_handle gate = gate_make(ex);
    tally_await(&t.idles, 1);
    gate_open(gate);
    assert_true(executor_end(ex));
}

static belay_status nap_long(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(60 * BELAY_MILLISECOND));
}

static void test_a_timer_is_no_deadlock(void **state) {
    told t = {.idles = {0}};
    belay_executor *ex = make(state, &t);
    run(ex, nap_long, NULL);
    assert_int_equal(tally_read(&t.idles) + tally_read(&t.cycles), 0);
    assert_true(executor_end(ex));
}

static belay_status wait_foreign(belay_task *self, void *arg) {
    return belay_foreign_wait(self, arg, NULL, NULL);
}

/* The second executor reports after the same time: when it has, the first has had its chance. */
static void test_a_foreign_wait_is_no_deadlock(void **state) {
    told first = {.idles = {0}}, second = {.idles = {0}};
    belay_foreign op;
    belay_foreign_init(&op);
    belay_executor *ex = make(state, &first);
    belay_task_handle waiting = spawn_outside(ex, wait_foreign, &op);
    await_waiting(ex, "a foreign completion", 1);
    for (int i = 0; i < 10; i++) {
        tally_set(&second.idles, 0);
        belay_executor *other = make(state, &second);
        belay_task_handle gate = gate_make(other);
        tally_await(&second.idles, 1);
        gate_open(gate);
        assert_int_equal(belay_executor_destroy(other), BELAY_OK);
    }
    belay_foreign_complete(&op, BELAY_OK);
    assert_int_equal(join_outside(waiting).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(tally_read(&first.idles), 0);
    assert_true(executor_end(ex));
}

static void test_an_executor_without_tasks_is_silent(void **state) {
    told t = {.idles = {0}}, other = {.idles = {0}};
    belay_executor *ex = make(state, &t);
    run(ex, body_nothing, NULL);
    belay_executor *watched = make(state, &other);
    belay_task_handle gate = gate_make(watched);
    tally_await(&other.idles, 1);
    gate_open(gate);
    assert_int_equal(belay_executor_destroy(watched), BELAY_OK);
    assert_int_equal(tally_read(&t.idles), 0);
    assert_true(executor_end(ex));
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_two_tasks_that_join_each_other_are_told),
        BOTH_BARE(test_three_tasks_in_a_ring_are_told),
        BOTH_BARE(test_a_member_that_joins_its_scopes_closer_is_told),
        BOTH_BARE(test_two_tasks_that_lock_crosswise_are_told),
        BOTH_BARE(test_tasks_that_nothing_can_wake_are_told_with_their_tree),
        BOTH_BARE(test_a_timer_is_no_deadlock),
        BOTH_BARE(test_a_timer_that_was_taken_back_keeps_no_report),
        BOTH_BARE(test_a_foreign_wait_is_no_deadlock),
        BOTH_BARE(test_an_executor_without_tasks_is_silent),
    };
    return cmocka_run_group_tests_name("deadlock", tests, NULL, NULL);
}

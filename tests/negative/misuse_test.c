/* Mistakes in a call: a status, no effect, no hang. Deadlocks with oneself, closing out of order, another task's
 * self. */
#include "api/support.h"

typedef struct pit {
    belay_scope scope, inner;
    belay_task *other;
    belay_task_handle task;
    tally ready;
} pit;

/* ---- waiting for oneself ----------------------------------------------------------------------------------------- */

static belay_status join_self(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_join(self, belay_task_self_handle(self), NULL), BELAY_EDEADLK);
    EXPECT_STATUS(belay_join_until(self, belay_task_self_handle(self), 0, NULL), BELAY_EDEADLK);
    return BELAY_OK;
}

static void test_join_of_oneself_is_edeadlk(void **state) {
    run(executor_of(state), join_self, NULL);
}

static belay_status join_ancestor(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_join(self, ((pit *)arg)->task, NULL), BELAY_EDEADLK);
    return BELAY_OK;
}

static belay_status ancestor(belay_task *self, void *arg) {
    pit *p = arg;
    belay_scope outer, inner;
    p->task = belay_task_self_handle(self);
    EXPECT_STATUS(belay_scope_open(self, NULL, &outer), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, outer, join_ancestor, p, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, inner, join_ancestor, p, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_OK);
    return belay_scope_close(self, outer);
}

static void test_join_of_an_ancestor_is_edeadlk(void **state) {
    pit p = {0};
    run(executor_of(state), ancestor, &p);
}

static belay_status close_from_inside(belay_task *self, void *arg) {
    pit *p = arg;
    EXPECT_STATUS(belay_scope_close(self, p->scope), BELAY_EDEADLK);
    EXPECT_STATUS(belay_scope_close_until(self, p->scope, 0), BELAY_EDEADLK);
    EXPECT_STATUS(belay_scope_wait(self, p->scope), BELAY_EDEADLK);
    EXPECT_STATUS(belay_scope_wait_until(self, p->scope, 0), BELAY_EDEADLK);
    EXPECT_STATUS(belay_spawn(self, p->scope, body_tally, &p->ready, NULL, NULL),
                  BELAY_OK); /* no effect */
    return BELAY_OK;
}

static belay_status close_from_below(belay_task *self, void *arg) {
    belay_scope own;
    EXPECT_STATUS(belay_scope_open(self, NULL, &own), BELAY_OK);
    EXPECT_STATUS(close_from_inside(self, arg), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, own, close_from_inside, arg, NULL, NULL), BELAY_OK);
    return belay_scope_close(self, own);
}

static void test_close_and_wait_from_inside_are_edeadlk_without_effect(void **state) {
    pit p = {0};
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &p.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, p.scope, close_from_inside, &p, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, p.scope, close_from_below, &p, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_wait(NULL, p.scope), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, p.scope), BELAY_OK);
    assert_int_equal(tally_read(&p.ready), 3);
}

static belay_status close_root_inside(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_scope_close(self, belay_executor_root(arg)), BELAY_EDEADLK);
    return BELAY_OK;
}

static void test_root_scope_cannot_be_closed(void **state) {
    belay_executor *ex = executor_of(state);
    assert_int_equal(belay_scope_close(NULL, belay_executor_root(ex)), BELAY_EINVAL);
    run(ex, close_root_inside, ex);
}

/* ---- the order of closing ---------------------------------------------------------------------------------------- */

static belay_status close_wrongly(belay_task *self, void *arg) {
    belay_scope outer, inner;
    (void)arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, &outer), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_EINVAL);
    EXPECT(belay_scope_current(self).slot == inner.slot);
    EXPECT_STATUS(belay_spawn(self, outer, body_nothing, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ESTALE);
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_ESTALE);
    return BELAY_OK;
}

static void test_close_in_the_wrong_order_is_einval_and_twice_is_estale(void **state) {
    run(executor_of(state), close_wrongly, NULL);
}

static belay_status open_and_wait(belay_task *self, void *arg) {
    pit *p = arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, &p->scope), BELAY_OK);
    p->other = self;
    (void)tally_add(&p->ready);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    return belay_scope_close(self, p->scope);
}

static belay_status close_anothers(belay_task *self, void *arg) {
    pit *p = arg;
    EXPECT_STATUS(belay_scope_close(self, p->scope), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_only_the_opener_closes(void **state) {
    belay_executor *ex = executor_of(state);
    pit p = {0};
    belay_task_handle opener = spawn_outside(ex, open_and_wait, &p);
    tally_await(&p.ready, 1);
    run(ex, close_anothers, &p);
    assert_int_equal(belay_scope_close(NULL, p.scope), BELAY_EINVAL);
    assert_int_equal(belay_task_cancel(opener, BELAY_OK, NULL), BELAY_OK);
    (void)join_outside(opener);
}

/* ---- another's self ---------------------------------------------------------------------------------------------- */

static void expect_wrong_self(belay_task *wrong, belay_executor *ex) {
    belay_scope scope = {1, 2, 3};
    belay_scope root = belay_executor_root(ex);
    belay_task_handle task = {0};
    EXPECT_STATUS(belay_spawn(wrong, root, body_nothing, NULL, NULL, &task), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_try_spawn(wrong, root, body_nothing, NULL, NULL, &task), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_yield(wrong), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_checkpoint(wrong), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_sleep_until(wrong, 0), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_join(wrong, task, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_scope_open(wrong, NULL, &scope), BELAY_ECONTEXT);
    EXPECT(scope.generation == 0);
    EXPECT_STATUS(belay_scope_wait(wrong, root), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_scope_close(wrong, root), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_set_result(wrong, &scope, NULL), BELAY_ECONTEXT);
}

typedef struct impostor {
    belay_executor *ex;
    belay_task *other;
} impostor;

static belay_status pose_as_another(belay_task *self, void *arg) {
    impostor *i = arg;
    expect_wrong_self(i->other, i->ex);
    EXPECT_STATUS(belay_join(NULL, belay_task_self_handle(self), NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_sleep_until(NULL, 0), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_scope_wait(NULL, belay_executor_root(i->ex)), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_executor_shutdown(i->ex, 0, 0), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_executor_destroy(i->ex), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_executor_run(i->ex, body_nothing, NULL, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_yield(self), BELAY_OK); /* no harm done */
    return BELAY_OK;
}

static void test_another_tasks_self_and_waiting_without_self_are_econtext(void **state) {
    belay_executor *ex = executor_of(state);
    pit p = {0};
    belay_task_handle opener = spawn_outside(ex, open_and_wait, &p);
    await_waiting(ex, "sleep", 1);
    impostor i = {ex, p.other};
    run(ex, pose_as_another, &i);
    expect_wrong_self(p.other, ex); /* from a foreign thread */
    assert_int_equal(belay_task_cancel(opener, BELAY_OK, NULL), BELAY_OK);
    (void)join_outside(opener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_join_of_oneself_is_edeadlk),
        BOTH(test_join_of_an_ancestor_is_edeadlk),
        BOTH(test_close_and_wait_from_inside_are_edeadlk_without_effect),
        BOTH(test_root_scope_cannot_be_closed),
        BOTH(test_close_in_the_wrong_order_is_einval_and_twice_is_estale),
        BOTH(test_only_the_opener_closes),
        BOTH(test_another_tasks_self_and_waiting_without_self_are_econtext),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

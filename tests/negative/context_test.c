/* Calls from where they are not allowed: waiting in callbacks, and everything in a forked child. */
#include "api/support.h"

#include <sys/wait.h>
#include <unistd.h>

typedef struct callback {
    belay_executor *ex;
    belay_scope full;
    belay_task_handle gate;
    tally called, spawned;
} callback;

/* What waits is refused; what does not wait works. */
static void expect_callback_rules(callback *c) {
    belay_scope root = belay_executor_root(c->ex);
    belay_task *self = belay_self();
    belay_scope scope;
    belay_stats stats;
    EXPECT_STATUS(belay_join(NULL, c->gate, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_join_until(NULL, c->gate, 0, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_sleep_until(NULL, 0), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_scope_wait(NULL, root), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_scope_close(NULL, c->full), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_executor_run(c->ex, body_nothing, NULL, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_executor_shutdown(c->ex, 0, 0), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_executor_destroy(c->ex), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_spawn(NULL, c->full, body_nothing, NULL, NULL, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_try_spawn(NULL, c->full, body_nothing, NULL, NULL, NULL), BELAY_EAGAIN);
    EXPECT_STATUS(belay_spawn(NULL, root, body_tally, &c->spawned, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_task_retain(c->gate), BELAY_OK);
    EXPECT_STATUS(belay_task_release(c->gate), BELAY_OK);
    EXPECT_STATUS(belay_executor_stats(c->ex, &stats, sizeof stats), BELAY_OK);
    if (self != NULL) {
        EXPECT_STATUS(belay_yield(self), BELAY_ECONTEXT);
        EXPECT_STATUS(belay_sleep_until(self, 0), BELAY_ECONTEXT);
        EXPECT_STATUS(belay_join(self, c->gate, NULL), BELAY_ECONTEXT);
        EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_ECONTEXT);
        EXPECT_STATUS(belay_set_result(self, NULL, NULL), BELAY_ECONTEXT);
    }
    (void)tally_add(&c->called);
}

static void drop_with_rules(void *arg) {
    expect_callback_rules(arg);
}

static void callback_begin(belay_executor *ex, callback *c) {
    belay_scope_options one = {.cap = 1};
    *c = (callback){.ex = ex, .gate = gate_make(ex)};
    assert_int_equal(belay_scope_open_root(ex, &one, &c->full), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, c->full, body_sleep, NULL, NULL, NULL), BELAY_OK);
}

static void callback_end(callback *c, uint64_t calls) {
    tally_await(&c->spawned, calls);
    tally_await(&c->called, calls); /* its last step: what it spawned may have run before */
    assert_int_equal(tally_read(&c->called), calls);
    gate_open(c->gate);
    assert_int_equal(belay_scope_cancel(c->full, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, c->full), BELAY_OK);
}

static void test_argument_destructor_may_not_wait(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_options run_it = {.arg_drop = drop_with_rules};
    belay_task_options skip_it = {.arg_drop = drop_with_rules, .start_at = BELAY_NEVER};
    belay_task_handle task;
    callback c;
    callback_begin(ex, &c);
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), body_nothing, &c, &run_it, &task),
                     BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), body_nothing, &c, &skip_it, &task),
                     BELAY_OK);
    assert_int_equal(belay_task_cancel(task, BELAY_OK, NULL), BELAY_OK);
    (void)join_outside(task);
    callback_end(&c, 2);
}

static belay_status leave_result(belay_task *self, void *arg) {
    return belay_set_result(self, arg, drop_with_rules);
}

static void test_result_destructor_on_a_worker_may_not_wait(void **state) {
    belay_executor *ex = executor_of(state);
    callback c;
    callback_begin(ex, &c);
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), leave_result, &c, NULL, NULL),
                     BELAY_OK);
    callback_end(&c, 1);
}

/* ---- in a forked child ------------------------------------------------------------------------------------------- */

static void expect_child_rules(belay_executor *ex, belay_scope scope, belay_task_handle task) {
    belay_executor *other = NULL;
    belay_scope opened;
    EXPECT_STATUS(belay_executor_create(NULL, &other), BELAY_ECHILD);
    EXPECT(other == NULL);
    EXPECT_STATUS(belay_executor_run(ex, body_nothing, NULL, NULL), BELAY_ECHILD);
    EXPECT_STATUS(belay_spawn(NULL, scope, body_nothing, NULL, NULL, NULL), BELAY_ECHILD);
    EXPECT_STATUS(belay_try_spawn(NULL, scope, body_nothing, NULL, NULL, NULL), BELAY_ECHILD);
    EXPECT_STATUS(belay_spawn_at(NULL, scope, 1, body_nothing, NULL, NULL, NULL), BELAY_ECHILD);
    EXPECT_STATUS(belay_join(NULL, task, NULL), BELAY_ECHILD);
    EXPECT_STATUS(belay_task_retain(task), BELAY_ECHILD);
    EXPECT_STATUS(belay_task_release(task), BELAY_ECHILD);
    EXPECT_STATUS(belay_task_cancel(task, 1, NULL), BELAY_ECHILD);
    EXPECT_STATUS(belay_sleep_until(NULL, 0), BELAY_ECHILD);
    EXPECT_STATUS(belay_scope_open(NULL, NULL, &opened), BELAY_ECHILD);
    EXPECT_STATUS(belay_scope_open_root(ex, NULL, &opened), BELAY_ECHILD);
    EXPECT_STATUS(belay_scope_seal(scope), BELAY_ECHILD);
    EXPECT_STATUS(belay_scope_cancel(scope, 1, NULL), BELAY_ECHILD);
    EXPECT_STATUS(belay_scope_wait(NULL, scope), BELAY_ECHILD);
    EXPECT_STATUS(belay_scope_close(NULL, scope), BELAY_ECHILD);
    EXPECT_STATUS(belay_scope_set_deadline(scope, 1), BELAY_ECHILD);
    EXPECT_STATUS(belay_executor_shutdown(ex, 0, 0), BELAY_ECHILD);
    EXPECT_STATUS(belay_executor_destroy(ex), BELAY_ECHILD);
}

static void test_everything_in_a_forked_child_is_echild_and_the_parent_goes_on(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task = gate_make(ex);
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        expect_child_rules(ex, scope, task);
        _exit(tally_read(&support_broken) == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    run(ex, body_nothing, NULL);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    gate_open(task);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_argument_destructor_may_not_wait),
        BOTH(test_result_destructor_on_a_worker_may_not_wait),
        BOTH(test_everything_in_a_forked_child_is_echild_and_the_parent_goes_on),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

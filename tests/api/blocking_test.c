/* Functions that block, on threads of their own. More calls than threads: blocking_cap_test.c. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/blockings.h"

static void test_the_function_runs_on_another_thread_and_its_result_comes_back(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    tally_set(&c.go, 1);
    run(ex, call_block, &c);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(c.result, 42);
    assert_int_equal(c.worker, -1);
    assert_false(pthread_equal(c.thread, pthread_self()));
}

static void test_other_tasks_run_meanwhile(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    belay_task_handle task = spawn_outside(ex, call_block, &c);
    tally_await(&c.started, 1);
    await_waiting(ex, "blocking call", 1);
    for (int i = 0; i < 100; i++) {
        run(ex, body_nothing, NULL);
    }
    assert_int_equal(tally_read(&c.ended), 0);
    tally_set(&c.go, 1);
    (void)join_outside(task);
    assert_int_equal(c.status, BELAY_OK);
}

static void test_a_cancel_is_seen_inside_and_the_caller_stays_until_the_end(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    belay_task_handle task = spawn_outside(ex, call_block, &c);
    tally_await(&c.started, 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, "enough"), BELAY_OK);
    tally_await(&c.canceled_seen, 1);
    assert_int_equal(belay_join_until(NULL, task, belay_after(2 * BELAY_MILLISECOND), NULL),
                     BELAY_ETIMEDOUT);
    assert_int_equal(tally_read(&c.ended), 0);
    tally_set(&c.go, 1);
    (void)join_outside(task);
    assert_int_equal(tally_read(&c.ended), 1);
    assert_int_equal(c.status, BELAY_OK); /* it took effect; the next wait reports the cancel */
    assert_int_equal(c.result, 42);
}

static belay_status block_in_scope(belay_task *self, void *arg) {
    block_case *c = arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, &c->scope), BELAY_OK);
    EXPECT_STATUS(call_block(self, c), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, c->scope), BELAY_ETIMEDOUT);
    return BELAY_OK;
}

static void test_a_scope_deadline_is_seen_inside_too(void **state) {
    block_case c = case_make();
    c.until_canceled = true;
    belay_task_handle task = spawn_outside(executor_of(state), block_in_scope, &c);
    tally_await(&c.started, 1);
    assert_int_equal(belay_scope_set_deadline(c.scope, belay_after(BELAY_MILLISECOND)), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(tally_read(&c.canceled_seen), 1);
}

static belay_status canceled_call(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    return call_block(self, arg);
}

static void test_a_cancelled_caller_is_refused_and_the_function_never_runs(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    belay_task_handle task = spawn_outside(ex, canceled_call, &c);
    await_waiting(ex, "sleep", 1);
    (void)belay_task_cancel(task, BELAY_ECANCELED, "enough");
    (void)join_outside(task);
    assert_int_equal(c.status, BELAY_ECANCELED);
    assert_int_equal(c.result, 99);
    assert_int_equal(tally_read(&c.started), 0);
}

/* ---- mistakes and edges ---------------------------------------------------------------------- */

static void test_on_a_foreign_thread_the_function_runs_right_there(void **state) {
    (void)state;
    block_case c = case_make();
    tally_set(&c.go, 1);
    assert_int_equal(call_block(NULL, &c), BELAY_OK);
    assert_int_equal(c.status, BELAY_OK);
    assert_true(pthread_equal(c.thread, pthread_self()));
}

static belay_status bad_calls(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_blocking(self, NULL, arg, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_blocking(NULL, block, arg, NULL), BELAY_ECONTEXT);
    return BELAY_OK;
}

static void test_mistakes_are_statuses(void **state) {
    block_case c = case_make();
    run(executor_of(state), bad_calls, &c);
    assert_int_equal(tally_read(&c.started), 0);
}

static belay_status join_inside(void *arg, const belay_blocking_context *context) {
    (void)context;
    belay_task_handle *task = arg;
    return belay_join(NULL, *task, NULL); /* as a foreign thread may */
}

static belay_status join_by_blocking(belay_task *self, void *arg) {
    belay_status result = 99;
    belay_task_handle task;
    EXPECT_STATUS(belay_spawn(self, belay_scope_current(self), body_nothing, arg, NULL, &task),
                  BELAY_OK);
    EXPECT_STATUS(belay_blocking(self, join_inside, &task, &result), BELAY_OK);
    EXPECT_STATUS(result, BELAY_OK);
    EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    return BELAY_OK;
}

static void test_the_function_may_wait_like_a_foreign_thread(void **state) {
    run(executor_of(state), join_by_blocking, NULL);
}

static belay_status no_threads(belay_task *self, void *arg) {
    block_case *c = arg;
    EXPECT_STATUS(call_block(self, c), BELAY_OK);
    return BELAY_OK;
}

static void test_without_a_thread_to_be_had_the_call_is_refused(void **state) {
    if (geteuid() == 0) {
        return; /* the limit on threads does not bind root */
    }
    belay_executor *ex = executor_of(state);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NPROC, &before), 0);
    none = before;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_NPROC, &none), 0);
    block_case c = case_make();
    tally_set(&c.go, 1);
    run(ex, no_threads, &c);
    assert_int_equal(setrlimit(RLIMIT_NPROC, &before), 0);
    assert_int_equal(c.status, BELAY_EAGAIN);
    assert_int_equal(tally_read(&c.started), 0);
}

static void test_a_forked_child_is_refused(void **state) {
    (void)executor_of(state);
    pid_t child = fork();
    if (child == 0) {
        _exit(belay_blocking(NULL, block, NULL, NULL) == BELAY_ECHILD ? 0 : 1);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_the_function_runs_on_another_thread_and_its_result_comes_back),
        BOTH(test_other_tasks_run_meanwhile),
        BOTH(test_a_cancel_is_seen_inside_and_the_caller_stays_until_the_end),
        BOTH(test_a_scope_deadline_is_seen_inside_too),
        BOTH(test_a_cancelled_caller_is_refused_and_the_function_never_runs),
        BOTH(test_on_a_foreign_thread_the_function_runs_right_there),
        BOTH(test_mistakes_are_statuses),
        BOTH(test_the_function_may_wait_like_a_foreign_thread),
        BOTH(test_without_a_thread_to_be_had_the_call_is_refused),
        BOTH(test_a_forked_child_is_refused),
    };
    return cmocka_run_group_tests_name("api/blocking", tests, NULL, NULL);
}

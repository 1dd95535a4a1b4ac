/* Descriptors and the executor's life: none opened without need, none left, fork, callbacks. */
#include <fcntl.h>
#include <sys/wait.h>

#include "api/fds.h"

static int descriptors_open(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

static void test_an_executor_without_descriptors_opens_none(void **state) {
    int before = descriptors_open();
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    run(ex, body_nothing, NULL);
    assert_int_equal(descriptors_open(), before);
    assert_true(executor_end(ex));
}

static void test_destroy_right_after_the_last_wait_leaves_nothing_open(void **state) {
    int before = descriptors_open();
    for (int i = 0; i < 20; i++) {
        belay_config config = test_config(workers_of(state));
        belay_executor *ex = executor_make(&config);
        pair p = pair_open();
        wait_case c = case_of(p.near, BELAY_FD_READ), canceled = case_of(p.far, BELAY_FD_READ);
        belay_task_handle task = spawn_outside(ex, wait_once, &c);
        assert_int_equal(
            belay_spawn(NULL, belay_executor_root(ex), wait_once, &canceled, NULL, NULL), BELAY_OK);
        put_byte(p.far);
        wait_over(task);
        assert_true(executor_end(ex));
        assert_true(canceled.status == BELAY_ECANCELED || tally_read(&canceled.done) == 0);
        pair_close(&p);
    }
    assert_int_equal(descriptors_open(), before);
}

static void test_two_executors_wait_for_one_descriptor(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *one = executor_make(&config);
    belay_executor *two = executor_make(&config);
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ), d = c, e = c, f = c;
    belay_task_handle a = spawn_outside(one, wait_once, &c);
    belay_task_handle b = spawn_outside(two, wait_once, &d);
    await_waiting(one, "descriptor", 1);
    await_waiting(two, "descriptor", 1);
    put_byte(p.far);
    wait_over(a);
    wait_over(b);
    assert_true(c.status == BELAY_OK && d.status == BELAY_OK);
    drain(p.near);
    a = spawn_outside(one, wait_once, &e);
    b = spawn_outside(two, wait_once, &f);
    await_waiting(one, "descriptor", 1);
    await_waiting(two, "descriptor", 1);
    assert_int_equal(belay_fd_close(p.near), BELAY_OK);
    wait_over(a);
    wait_over(b);
    assert_true(e.status == BELAY_EBADF && f.status == BELAY_EBADF);
    assert_int_equal(close(p.far), 0);
    assert_true(executor_end(one));
    assert_true(executor_end(two));
}

static void test_a_forked_child_is_refused_and_takes_nothing_away(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ);
    belay_task_handle task = spawn_outside(ex, wait_once, &c);
    await_waiting(ex, "descriptor", 1);
    pid_t child = fork();
    if (child == 0) {
        bool right = belay_wait_fd(NULL, p.near, BELAY_FD_READ, NULL) == BELAY_ECHILD &&
                     belay_fd_close(p.near) == BELAY_ECHILD;
        (void)close(p.near);
        _exit(right ? 0 : 1);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    put_byte(p.far);
    wait_over(task);
    assert_int_equal(c.status, BELAY_OK);
    pair_close(&p);
}

static void wait_in_callback(void *value) {
    EXPECT_STATUS(belay_wait_fd(NULL, *(int *)value, BELAY_FD_WRITE, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_fd_close(*(int *)value), BELAY_OK);
}

static void test_a_callback_may_close_but_not_wait(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    belay_task_options options = {.arg_drop = wait_in_callback};
    belay_task_handle task;
    assert_int_equal(
        belay_spawn(NULL, belay_executor_root(ex), body_nothing, &p.near, &options, &task),
        BELAY_OK);
    wait_over(task);
    assert_int_equal(fcntl(p.near, F_GETFD), -1);
    assert_int_equal(close(p.far), 0);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_an_executor_without_descriptors_opens_none),
        BOTH_BARE(test_destroy_right_after_the_last_wait_leaves_nothing_open),
        BOTH_BARE(test_two_executors_wait_for_one_descriptor),
        BOTH(test_a_forked_child_is_refused_and_takes_nothing_away),
        BOTH(test_a_callback_may_close_but_not_wait),
    };
    return cmocka_run_group_tests_name("api/fd_life", tests, NULL, NULL);
}

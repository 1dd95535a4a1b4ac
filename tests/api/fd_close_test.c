/* Closing descriptors under their waiters, and numbers that are used again. */
#include <fcntl.h>

#include "api/fds.h"

static void test_closing_under_waiters_wakes_them_all_with_a_status(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    fill(p.near);
    wait_case c[3] = {case_of(p.near, BELAY_FD_READ), case_of(p.near, BELAY_FD_WRITE),
                      case_of(p.near, BELAY_FD_HANGUP)};
    belay_task_handle tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = spawn_outside(ex, wait_once, &c[i]);
    }
    await_waiting(ex, "descriptor", 3);
    assert_int_equal(belay_fd_close(p.near), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        wait_over(tasks[i]);
        assert_int_equal(c[i].status, BELAY_EBADF);
        assert_int_equal(c[i].ready, 0);
    }
    assert_int_equal(fcntl(p.near, F_GETFD), -1);
    char byte;
    drain(p.far);
    assert_int_equal(read(p.far, &byte, 1), 0); /* the file itself is closed */
    assert_int_equal(close(p.far), 0);
}

static void test_closing_what_is_not_open_is_a_status(void **state) {
    (void)state;
    pair p = pair_open();
    assert_int_equal(belay_fd_close(p.near), BELAY_OK);
    assert_int_equal(belay_fd_close(p.near), BELAY_EBADF);
    assert_int_equal(belay_fd_close(-1), BELAY_EBADF);
    assert_int_equal(close(p.far), 0);
}

static void test_a_closed_descriptor_is_refused(void **state) {
    pair p = pair_open();
    pair_close(&p);
    wait_case c = case_of(p.near, BELAY_FD_READ);
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.status, BELAY_EBADF);
    c.fd = -1;
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.status, BELAY_EBADF);
}

static void test_a_number_used_again_waits_for_its_new_file(void **state) {
    belay_executor *ex = executor_of(state);
    for (int i = 0; i < 20; i++) {
        pair p = pair_open();
        wait_case c = case_of(p.near, BELAY_FD_READ);
        c.deadline = belay_after(BELAY_MILLISECOND / 5);
        run(ex, wait_once, &c); /* leaves the registration armed */
        assert_int_equal(c.status, BELAY_ETIMEDOUT);
        int copy =
            i % 2 == 0 ? dup(p.near) : -1; /* keeps the old file, and its registration, alive */
        assert_int_equal(close(p.near), 0);
        pair q = pair_open();
        assert_int_equal(q.near, p.near);
        c = case_of(q.near, BELAY_FD_READ);
        belay_task_handle task = spawn_outside(ex, wait_once, &c);
        await_waiting(ex, "descriptor", 1);
        if (copy >= 0) {
            put_byte(p.far); /* ready: the old file */
        }
        assert_int_equal(tally_read(&c.done), 0);
        put_byte(q.far);
        wait_over(task);
        assert_int_equal(c.status, BELAY_OK);
        pair_close(&q);
        assert_int_equal(close(p.far), 0);
        if (copy >= 0) {
            assert_int_equal(close(copy), 0);
        }
    }
}

static void test_a_newcomer_frees_those_whose_file_was_closed_plainly(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    wait_case old = case_of(p.near, BELAY_FD_READ), late = old;
    belay_task_handle a = spawn_outside(ex, wait_once, &old);
    await_waiting(ex, "descriptor", 1);
    assert_int_equal(close(p.near), 0);
    pair q = pair_open();
    assert_int_equal(q.near, p.near);
    belay_task_handle b = spawn_outside(ex, wait_once, &late);
    wait_over(a);
    assert_int_equal(old.status, BELAY_EBADF);
    assert_int_equal(tally_read(&late.done), 0);
    put_byte(q.far);
    wait_over(b);
    assert_int_equal(late.status, BELAY_OK);
    pair_close(&q);
    assert_int_equal(close(p.far), 0);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_closing_under_waiters_wakes_them_all_with_a_status),
        BOTH(test_closing_what_is_not_open_is_a_status),
        BOTH(test_a_closed_descriptor_is_refused),
        BOTH(test_a_number_used_again_waits_for_its_new_file),
        BOTH(test_a_newcomer_frees_those_whose_file_was_closed_plainly),
    };
    return cmocka_run_group_tests_name("api/fd_close", tests, NULL, NULL);
}

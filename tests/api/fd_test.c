/* Waiting for descriptors: readiness, and the ends of a wait. */
#include <fcntl.h>

#include "api/fds.h"

/* ---- readiness ------------------------------------------------------------------------------- */

static void test_a_reader_is_woken_by_data(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ);
    belay_task_handle task = spawn_outside(ex, wait_once, &c);
    await_waiting(ex, "descriptor", 1);
    put_byte(p.far);
    wait_over(task);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(c.ready, BELAY_FD_READ);
    pair_close(&p);
}

static void test_a_ready_descriptor_does_not_wait(void **state) {
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ | BELAY_FD_WRITE);
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(c.ready, BELAY_FD_WRITE);
    put_byte(p.far);
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.ready, BELAY_FD_READ | BELAY_FD_WRITE);
    pair_close(&p);
}

static void test_a_writer_is_woken_by_room(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    fill(p.near);
    wait_case c = case_of(p.near, BELAY_FD_WRITE);
    belay_task_handle task = spawn_outside(ex, wait_once, &c);
    await_waiting(ex, "descriptor", 1);
    drain(p.far);
    wait_over(task);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(c.ready, BELAY_FD_WRITE);
    pair_close(&p);
}

static void test_readiness_is_a_level_as_long_as_nothing_is_read(void **state) {
    pair p = pair_open();
    put_byte(p.far);
    for (int i = 0; i < 5; i++) {
        wait_case c = case_of(p.near, BELAY_FD_READ);
        run(executor_of(state), wait_once, &c);
        assert_int_equal(c.status, BELAY_OK);
    }
    drain(p.near);
    wait_case c = case_of(p.near, BELAY_FD_READ);
    c.deadline = belay_after(BELAY_MILLISECOND);
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.status, BELAY_ETIMEDOUT);
    assert_int_equal(c.ready, 0);
    pair_close(&p);
}

static void test_a_hang_up_wakes_readers_and_who_watches_for_it(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    wait_case read_case = case_of(p.near, BELAY_FD_READ);
    wait_case hangup_case = case_of(p.near, BELAY_FD_HANGUP);
    belay_task_handle a = spawn_outside(ex, wait_once, &read_case);
    belay_task_handle b = spawn_outside(ex, wait_once, &hangup_case);
    await_waiting(ex, "descriptor", 2);
    put_byte(p.far); /* ends only the reader's wait */
    wait_over(a);
    assert_int_equal(tally_read(&hangup_case.done), 0);
    assert_int_equal(close(p.far), 0);
    wait_over(b);
    assert_int_equal(hangup_case.status, BELAY_OK);
    assert_true((hangup_case.ready & BELAY_FD_HANGUP) != 0);
    assert_int_equal(close(p.near), 0);
}

static void test_a_writer_is_not_woken_by_the_other_sides_half_close(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    fill(p.near);
    wait_case writer = case_of(p.near, BELAY_FD_WRITE);
    wait_case reader = case_of(p.near, BELAY_FD_READ);
    belay_task_handle a = spawn_outside(ex, wait_once, &writer);
    belay_task_handle b = spawn_outside(ex, wait_once, &reader);
    await_waiting(ex, "descriptor", 2);
    assert_int_equal(shutdown(p.far, SHUT_WR), 0);
    wait_over(b);
    assert_true((reader.ready & BELAY_FD_READ) != 0);
    assert_int_equal(tally_read(&writer.done), 0);
    drain(p.far);
    wait_over(a);
    assert_int_equal(writer.status, BELAY_OK);
    pair_close(&p);
}

static void test_a_regular_file_is_ready_at_once(void **state) {
    FILE *file = tmpfile();
    assert_non_null(file);
    wait_case c = case_of(fileno(file), BELAY_FD_READ | BELAY_FD_WRITE);
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(c.ready, BELAY_FD_READ | BELAY_FD_WRITE);
    assert_int_equal(fclose(file), 0);
}

/* ---- ends of a wait -------------------------------------------------------------------------- */

static void test_a_cancel_ends_the_wait_and_consumes_nothing(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ);
    belay_task_handle task = spawn_outside(ex, wait_once, &c);
    await_waiting(ex, "descriptor", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, "enough"), BELAY_OK);
    wait_over(task);
    assert_int_equal(c.status, BELAY_ECANCELED);
    put_byte(p.far);
    wait_case again = case_of(p.near, BELAY_FD_READ);
    run(ex, wait_once, &again);
    assert_int_equal(again.status, BELAY_OK);
    pair_close(&p);
}

static belay_status canceled_waits(belay_task *self, void *arg) {
    int fd = *(int *)arg;
    size_t count = 99;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_wait_fd(self, fd, BELAY_FD_WRITE, NULL), BELAY_ECANCELED);
    EXPECT_STATUS(belay_write(self, fd, "x", 1, &count, NULL), BELAY_ECANCELED);
    EXPECT(count == 0);
    EXPECT_STATUS(belay_wait_fd(self, fd, 0, NULL), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_a_cancelled_task_is_refused_even_if_the_descriptor_is_ready(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    belay_task_handle task = spawn_outside(ex, canceled_waits, &p.near);
    await_waiting(ex, "sleep", 1);
    (void)belay_task_cancel(task, BELAY_ECANCELED, "enough");
    wait_over(task);
    char byte;
    assert_int_equal(read(p.far, &byte, 1), -1);
    pair_close(&p);
}

static void test_a_deadline_ends_the_wait_not_early(void **state) {
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ);
    c.deadline = belay_after(3 * BELAY_MILLISECOND);
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.status, BELAY_ETIMEDOUT);
    assert_true(belay_now() >= c.deadline);
    pair_close(&p);
}

static void test_deadline_zero_polls(void **state) {
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ);
    c.deadline = 0;
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.status, BELAY_ETIMEDOUT);
    put_byte(p.far);
    run(executor_of(state), wait_once, &c);
    assert_int_equal(c.status, BELAY_OK);
    pair_close(&p);
}

static void test_a_timed_out_wait_leaves_no_stale_wake_to_the_next(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    for (int i = 0; i < 50; i++) {
        wait_case c = case_of(p.near, BELAY_FD_READ);
        c.deadline = belay_after(BELAY_MILLISECOND / 20);
        belay_task_handle task = spawn_outside(ex, wait_once, &c);
        put_byte(p.far);
        wait_over(task);
        drain(p.near);
        wait_case next = case_of(p.near, BELAY_FD_READ);
        next.deadline = belay_after(BELAY_MILLISECOND / 10);
        run(ex, wait_once, &next);
        assert_int_equal(next.status, BELAY_ETIMEDOUT);
    }
    pair_close(&p);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_a_reader_is_woken_by_data),
        BOTH(test_a_ready_descriptor_does_not_wait),
        BOTH(test_a_writer_is_woken_by_room),
        BOTH(test_readiness_is_a_level_as_long_as_nothing_is_read),
        BOTH(test_a_hang_up_wakes_readers_and_who_watches_for_it),
        BOTH(test_a_writer_is_not_woken_by_the_other_sides_half_close),
        BOTH(test_a_regular_file_is_ready_at_once),
        BOTH(test_a_cancel_ends_the_wait_and_consumes_nothing),
        BOTH(test_a_cancelled_task_is_refused_even_if_the_descriptor_is_ready),
        BOTH(test_a_deadline_ends_the_wait_not_early),
        BOTH(test_deadline_zero_polls),
        BOTH(test_a_timed_out_wait_leaves_no_stale_wake_to_the_next),
    };
    return cmocka_run_group_tests_name("api/fd", tests, NULL, NULL);
}

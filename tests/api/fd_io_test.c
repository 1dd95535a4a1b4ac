/* Reading, writing, accepting and connecting. */
#include <fcntl.h>
#include <netinet/in.h>

#include "api/fds.h"

enum { BIG = 1 << 20 };

static belay_status write_big(belay_task *self, void *arg) {
    static char data[BIG];
    size_t count = 0;
    EXPECT_STATUS(belay_write(self, *(int *)arg, data, BIG, &count, NULL), BELAY_OK);
    EXPECT(count == BIG);
    return BELAY_OK;
}

static belay_status read_big(belay_task *self, void *arg) {
    static char data[BIG];
    size_t count = 0, sum = 0;
    do {
        EXPECT_STATUS(belay_read(self, *(int *)arg, data, sizeof data, &count, NULL), BELAY_OK);
        sum += count;
    } while (count != 0);
    EXPECT(sum == BIG);
    return BELAY_OK;
}

static void test_a_long_write_waits_for_room_and_the_end_of_the_stream_is_no_error(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    belay_task_handle reader = spawn_outside(ex, read_big, &p.far);
    belay_task_handle writer = spawn_outside(ex, write_big, &p.near);
    wait_over(writer);
    assert_int_equal(close(p.near), 0);
    wait_over(reader);
    assert_int_equal(close(p.far), 0);
}

static belay_status write_then_cancel(belay_task *self, void *arg) {
    static char data[BIG];
    size_t *count = arg;
    int fd = (int)*count;
    EXPECT_STATUS(belay_write(self, fd, data, BIG, count, NULL), BELAY_ECANCELED);
    return BELAY_OK;
}

static void test_a_cancelled_write_says_how_much_has_gone(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    size_t count = (size_t)p.near, got = 0;
    belay_task_handle writer = spawn_outside(ex, write_then_cancel, &count);
    await_waiting(ex, "descriptor", 1);
    (void)belay_task_cancel(writer, BELAY_ECANCELED, "enough");
    wait_over(writer);
    assert_true(count > 0 && count < BIG);
    char part[4096];
    for (ssize_t n; (n = read(p.far, part, sizeof part)) > 0;) {
        got += (size_t)n;
    }
    assert_int_equal(got, count);
    pair_close(&p);
}

static belay_status io_errors(belay_task *self, void *arg) {
    pair *p = arg;
    size_t count = 99;
    int error = 0, out = 0;
    char byte;
    EXPECT_STATUS(belay_write(self, p->near, "x", 1, &count, &error), BELAY_ESYSTEM);
    EXPECT(error == EPIPE && count == 0);
    EXPECT_STATUS(belay_accept(self, p->near, &out, &error), BELAY_ESYSTEM);
    EXPECT(error == EINVAL && out == -1);
    EXPECT_STATUS(belay_read(self, p->far, &byte, 1, &count, &error), BELAY_EBADF);
    EXPECT(error == 0 && count == 0);
    EXPECT_STATUS(belay_read(self, p->near, NULL, 1, &count, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_read(self, p->near, &byte, 1, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_wait_fd(self, p->near, BELAY_FD_ERROR, NULL), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_refusals_of_the_system_come_with_their_errno(void **state) {
    pair p = pair_open();
    assert_int_equal(close(p.far), 0);
    run(executor_of(state), io_errors, &p);
    assert_int_equal(close(p.near), 0);
}

typedef struct meeting {
    int listener;
    int accepted;
    struct sockaddr_storage address;
    socklen_t size;
} meeting;

static belay_status take_call(belay_task *self, void *arg) {
    meeting *m = arg;
    int error;
    EXPECT_STATUS(belay_accept(self, m->listener, &m->accepted, &error), BELAY_OK);
    EXPECT((fcntl(m->accepted, F_GETFL) & O_NONBLOCK) != 0);
    return BELAY_OK;
}

static belay_status make_call(belay_task *self, void *arg) {
    meeting *m = arg;
    int error;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_STATUS(belay_connect(self, fd, (struct sockaddr *)&m->address, m->size, &error),
                  BELAY_OK);
    EXPECT_STATUS(belay_connect(self, fd, (struct sockaddr *)&m->address, m->size, &error),
                  BELAY_OK);
    EXPECT_STATUS(belay_fd_close(fd), BELAY_OK);
    return BELAY_OK;
}

static belay_status call_nobody(belay_task *self, void *arg) {
    meeting *m = arg;
    int error;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_STATUS(belay_connect(self, fd, (struct sockaddr *)&m->address, m->size, &error),
                  BELAY_ESYSTEM);
    EXPECT(error == ECONNREFUSED);
    EXPECT_STATUS(belay_fd_close(fd), BELAY_OK);
    return BELAY_OK;
}

static void test_accept_and_connect_meet(void **state) {
    belay_executor *ex = executor_of(state);
    meeting m = {.size = sizeof m.address};
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    m.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(m.listener, (struct sockaddr *)&here, sizeof here), 0);
    assert_int_equal(listen(m.listener, 8), 0);
    assert_int_equal(getsockname(m.listener, (struct sockaddr *)&m.address, &m.size), 0);
    belay_task_handle taker = spawn_outside(ex, take_call, &m);
    await_waiting(ex, "descriptor", 1);
    run(ex, make_call, &m);
    wait_over(taker);
    assert_int_equal(close(m.accepted), 0);
    assert_int_equal(belay_fd_close(m.listener), BELAY_OK);
    run(ex, call_nobody, &m);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_a_long_write_waits_for_room_and_the_end_of_the_stream_is_no_error),
        BOTH(test_a_cancelled_write_says_how_much_has_gone),
        BOTH(test_refusals_of_the_system_come_with_their_errno),
        BOTH(test_accept_and_connect_meet),
    };
    return cmocka_run_group_tests_name("api/fd_io", tests, NULL, NULL);
}

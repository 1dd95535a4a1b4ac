/* Waiting for descriptors: readiness, cancel, deadlines, closing, reuse of numbers, many waiters, foreign threads. */
#include "api/support.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A connected pair of non-blocking sockets. */
typedef struct pair {
    int near, far;
} pair;

static pair pair_open(void) {
    int both[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both), 0);
    return (pair){both[0], both[1]};
}

static void pair_close(pair *p) {
    (void)close(p->near);
    (void)close(p->far);
}

static void put_byte(int fd) {
    assert_int_equal(write(fd, "x", 1), 1);
}

static void fill(int fd) {
    static const char many[4096];
    while (write(fd, many, sizeof many) > 0) {
    }
}

static void drain(int fd) {
    static char many[4096];
    while (read(fd, many, sizeof many) > 0) {
    }
}

/* A task that waits once, and what it got. */
typedef struct wait_case {
    int fd;
    uint32_t interest;
    belay_time deadline;
    belay_status status;
    uint32_t ready;
    tally done;
} wait_case;

static belay_status wait_once(belay_task *self, void *arg) {
    wait_case *c = arg;
    c->ready = 99;
    c->status = belay_wait_fd_until(self, c->fd, c->interest, c->deadline, &c->ready);
    (void)tally_add(&c->done);
    return BELAY_OK;
}

static wait_case case_of(int fd, uint32_t interest) {
    return (wait_case){.fd = fd, .interest = interest, .deadline = BELAY_NEVER};
}

static void wait_over(belay_task_handle task) {
    (void)join_outside(task);
}

/* ---- readiness ------------------------------------------------------------------------------------------------------ */

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

/* ---- ends of a wait ------------------------------------------------------------------------------------------------- */

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

/* ---- closing ---------------------------------------------------------------------------------------------------------- */

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

/* ---- many -------------------------------------------------------------------------------------------------------------- */

static void test_readers_and_writers_of_one_descriptor_are_woken_each_for_theirs(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    fill(p.near);
    wait_case readers[4], writers[4];
    belay_task_handle tasks[8];
    for (int i = 0; i < 4; i++) {
        readers[i] = case_of(p.near, BELAY_FD_READ);
        writers[i] = case_of(p.near, BELAY_FD_WRITE);
        tasks[i] = spawn_outside(ex, wait_once, &readers[i]);
        tasks[4 + i] = spawn_outside(ex, wait_once, &writers[i]);
    }
    await_waiting(ex, "descriptor", 8);
    put_byte(p.far);
    for (int i = 0; i < 4; i++) {
        wait_over(tasks[i]);
        assert_int_equal(readers[i].ready, BELAY_FD_READ);
        assert_int_equal(tally_read(&writers[i].done), 0);
    }
    drain(p.near);
    drain(p.far);
    for (int i = 0; i < 4; i++) {
        wait_over(tasks[4 + i]);
        assert_int_equal(writers[i].ready, BELAY_FD_WRITE);
    }
    pair_close(&p);
}

enum { MANY = 400 };

static void test_many_descriptors_at_once(void **state) {
    belay_executor *ex = executor_of(state);
    static pair pairs[MANY];
    static wait_case cases[MANY];
    static belay_task_handle tasks[MANY];
    for (int i = 0; i < MANY; i++) {
        pairs[i] = pair_open();
        cases[i] = case_of(pairs[i].near, BELAY_FD_READ);
        tasks[i] = spawn_outside(ex, wait_once, &cases[i]);
    }
    for (int i = MANY; i-- > 0;) {
        put_byte(pairs[i].far);
    }
    for (int i = 0; i < MANY; i++) {
        wait_over(tasks[i]);
        assert_int_equal(cases[i].status, BELAY_OK);
        pair_close(&pairs[i]);
    }
}

/* Two tasks throw a byte to and fro. */
typedef struct player {
    int fd;
    int rounds;
    bool serves;
} player;

static belay_status play(belay_task *self, void *arg) {
    player *p = arg;
    char byte = 'x';
    size_t count = 0;
    for (int i = 0; i < p->rounds; i++) {
        if (p->serves) {
            EXPECT_STATUS(belay_write(self, p->fd, &byte, 1, &count, NULL), BELAY_OK);
        }
        EXPECT_STATUS(belay_read(self, p->fd, &byte, 1, &count, NULL), BELAY_OK);
        EXPECT(count == 1);
        if (!p->serves) {
            EXPECT_STATUS(belay_write(self, p->fd, &byte, 1, &count, NULL), BELAY_OK);
        }
    }
    return BELAY_OK;
}

static void test_a_byte_goes_to_and_fro_many_times(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    player near = {p.near, 2000, true}, far = {p.far, 2000, false};
    belay_task_handle a = spawn_outside(ex, play, &near);
    belay_task_handle b = spawn_outside(ex, play, &far);
    wait_over(a);
    wait_over(b);
    pair_close(&p);
}

typedef struct burner {
    tally stop, running;
} burner;

static belay_status burn(belay_task *self, void *arg) {
    (void)self;
    burner *b = arg;
    (void)tally_add(&b->running);
    while (tally_read(&b->stop) == 0) {
    }
    return BELAY_OK;
}

static void test_descriptors_are_served_while_a_task_computes_without_a_yield(void **state) {
    belay_executor *ex = executor_of(state);
    if (workers_of(state) == 1) {
        return; /* its only worker is busy */
    }
    pair p = pair_open();
    burner b = {0};
    wait_case c = case_of(p.near, BELAY_FD_READ);
    belay_task_handle waiting = spawn_outside(ex, wait_once, &c);
    await_waiting(ex, "descriptor", 1);
    belay_task_handle burning = spawn_outside(ex, burn, &b);
    tally_await(&b.running, 1);
    put_byte(p.far);
    wait_over(waiting);
    tally_set(&b.stop, 1);
    wait_over(burning);
    assert_int_equal(c.status, BELAY_OK);
    pair_close(&p);
}

static void test_a_busy_worker_that_left_the_poller_alone_is_replaced(void **state) {
    belay_executor *ex = executor_of(state);
    if (workers_of(state) == 1) {
        return;
    }
    for (int i = 0; i < 10; i++) {
        pair p = pair_open();
        burner b = {0};
        wait_case wake = case_of(p.near, BELAY_FD_READ), late = case_of(p.far, BELAY_FD_READ);
        belay_task_handle first = spawn_outside(ex, wait_once, &wake);
        belay_task_handle second = spawn_outside(ex, wait_once, &late);
        await_waiting(ex, "descriptor", 2);
        belay_task_handle burning = spawn_outside(ex, burn, &b);
        put_byte(p.far);
        wait_over(first);
        tally_await(&b.running, 1);
        put_byte(p.near);
        wait_over(second);
        tally_set(&b.stop, 1);
        wait_over(burning);
        pair_close(&p);
    }
}

static void test_an_idle_executor_with_armed_descriptors_uses_no_processor(void **state) {
    belay_executor *ex = executor_of(state);
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ);
    belay_task_handle task = spawn_outside(ex, wait_once, &c);
    await_waiting(ex, "descriptor", 1);
    (void)belay_sleep_until(NULL,
                            belay_after(100 * BELAY_MILLISECOND)); /* the monitor goes to sleep */
    struct rusage before, after;
    (void)getrusage(RUSAGE_SELF, &before);
    (void)belay_sleep_until(NULL, belay_after(200 * BELAY_MILLISECOND));
    (void)getrusage(RUSAGE_SELF, &after);
    int64_t used = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
                   (after.ru_utime.tv_usec - before.ru_utime.tv_usec) +
                   (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
                   (after.ru_stime.tv_usec - before.ru_stime.tv_usec);
    assert_true(used < 20000); /* a spinning worker would take 200,000 */
    put_byte(p.far);
    wait_over(task);
    pair_close(&p);
}

/* ---- foreign threads --------------------------------------------------------------------------------------------------- */

static void *wait_outside(void *arg) {
    (void)wait_once(NULL, arg);
    return NULL;
}

static void test_a_foreign_thread_waits_in_its_own_way(void **state) {
    (void)state;
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_outside, &c), 0);
    put_byte(p.far);
    pthread_join(thread, NULL);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(c.ready, BELAY_FD_READ);
    drain(p.near);
    c.deadline = belay_after(2 * BELAY_MILLISECOND);
    (void)wait_once(NULL, &c);
    assert_int_equal(c.status, BELAY_ETIMEDOUT);
    assert_true(belay_now() >= c.deadline);
    pair_close(&p);
}

static void test_closing_wakes_foreign_threads_too(void **state) {
    (void)state;
    pair p = pair_open();
    wait_case c = case_of(p.near, BELAY_FD_READ);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_outside, &c), 0);
    (void)belay_sleep_until(
        NULL, belay_after(2 * BELAY_MILLISECOND)); /* both before and in poll are legal */
    assert_int_equal(belay_fd_close(p.near), BELAY_OK);
    pthread_join(thread, NULL);
    assert_int_equal(c.status, BELAY_EBADF);
    assert_int_equal(close(p.far), 0);
}

/* ---- input and output ------------------------------------------------------------------------------------------------------ */

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

/* ---- the executor's life ----------------------------------------------------------------------------------------------------- */

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
        BOTH(test_closing_under_waiters_wakes_them_all_with_a_status),
        BOTH(test_closing_what_is_not_open_is_a_status),
        BOTH(test_a_closed_descriptor_is_refused),
        BOTH(test_a_number_used_again_waits_for_its_new_file),
        BOTH(test_a_newcomer_frees_those_whose_file_was_closed_plainly),
        BOTH(test_readers_and_writers_of_one_descriptor_are_woken_each_for_theirs),
        BOTH(test_many_descriptors_at_once),
        BOTH(test_a_byte_goes_to_and_fro_many_times),
        BOTH(test_descriptors_are_served_while_a_task_computes_without_a_yield),
        BOTH(test_a_busy_worker_that_left_the_poller_alone_is_replaced),
        BOTH(test_an_idle_executor_with_armed_descriptors_uses_no_processor),
        BOTH(test_a_foreign_thread_waits_in_its_own_way),
        BOTH(test_closing_wakes_foreign_threads_too),
        BOTH(test_a_long_write_waits_for_room_and_the_end_of_the_stream_is_no_error),
        BOTH(test_a_cancelled_write_says_how_much_has_gone),
        BOTH(test_refusals_of_the_system_come_with_their_errno),
        BOTH(test_accept_and_connect_meet),
        BOTH_BARE(test_an_executor_without_descriptors_opens_none),
        BOTH_BARE(test_destroy_right_after_the_last_wait_leaves_nothing_open),
        BOTH_BARE(test_two_executors_wait_for_one_descriptor),
        BOTH(test_a_forked_child_is_refused_and_takes_nothing_away),
        BOTH(test_a_callback_may_close_but_not_wait),
    };
    return cmocka_run_group_tests_name("api/fd", tests, NULL, NULL);
}

/* Many descriptors and waiters, busy and idle workers, foreign threads. */
#include <sys/resource.h>

#include "api/fds.h"

/* ---- many ------------------------------------------------------------------------------------ */

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

/* ---- foreign threads ------------------------------------------------------------------------- */

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

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_readers_and_writers_of_one_descriptor_are_woken_each_for_theirs),
        BOTH(test_many_descriptors_at_once),
        BOTH(test_a_byte_goes_to_and_fro_many_times),
        BOTH(test_descriptors_are_served_while_a_task_computes_without_a_yield),
        BOTH(test_a_busy_worker_that_left_the_poller_alone_is_replaced),
        BOTH(test_an_idle_executor_with_armed_descriptors_uses_no_processor),
        BOTH(test_a_foreign_thread_waits_in_its_own_way),
        BOTH(test_closing_wakes_foreign_threads_too),
    };
    return cmocka_run_group_tests_name("api/fd_many", tests, NULL, NULL);
}

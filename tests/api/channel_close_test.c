/* Closing a channel: what is buffered, who receives, who sends. */
#include "channels.h"

static void test_a_drained_channel_gives_what_is_buffered_and_then_epipe(void **state) {
    (void)state;
    belay_channel *ch = make(4);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    assert_int_equal(try_send_int(ch, 2), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_EALREADY);
    assert_int_equal(try_send_int(ch, 3), BELAY_EPIPE);
    assert_int_equal(send_int(NULL, ch, 3), BELAY_EPIPE);
    assert_int_equal(recv_int(NULL, ch), 1);
    assert_int_equal(try_recv_int(ch), 2);
    int value = 5;
    assert_int_equal(belay_channel_recv(NULL, ch, &value), BELAY_EPIPE);
    assert_int_equal(belay_channel_try_recv(ch, &value), BELAY_EPIPE);
    assert_int_equal(value, 5);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 0);
}

static void test_close_now_drops_what_is_buffered(void **state) {
    (void)state;
    belay_channel *ch = make(4);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_OK);
    assert_int_equal(dropped.sum, 6);
    int value;
    assert_int_equal(belay_channel_recv(NULL, ch, &value), BELAY_EPIPE);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_EALREADY);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_EALREADY);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 3);
}

static void test_a_draining_channel_may_be_closed_now(void **state) {
    (void)state;
    belay_channel *ch = make(4);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_OK);
    assert_int_equal(dropped.sum, 1);
    destroy(ch);
}

static void test_close_wakes_every_receiver(void **state) {
    belay_channel *ch = make(2);
    act a[3];
    belay_task_handle task[2];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = -1};
    }
    task[0] = spawn_outside(executor_of(state), body_recv, &a[0]);
    task[1] = spawn_outside(executor_of(state), body_recv, &a[1]);
    pthread_t thread = thread_start(thread_recv, &a[2]);
    await_receivers(ch, 3);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    pthread_join(thread, NULL);
    (void)join_outside(task[0]);
    (void)join_outside(task[1]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a[i].status, BELAY_EPIPE);
        assert_int_equal(a[i].value, -1);
    }
    destroy(ch);
}

static void close_with_senders(belay_executor *ex, belay_close_mode mode) {
    belay_channel *ch = make(1);
    assert_int_equal(try_send_int(ch, 50), BELAY_OK);
    act a[3];
    belay_task_handle task[2];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = i};
    }
    task[0] = spawn_outside(ex, body_send, &a[0]);
    task[1] = spawn_outside(ex, body_send, &a[1]);
    pthread_t thread = thread_start(thread_send, &a[2]);
    await_senders(ch, 3);
    assert_int_equal(belay_channel_close(ch, mode), BELAY_OK);
    pthread_join(thread, NULL);
    (void)join_outside(task[0]);
    (void)join_outside(task[1]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a[i].status, BELAY_EPIPE); /* and the items are still theirs */
    }
    assert_int_equal(tally_read(&dropped.count), mode == BELAY_CLOSE_NOW ? 1 : 0);
    destroy(ch);
    assert_int_equal(dropped.sum, 50);
}

static void test_close_and_drain_returns_the_items_of_waiting_senders(void **state) {
    close_with_senders(executor_of(state), BELAY_CLOSE_DRAIN);
}

static void test_close_now_returns_the_items_of_waiting_senders(void **state) {
    close_with_senders(executor_of(state), BELAY_CLOSE_NOW);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_drained_channel_gives_what_is_buffered_and_then_epipe),
        BOTH(test_close_now_drops_what_is_buffered),
        BOTH(test_a_draining_channel_may_be_closed_now),
        BOTH(test_close_wakes_every_receiver),
        BOTH(test_close_and_drain_returns_the_items_of_waiting_senders),
        BOTH(test_close_now_returns_the_items_of_waiting_senders),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

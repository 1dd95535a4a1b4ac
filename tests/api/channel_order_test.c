/* Channels: who waits longest is served first, and who never waits lets others run. */
#include "channels.h"

static void test_receivers_are_served_in_the_order_of_their_coming(void **state) {
    belay_channel *ch = make(4);
    act a[3];
    belay_task_handle task[3];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = -1};
        task[i] = spawn_outside(executor_of(state), body_recv, &a[i]);
        await_receivers(ch, (uint64_t)i + 1);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    for (int i = 0; i < 3; i++) {
        (void)join_outside(task[i]);
        assert_int_equal(a[i].value, i);
    }
    destroy(ch);
}

static void test_senders_are_served_in_the_order_of_their_coming(void **state) {
    belay_channel *ch = make(1);
    assert_int_equal(try_send_int(ch, 0), BELAY_OK);
    act a[3];
    belay_task_handle task[3];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = i + 1};
        task[i] = spawn_outside(executor_of(state), body_send, &a[i]);
        await_senders(ch, (uint64_t)i + 1);
    }
    for (int i = 0; i <= 3; i++) {
        assert_int_equal(try_recv_int(ch), i);
    }
    for (int i = 0; i < 3; i++) {
        (void)join_outside(task[i]);
        assert_int_equal(a[i].status, BELAY_OK);
    }
    destroy(ch);
}

static void test_a_late_comer_does_not_overtake_a_waiting_sender(void **state) {
    belay_channel *ch = make(1);
    assert_int_equal(try_send_int(ch, 0), BELAY_OK);
    act a = {.ch = ch, .value = 1};
    belay_task_handle task = spawn_outside(executor_of(state), body_send, &a);
    await_senders(ch, 1);
    assert_int_equal(try_recv_int(ch), 0);
    assert_int_equal(try_send_int(ch, 2), BELAY_EAGAIN); /* its place is taken */
    (void)join_outside(task);
    assert_int_equal(try_recv_int(ch), 1);
    destroy(ch);
}

static belay_status late_comer_body(belay_task *self, void *arg) {
    act *a = arg; /* a receiver waits; its item must not go to us */
    EXPECT_STATUS(send_int(self, a->ch, 5), BELAY_OK);
    int value;
    EXPECT_STATUS(belay_channel_try_recv(a->ch, &value), BELAY_EAGAIN);
    return BELAY_OK;
}

static void test_a_late_comer_does_not_overtake_a_waiting_receiver(void **state) {
    act a = {.ch = make(4), .value = -1};
    belay_task_handle task = spawn_outside(executor_of(state), body_recv, &a);
    await_receivers(a.ch, 1);
    run(executor_of(state), late_comer_body, &a);
    (void)join_outside(task);
    assert_int_equal(a.value, 5);
    destroy(a.ch);
}

static tally others_turn;
static belay_status other_body(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    (void)tally_add(&others_turn);
    return BELAY_OK;
}

static belay_status shares_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    tally_set(&others_turn, 0);
    belay_scope scope = belay_executor_root(belay_task_executor(self));
    EXPECT_STATUS(belay_spawn(self, scope, other_body, NULL, NULL, NULL), BELAY_OK);
    /* Always ready: still the other task gets its turn, though there may be one worker. */
    for (int i = 0; i < 1000; i++) {
        EXPECT_STATUS(send_int(self, ch, i), BELAY_OK);
        (void)recv_int(self, ch);
    }
    return EXPECT(tally_read(&others_turn) == 1) ? BELAY_OK : BELAY_EINVAL;
}

static void test_operations_that_are_always_ready_share_the_worker(void **state) {
    if (workers_of(state) != 1) {
        return;
    }
    belay_channel *ch = make(1);
    run(executor_of(state), shares_body, ch);
    destroy(ch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_receivers_are_served_in_the_order_of_their_coming),
        BOTH(test_senders_are_served_in_the_order_of_their_coming),
        BOTH(test_a_late_comer_does_not_overtake_a_waiting_sender),
        BOTH(test_a_late_comer_does_not_overtake_a_waiting_receiver),
        BOTH(test_operations_that_are_always_ready_share_the_worker),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Acknowledged mode: leases, join, consumers that are gone. */
#include "channels.h"

static belay_channel *make_leased(size_t capacity, uint32_t flags) {
    return make_with(
        (belay_channel_options){.capacity = capacity, .flags = BELAY_CHANNEL_ACKNOWLEDGED | flags});
}

static belay_lease lease_int(belay_task *self, belay_channel *ch, int expected) {
    belay_lease lease = {0};
    int value = -1;
    EXPECT_STATUS(belay_channel_lease(self, ch, &value, &lease), BELAY_OK);
    EXPECT(value == expected);
    return lease;
}

static void test_an_item_counts_against_the_capacity_until_it_is_done(void **state) {
    (void)state;
    belay_channel *ch = make_leased(2, 0);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    assert_int_equal(try_send_int(ch, 2), BELAY_OK);
    belay_lease lease = lease_int(NULL, ch, 1);
    assert_int_equal(try_send_int(ch, 3), BELAY_EAGAIN);
    belay_channel_info info = look(ch);
    assert_true(info.length == 1 && info.leased == 1);
    assert_int_equal(belay_lease_done(lease), BELAY_OK);
    assert_int_equal(try_send_int(ch, 3), BELAY_OK);
    destroy(ch);
    assert_int_equal(dropped.sum, 5);
}

static void test_a_lease_ends_once(void **state) {
    (void)state;
    belay_channel *ch = make_leased(1, 0);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    belay_lease first = lease_int(NULL, ch, 1);
    assert_int_equal(belay_lease_return(first), BELAY_OK);
    assert_int_equal(belay_lease_return(first), BELAY_ESTALE);
    assert_int_equal(belay_lease_done(first), BELAY_ESTALE);
    belay_lease second = lease_int(NULL, ch, 1);
    assert_int_equal(belay_lease_done(first), BELAY_ESTALE); /* the same slot, another lease */
    assert_int_equal(belay_lease_done(second), BELAY_OK);
    assert_int_equal(belay_lease_done(second), BELAY_ESTALE);
    belay_lease none = {0};
    assert_int_equal(belay_lease_done(none), BELAY_EINVAL);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 0);
}

static void test_a_returned_item_is_the_next_one(void **state) {
    (void)state;
    belay_channel *ch = make_leased(4, 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    belay_lease one = lease_int(NULL, ch, 1), two = lease_int(NULL, ch, 2);
    assert_int_equal(belay_lease_return(two), BELAY_OK);
    assert_int_equal(belay_lease_return(one), BELAY_OK);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(belay_lease_done(lease_int(NULL, ch, i)), BELAY_OK);
    }
    destroy(ch);
}

static belay_status lease_body(belay_task *self, void *arg) {
    act *a = arg;
    belay_lease lease;
    a->status = belay_channel_lease(self, a->ch, &a->value, &lease);
    if (a->status == BELAY_OK) {
        EXPECT_STATUS(belay_lease_done(lease), BELAY_OK);
    }
    (void)tally_add(&a->done);
    return BELAY_OK;
}

static void test_a_returned_item_goes_straight_to_who_waits(void **state) {
    act a = {.ch = make_leased(1, 0), .value = -1};
    assert_int_equal(try_send_int(a.ch, 5), BELAY_OK);
    belay_lease lease = lease_int(NULL, a.ch, 5);
    belay_task_handle task = spawn_outside(executor_of(state), lease_body, &a);
    await_receivers(a.ch, 1);
    assert_int_equal(belay_lease_return(lease), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.value, 5);
    assert_int_equal(belay_channel_join(NULL, a.ch), BELAY_OK);
    destroy(a.ch);
}

static void test_done_lets_a_waiting_sender_and_receiver_meet(void **state) {
    belay_channel *ch = make_leased(1, 0);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    belay_lease lease = lease_int(NULL, ch, 1);
    act in = {.ch = ch, .value = 2}, out = {.ch = ch, .value = -1};
    belay_task_handle sender = spawn_outside(executor_of(state), body_send, &in);
    belay_task_handle receiver = spawn_outside(executor_of(state), lease_body, &out);
    await_senders(ch, 1);
    await_receivers(ch, 1);
    assert_int_equal(belay_lease_done(lease), BELAY_OK);
    (void)join_outside(sender);
    (void)join_outside(receiver);
    assert_true(in.status == BELAY_OK && out.value == 2);
    destroy(ch);
}

static belay_status join_body(belay_task *self, void *arg) {
    act *a = arg;
    a->status = belay_channel_join(self, a->ch);
    (void)tally_add(&a->done);
    return BELAY_OK;
}

static void test_join_waits_until_all_is_acknowledged(void **state) {
    belay_channel *ch = make_leased(3, 0);
    act a = {.ch = ch};
    assert_int_equal(belay_channel_join(NULL, ch), BELAY_OK); /* nothing was sent */
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    assert_int_equal(try_send_int(ch, 2), BELAY_OK);
    belay_task_handle task = spawn_outside(executor_of(state), join_body, &a);
    await_waiting(executor_of(state), "channel join", 1);
    belay_lease one = lease_int(NULL, ch, 1), two = lease_int(NULL, ch, 2);
    assert_int_equal(belay_channel_join_until(NULL, ch, 0), BELAY_ETIMEDOUT);
    assert_int_equal(belay_channel_join_until(NULL, ch, belay_after(1000)), BELAY_ETIMEDOUT);
    assert_int_equal(belay_lease_done(one), BELAY_OK);
    assert_int_equal(tally_read(&a.done), 0);
    assert_int_equal(belay_lease_done(two), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.status, BELAY_OK);
    destroy(ch);
}

static void test_a_cancelled_joiner_is_told(void **state) {
    act a = {.ch = make_leased(1, 0)};
    assert_int_equal(try_send_int(a.ch, 1), BELAY_OK);
    belay_task_handle task = spawn_outside(executor_of(state), join_body, &a);
    await_waiting(executor_of(state), "channel join", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.status, BELAY_ECANCELED);
    destroy(a.ch);
}

static void test_a_draining_channel_waits_for_leases_that_may_come_back(void **state) {
    belay_channel *ch = make_leased(2, 0);
    act a = {.ch = ch, .value = -1};
    assert_int_equal(try_send_int(ch, 8), BELAY_OK);
    belay_lease lease = lease_int(NULL, ch, 8);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    int value;
    assert_int_equal(belay_channel_try_lease(ch, &value, &lease), BELAY_EAGAIN);
    belay_task_handle task = spawn_outside(executor_of(state), lease_body, &a);
    await_receivers(ch, 1);
    assert_int_equal(belay_lease_return(lease), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.value, 8);
    assert_int_equal(belay_channel_try_lease(ch, &value, &lease), BELAY_EPIPE);
    destroy(ch);
}

static void test_the_last_acknowledgement_ends_the_receivers_of_a_draining_channel(void **state) {
    belay_channel *ch = make_leased(2, 0);
    act a = {.ch = ch, .value = -1};
    assert_int_equal(try_send_int(ch, 8), BELAY_OK);
    belay_lease lease = lease_int(NULL, ch, 8);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    belay_task_handle task = spawn_outside(executor_of(state), lease_body, &a);
    await_receivers(ch, 1);
    assert_int_equal(belay_lease_done(lease), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.status, BELAY_EPIPE);
    destroy(ch);
}

static void test_close_now_drops_what_is_queued_and_what_is_returned(void **state) {
    belay_channel *ch = make_leased(3, 0);
    act a = {.ch = ch};
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    belay_lease one = lease_int(NULL, ch, 1), two = lease_int(NULL, ch, 2);
    belay_task_handle task = spawn_outside(executor_of(state), join_body, &a);
    await_waiting(executor_of(state), "channel join", 1);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_OK);
    assert_int_equal(dropped.sum, 3);
    assert_int_equal(belay_lease_done(one), BELAY_OK);
    assert_int_equal(dropped.sum, 3);
    assert_int_equal(belay_lease_return(two), BELAY_OK);
    assert_int_equal(dropped.sum, 5);
    (void)join_outside(task);
    assert_int_equal(a.status, BELAY_OK);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 2);
}

/* ---- consumers --------------------------------------------------------------------------------------------------- */

static belay_status leaving_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    int value;
    belay_lease lease;
    EXPECT_STATUS(belay_channel_consumer_add(self, ch), BELAY_OK);
    EXPECT_STATUS(belay_channel_lease(self, ch, &value, &lease), BELAY_OK);
    EXPECT_STATUS(belay_channel_lease(self, ch, &value, &lease), BELAY_OK);
    EXPECT_STATUS(belay_channel_consumer_remove(self, ch), BELAY_OK);
    EXPECT_STATUS(belay_lease_done(lease), BELAY_ESTALE);
    return BELAY_OK;
}

static void test_what_a_consumer_that_leaves_has_not_acknowledged_comes_back(void **state) {
    belay_channel *ch = make_leased(4, 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    assert_int_equal(belay_channel_consumer_add(NULL, ch), BELAY_OK);
    run(executor_of(state), leaving_body, ch);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(belay_lease_done(lease_int(NULL, ch, i)), BELAY_OK);
    }
    assert_int_equal(try_send_int(ch, 4), BELAY_OK); /* one consumer is left */
    destroy(ch);
    assert_int_equal(dropped.sum, 4);
}

static void test_what_a_consumer_that_leaves_has_not_acknowledged_is_dropped(void **state) {
    belay_channel *ch = make_leased(4, BELAY_CHANNEL_DROP_ABANDONED);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    run(executor_of(state), leaving_body, ch);
    assert_int_equal(dropped.sum, 3);
    assert_int_equal(belay_channel_length(ch), 1);
    destroy(ch);
    assert_int_equal(dropped.sum, 6);
}

/* Takes an item and is cancelled over it. */
static belay_status dying_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    int value;
    belay_lease lease;
    EXPECT_STATUS(belay_channel_consumer_add(self, ch), BELAY_OK);
    EXPECT_STATUS(belay_channel_lease(self, ch, &value, &lease), BELAY_OK);
    return belay_sleep_until(self, BELAY_NEVER);
}

static void test_a_cancelled_consumers_item_goes_to_another(void **state) {
    belay_channel *ch = make_leased(1, 0);
    assert_int_equal(belay_channel_consumer_add(NULL, ch), BELAY_OK);
    assert_int_equal(try_send_int(ch, 6), BELAY_OK);
    belay_task_handle first = spawn_outside(executor_of(state), dying_body, ch);
    await_waiting(executor_of(state), "sleep", 1);
    act a = {.ch = ch, .value = -1};
    belay_task_handle second = spawn_outside(executor_of(state), lease_body, &a);
    await_receivers(ch, 1);
    assert_int_equal(belay_task_cancel(first, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(first);
    (void)join_outside(second);
    assert_int_equal(a.value, 6);
    assert_int_equal(belay_channel_join(NULL, ch), BELAY_OK);
    destroy(ch);
}

/* Registered in a fork, twice, and removed once. */
static belay_status register_in_fork(belay_task *self, void *arg) {
    return belay_channel_consumer_add(self, arg);
}

static belay_status registered_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    EXPECT_STATUS(belay_channel_consumer_remove(self, ch), BELAY_ENOENT);
    EXPECT_STATUS(belay_fork(self, register_in_fork, ch), BELAY_OK);
    EXPECT_STATUS(belay_channel_consumer_add(self, ch), BELAY_OK);
    EXPECT_STATUS(belay_channel_consumer_add(self, ch), BELAY_OK);
    EXPECT_STATUS(belay_channel_consumer_remove(self, ch), BELAY_OK);
    EXPECT_STATUS(belay_channel_consumer_remove(NULL, ch),
                  BELAY_ENOENT); /* a task's is the task's */
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    EXPECT_STATUS(belay_channel_destroy(ch), BELAY_EBUSY);
    EXPECT_STATUS(try_send_int(ch, 1), BELAY_OK);
    return BELAY_OK;
}

static void test_a_consumers_registration_ends_with_its_task(void **state) {
    belay_channel *ch = make_leased(1, 0);
    run(executor_of(state), registered_body, ch);
    assert_int_equal(try_send_int(ch, 2), BELAY_EPIPE);
    assert_int_equal(belay_channel_consumer_remove(NULL, ch), BELAY_ENOENT);
    assert_int_equal(belay_channel_join(NULL, ch), BELAY_EPIPE); /* 1 was never acknowledged */
    destroy(ch);
}

static void test_senders_and_joiners_hear_that_the_last_consumer_is_gone(void **state) {
    belay_channel *ch = make_leased(1, 0);
    assert_int_equal(belay_channel_consumer_remove(NULL, ch), BELAY_ENOENT);
    assert_int_equal(belay_channel_consumer_add(NULL, ch), BELAY_OK);
    assert_int_equal(belay_channel_consumer_add(NULL, ch), BELAY_OK);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    act in = {.ch = ch, .value = 2}, all = {.ch = ch};
    belay_task_handle sender = spawn_outside(executor_of(state), body_send, &in);
    belay_task_handle joiner = spawn_outside(executor_of(state), join_body, &all);
    await_senders(ch, 1);
    await_waiting(executor_of(state), "channel join", 1);
    assert_int_equal(belay_channel_consumer_remove(NULL, ch), BELAY_OK);
    assert_int_equal(tally_read(&in.done) + tally_read(&all.done), 0);
    assert_int_equal(belay_channel_consumer_remove(NULL, ch), BELAY_OK);
    (void)join_outside(sender);
    (void)join_outside(joiner);
    assert_true(in.status == BELAY_EPIPE && all.status == BELAY_EPIPE);
    assert_int_equal(try_send_int(ch, 3), BELAY_EPIPE);
    assert_int_equal(belay_channel_join(NULL, ch), BELAY_EPIPE);
    assert_int_equal(belay_channel_consumer_add(NULL, ch), BELAY_OK); /* and one comes again */
    assert_int_equal(belay_lease_done(lease_int(NULL, ch, 1)), BELAY_OK);
    assert_int_equal(try_send_int(ch, 3), BELAY_OK);
    destroy(ch);
}

static void test_a_plain_channel_may_have_consumers_too(void **state) {
    (void)state;
    belay_channel *ch = make(1);
    assert_int_equal(belay_channel_consumer_add(NULL, ch), BELAY_OK);
    assert_int_equal(try_send_int(ch, 3), BELAY_OK);
    assert_int_equal(belay_channel_consumer_remove(NULL, ch), BELAY_OK);
    assert_int_equal(try_send_int(ch, 4), BELAY_EPIPE);
    assert_int_equal(try_recv_int(ch), 3);
    destroy(ch);
}

static void test_mistakes_in_the_call(void **state) {
    (void)state;
    int value;
    belay_lease lease;
    belay_channel *ch = make_leased(1, 0);
    assert_int_equal(belay_channel_recv(NULL, ch, &value), BELAY_EINVAL);
    assert_int_equal(belay_channel_try_recv(ch, &value), BELAY_EINVAL);
    assert_int_equal(belay_channel_lease(NULL, ch, &value, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_lease(NULL, NULL, &value, &lease), BELAY_EINVAL);
    assert_int_equal(belay_channel_join(NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_consumer_add(NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_lease_until(NULL, ch, &value, &lease, 0), BELAY_ETIMEDOUT);
    destroy(ch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_an_item_counts_against_the_capacity_until_it_is_done),
        BOTH(test_a_lease_ends_once),
        BOTH(test_a_returned_item_is_the_next_one),
        BOTH(test_a_returned_item_goes_straight_to_who_waits),
        BOTH(test_done_lets_a_waiting_sender_and_receiver_meet),
        BOTH(test_join_waits_until_all_is_acknowledged),
        BOTH(test_a_cancelled_joiner_is_told),
        BOTH(test_a_draining_channel_waits_for_leases_that_may_come_back),
        BOTH(test_the_last_acknowledgement_ends_the_receivers_of_a_draining_channel),
        BOTH(test_close_now_drops_what_is_queued_and_what_is_returned),
        BOTH(test_what_a_consumer_that_leaves_has_not_acknowledged_comes_back),
        BOTH(test_what_a_consumer_that_leaves_has_not_acknowledged_is_dropped),
        BOTH(test_a_cancelled_consumers_item_goes_to_another),
        BOTH(test_a_consumers_registration_ends_with_its_task),
        BOTH(test_senders_and_joiners_hear_that_the_last_consumer_is_gone),
        BOTH(test_a_plain_channel_may_have_consumers_too),
        BOTH(test_mistakes_in_the_call),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

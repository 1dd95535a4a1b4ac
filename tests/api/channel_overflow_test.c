/* Channels that are full: fail, drop the oldest, drop the newest. */
#include "channels.h"

static void test_a_channel_that_fails_leaves_the_item_with_the_sender(void **state) {
    (void)state;
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 1, .overflow = BELAY_OVERFLOW_FAIL});
    assert_int_equal(send_int(NULL, ch, 1), BELAY_OK);
    assert_int_equal(send_int(NULL, ch, 2), BELAY_EAGAIN);
    assert_int_equal(try_recv_int(ch), 1);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 0);
}

static void test_drop_oldest_keeps_the_latest(void **state) {
    (void)state;
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 3, .overflow = BELAY_OVERFLOW_DROP_OLDEST});
    for (int i = 1; i <= 8; i++) {
        assert_int_equal(i % 2 != 0 ? send_int(NULL, ch, i) : try_send_int(ch, i), BELAY_OK);
    }
    assert_int_equal(dropped.sum, 1 + 2 + 3 + 4 + 5);
    for (int i = 6; i <= 8; i++) {
        assert_int_equal(try_recv_int(ch), i);
    }
    assert_int_equal(look(ch).dropped, 5);
    destroy(ch);
}

static void test_drop_newest_keeps_the_first(void **state) {
    (void)state;
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 3, .overflow = BELAY_OVERFLOW_DROP_NEWEST});
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(send_int(NULL, ch, i), BELAY_OK);
    }
    assert_int_equal(dropped.sum, 4 + 5);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_recv_int(ch), i);
    }
    destroy(ch);
}

static void test_a_rendezvous_that_drops_is_a_signal_for_who_listens(void **state) {
    belay_channel *ch = make_with((belay_channel_options){.overflow = BELAY_OVERFLOW_DROP_OLDEST});
    assert_int_equal(send_int(NULL, ch, 4), BELAY_OK);
    assert_int_equal(dropped.sum, 4);
    act a = {.ch = ch, .value = -1};
    belay_task_handle task = spawn_outside(executor_of(state), body_recv, &a);
    await_receivers(ch, 1);
    assert_int_equal(send_int(NULL, ch, 6), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.value, 6);
    assert_int_equal(dropped.sum, 4);
    destroy(ch);
}

static belay_channel *reentered;
static void drop_and_use(void *item, void *arg) {
    drop_int(item, arg);
    int value = 100; /* a callback: what does not wait is allowed, and no lock is held */
    EXPECT_STATUS(belay_channel_send(NULL, reentered, &value), BELAY_ECONTEXT);
    EXPECT(belay_channel_length(reentered) <= 1);
    (void)belay_channel_try_recv(reentered, &value);
}

static void test_the_drop_hook_runs_under_no_lock(void **state) {
    (void)state;
    belay_channel_options o = {.capacity = 1,
                               .element = sizeof(int),
                               .overflow = BELAY_OVERFLOW_DROP_OLDEST,
                               .drop = drop_and_use};
    assert_int_equal(belay_channel_create(&o, &reentered), BELAY_OK);
    assert_int_equal(try_send_int(reentered, 1), BELAY_OK);
    assert_int_equal(try_send_int(reentered, 2), BELAY_OK);
    assert_int_equal(belay_channel_length(reentered), 0);
    assert_int_equal(try_send_int(reentered, 3), BELAY_OK);
    assert_int_equal(belay_channel_close(reentered, BELAY_CLOSE_NOW), BELAY_OK);
    destroy(reentered);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_channel_that_fails_leaves_the_item_with_the_sender),
        BOTH(test_drop_oldest_keeps_the_latest),
        BOTH(test_drop_newest_keeps_the_first),
        BOTH(test_a_rendezvous_that_drops_is_a_signal_for_who_listens),
        BOTH(test_the_drop_hook_runs_under_no_lock),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Select over channels: what is chosen, what losers keep. Selects that meet each other: select_meet_test.c. */
#include "api/selects.h"

static void *select_thread(void *arg) {
    (void)select_body(NULL, arg);
    return NULL;
}

static void test_of_several_ready_clauses_the_first_given_is_taken(void **state) {
    belay_channel *a = make(1), *b = make(1);
    assert_int_equal(try_send_int(a, 1), BELAY_OK);
    assert_int_equal(try_send_int(b, 2), BELAY_OK);
    chosen c = {.recv = {b, a}};
    run(executor_of(state), select_body, &c);
    assert_true(c.status == BELAY_OK && c.which == 0 && c.clause == BELAY_OK && c.in[0] == 2);
    assert_int_equal(try_recv_int(a), 1);
    assert_int_equal(belay_channel_length(b), 0);
    destroy(a);
    destroy(b);
}

static void test_a_send_clause_is_chosen_when_there_is_room(void **state) {
    belay_channel *full = make(1), *free = make(1);
    assert_int_equal(try_send_int(full, 1), BELAY_OK);
    chosen c = {.send = {full, free}, .out = {5, 6}};
    run(executor_of(state), select_body, &c);
    assert_true(c.status == BELAY_OK && c.which == 4);
    assert_int_equal(try_recv_int(free), 6);
    assert_int_equal(try_recv_int(full), 1);
    int value;
    assert_int_equal(belay_channel_try_recv(full, &value), BELAY_EAGAIN);
    destroy(full);
    destroy(free);
}

static void test_a_waiting_select_is_served_by_whoever_comes_first(void **state) {
    belay_channel *a = make(0), *b = make(4);
    chosen c = {.recv = {a, b}, .in = {-1, -1}};
    belay_task_handle task = spawn_outside(executor_of(state), select_body, &c);
    await_receivers(a, 1);
    await_receivers(b, 1);
    assert_int_equal(try_send_int(b, 9), BELAY_OK);
    assert_int_equal(try_send_int(a, 8), BELAY_EAGAIN); /* the other clause has lost */
    (void)join_outside(task);
    assert_true(c.which == 1 && c.in[1] == 9 && c.in[0] == -1);
    assert_int_equal(belay_channel_length(b), 0);
    assert_true(look(a).receivers == 0 && look(b).receivers == 0);
    destroy(a);
    destroy(b);
}

static void test_a_waiting_send_clause_is_taken_by_a_receiver(void **state) {
    belay_channel *a = make(0), *b = make(0);
    chosen c = {.send = {a, b}, .out = {3, 4}};
    belay_task_handle task = spawn_outside(executor_of(state), select_body, &c);
    await_senders(b, 1);
    assert_int_equal(try_recv_int(b), 4);
    int value = -1;
    assert_int_equal(belay_channel_try_recv(a, &value), BELAY_EAGAIN);
    (void)join_outside(task);
    assert_int_equal(c.which, 4);
    destroy(a);
    destroy(b);
}

static void test_a_foreign_thread_may_select(void **state) {
    (void)state;
    belay_channel *a = make(0), *b = make(0);
    chosen c = {.recv = {a, b}};
    pthread_t thread = thread_start(select_thread, &c);
    await_receivers(b, 1);
    assert_int_equal(send_int(NULL, b, 4), BELAY_OK);
    pthread_join(thread, NULL);
    assert_true(c.which == 1 && c.in[1] == 4);
    destroy(a);
    destroy(b);
}

static void test_the_same_clause_twice_takes_one_item(void **state) {
    belay_channel *ch = make(0);
    chosen c = {.recv = {ch, ch, ch}, .in = {-1, -1, -1}};
    belay_task_handle task = spawn_outside(executor_of(state), select_body, &c);
    await_receivers(ch, 3);
    assert_int_equal(try_send_int(ch, 5), BELAY_OK);
    assert_int_equal(try_send_int(ch, 6), BELAY_EAGAIN);
    (void)join_outside(task);
    assert_true(c.which == 0 && c.in[0] == 5 && c.in[1] == -1 && c.in[2] == -1);
    destroy(ch);
}

static void test_a_closed_channel_is_ready_with_epipe(void **state) {
    belay_channel *a = make(0), *b = make(0);
    assert_int_equal(belay_channel_close(b, BELAY_CLOSE_DRAIN), BELAY_OK);
    chosen c = {.recv = {a, b}, .in = {-1, -1}};
    run(executor_of(state), select_body, &c);
    assert_true(c.status == BELAY_OK && c.which == 1 && c.clause == BELAY_EPIPE && c.in[1] == -1);
    chosen d = {.send = {a, b}};
    run(executor_of(state), select_body, &d);
    assert_true(d.status == BELAY_OK && d.which == 4 && d.clause == BELAY_EPIPE);
    destroy(a);
    destroy(b);
}

static void test_close_wakes_a_waiting_select(void **state) {
    belay_channel *a = make(0), *b = make(0);
    chosen c = {.recv = {a}, .send = {b}};
    belay_task_handle task = spawn_outside(executor_of(state), select_body, &c);
    await_senders(b, 1);
    assert_int_equal(belay_channel_close(b, BELAY_CLOSE_NOW), BELAY_OK);
    (void)join_outside(task);
    assert_true(c.which == 3 && c.clause == BELAY_EPIPE);
    destroy(a);
    destroy(b);
}

static void test_a_cancelled_select_leaves_no_trace(void **state) {
    belay_channel *a = make(0), *b = make(0);
    chosen c = {.recv = {a}, .send = {b}, .in = {-1}};
    belay_task_handle task = spawn_outside(executor_of(state), select_body, &c);
    await_senders(b, 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(task);
    assert_true(c.status == BELAY_ECANCELED && c.which == 99 && c.in[0] == -1);
    int value;
    assert_int_equal(try_send_int(a, 1), BELAY_EAGAIN);
    assert_int_equal(belay_channel_try_recv(b, &value), BELAY_EAGAIN);
    destroy(a);
    destroy(b);
}

static belay_status timed_select_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    int value = -1;
    size_t which = 99;
    belay_clause clauses[] = {belay_on_recv(ch, &value), belay_on_time(belay_after(1000000))};
    EXPECT_STATUS(belay_select(self, clauses, 2, 0, &which), BELAY_OK);
    EXPECT(which == 1 && value == -1 && look(ch).receivers == 0);
    EXPECT_STATUS(belay_select_until(self, clauses, 1, 0, belay_after(1000), &which),
                  BELAY_ETIMEDOUT);
    EXPECT(which == 1 && value == -1 && look(ch).receivers == 0);
    EXPECT_STATUS(belay_try_select(clauses, 1, 0, &which), BELAY_EAGAIN);
    EXPECT_STATUS(try_send_int(ch, 4), BELAY_EAGAIN);
    return BELAY_OK;
}

static void test_a_select_that_times_out_leaves_no_trace(void **state) {
    belay_channel *ch = make(0);
    run(executor_of(state), timed_select_body, ch);
    assert_int_equal(timed_select_body(NULL, ch), BELAY_OK);
    destroy(ch);
}

static void test_try_select_takes_what_is_ready(void **state) {
    (void)state;
    belay_channel *a = make(0), *b = make(2);
    int value = -1, sent = 6;
    size_t which = 99;
    belay_clause clauses[] = {belay_on_recv(a, &value), belay_on_recv(b, &value),
                              belay_on_send(b, &sent)};
    assert_int_equal(belay_try_select(clauses, 3, 0, &which), BELAY_OK);
    assert_int_equal(which, 2);
    assert_int_equal(belay_try_select(clauses, 3, 0, &which), BELAY_OK);
    assert_true(which == 1 && value == 6);
    destroy(a);
    destroy(b);
}

static void test_a_fair_select_serves_all_channels(void **state) {
    (void)state;
    belay_channel *ch[3] = {make(600), make(600), make(600)};
    int taken[3] = {0}, value;
    for (int i = 0; i < 600; i++) {
        for (int k = 0; k < 3; k++) {
            assert_int_equal(try_send_int(ch[k], i), BELAY_OK);
        }
    }
    for (int i = 0; i < 900; i++) {
        size_t which = 99;
        belay_clause c[] = {belay_on_recv(ch[0], &value), belay_on_recv(ch[1], &value),
                            belay_on_recv(ch[2], &value)};
        assert_int_equal(belay_select(NULL, c, 3, BELAY_SELECT_FAIR, &which), BELAY_OK);
        assert_int_equal(value, taken[which]++);
    }
    for (int k = 0; k < 3; k++) {
        assert_in_range(taken[k], 200, 400);
        destroy(ch[k]);
    }
}

static void test_a_lease_can_be_selected(void **state) {
    (void)state;
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 1, .flags = BELAY_CHANNEL_ACKNOWLEDGED});
    int value = -1, sent = 4;
    size_t which = 99;
    belay_lease lease;
    belay_clause c[] = {belay_on_lease(ch, &value, &lease), belay_on_send(ch, &sent)};
    assert_int_equal(belay_select(NULL, c, 2, 0, &which), BELAY_OK);
    assert_int_equal(which, 1);
    assert_int_equal(belay_select(NULL, c, 2, 0, &which), BELAY_OK);
    assert_true(which == 0 && value == 4);
    assert_int_equal(belay_try_select(c, 2, 0, &which), BELAY_EAGAIN);
    assert_int_equal(belay_lease_done(lease), BELAY_OK);
    c[0] = belay_on_recv(ch, &value);
    assert_int_equal(belay_select(NULL, c, 1, 0, &which), BELAY_EINVAL);
    destroy(ch);
}

static void test_a_full_channel_that_fails_is_waited_for(void **state) {
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 1, .overflow = BELAY_OVERFLOW_FAIL});
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    chosen c = {.send = {ch}, .out = {2}};
    belay_task_handle task = spawn_outside(executor_of(state), select_body, &c);
    await_senders(ch, 1);
    assert_int_equal(try_recv_int(ch), 1);
    (void)join_outside(task);
    assert_true(c.which == 3 && c.clause == BELAY_OK);
    assert_int_equal(try_recv_int(ch), 2);
    destroy(ch);
}

static void test_a_channel_that_drops_is_always_ready_to_send(void **state) {
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 1, .overflow = BELAY_OVERFLOW_DROP_OLDEST});
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    chosen c = {.send = {ch}, .out = {2}};
    run(executor_of(state), select_body, &c);
    assert_true(c.which == 3 && dropped.sum == 1);
    assert_int_equal(try_recv_int(ch), 2);
    destroy(ch);
}

/* ---- many ------------------------------------------------------------------------------------ */

static void test_a_hundred_clauses_are_no_more_than_two(void **state) {
    (void)state;
    enum { COUNT = 100 };
    static belay_channel *ch[COUNT];
    static belay_clause c[COUNT];
    int value[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ch[i] = make(1);
        c[i] = belay_on_recv(ch[i], &value[i]);
    }
    for (int i = COUNT - 1; i >= 0; i -= 7) {
        size_t which = 999;
        assert_int_equal(try_send_int(ch[i], i), BELAY_OK);
        assert_int_equal(belay_select(NULL, c, COUNT, 0, &which), BELAY_OK);
        assert_true(which == (size_t)i && value[i] == i);
    }
    for (int i = 0; i < COUNT; i++) {
        destroy(ch[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_of_several_ready_clauses_the_first_given_is_taken),
        BOTH(test_a_send_clause_is_chosen_when_there_is_room),
        BOTH(test_a_waiting_select_is_served_by_whoever_comes_first),
        BOTH(test_a_waiting_send_clause_is_taken_by_a_receiver),
        BOTH(test_a_foreign_thread_may_select),
        BOTH(test_the_same_clause_twice_takes_one_item),
        BOTH(test_a_closed_channel_is_ready_with_epipe),
        BOTH(test_close_wakes_a_waiting_select),
        BOTH(test_a_cancelled_select_leaves_no_trace),
        BOTH(test_a_select_that_times_out_leaves_no_trace),
        BOTH(test_try_select_takes_what_is_ready),
        BOTH(test_a_fair_select_serves_all_channels),
        BOTH(test_a_lease_can_be_selected),
        BOTH(test_a_full_channel_that_fails_is_waited_for),
        BOTH(test_a_channel_that_drops_is_always_ready_to_send),
        BOTH(test_a_hundred_clauses_are_no_more_than_two),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Channels against cancels and deadlines: nothing is lost, and which status comes first. */
#include "channels.h"

static void test_a_cancelled_receiver_is_woken_and_takes_nothing(void **state) {
    act a = {.ch = make(0), .value = -1};
    belay_task_handle task = spawn_outside(executor_of(state), body_recv, &a);
    await_receivers(a.ch, 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.status, BELAY_ECANCELED);
    assert_int_equal(try_send_int(a.ch, 1), BELAY_EAGAIN);
    assert_int_equal(a.value, -1);
    destroy(a.ch);
}

static void test_a_cancelled_sender_keeps_its_item(void **state) {
    act a = {.ch = make(1), .value = 2};
    assert_int_equal(try_send_int(a.ch, 1), BELAY_OK);
    belay_task_handle task = spawn_outside(executor_of(state), body_send, &a);
    await_senders(a.ch, 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.status, BELAY_ECANCELED);
    assert_int_equal(try_recv_int(a.ch), 1);
    int value;
    assert_int_equal(belay_channel_try_recv(a.ch, &value), BELAY_EAGAIN);
    destroy(a.ch);
    assert_int_equal(tally_read(&dropped.count), 0);
}

/* Sleeps until cancelled, then tries everything on a channel that is ready for it. */
static belay_status refused_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    int value = 3;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_channel_send(self, ch, &value), BELAY_ECANCELED);
    EXPECT_STATUS(belay_channel_recv(self, ch, &value), BELAY_ECANCELED);
    EXPECT_STATUS(belay_channel_send_until(self, ch, &value, 0), BELAY_ECANCELED);
    EXPECT_STATUS(belay_channel_recv_until(self, ch, &value, 0), BELAY_ECANCELED);
    EXPECT(value == 3 && belay_channel_length(ch) == 1);
    EXPECT_STATUS(belay_channel_send(self, ch, NULL), BELAY_EINVAL); /* mistakes come first */
    EXPECT_STATUS(belay_channel_try_send(ch, &value), BELAY_OK);     /* never waits: not refused */
    EXPECT_STATUS(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_OK);
    EXPECT_STATUS(belay_channel_recv(self, ch, &value), BELAY_ECANCELED); /* before BELAY_EPIPE */
    EXPECT_STATUS(belay_channel_send(self, ch, &value), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_cancelled_caller_is_refused_though_the_channel_is_ready(void **state) {
    belay_channel *ch = make(2);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    belay_task_handle task = spawn_outside(executor_of(state), refused_body, ch);
    await_waiting(executor_of(state), "sleep", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    destroy(ch);
}

static void test_a_deadline_of_zero_polls(void **state) {
    (void)state;
    belay_channel *ch = make(1);
    int value = 9;
    assert_int_equal(belay_channel_recv_until(NULL, ch, &value, 0), BELAY_ETIMEDOUT);
    assert_int_equal(belay_channel_send_until(NULL, ch, &value, 0), BELAY_OK);
    assert_int_equal(belay_channel_send_until(NULL, ch, &value, 0), BELAY_ETIMEDOUT);
    assert_int_equal(belay_channel_recv_until(NULL, ch, &value, 0), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    assert_int_equal(belay_channel_recv_until(NULL, ch, &value, 0), BELAY_EPIPE);
    assert_int_equal(belay_channel_send_until(NULL, ch, &value, 0), BELAY_EPIPE);
    destroy(ch);
}

static belay_status timed_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    int value = 9;
    belay_time soon = belay_after(BELAY_MILLISECOND);
    EXPECT_STATUS(belay_channel_recv_until(self, ch, &value, soon), BELAY_ETIMEDOUT);
    EXPECT(belay_now() >= soon && value == 9);
    EXPECT_STATUS(send_int(self, ch, 4), BELAY_OK);
    soon = belay_after(BELAY_MILLISECOND);
    EXPECT_STATUS(belay_channel_send_until(self, ch, &value, soon), BELAY_ETIMEDOUT);
    EXPECT(belay_now() >= soon && belay_channel_length(ch) == 1);
    belay_channel_info info = look(ch);
    EXPECT(info.senders == 0 && info.receivers == 0);
    EXPECT(recv_int(self, ch) == 4);
    return BELAY_OK;
}

static void test_a_deadline_ends_the_wait_and_changes_nothing(void **state) {
    belay_channel *ch = make(1);
    run(executor_of(state), timed_body, ch);
    destroy(ch);
    ch = make(1);
    assert_int_equal(timed_body(NULL, ch), BELAY_OK); /* the same from a foreign thread */
    destroy(ch);
}

static void test_an_item_in_time_ends_a_timed_wait(void **state) {
    act a = {.ch = make(0), .value = -1, .deadline = belay_after(90 * BELAY_SECOND)};
    belay_task_handle task = spawn_outside(executor_of(state), body_recv, &a);
    await_receivers(a.ch, 1);
    assert_int_equal(try_send_int(a.ch, 31), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.status, BELAY_OK);
    assert_int_equal(a.value, 31);
    destroy(a.ch);
}

/* The item is handed over, then the receiver is cancelled before it runs: one worker, so nothing comes in between. */
typedef struct handover {
    belay_channel *ch;
    belay_task_handle receiver;
    tally got;
} handover;

static belay_status take_once_body(belay_task *self, void *arg) {
    handover *h = arg;
    int value = -1;
    EXPECT_STATUS(belay_channel_recv(self, h->ch, &value), BELAY_OK);
    EXPECT(value == 6 && belay_canceled(self));
    (void)tally_add(&h->got);
    EXPECT_STATUS(belay_channel_recv(self, h->ch, &value), BELAY_ECANCELED);
    return BELAY_OK;
}

static belay_status hand_and_cancel_body(belay_task *self, void *arg) {
    handover *h = arg;
    while (look(h->ch).receivers == 0) {
        EXPECT_STATUS(belay_yield(self), BELAY_OK);
    }
    EXPECT_STATUS(try_send_int(h->ch, 6), BELAY_OK);
    EXPECT_STATUS(belay_task_cancel(h->receiver, BELAY_ECANCELED, NULL), BELAY_OK);
    return BELAY_OK;
}

static void test_what_took_effect_is_a_success_and_the_next_call_tells_of_the_cancel(void **state) {
    if (workers_of(state) != 1) {
        return;
    }
    handover h = {.ch = make(0)};
    h.receiver = spawn_outside(executor_of(state), take_once_body, &h);
    run(executor_of(state), hand_and_cancel_body, &h);
    (void)join_outside(h.receiver);
    assert_int_equal(tally_read(&h.got), 1);
    destroy(h.ch);
}

typedef struct summing {
    belay_channel *ch;
    int sum;
} summing;

/* asyncio's wait_for(get, timeout) in a loop, with a timeout that strikes as often as not. */
static belay_status timed_receiver_body(belay_task *self, void *arg) {
    summing *s = arg;
    belay_status status;
    do {
        int value = 0;
        belay_time soon = belay_after(20 * BELAY_MICROSECOND);
        status = belay_channel_recv_until(self, s->ch, &value, soon);
        EXPECT(status == BELAY_OK || value == 0);
        s->sum += value;
    } while (status == BELAY_OK || status == BELAY_ETIMEDOUT);
    return status == BELAY_EPIPE ? BELAY_OK : status;
}

static void test_receivers_that_time_out_again_and_again_lose_no_item(void **state) {
    belay_channel *ch = make(0);
    summing s[2] = {{ch, 0}, {ch, 0}};
    belay_task_handle task[2];
    for (int i = 0; i < 2; i++) {
        task[i] = spawn_outside(executor_of(state), timed_receiver_body, &s[i]);
    }
    int sent = 0;
    for (int i = 1; i <= 500; i++) {
        belay_status status = belay_channel_send_until(NULL, ch, &i, belay_after(30000));
        assert_true(status == BELAY_OK || status == BELAY_ETIMEDOUT);
        sent += status == BELAY_OK ? i : 0;
    }
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(join_outside(task[i]).kind, BELAY_OUTCOME_VALUE);
    }
    assert_int_equal(s[0].sum + s[1].sum, sent);
    destroy(ch);
}

static void test_cancelling_the_first_in_line_lets_the_second_be_served(void **state) {
    belay_channel *ch = make(0);
    act a[2] = {{.ch = ch, .value = -1}, {.ch = ch, .value = -1}};
    belay_task_handle first = spawn_outside(executor_of(state), body_recv, &a[0]);
    await_receivers(ch, 1);
    belay_task_handle second = spawn_outside(executor_of(state), body_recv, &a[1]);
    await_receivers(ch, 2);
    assert_int_equal(belay_task_cancel(first, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(try_send_int(ch, 7), BELAY_OK);
    (void)join_outside(first);
    (void)join_outside(second);
    assert_int_equal(a[0].status, BELAY_ECANCELED);
    assert_int_equal(a[1].value, 7);
    destroy(ch);
}

static void test_cancelling_a_scope_frees_all_who_wait_in_it(void **state) {
    belay_channel *ch = make(0), *full = make(1);
    assert_int_equal(try_send_int(full, 1), BELAY_OK);
    act a[6];
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    for (int i = 0; i < 6; i++) {
        a[i] = (act){.ch = i < 3 ? ch : full, .value = i};
        belay_body *body = i < 3 ? body_recv : body_send;
        assert_int_equal(belay_spawn(NULL, scope, body, &a[i], NULL, NULL), BELAY_OK);
    }
    await_receivers(ch, 3);
    await_senders(full, 3);
    assert_int_equal(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(a[i].status, BELAY_ECANCELED);
    }
    destroy(ch);
    destroy(full);
    assert_int_equal(dropped.sum, 1);
}

static void test_a_scopes_deadline_ends_a_wait_as_a_cancel(void **state) {
    act a = {.ch = make(0), .value = -1};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_recv, &a, NULL, NULL), BELAY_OK);
    await_receivers(a.ch, 1);
    assert_int_equal(belay_scope_set_deadline(scope, belay_after(BELAY_MILLISECOND)), BELAY_OK);
    assert_int_equal(belay_scope_wait(NULL, scope), BELAY_OK);
    assert_int_equal(a.status, BELAY_ECANCELED);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ETIMEDOUT);
    destroy(a.ch);
}

static belay_status wrong_self_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    int value = 1;
    EXPECT(self != NULL);
    EXPECT_STATUS(belay_channel_send(NULL, ch, &value), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_channel_recv(NULL, ch, &value), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_channel_try_send(ch, &value), BELAY_OK);
    return BELAY_OK;
}

static void test_a_waiting_call_needs_its_own_task(void **state) {
    belay_channel *ch = make(1);
    run(executor_of(state), wrong_self_body, ch);
    destroy(ch);
}

static belay_channel *in_callback;
static void use_in_callback(void *arg) {
    (void)arg;
    int value = 1;
    EXPECT_STATUS(belay_channel_recv(belay_self(), in_callback, &value), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_channel_try_send(in_callback, &value), BELAY_OK);
    EXPECT_STATUS(belay_channel_try_recv(in_callback, &value), BELAY_OK);
    EXPECT_STATUS(belay_channel_close(in_callback, BELAY_CLOSE_NOW), BELAY_OK);
}

static void test_callbacks_may_call_what_does_not_wait(void **state) {
    in_callback = make(1);
    belay_task_options o = {.arg_drop = use_in_callback};
    belay_task_handle task;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(executor_of(state)), body_nothing,
                                 in_callback, &o, &task),
                     BELAY_OK);
    (void)join_outside(task);
    destroy(in_callback);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_cancelled_receiver_is_woken_and_takes_nothing),
        BOTH(test_a_cancelled_sender_keeps_its_item),
        BOTH(test_a_cancelled_caller_is_refused_though_the_channel_is_ready),
        BOTH(test_a_deadline_of_zero_polls),
        BOTH(test_a_deadline_ends_the_wait_and_changes_nothing),
        BOTH(test_an_item_in_time_ends_a_timed_wait),
        BOTH(test_what_took_effect_is_a_success_and_the_next_call_tells_of_the_cancel),
        BOTH(test_receivers_that_time_out_again_and_again_lose_no_item),
        BOTH(test_cancelling_the_first_in_line_lets_the_second_be_served),
        BOTH(test_cancelling_a_scope_frees_all_who_wait_in_it),
        BOTH(test_a_scopes_deadline_ends_a_wait_as_a_cancel),
        BOTH(test_a_waiting_call_needs_its_own_task),
        BOTH(test_callbacks_may_call_what_does_not_wait),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

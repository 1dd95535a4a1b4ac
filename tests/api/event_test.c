/* Events, manual and automatic: sets before, while and after others wait; cancel, deadline, select. */
#include "api/locks.h"

enum { CROWD = 8, SETS = 300 };

static belay_status wait_event(belay_task *self, member *m) {
    belay_status status = m->deadline == 0 ? belay_event_wait(self, m->object)
                                           : belay_event_wait_until(self, m->object, m->deadline);
    if (status == BELAY_OK) {
        member_served(m);
    }
    return status;
}

static belay_event event_of(belay_event_reset reset) {
    belay_event e;
    assert_int_equal(belay_event_init(&e, reset), BELAY_OK);
    return e;
}

static void test_a_set_event_lets_everybody_pass_until_it_is_cleared(void **state) {
    belay_event e = event_of(BELAY_EVENT_MANUAL);
    member m = {.act = wait_event, .object = &e};
    assert_false(belay_event_is_set(&e));
    assert_int_equal(belay_event_try_wait(&e), BELAY_EAGAIN);
    assert_int_equal(belay_event_set(&e), BELAY_OK);
    assert_true(belay_event_is_set(&e));
    for (int i = 0; i < 2; i++) {
        member_start(executor_of(state), &m);
        member_end(&m, BELAY_OK);
        assert_int_equal(belay_event_wait(NULL, &e), BELAY_OK);
        assert_int_equal(belay_event_try_wait(&e), BELAY_OK);
    }
    assert_int_equal(belay_event_clear(&e), BELAY_OK);
    m.deadline = 1;
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_ETIMEDOUT);
    assert_int_equal(belay_event_fini(&e), BELAY_OK);
}

static void test_mistakes_have_a_status_and_no_effect(void **state) {
    (void)state;
    belay_event e;
    assert_int_equal(belay_event_init(NULL, BELAY_EVENT_AUTO), BELAY_EINVAL);
    assert_int_equal(belay_event_init(&e, (belay_event_reset)7), BELAY_EINVAL);
    assert_int_equal(belay_event_set(NULL), BELAY_EINVAL);
    assert_int_equal(belay_event_clear(NULL), BELAY_EINVAL);
    assert_int_equal(belay_event_wait(NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_event_try_wait(NULL), BELAY_EINVAL);
    assert_int_equal(belay_event_fini(NULL), BELAY_EINVAL);
    assert_false(belay_event_is_set(NULL));
}

static void test_a_manual_set_wakes_all_who_wait(void **state) {
    belay_event e = event_of(BELAY_EVENT_MANUAL);
    member crowd[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = wait_event, .object = &e};
        member_start_waiting(executor_of(state), &crowd[i], "event", i + 1);
    }
    assert_int_equal(belay_event_fini(&e), BELAY_EBUSY);
    assert_int_equal(belay_event_set(&e), BELAY_OK);
    assert_int_equal(belay_event_clear(&e), BELAY_OK); /* those who waited pass all the same */
    for (uint32_t i = 0; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
    }
}

static void test_an_automatic_set_lets_one_pass_in_the_order_of_coming(void **state) {
    belay_event e = event_of(BELAY_EVENT_AUTO);
    tally turns = {0};
    member crowd[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = wait_event, .object = &e, .turns = &turns};
        member_start_waiting(executor_of(state), &crowd[i], "event", i + 1);
    }
    for (uint32_t i = 0; i < CROWD; i++) {
        assert_int_equal(belay_event_set(&e), BELAY_OK);
        member_end(&crowd[i], BELAY_OK);
        assert_int_equal(tally_read(&turns), i + 1);
    }
    assert_false(belay_event_is_set(&e));
}

static void test_automatic_sets_add_nothing_to_a_set_event(void **state) {
    (void)state;
    belay_event e = event_of(BELAY_EVENT_AUTO);
    assert_int_equal(belay_event_set(&e), BELAY_OK);
    assert_int_equal(belay_event_set(&e), BELAY_OK);
    assert_int_equal(belay_event_wait(NULL, &e), BELAY_OK);
    assert_int_equal(belay_event_wait_until(NULL, &e, 0), BELAY_ETIMEDOUT);
}

static void test_a_cancelled_waiter_takes_no_set(void **state) {
    belay_event e = event_of(BELAY_EVENT_AUTO);
    member m = {.act = wait_event, .object = &e};
    assert_int_equal(belay_event_set(&e), BELAY_OK);
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
    assert_true(belay_event_is_set(&e));
    assert_int_equal(belay_event_clear(&e), BELAY_OK);
    member next = {.act = wait_event, .object = &e};
    member_start_waiting(executor_of(state), &m, "event", 1);
    member_start_waiting(executor_of(state), &next, "event", 2);
    member_cancel(&m);
    assert_int_equal(belay_event_set(&e), BELAY_OK); /* the cancel has returned: for the next one */
    member_end(&m, BELAY_ECANCELED);
    member_end(&next, BELAY_OK);
}

static void test_a_cancelled_task_is_refused_by_a_set_event(void **state) {
    belay_event e = event_of(BELAY_EVENT_MANUAL);
    member m = {.act = wait_event, .object = &e};
    assert_int_equal(belay_event_set(&e), BELAY_OK);
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
}

static void test_a_deadline_passes_while_waiting(void **state) {
    belay_event e = event_of(BELAY_EVENT_MANUAL);
    member m = {.act = wait_event, .object = &e, .deadline = belay_after(3 * BELAY_MILLISECOND)};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_ETIMEDOUT);
    assert_true(belay_now() >= m.deadline);
}

/* Sets and waits in turns: each set is for exactly one wait. */
typedef struct pair {
    belay_event ping, pong;
} pair;

static belay_status answer(belay_task *self, member *m) {
    pair *p = m->object;
    for (int i = 0; i < SETS; i++) {
        EXPECT_STATUS(belay_event_wait(self, &p->ping), BELAY_OK);
        EXPECT_STATUS(belay_event_set(&p->pong), BELAY_OK);
    }
    return BELAY_OK;
}

static void test_a_task_and_a_thread_set_events_for_each_other(void **state) {
    pair p = {event_of(BELAY_EVENT_AUTO), event_of(BELAY_EVENT_AUTO)};
    member m = {.act = answer, .object = &p};
    member_start(executor_of(state), &m);
    for (int i = 0; i < SETS; i++) {
        assert_int_equal(belay_event_set(&p.ping), BELAY_OK);
        assert_int_equal(belay_event_wait(NULL, &p.pong), BELAY_OK);
    }
    member_end(&m, BELAY_OK);
}

static void set_in_callback(void *arg) {
    EXPECT_STATUS(belay_event_wait(NULL, arg), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_event_set(arg), BELAY_OK);
}

static void test_a_callback_may_set(void **state) {
    belay_event e = event_of(BELAY_EVENT_MANUAL);
    belay_task_options o = {.arg_drop = set_in_callback};
    belay_scope root = belay_executor_root(executor_of(state));
    assert_int_equal(belay_spawn(NULL, root, body_nothing, &e, &o, NULL), BELAY_OK);
    assert_int_equal(belay_event_wait(NULL, &e), BELAY_OK);
    while (belay_event_fini(&e) != BELAY_OK) {
        sched_yield();
    }
    assert_int_equal(belay_executor_shutdown(executor_of(state), BELAY_NEVER, BELAY_NEVER),
                     BELAY_OK); /* the callback is over before e goes */
}

static belay_status select_two(belay_task *self, member *m) {
    belay_clause clauses[] = {belay_on_event(m->object), belay_on_event(m->other)};
    size_t which = 9;
    belay_status status = belay_select(self, clauses, 2, 0, &which);
    m->number = (uint32_t)which;
    return status;
}

static void test_select_takes_one_of_two_events_and_leaves_the_other(void **state) {
    belay_event a = event_of(BELAY_EVENT_AUTO);
    belay_event b = event_of(BELAY_EVENT_AUTO);
    member m = {.act = select_two, .object = &a, .other = &b};
    member_start_waiting(executor_of(state), &m, "select", 1);
    assert_int_equal(belay_event_fini(&a), BELAY_EBUSY);
    assert_int_equal(belay_event_set(&b), BELAY_OK);
    assert_int_equal(belay_event_set(&a), BELAY_OK);
    member_end(&m, BELAY_OK);
    assert_int_equal(m.number, 1);
    assert_true(belay_event_is_set(&a));
    assert_false(belay_event_is_set(&b));
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
    assert_int_equal(m.number, 0);
    assert_false(belay_event_is_set(&a));
    assert_int_equal(belay_event_fini(&a), BELAY_OK);
    assert_int_equal(belay_event_fini(&b), BELAY_OK);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        BOTH(test_a_set_event_lets_everybody_pass_until_it_is_cleared),
        BOTH(test_mistakes_have_a_status_and_no_effect),
        BOTH(test_a_manual_set_wakes_all_who_wait),
        BOTH(test_an_automatic_set_lets_one_pass_in_the_order_of_coming),
        BOTH(test_automatic_sets_add_nothing_to_a_set_event),
        BOTH(test_a_cancelled_waiter_takes_no_set),
        BOTH(test_a_cancelled_task_is_refused_by_a_set_event),
        BOTH(test_a_deadline_passes_while_waiting),
        BOTH(test_a_task_and_a_thread_set_events_for_each_other),
        BOTH(test_a_callback_may_set),
        BOTH(test_select_takes_one_of_two_events_and_leaves_the_other),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

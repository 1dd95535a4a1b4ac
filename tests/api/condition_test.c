/* Conditions: the mutex is held after every wait; signals and cancels; destroying after a broadcast. */
#include "api/locks.h"

enum { CROWD = 8, ITEMS = 400 };

typedef struct pot {
    belay_mutex mutex;
    belay_condition filled;
    uint64_t items; /* plain, under the mutex */
    bool over;
    tally holding;
} pot;

static pot pot_new(void) {
    pot p = {.mutex = BELAY_MUTEX_INIT};
    assert_int_equal(belay_condition_init(&p.filled), BELAY_OK);
    return p;
}

/* One wait without a loop. */
static belay_status wait_once(belay_task *self, member *m) {
    pot *p = m->object;
    EXPECT_STATUS(belay_mutex_lock(self, &p->mutex), BELAY_OK);
    belay_status status =
        m->deadline == 0 ? belay_condition_wait(self, &p->filled, &p->mutex)
                         : belay_condition_wait_until(self, &p->filled, &p->mutex, m->deadline);
    member_served(m);
    EXPECT(tally_add(&p->holding) == 1); /* the mutex is held, whatever the status */
    (void)__atomic_sub_fetch(&p->holding.value, 1, __ATOMIC_ACQ_REL);
    EXPECT_STATUS(belay_mutex_unlock(self, &p->mutex), BELAY_OK);
    return status;
}

static void test_mistakes_have_a_status_and_no_effect(void **state) {
    (void)state;
    pot p = pot_new();
    assert_int_equal(belay_condition_init(NULL), BELAY_EINVAL);
    assert_int_equal(belay_condition_signal(NULL), BELAY_EINVAL);
    assert_int_equal(belay_condition_broadcast(NULL), BELAY_EINVAL);
    assert_int_equal(belay_condition_fini(NULL), BELAY_EINVAL);
    assert_int_equal(belay_condition_wait(NULL, &p.filled, &p.mutex), BELAY_EINVAL);
    assert_int_equal(belay_condition_wait(NULL, &p.filled, NULL), BELAY_EINVAL);
    assert_int_equal(belay_condition_signal(&p.filled), BELAY_OK); /* to nobody */
    assert_int_equal(belay_mutex_lock(NULL, &p.mutex), BELAY_OK);
    assert_int_equal(belay_condition_wait_until(NULL, &p.filled, &p.mutex, 0), BELAY_ETIMEDOUT);
    assert_int_equal(belay_mutex_unlock(NULL, &p.mutex), BELAY_OK);
}

static void test_a_signal_wakes_the_one_that_waits_longest(void **state) {
    pot p = pot_new();
    tally turns = {0};
    member crowd[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = wait_once, .object = &p, .turns = &turns};
        member_start_waiting(executor_of(state), &crowd[i], "condition", i + 1);
    }
    assert_int_equal(belay_condition_fini(&p.filled), BELAY_EBUSY);
    for (uint32_t i = 0; i < CROWD; i++) {
        assert_int_equal(belay_condition_signal(&p.filled), BELAY_OK);
        member_end(&crowd[i], BELAY_OK);
        assert_int_equal(tally_read(&turns), i + 1);
    }
    assert_int_equal(belay_condition_fini(&p.filled), BELAY_OK);
}

static void test_a_condition_may_go_as_soon_as_a_broadcast_has_returned(void **state) {
    pot p = pot_new();
    member crowd[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = wait_once, .object = &p};
        member_start_waiting(executor_of(state), &crowd[i], "condition", i + 1);
    }
    assert_int_equal(belay_mutex_lock(NULL, &p.mutex), BELAY_OK); /* none gets out meanwhile */
    assert_int_equal(belay_condition_broadcast(&p.filled), BELAY_OK);
    assert_int_equal(belay_condition_fini(&p.filled), BELAY_OK);
    memset(&p.filled, 0xa5, sizeof p.filled);
    assert_int_equal(belay_mutex_unlock(NULL, &p.mutex), BELAY_OK);
    for (uint32_t i = 0; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
    }
    for (size_t i = 0; i < sizeof p.filled; i++) {
        assert_int_equal(((unsigned char *)&p.filled)[i], 0xa5);
    }
}

static void test_a_cancelled_wait_returns_with_the_mutex_and_takes_no_signal(void **state) {
    pot p = pot_new();
    member first = {.act = wait_once, .object = &p};
    member second = {.act = wait_once, .object = &p};
    member_start_waiting(executor_of(state), &first, "condition", 1);
    member_start_waiting(executor_of(state), &second, "condition", 2);
    member_cancel(&first);
    assert_int_equal(belay_condition_signal(&p.filled), BELAY_OK);
    member_end(&first, BELAY_ECANCELED);
    member_end(&second, BELAY_OK);
}

static void test_locking_again_is_not_cancelled(void **state) {
    pot p = pot_new();
    member m = {.act = wait_once, .object = &p};
    member_start_waiting(executor_of(state), &m, "condition", 1);
    assert_int_equal(belay_mutex_lock(NULL, &p.mutex), BELAY_OK);
    assert_int_equal(belay_condition_signal(&p.filled), BELAY_OK);
    await_waiting(executor_of(state), "mutex", 1);
    member_cancel(&m);
    assert_int_equal(belay_mutex_unlock(NULL, &p.mutex), BELAY_OK);
    member_end(&m, BELAY_OK); /* signalled before the cancel */
}

static void test_a_wait_times_out_with_the_mutex_held(void **state) {
    pot p = pot_new();
    member m = {.act = wait_once, .object = &p, .deadline = belay_after(BELAY_MILLISECOND)};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_ETIMEDOUT);
    assert_int_equal(belay_mutex_fini(&p.mutex), BELAY_OK);
}

static belay_status wait_canceled(belay_task *self, member *m) {
    pot *p = m->object;
    EXPECT_STATUS(belay_mutex_try_lock(self, &p->mutex), BELAY_OK);
    belay_status status = belay_condition_wait(self, &p->filled, &p->mutex);
    EXPECT_STATUS(belay_mutex_unlock(self, &p->mutex), BELAY_OK);
    return status;
}

static void test_a_cancelled_task_does_not_wait_and_keeps_the_mutex(void **state) {
    pot p = pot_new();
    member m = {.act = wait_canceled, .object = &p};
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
}

static belay_status lock_signal_and_die(belay_task *self, member *m) {
    pot *p = m->object;
    EXPECT_STATUS(belay_mutex_lock(self, &p->mutex), BELAY_OK);
    return belay_condition_signal(&p->filled);
}

static void test_a_wait_tells_that_an_owner_died(void **state) {
    pot p = pot_new();
    member waiter = {.act = wait_once, .object = &p};
    member dead = {.act = lock_signal_and_die, .object = &p};
    member_start_waiting(executor_of(state), &waiter, "condition", 1);
    member_start(executor_of(state), &dead);
    member_end(&dead, BELAY_OK);
    member_end(&waiter, BELAY_EOWNERDEAD);
}

static belay_status consume(belay_task *self, member *m) {
    pot *p = m->object;
    EXPECT_STATUS(belay_mutex_lock(self, &p->mutex), BELAY_OK);
    for (;;) {
        while (p->items == 0 && !p->over) {
            EXPECT_STATUS(belay_condition_wait(self, &p->filled, &p->mutex), BELAY_OK);
        }
        if (p->items == 0) {
            break;
        }
        p->items--;
        m->n++;
    }
    return belay_mutex_unlock(self, &p->mutex);
}

static void test_no_item_and_no_wakeup_is_lost_between_a_thread_and_tasks(void **state) {
    pot p = pot_new();
    member crowd[CROWD];
    uint64_t consumed = 0;
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = consume, .object = &p};
        member_start(executor_of(state), &crowd[i]);
    }
    for (int i = 0; i <= ITEMS; i++) {
        assert_int_equal(belay_mutex_lock(NULL, &p.mutex), BELAY_OK);
        p.items += i < ITEMS;
        p.over = i == ITEMS;
        assert_int_equal(belay_mutex_unlock(NULL, &p.mutex), BELAY_OK);
        assert_int_equal(p.over ? belay_condition_broadcast(&p.filled)
                                : belay_condition_signal(&p.filled),
                         BELAY_OK);
    }
    for (uint32_t i = 0; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
        consumed += crowd[i].n;
    }
    assert_int_equal(consumed, ITEMS);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        BOTH(test_mistakes_have_a_status_and_no_effect),
        BOTH(test_a_signal_wakes_the_one_that_waits_longest),
        BOTH(test_a_condition_may_go_as_soon_as_a_broadcast_has_returned),
        BOTH(test_a_cancelled_wait_returns_with_the_mutex_and_takes_no_signal),
        BOTH(test_locking_again_is_not_cancelled),
        BOTH(test_a_wait_times_out_with_the_mutex_held),
        BOTH(test_a_cancelled_task_does_not_wait_and_keeps_the_mutex),
        BOTH(test_a_wait_tells_that_an_owner_died),
        BOTH(test_no_item_and_no_wakeup_is_lost_between_a_thread_and_tasks),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Latches: counting, waiting before and after zero, cancel and deadline, mistakes. */
#include "api/locks.h"

enum { CROWD = 12 };

static belay_status wait_latch(belay_task *self, member *m) {
    return m->deadline == 0 ? belay_latch_wait(self, m->object)
                            : belay_latch_wait_until(self, m->object, m->deadline);
}

static belay_status arrive(belay_task *self, member *m) {
    (void)tally_add(m->turns);
    belay_status status = belay_latch_count_down_and_wait(self, m->object);
    if (status == BELAY_OK) {
        EXPECT(tally_read(m->turns) == CROWD);
    }
    return status;
}

static belay_latch latch_of(uint32_t count) {
    belay_latch l;
    assert_int_equal(belay_latch_init(&l, count), BELAY_OK);
    return l;
}

static void test_a_latch_opens_at_zero_and_stays_open(void **state) {
    belay_latch l = latch_of(3);
    member m = {.act = wait_latch, .object = &l};
    member_start_waiting(executor_of(state), &m, "latch", 1);
    assert_int_equal(belay_latch_count_down(&l, 2), BELAY_OK);
    assert_int_equal(belay_latch_try_wait(&l), BELAY_EAGAIN);
    assert_int_equal(belay_latch_fini(&l), BELAY_EBUSY);
    assert_int_equal(belay_latch_count_down(&l, 1), BELAY_OK);
    member_end(&m, BELAY_OK);
    assert_int_equal(belay_latch_try_wait(&l), BELAY_OK);
    assert_int_equal(belay_latch_wait(NULL, &l), BELAY_OK);
    assert_int_equal(belay_latch_fini(&l), BELAY_OK);
}

static void test_counting_below_zero_is_refused_and_changes_nothing(void **state) {
    (void)state;
    belay_latch l = latch_of(2);
    assert_int_equal(belay_latch_count_down(&l, 3), BELAY_EINVAL);
    assert_int_equal(belay_latch_count_down(&l, 0), BELAY_EINVAL);
    assert_int_equal(belay_latch_count_down(NULL, 1), BELAY_EINVAL);
    assert_int_equal(belay_latch_count_down(&l, 2), BELAY_OK);
    assert_int_equal(belay_latch_count_down(&l, 1), BELAY_EINVAL);
    assert_int_equal(belay_latch_count_down_and_wait(NULL, &l), BELAY_EINVAL);
    assert_int_equal(belay_latch_init(NULL, 1), BELAY_EINVAL);
    assert_int_equal(belay_latch_fini(NULL), BELAY_EINVAL);
    assert_int_equal(belay_latch_wait(NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_latch_try_wait(NULL), BELAY_EINVAL);
}

static void test_a_latch_of_zero_is_open(void **state) {
    belay_latch l = latch_of(0);
    member m = {.act = wait_latch, .object = &l};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
}

static void test_all_arrive_before_any_passes(void **state) {
    belay_latch l = latch_of(CROWD);
    tally arrived = {0};
    member crowd[CROWD];
    pthread_t thread;
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = arrive, .object = &l, .turns = &arrived};
        if (i > 0) {
            member_start(executor_of(state), &crowd[i]);
        }
    }
    assert_int_equal(pthread_create(&thread, NULL, member_thread, &crowd[0]), 0);
    for (int i = 1; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
    }
    pthread_join(thread, NULL);
    assert_int_equal(crowd[0].status, BELAY_OK);
    assert_int_equal(belay_latch_fini(&l), BELAY_OK);
}

static void test_a_cancelled_waiter_leaves_and_a_deadline_passes(void **state) {
    belay_latch l = latch_of(1);
    member canceled = {.act = wait_latch, .object = &l};
    member late = {.act = wait_latch, .object = &l, .deadline = belay_after(BELAY_MILLISECOND)};
    member other = {.act = wait_latch, .object = &l};
    member_start_waiting(executor_of(state), &canceled, "latch", 1);
    member_start(executor_of(state), &late);
    member_cancel(&canceled);
    member_end(&canceled, BELAY_ECANCELED);
    member_end(&late, BELAY_ETIMEDOUT);
    member_start_waiting(executor_of(state), &other, "latch", 1);
    assert_int_equal(belay_latch_count_down(&l, 1), BELAY_OK);
    member_end(&other, BELAY_OK);
}

static void test_a_cancelled_task_is_refused_by_an_open_latch(void **state) {
    belay_latch l = latch_of(0);
    member m = {.act = wait_latch, .object = &l};
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
}

static void test_a_cancelled_task_counts_down_all_the_same(void **state) {
    belay_latch l = latch_of(2);
    tally arrived = {0};
    member m = {.act = arrive, .object = &l, .turns = &arrived};
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
    assert_int_equal(belay_latch_count_down(&l, 1), BELAY_OK);
    assert_int_equal(belay_latch_try_wait(&l), BELAY_OK);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        BOTH(test_a_latch_opens_at_zero_and_stays_open),
        BOTH(test_counting_below_zero_is_refused_and_changes_nothing),
        BOTH(test_a_latch_of_zero_is_open),
        BOTH(test_all_arrive_before_any_passes),
        BOTH(test_a_cancelled_waiter_leaves_and_a_deadline_passes),
        BOTH(test_a_cancelled_task_is_refused_by_an_open_latch),
        BOTH(test_a_cancelled_task_counts_down_all_the_same),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

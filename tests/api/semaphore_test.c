/* Semaphores: order, sizes of requests, cancel and deadline at every point, mistakes. */
#include "api/locks.h"

enum { CROWD = 10, ROUNDS = 200, LIMIT = 3 };

static belay_status acquire_n(belay_task *self, member *m) {
    belay_status status = m->deadline == 0
                              ? belay_semaphore_acquire(self, m->object, m->n)
                              : belay_semaphore_acquire_until(self, m->object, m->n, m->deadline);
    if (status == BELAY_OK) {
        member_served(m);
    }
    return status;
}

static belay_semaphore semaphore_of(uint32_t permits) {
    belay_semaphore s;
    assert_int_equal(belay_semaphore_init(&s, permits), BELAY_OK);
    return s;
}

static void test_permits_are_taken_and_given_one_by_one_and_several_at_once(void **state) {
    belay_semaphore s = semaphore_of(5);
    member m = {.act = acquire_n, .object = &s, .n = 3};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
    assert_int_equal(belay_semaphore_permits(&s), 2);
    assert_int_equal(belay_semaphore_try_acquire(&s, 3), BELAY_EAGAIN);
    assert_int_equal(belay_semaphore_try_acquire(&s, 2), BELAY_OK);
    assert_int_equal(belay_semaphore_release(&s, 5), BELAY_OK);
    assert_int_equal(belay_semaphore_acquire(NULL, &s, 5), BELAY_OK);
    assert_int_equal(belay_semaphore_fini(&s), BELAY_OK);
}

static void test_mistakes_have_a_status_and_no_effect(void **state) {
    (void)state;
    belay_semaphore s = semaphore_of(1);
    assert_int_equal(belay_semaphore_init(NULL, 1), BELAY_EINVAL);
    assert_int_equal(belay_semaphore_fini(NULL), BELAY_EINVAL);
    assert_int_equal(belay_semaphore_acquire(NULL, NULL, 1), BELAY_EINVAL);
    assert_int_equal(belay_semaphore_acquire(NULL, &s, 0), BELAY_EINVAL);
    assert_int_equal(belay_semaphore_try_acquire(&s, 0), BELAY_EINVAL);
    assert_int_equal(belay_semaphore_release(&s, 0), BELAY_EINVAL);
    assert_int_equal(belay_semaphore_release(&s, UINT32_MAX), BELAY_EINVAL);
    assert_int_equal(belay_semaphore_permits(&s), 1);
    assert_int_equal(belay_semaphore_permits(NULL), 0);
}

static void test_a_small_request_does_not_overtake_a_large_one(void **state) {
    belay_semaphore s = semaphore_of(1);
    tally turns = {0};
    member large = {.act = acquire_n, .object = &s, .n = 3, .turns = &turns};
    member small = {.act = acquire_n, .object = &s, .n = 1, .turns = &turns};
    member_start_waiting(executor_of(state), &large, "semaphore", 1);
    member_start_waiting(executor_of(state), &small, "semaphore", 2);
    assert_int_equal(belay_semaphore_try_acquire(&s, 1), BELAY_EAGAIN); /* there is one */
    assert_int_equal(belay_semaphore_release(&s, 1), BELAY_OK);
    assert_int_equal(count_waiting(executor_of(state), "semaphore"), 2);
    assert_int_equal(belay_semaphore_release(&s, 1), BELAY_OK);
    member_end(&large, BELAY_OK);
    assert_int_equal(belay_semaphore_release(&s, 1), BELAY_OK);
    member_end(&small, BELAY_OK);
    assert_int_equal(large.turn, 1);
    assert_int_equal(belay_semaphore_permits(&s), 0);
}

static void test_one_release_serves_all_that_it_suffices_for(void **state) {
    belay_semaphore s = semaphore_of(0);
    member crowd[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = acquire_n, .object = &s, .n = 1 + i % 2};
        member_start_waiting(executor_of(state), &crowd[i], "semaphore", i + 1);
    }
    assert_int_equal(belay_semaphore_fini(&s), BELAY_EBUSY);
    assert_int_equal(belay_semaphore_release(&s, CROWD / 2 * 3 + 1), BELAY_OK);
    for (uint32_t i = 0; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
    }
    assert_int_equal(belay_semaphore_permits(&s), 1);
    assert_int_equal(belay_semaphore_fini(&s), BELAY_OK);
}

static void test_a_cancelled_large_request_lets_the_small_ones_behind_it_pass(void **state) {
    belay_semaphore s = semaphore_of(2);
    member large = {.act = acquire_n, .object = &s, .n = 9};
    member small[2] = {{.act = acquire_n, .object = &s, .n = 1},
                       {.act = acquire_n, .object = &s, .n = 1}};
    member_start_waiting(executor_of(state), &large, "semaphore", 1);
    member_start_waiting(executor_of(state), &small[0], "semaphore", 2);
    member_start_waiting(executor_of(state), &small[1], "semaphore", 3);
    member_cancel(&large);
    member_end(&large, BELAY_ECANCELED);
    member_end(&small[0], BELAY_OK);
    member_end(&small[1], BELAY_OK);
    assert_int_equal(belay_semaphore_permits(&s), 0);
}

static void test_a_large_request_that_times_out_lets_the_small_one_pass(void **state) {
    belay_semaphore s = semaphore_of(1);
    member large = {.act = acquire_n, .object = &s, .n = 2};
    member small = {.act = acquire_n, .object = &s, .n = 1};
    large.deadline = belay_after(50 * BELAY_MILLISECOND);
    member_start(executor_of(state), &large);
    member_start(executor_of(state), &small);
    member_end(&large, BELAY_ETIMEDOUT);
    member_end(&small, BELAY_OK);
}

static void test_acquire_of_a_cancelled_task_takes_nothing(void **state) {
    belay_semaphore s = semaphore_of(1);
    member m = {.act = acquire_n, .object = &s, .n = 1};
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
    assert_int_equal(belay_semaphore_permits(&s), 1);
}

static void test_a_passed_deadline_polls(void **state) {
    belay_semaphore s = semaphore_of(1);
    member m = {.act = acquire_n, .object = &s, .n = 1, .deadline = 1};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_ETIMEDOUT);
    assert_int_equal(belay_semaphore_acquire_until(NULL, &s, 1, 0), BELAY_ETIMEDOUT);
}

typedef struct gatekeeper {
    belay_semaphore s;
    tally inside, most;
} gatekeeper;

static belay_status pass_often(belay_task *self, member *m) {
    gatekeeper *g = m->object;
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT_STATUS(belay_semaphore_acquire(self, &g->s, 1), BELAY_OK);
        EXPECT(tally_add(&g->inside) <= LIMIT);
        if (self != NULL) {
            EXPECT_STATUS(belay_yield(self), BELAY_OK);
        }
        (void)__atomic_sub_fetch(&g->inside.value, 1, __ATOMIC_ACQ_REL);
        EXPECT_STATUS(belay_semaphore_release(&g->s, 1), BELAY_OK);
    }
    return BELAY_OK;
}

static void test_no_more_are_inside_than_there_are_permits(void **state) {
    gatekeeper g = {.s = semaphore_of(LIMIT)};
    member crowd[CROWD];
    pthread_t thread;
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = pass_often, .object = &g};
        if (i > 0) {
            member_start(executor_of(state), &crowd[i]);
        }
    }
    assert_int_equal(pthread_create(&thread, NULL, member_thread, &crowd[0]), 0);
    for (int i = 1; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
    }
    pthread_join(thread, NULL);
    assert_int_equal(belay_semaphore_permits(&g.s), LIMIT);
}

static void release_in_callback(void *arg) {
    EXPECT_STATUS(belay_semaphore_acquire(NULL, arg, 1), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_semaphore_release(arg, 1), BELAY_OK);
}

static void test_a_callback_may_release(void **state) {
    belay_semaphore s = semaphore_of(0);
    belay_task_options o = {.arg_drop = release_in_callback};
    belay_scope root = belay_executor_root(executor_of(state));
    assert_int_equal(belay_spawn(NULL, root, body_nothing, &s, &o, NULL), BELAY_OK);
    assert_int_equal(belay_semaphore_acquire(NULL, &s, 1), BELAY_OK);
    while (belay_semaphore_fini(&s) != BELAY_OK) {
        sched_yield();
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        BOTH(test_permits_are_taken_and_given_one_by_one_and_several_at_once),
        BOTH(test_mistakes_have_a_status_and_no_effect),
        BOTH(test_a_small_request_does_not_overtake_a_large_one),
        BOTH(test_one_release_serves_all_that_it_suffices_for),
        BOTH(test_a_cancelled_large_request_lets_the_small_ones_behind_it_pass),
        BOTH(test_a_large_request_that_times_out_lets_the_small_one_pass),
        BOTH(test_acquire_of_a_cancelled_task_takes_nothing),
        BOTH(test_a_passed_deadline_polls),
        BOTH(test_no_more_are_inside_than_there_are_permits),
        BOTH(test_a_callback_may_release),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

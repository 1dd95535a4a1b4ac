/* The mutex: exclusion, order, mistakes. Cancels and dead owners: mutex_cancel_test.c. */
#include "api/locks.h"

enum { CROWD = 12, ROUNDS = 300, PASSED_OVER = 66 };

/* ---- alone ----------------------------------------------------------------------------------- */

static belay_status alone(belay_task *self, void *arg) {
    belay_mutex *m = arg;
    EXPECT_STATUS(belay_mutex_lock(self, m), BELAY_OK);
    EXPECT_STATUS(belay_mutex_lock(self, m), BELAY_EDEADLK);
    EXPECT_STATUS(belay_mutex_try_lock(self, m), BELAY_EDEADLK);
    EXPECT_STATUS(belay_mutex_lock_until(self, m, 0), BELAY_EDEADLK);
    EXPECT_STATUS(belay_mutex_fini(m), BELAY_EBUSY);
    EXPECT_STATUS(belay_mutex_unlock(self, m), BELAY_OK);
    EXPECT_STATUS(belay_mutex_unlock(self, m), BELAY_EINVAL);
    EXPECT_STATUS(belay_mutex_try_lock(self, m), BELAY_OK);
    EXPECT_STATUS(belay_mutex_unlock(self, m), BELAY_OK);
    EXPECT_STATUS(belay_mutex_lock_until(self, m, 0), BELAY_OK);
    EXPECT_STATUS(belay_mutex_unlock(self, m), BELAY_OK);
    return BELAY_OK;
}

static void test_a_free_mutex_is_locked_at_once_and_a_recursive_lock_is_refused(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    run(executor_of(state), alone, &mutex);
    assert_int_equal(alone(NULL, &mutex), BELAY_OK); /* and by a foreign thread */
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_OK);
}

static belay_status mistakes(belay_task *self, void *arg) {
    belay_mutex *m = arg;
    EXPECT_STATUS(belay_mutex_lock(self, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_mutex_try_lock(self, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_mutex_unlock(self, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_mutex_init(NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_mutex_fini(NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_mutex_lock(NULL, m), BELAY_ECONTEXT); /* a task says who it is */
    EXPECT_STATUS(belay_mutex_try_lock(NULL, m), BELAY_ECONTEXT);
    return BELAY_OK;
}

static void test_mistakes_have_a_status_and_no_effect(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    run(executor_of(state), mistakes, &mutex);
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_OK);
}

static void test_only_the_owner_unlocks(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    assert_int_equal(belay_mutex_lock(NULL, &mutex), BELAY_OK);
    member other = {.act = lock_and_unlock, .object = &mutex};
    member_start_waiting(executor_of(state), &other, "mutex", 1);
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_EBUSY);
    assert_int_equal(belay_mutex_unlock(NULL, &mutex), BELAY_OK);
    member_end(&other, BELAY_OK);
    assert_int_equal(belay_mutex_unlock(NULL, &mutex), BELAY_EINVAL);
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_OK);
}

static belay_status unlock_only(belay_task *self, member *m) {
    return belay_mutex_unlock(self, m->object);
}

static void test_a_stranger_that_unlocks_is_refused(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    assert_int_equal(belay_mutex_lock(NULL, &mutex), BELAY_OK);
    member other = {.act = unlock_only, .object = &mutex};
    member_start(executor_of(state), &other);
    member_end(&other, BELAY_EINVAL);
    assert_int_equal(belay_mutex_unlock(NULL, &mutex), BELAY_OK);
}

/* ---- several --------------------------------------------------------------------------------- */

typedef struct account {
    belay_mutex mutex;
    uint64_t plain; /* only under the mutex */
    bool inside;
} account;

static belay_status raise_often(belay_task *self, member *m) {
    account *a = m->object;
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT_STATUS(belay_mutex_lock(self, &a->mutex), BELAY_OK);
        EXPECT(!a->inside);
        a->inside = true;
        uint64_t before = a->plain;
        if (self != NULL && i % 4 == 0) {
            EXPECT_STATUS(belay_yield(self), BELAY_OK); /* held across a suspension */
        }
        a->plain = before + 1;
        a->inside = false;
        EXPECT_STATUS(belay_mutex_unlock(self, &a->mutex), BELAY_OK);
    }
    return BELAY_OK;
}

static void test_tasks_exclude_each_other_also_across_suspensions(void **state) {
    account a = {.mutex = BELAY_MUTEX_INIT};
    member crowd[CROWD];
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = raise_often, .object = &a};
        member_start(executor_of(state), &crowd[i]);
    }
    for (int i = 0; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
    }
    assert_int_equal(a.plain, CROWD * ROUNDS);
    assert_int_equal(belay_mutex_fini(&a.mutex), BELAY_OK);
}

static void test_tasks_of_two_executors_and_threads_exclude_each_other(void **state) {
    account a = {.mutex = BELAY_MUTEX_INIT};
    belay_config config = test_config(2);
    belay_executor *second = executor_make(&config);
    member crowd[CROWD];
    pthread_t threads[2];
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = raise_often, .object = &a};
        if (i < 2) {
            assert_int_equal(pthread_create(&threads[i], NULL, member_thread, &crowd[i]), 0);
        } else {
            member_start(i % 2 == 0 ? executor_of(state) : second, &crowd[i]);
        }
    }
    for (int i = 0; i < CROWD; i++) {
        if (i < 2) {
            pthread_join(threads[i], NULL);
            assert_int_equal(crowd[i].status, BELAY_OK);
        } else {
            member_end(&crowd[i], BELAY_OK);
        }
    }
    assert_int_equal(a.plain, CROWD * ROUNDS);
    assert_true(executor_end(second));
}

static void test_waiters_are_served_in_the_order_of_their_coming(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    tally turns = {0};
    member crowd[CROWD];
    assert_int_equal(belay_mutex_lock(NULL, &mutex), BELAY_OK);
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = lock_and_unlock, .object = &mutex, .turns = &turns};
        member_start_waiting(executor_of(state), &crowd[i], "mutex", i + 1);
    }
    assert_int_equal(belay_mutex_unlock(NULL, &mutex), BELAY_OK);
    for (uint32_t i = 0; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
        assert_int_equal(crowd[i].turn, i + 1);
    }
}

/* A task that never lets go of its worker locks and unlocks in a loop: the one that waits is passed over so often and
 * no more, even if it has no worker to run on. */
typedef struct hog {
    belay_mutex mutex;
    member waiter;
    uint64_t overtaken;
} hog;

static belay_status hog_body(belay_task *self, void *arg) {
    hog *h = arg;
    EXPECT_STATUS(belay_mutex_lock(self, &h->mutex), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, belay_scope_current(self), member_body, &h->waiter, NULL,
                              &h->waiter.task),
                  BELAY_OK);
    while (count_waiting(belay_task_executor(self), "mutex") == 0) {
        EXPECT_STATUS(belay_yield(self), BELAY_OK);
    }
    EXPECT_STATUS(belay_mutex_unlock(self, &h->mutex), BELAY_OK);
    while (belay_mutex_try_lock(self, &h->mutex) == BELAY_OK && tally_read(&h->waiter.leave) == 0) {
        h->overtaken++;
        EXPECT_STATUS(belay_mutex_unlock(self, &h->mutex), BELAY_OK);
        if (h->overtaken > 100 * PASSED_OVER) {
            break;
        }
    }
    (void)belay_mutex_unlock(self, &h->mutex); /* if the last try was too late to matter */
    return BELAY_OK;
}

static belay_status lock_and_tell(belay_task *self, member *m) {
    belay_status status = belay_mutex_lock(self, m->object);
    (void)tally_add(&m->leave);
    EXPECT_STATUS(belay_mutex_unlock(self, m->object), BELAY_OK);
    return status;
}

static void test_who_waits_first_is_passed_over_a_bounded_number_of_times(void **state) {
    hog h = {.mutex = BELAY_MUTEX_INIT};
    h.waiter = (member){.act = lock_and_tell, .object = &h.mutex};
    run(executor_of(state), hog_body, &h);
    member_end(&h.waiter, BELAY_OK);
    assert_in_range(h.overtaken, 0, PASSED_OVER);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static void lock_in_callback(void *arg) {
    member *m = arg;
    EXPECT_STATUS(belay_mutex_lock(NULL, m->object), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_mutex_try_lock(NULL, m->object), BELAY_OK);
    EXPECT_STATUS(belay_mutex_try_lock(NULL, m->object), BELAY_EDEADLK);
    EXPECT_STATUS(belay_mutex_unlock(NULL, m->object), BELAY_OK);
    (void)tally_add(&m->entered);
}

static belay_status with_member(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static void test_a_callback_may_try_and_unlock_but_not_wait(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    member m = {.object = &mutex};
    belay_task_options o = {.arg_drop = lock_in_callback};
    belay_executor *ex = executor_of(state);
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), with_member, &m, &o, NULL),
                     BELAY_OK);
    tally_await(&m.entered, 1);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        BOTH(test_a_free_mutex_is_locked_at_once_and_a_recursive_lock_is_refused),
        BOTH(test_mistakes_have_a_status_and_no_effect),
        BOTH(test_only_the_owner_unlocks),
        BOTH(test_a_stranger_that_unlocks_is_refused),
        BOTH(test_tasks_exclude_each_other_also_across_suspensions),
        BOTH(test_tasks_of_two_executors_and_threads_exclude_each_other),
        BOTH(test_waiters_are_served_in_the_order_of_their_coming),
        BOTH(test_who_waits_first_is_passed_over_a_bounded_number_of_times),
        BOTH(test_a_callback_may_try_and_unlock_but_not_wait),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The mutex: hand-off against cancel and deadline, and owners that die. */
#include "api/locks.h"

static belay_status lock_and_keep(belay_task *self, member *m) {
    belay_status status = belay_mutex_lock(self, m->object);
    if (status == BELAY_OK || status == BELAY_EOWNERDEAD) {
        member_served(m);
    }
    return status;
}

/* ---- cancel and deadline --------------------------------------------------------------------- */

static void test_lock_of_a_cancelled_task_is_refused_also_if_the_mutex_is_free(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    member m = {.act = lock_and_unlock, .object = &mutex};
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
    m.deadline = 1; /* a cancel comes before the deadline */
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_OK);
}

static belay_status lock_canceled_and_unlock(belay_task *self, member *m) {
    EXPECT_STATUS(belay_mutex_try_lock(self, m->object), BELAY_OK);
    EXPECT_STATUS(belay_mutex_lock(self, m->object), BELAY_EDEADLK);
    return belay_mutex_unlock(self, m->object);
}

static void test_unlock_and_try_lock_are_no_cancel_points(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    member m = {.act = lock_canceled_and_unlock, .object = &mutex};
    member_run_canceled(executor_of(state), &m, BELAY_OK);
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_OK);
}

static void test_a_cancelled_waiter_leaves_the_line_and_the_next_is_served(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    member first = {.act = lock_and_unlock, .object = &mutex};
    member second = {.act = lock_and_unlock, .object = &mutex};
    assert_int_equal(belay_mutex_lock(NULL, &mutex), BELAY_OK);
    member_start_waiting(executor_of(state), &first, "mutex", 1);
    member_start_waiting(executor_of(state), &second, "mutex", 2);
    member_cancel(&first);
    member_end(&first, BELAY_ECANCELED);
    assert_int_equal(belay_mutex_unlock(NULL, &mutex), BELAY_OK);
    member_end(&second, BELAY_OK);
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_OK);
}

static void test_a_deadline_that_passes_leaves_the_mutex_with_its_owner(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    member late = {.act = lock_and_unlock, .object = &mutex};
    assert_int_equal(belay_mutex_lock(NULL, &mutex), BELAY_OK);
    late.deadline = belay_after(5 * BELAY_MILLISECOND);
    member_start(executor_of(state), &late);
    member_end(&late, BELAY_ETIMEDOUT);
    late.deadline = 1;
    member_start(executor_of(state), &late);
    member_end(&late, BELAY_ETIMEDOUT);
    assert_int_equal(belay_mutex_unlock(NULL, &mutex), BELAY_OK);
    late.deadline = long_from_now();
    member_start(executor_of(state), &late);
    member_end(&late, BELAY_OK);
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_OK);
}

/* Handed over and cancelled before it could run: the lock counts, and is there to be unlocked. */
typedef struct race {
    belay_mutex mutex;
    member heir;
} race;

static belay_status hand_over_and_cancel(belay_task *self, void *arg) {
    race *r = arg;
    EXPECT_STATUS(belay_mutex_lock(self, &r->mutex), BELAY_OK);
    EXPECT_STATUS(
        belay_spawn(self, belay_scope_current(self), member_body, &r->heir, NULL, &r->heir.task),
        BELAY_OK);
    while (count_waiting(belay_task_executor(self), "mutex") == 0) {
        EXPECT_STATUS(belay_yield(self), BELAY_OK);
    }
    EXPECT_STATUS(belay_mutex_unlock(self, &r->mutex), BELAY_OK);
    belay_status status = belay_task_cancel(r->heir.task, BELAY_ECANCELED, "late");
    EXPECT(status == BELAY_OK || status == BELAY_EALREADY);
    return BELAY_OK;
}

static void test_a_mutex_that_was_handed_over_before_a_cancel_is_held(void **state) {
    race r = {.mutex = BELAY_MUTEX_INIT};
    r.heir = (member){.act = lock_and_unlock, .object = &r.mutex};
    run(executor_of(state), hand_over_and_cancel, &r);
    member_end(&r.heir, BELAY_OK);
    assert_int_equal(belay_mutex_fini(&r.mutex), BELAY_OK);
}

/* ---- owners that die ------------------------------------------------------------------------- */

static void test_the_next_owner_hears_that_the_last_one_died(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    member m = {.act = lock_and_keep, .object = &mutex};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_EOWNERDEAD); /* and dies, too */
    m.act = lock_and_unlock;
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_EOWNERDEAD);
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK); /* told once */
    assert_int_equal(belay_mutex_fini(&mutex), BELAY_OK);
}

static belay_status keep_until_told(belay_task *self, member *m) {
    belay_status status = belay_mutex_lock(self, m->object);
    (void)tally_add(&m->entered);
    EXPECT(tally_await_in(self, &m->leave, 1));
    return status;
}

static void test_a_waiter_inherits_from_a_dead_owner(void **state) {
    belay_mutex mutex = BELAY_MUTEX_INIT;
    member owner = {.act = keep_until_told, .object = &mutex};
    member heir = {.act = lock_and_unlock, .object = &mutex};
    member next = {.act = lock_and_unlock, .object = &mutex};
    member_start(executor_of(state), &owner);
    tally_await(&owner.entered, 2);
    member_start_waiting(executor_of(state), &heir, "mutex", 1);
    member_start_waiting(executor_of(state), &next, "mutex", 2);
    tally_add(&owner.leave);
    member_end(&owner, BELAY_OK);
    member_end(&heir, BELAY_EOWNERDEAD);
    member_end(&next, BELAY_OK);
}

/* Locks three, unlocks the middle one, ends. */
static belay_status leave_two(belay_task *self, member *m) {
    belay_mutex *three = m->object;
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_mutex_lock(self, &three[i]), BELAY_OK);
    }
    EXPECT_STATUS(belay_mutex_unlock(self, &three[1]), BELAY_OK);
    return belay_yield(self);
}

static void test_all_that_a_dead_task_held_goes_on_and_nothing_else(void **state) {
    belay_mutex three[3] = {BELAY_MUTEX_INIT, BELAY_MUTEX_INIT, BELAY_MUTEX_INIT};
    member m = {.act = leave_two, .object = three};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
    await_stale(m.task);
    assert_int_equal(belay_mutex_lock(NULL, &three[0]), BELAY_EOWNERDEAD);
    assert_int_equal(belay_mutex_try_lock(NULL, &three[1]), BELAY_OK);
    assert_int_equal(belay_mutex_try_lock(NULL, &three[2]), BELAY_EOWNERDEAD);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(belay_mutex_unlock(NULL, &three[i]), BELAY_OK);
    }
}

static belay_status unlock_later(belay_task *self, void *arg) {
    return belay_mutex_unlock(self, arg);
}

static belay_status lock_and_defer(belay_task *self, member *m) {
    belay_mutex *two = m->object;
    EXPECT_STATUS(belay_mutex_lock(self, &two[0]), BELAY_OK);
    EXPECT_STATUS(belay_mutex_lock(self, &two[1]), BELAY_OK);
    return belay_defer(self, unlock_later, &two[0]);
}

static void test_a_deferred_unlock_is_in_time(void **state) {
    belay_mutex two[2] = {BELAY_MUTEX_INIT, BELAY_MUTEX_INIT};
    member m = {.act = lock_and_defer, .object = two};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
    assert_int_equal(belay_mutex_try_lock(NULL, &two[0]), BELAY_OK);
    assert_int_equal(belay_mutex_try_lock(NULL, &two[1]), BELAY_EOWNERDEAD);
    assert_int_equal(belay_mutex_unlock(NULL, &two[0]), BELAY_OK);
    assert_int_equal(belay_mutex_unlock(NULL, &two[1]), BELAY_OK);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        BOTH(test_lock_of_a_cancelled_task_is_refused_also_if_the_mutex_is_free),
        BOTH(test_unlock_and_try_lock_are_no_cancel_points),
        BOTH(test_a_cancelled_waiter_leaves_the_line_and_the_next_is_served),
        BOTH(test_a_deadline_that_passes_leaves_the_mutex_with_its_owner),
        BOTH(test_a_mutex_that_was_handed_over_before_a_cancel_is_held),
        BOTH(test_the_next_owner_hears_that_the_last_one_died),
        BOTH(test_a_waiter_inherits_from_a_dead_owner),
        BOTH(test_all_that_a_dead_task_held_goes_on_and_nothing_else),
        BOTH(test_a_deferred_unlock_is_in_time),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

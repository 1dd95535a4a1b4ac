/* Once: exactly one success; failures and cancels pass the turn on; recursion. */
#include "api/locks.h"

enum { CROWD = 10, OWN_ERROR = 41 };

typedef struct thing {
    belay_once once;
    uint64_t plain; /* written by the body; read by all who got BELAY_OK */
    tally runs, began, may_end;
    uint64_t failures; /* so many first runs fail */
} thing;

static belay_status make_thing(belay_task *self, void *arg) {
    thing *t = arg;
    uint64_t run = tally_add(&t->runs);
    if (self != NULL && belay_yield(self) != BELAY_OK) {
        return BELAY_ECANCELED;
    }
    if (run <= t->failures) {
        return OWN_ERROR;
    }
    t->plain = 7;
    return BELAY_OK;
}

/* The same, but stays inside until it is let go or cancelled. */
static belay_status make_slowly(belay_task *self, void *arg) {
    thing *t = arg;
    (void)tally_add(&t->began);
    if (!tally_await_in(self, &t->may_end, 1)) {
        return BELAY_ECANCELED;
    }
    return make_thing(self, arg);
}

static belay_status use(belay_task *self, member *m) {
    thing *t = m->object;
    belay_body *body = m->n != 0 ? make_slowly : make_thing;
    belay_status status = m->deadline == 0
                              ? belay_once_run(self, &t->once, body, t)
                              : belay_once_run_until(self, &t->once, body, t, m->deadline);
    if (status == BELAY_OK) {
        EXPECT(t->plain == 7);
        EXPECT(belay_once_is_done(&t->once));
    }
    return status;
}

static void test_of_many_one_runs_it_and_all_see_it_done(void **state) {
    thing t = {.once = BELAY_ONCE_INIT};
    member crowd[CROWD];
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = use, .object = &t};
        member_start(executor_of(state), &crowd[i]);
    }
    member self = {.object = &t};
    assert_int_equal(use(NULL, &self), BELAY_OK);
    for (int i = 0; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
    }
    assert_int_equal(tally_read(&t.runs), 1);
    assert_int_equal(belay_once_fini(&t.once), BELAY_OK);
}

static void test_a_failure_is_the_callers_own_and_the_next_one_tries(void **state) {
    thing t = {.once = BELAY_ONCE_INIT, .failures = 2};
    member m = {.act = use, .object = &t};
    for (int i = 0; i < 2; i++) {
        member_start(executor_of(state), &m);
        member_end(&m, OWN_ERROR);
        assert_false(belay_once_is_done(&t.once));
    }
    for (int i = 0; i < 2; i++) {
        member_start(executor_of(state), &m);
        member_end(&m, BELAY_OK);
    }
    assert_int_equal(tally_read(&t.runs), 3);
}

static void test_those_who_wait_try_one_after_the_other(void **state) {
    thing t = {.once = BELAY_ONCE_INIT, .failures = 3};
    member crowd[CROWD];
    uint64_t failed = 0;
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = use, .object = &t, .n = i == 0};
        member_start(executor_of(state), &crowd[i]);
        if (i == 0) {
            tally_await(&t.began, 1);
        } else {
            await_waiting(executor_of(state), "once", i);
        }
    }
    assert_int_equal(belay_once_fini(&t.once), BELAY_EBUSY);
    tally_add(&t.may_end);
    for (int i = 0; i < CROWD; i++) {
        (void)join_outside(crowd[i].task);
        failed += crowd[i].status == OWN_ERROR;
        assert_true(crowd[i].status == OWN_ERROR || crowd[i].status == BELAY_OK);
    }
    assert_int_equal(failed, 3);
    assert_int_equal(tally_read(&t.runs), 4);
}

static void test_a_cancelled_runner_passes_the_turn_on(void **state) {
    thing t = {.once = BELAY_ONCE_INIT};
    member runner = {.act = use, .object = &t, .n = 1};
    member next = {.act = use, .object = &t};
    member_start(executor_of(state), &runner);
    tally_await(&t.began, 1);
    member_start_waiting(executor_of(state), &next, "once", 1);
    member_cancel(&runner);
    member_end(&runner, BELAY_ECANCELED);
    member_end(&next, BELAY_OK);
}

static void test_a_waiter_that_is_cancelled_or_late_leaves_the_runner_alone(void **state) {
    thing t = {.once = BELAY_ONCE_INIT};
    member runner = {.act = use, .object = &t, .n = 1};
    member canceled = {.act = use, .object = &t};
    member late = {.act = use, .object = &t, .deadline = belay_after(BELAY_MILLISECOND)};
    member_start(executor_of(state), &runner);
    tally_await(&t.began, 1);
    member_start_waiting(executor_of(state), &canceled, "once", 1);
    member_start(executor_of(state), &late);
    member_cancel(&canceled);
    member_end(&canceled, BELAY_ECANCELED);
    member_end(&late, BELAY_ETIMEDOUT);
    assert_int_equal(belay_once_try_run(NULL, &t.once, make_thing, &t), BELAY_EAGAIN);
    tally_add(&t.may_end);
    member_end(&runner, BELAY_OK);
    assert_int_equal(belay_once_try_run(NULL, &t.once, make_thing, &t), BELAY_OK);
    assert_int_equal(tally_read(&t.runs), 1);
}

static belay_status recurse(belay_task *self, void *arg) {
    thing *t = arg;
    EXPECT_STATUS(belay_once_run(self, &t->once, make_thing, t), BELAY_EDEADLK);
    EXPECT_STATUS(belay_once_try_run(self, &t->once, make_thing, t), BELAY_EDEADLK);
    EXPECT_STATUS(belay_once_fini(&t->once), BELAY_EBUSY);
    t->plain = 7;
    return BELAY_OK;
}

static belay_status run_recursive(belay_task *self, void *arg) {
    thing *t = arg;
    return belay_once_run(self, &t->once, recurse, t);
}

static void test_recursion_is_refused(void **state) {
    thing t = {.once = BELAY_ONCE_INIT};
    run(executor_of(state), run_recursive, &t);
    thing outside = {.once = BELAY_ONCE_INIT};
    assert_int_equal(run_recursive(NULL, &outside), BELAY_OK);
}

static void test_a_cancelled_task_is_refused_also_if_it_is_done(void **state) {
    thing t = {.once = BELAY_ONCE_INIT};
    member m = {.act = use, .object = &t};
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
    assert_int_equal(tally_read(&t.runs), 0);
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
}

static void test_mistakes_have_a_status_and_no_effect(void **state) {
    (void)state;
    thing t = {.once = BELAY_ONCE_INIT};
    assert_int_equal(belay_once_run(NULL, NULL, make_thing, &t), BELAY_EINVAL);
    assert_int_equal(belay_once_run(NULL, &t.once, NULL, &t), BELAY_EINVAL);
    assert_int_equal(belay_once_try_run(NULL, NULL, make_thing, &t), BELAY_EINVAL);
    assert_int_equal(belay_once_init(NULL), BELAY_EINVAL);
    assert_int_equal(belay_once_fini(NULL), BELAY_EINVAL);
    assert_false(belay_once_is_done(NULL));
    assert_int_equal(tally_read(&t.runs), 0);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        BOTH(test_of_many_one_runs_it_and_all_see_it_done),
        BOTH(test_a_failure_is_the_callers_own_and_the_next_one_tries),
        BOTH(test_those_who_wait_try_one_after_the_other),
        BOTH(test_a_cancelled_runner_passes_the_turn_on),
        BOTH(test_a_waiter_that_is_cancelled_or_late_leaves_the_runner_alone),
        BOTH(test_recursion_is_refused),
        BOTH(test_a_cancelled_task_is_refused_also_if_it_is_done),
        BOTH(test_mistakes_have_a_status_and_no_effect),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

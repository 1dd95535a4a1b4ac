/* Time and turns: sleeps are never short, and a busy task starves neither its neighbours nor timers nor work from
 * outside. */
#include "api/support.h"

/* ---- sleeping ---------------------------------------------------------------------------------------------------- */

static belay_status sleep_a_little(belay_task *self, void *arg) {
    static const int64_t lengths[] = {0, 1, 1000, 16384, 100000, 1000000, 7000000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        belay_time deadline = belay_after(lengths[i]);
        EXPECT_STATUS(belay_sleep_until(self, deadline), BELAY_OK);
        EXPECT(belay_now() >= deadline);
    }
    (void)arg;
    return BELAY_OK;
}

static void test_sleep_is_never_short(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle tasks[20];
    for (int i = 0; i < 20; i++) {
        tasks[i] = spawn_outside(ex, sleep_a_little, NULL);
    }
    assert_int_equal(sleep_a_little(NULL, NULL), BELAY_OK); /* a foreign thread may, too */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(join_outside(tasks[i]).kind, BELAY_OUTCOME_VALUE);
    }
}

typedef struct alarm_clock {
    belay_time at;
    tally *rung;
    uint64_t place;
} alarm_clock;

static belay_status ring(belay_task *self, void *arg) {
    alarm_clock *a = arg;
    EXPECT_STATUS(belay_sleep_until(self, a->at), BELAY_OK);
    a->place = tally_add(a->rung);
    return BELAY_OK;
}

static void test_sleepers_wake_in_the_order_of_their_deadlines(void **state) {
    belay_executor *ex = executor_of(state);
    tally rung = {0};
    alarm_clock clocks[5];
    belay_task_handle tasks[5];
    if (workers_of(state) > 1) {
        return; /* several workers may overtake one another on the way */
    }
    belay_time start = belay_after(30 * BELAY_MILLISECOND);
    for (int i = 0; i < 5; i++) {
        clocks[i] = (alarm_clock){start + (4 - i) * 5 * BELAY_MILLISECOND, &rung, 0};
        tasks[i] = spawn_outside(ex, ring, &clocks[i]);
    }
    for (int i = 0; i < 5; i++) {
        (void)join_outside(tasks[i]);
    }
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(clocks[i].place, 5 - i);
    }
}

static void test_now_and_after_agree(void **state) {
    (void)state;
    belay_time before = belay_now();
    assert_true(belay_after(0) >= before && belay_after(-5) >= before);
    assert_true(belay_after(-5) <= belay_now());
    assert_true(belay_after(BELAY_SECOND) >= before + BELAY_SECOND);
    assert_true(belay_after(BELAY_NEVER) == BELAY_NEVER);
}

/* ---- busy neighbours --------------------------------------------------------------------------------------------- */

/* Tasks that keep their worker busy in some way until told to stop. */
typedef struct busy {
    belay_executor *ex;
    belay_scope scope;
    tally stop, turns;
} busy;

static belay_status respawn(belay_task *self, void *arg) {
    busy *b = arg;
    (void)tally_add(&b->turns);
    if (tally_read(&b->stop) == 0) {
        EXPECT_STATUS(belay_spawn(self, b->scope, respawn, b, NULL, NULL), BELAY_OK);
    }
    return BELAY_OK;
}

static belay_status yield_for_ever(belay_task *self, void *arg) {
    busy *b = arg;
    while (tally_read(&b->stop) == 0) {
        EXPECT_STATUS(belay_yield(self), BELAY_OK);
        (void)tally_add(&b->turns);
    }
    return BELAY_OK;
}

static belay_status checkpoint_for_ever(belay_task *self, void *arg) {
    busy *b = arg;
    while (tally_read(&b->stop) == 0) {
        EXPECT_STATUS(belay_checkpoint(self), BELAY_OK);
        (void)tally_add(&b->turns);
    }
    return BELAY_OK;
}

/* Ignores that it is cancelled, and goes on waiting. */
static belay_status ignore_for_ever(belay_task *self, void *arg) {
    busy *b = arg;
    (void)belay_task_cancel(belay_task_self_handle(self), BELAY_OK, NULL);
    while (tally_read(&b->stop) == 0) {
        EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
        (void)tally_add(&b->turns);
    }
    return BELAY_OK;
}

static belay_status neighbour(belay_task *self, void *arg) {
    tally *met = arg;
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_yield(self), BELAY_OK);
        EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_MILLISECOND)), BELAY_OK);
    }
    (void)tally_add(met);
    return BELAY_OK;
}

/* While more of them than there are workers are busy, others get their turn: from a task, from outside, from a
 * timer. */
static void check_fairness(belay_executor *ex, belay_body *body) {
    busy b = {.ex = ex};
    tally met = {0};
    assert_int_equal(belay_scope_open_root(ex, NULL, &b.scope), BELAY_OK);
    for (uint32_t i = 0; i < belay_executor_workers(ex) + 1; i++) {
        assert_int_equal(belay_spawn(NULL, b.scope, body, &b, NULL, NULL), BELAY_OK);
    }
    tally_await(&b.turns, 100);
    for (int i = 0; i < 5; i++) {
        run(ex, neighbour, &met);
    }
    belay_task_handle later;
    assert_int_equal(belay_spawn_at(NULL, belay_executor_root(ex), belay_after(BELAY_MILLISECOND),
                                    body_tally, &met, NULL, &later),
                     BELAY_OK);
    (void)join_outside(later);
    assert_int_equal(tally_read(&met), 6);
    tally_set(&b.stop, 1);
    assert_int_equal(belay_scope_close(NULL, b.scope), BELAY_OK);
}

static void test_task_that_respawns_itself_for_ever_starves_nobody(void **state) {
    check_fairness(executor_of(state), respawn);
}

static void test_task_that_yields_for_ever_starves_nobody(void **state) {
    check_fairness(executor_of(state), yield_for_ever);
}

static void test_loop_of_checkpoints_shares_its_worker(void **state) {
    check_fairness(executor_of(state), checkpoint_for_ever);
}

static void test_task_that_ignores_its_cancel_starves_nobody(void **state) {
    check_fairness(executor_of(state), ignore_for_ever);
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

typedef struct turns {
    tally *clock;
    uint64_t last;
} turns;

static belay_status take_turns(belay_task *self, void *arg) {
    turns *t = arg;
    for (int i = 0; i < 10; i++) {
        t->last = tally_add(t->clock);
        EXPECT_STATUS(belay_yield(self), BELAY_OK);
    }
    return BELAY_OK;
}

static belay_status two_take_turns(belay_task *self, void *arg) {
    tally clock = {0};
    turns one = {&clock, 0}, other = {&clock, 0};
    belay_scope scope;
    (void)arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, take_turns, &one, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, take_turns, &other, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT(tally_read(&clock) == 20);
    EXPECT(one.last > 15 && other.last > 15); /* neither ran through before the other */
    return BELAY_OK;
}

static void test_yielding_tasks_take_turns(void **state) {
    if (workers_of(state) == 1) {
        run(executor_of(state), two_take_turns, NULL);
    }
}

static belay_status yield_alone(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        EXPECT_STATUS(belay_yield(self), BELAY_OK);
        EXPECT_STATUS(belay_checkpoint(self), BELAY_OK);
    }
    return BELAY_OK;
}

static void test_yield_with_nobody_else_returns(void **state) {
    run(executor_of(state), yield_alone, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_sleep_is_never_short),
        BOTH(test_sleepers_wake_in_the_order_of_their_deadlines),
        BOTH(test_now_and_after_agree),
        BOTH(test_task_that_respawns_itself_for_ever_starves_nobody),
        BOTH(test_task_that_yields_for_ever_starves_nobody),
        BOTH(test_loop_of_checkpoints_shares_its_worker),
        BOTH(test_task_that_ignores_its_cancel_starves_nobody),
        BOTH(test_yielding_tasks_take_turns),
        BOTH(test_yield_with_nobody_else_returns),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

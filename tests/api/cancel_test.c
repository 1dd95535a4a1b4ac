/* Cancelling tasks and scopes: never lost, level-triggered, the first reason stays, and it reaches the whole
 * subtree. */
#include "api/support.h"

enum { ROUNDS = 5, DEPTH = 6 };

/* ---- level-triggered --------------------------------------------------------------------------------------------- */

typedef struct levels {
    belay_task_handle done, alive;
    belay_scope empty, full;
    tally ran;
} levels;

/* Every waiting call there is, on objects for which it would succeed or wait. */
static void expect_all_refused(belay_task *self, levels *l) {
    belay_outcome outcome;
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_checkpoint(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_sleep_until(self, 0), BELAY_ECANCELED);
    EXPECT_STATUS(belay_join(self, l->alive, &outcome), BELAY_ECANCELED);
    EXPECT_STATUS(belay_join_until(self, l->alive, 0, &outcome), BELAY_ECANCELED);
    EXPECT_STATUS(belay_join(self, l->done, &outcome), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_wait(self, l->full), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_wait(self, l->empty), BELAY_ECANCELED);
    EXPECT_STATUS(belay_spawn(self, l->full, body_nothing, NULL, NULL, NULL), BELAY_ECANCELED);
}

static belay_status ignore_cancel(belay_task *self, void *arg) {
    levels *l = arg;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    for (int i = 0; i < ROUNDS; i++) {
        expect_all_refused(self, l);
    }
    (void)tally_add(&l->ran);
    return BELAY_ECANCELED;
}

static void levels_open(belay_executor *ex, levels *l) {
    belay_scope_options one = {.cap = 1};
    *l = (levels){.alive = gate_make(ex), .done = spawn_outside(ex, body_nothing, NULL)};
    assert_int_equal(belay_join(NULL, l->done, NULL), BELAY_OK);
    assert_int_equal(belay_scope_open_root(ex, NULL, &l->empty), BELAY_OK);
    assert_int_equal(belay_scope_open_root(ex, &one, &l->full), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, l->full, body_sleep, NULL, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 2);
}

static void levels_close(levels *l) {
    gate_open(l->alive);
    assert_int_equal(belay_task_release(l->done), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, l->empty), BELAY_OK);
    assert_int_equal(belay_scope_cancel(l->full, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, l->full), BELAY_OK);
    assert_int_equal(tally_read(&l->ran), 1);
}

static void test_after_a_task_cancel_every_later_wait_fails(void **state) {
    belay_executor *ex = executor_of(state);
    levels l;
    levels_open(ex, &l);
    belay_task_handle task = spawn_outside(ex, ignore_cancel, &l);
    await_waiting(ex, "sleep", 3);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    belay_outcome outcome = join_outside(task);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(outcome.status, BELAY_ECANCELED);
    assert_true(outcome.cancel_requested);
    levels_close(&l);
}

static void test_after_a_scope_cancel_every_later_wait_fails(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope;
    levels l;
    levels_open(ex, &l);
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, ignore_cancel, &l, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 3);
    assert_int_equal(belay_scope_cancel(scope, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ECANCELED);
    levels_close(&l);
}

/* ---- who is woken ------------------------------------------------------------------------------------------------ */

static belay_status cancel_self(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_task_cancel(belay_task_self_handle(self), 9, NULL), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_cancel_of_oneself_ends_the_next_wait(void **state) {
    belay_outcome outcome;
    assert_int_equal(belay_executor_run(executor_of(state), cancel_self, NULL, &outcome), BELAY_OK);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_CANCELED);
}

static belay_status join_child(belay_task *self, void *arg) {
    return belay_join(self, *(belay_task_handle *)arg, NULL);
}

static void test_cancel_wakes_a_suspended_joiner(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle gate = gate_make(ex), joiner = spawn_outside(ex, join_child, &gate);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_task_cancel(joiner, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(joiner).kind, BELAY_OUTCOME_CANCELED);
    gate_open(gate);
}

static void test_second_cancel_and_cancel_of_a_finished_task_are_ealready(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_handle task = gate_make(ex);
    assert_int_equal(belay_task_cancel(task, 1, NULL), BELAY_OK);
    assert_int_equal(belay_task_cancel(task, 2, NULL), BELAY_EALREADY);
    (void)join_outside(task);
    task = spawn_outside(ex, body_nothing, NULL);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_task_cancel(task, 3, NULL), BELAY_EALREADY);
    belay_outcome outcome = join_outside(task);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_VALUE);
    assert_false(outcome.cancel_requested);
}

/* ---- before the start -------------------------------------------------------------------------------------------- */

static void test_task_canceled_before_its_start_is_skipped(void **state) {
    belay_executor *ex = executor_of(state);
    tally ran = {0}, drops = {0};
    belay_task_options options = {.arg_drop = tally_drop};
    belay_task_handle task;
    assert_int_equal(belay_spawn_at(NULL, belay_executor_root(ex), belay_after(60 * BELAY_SECOND),
                                    body_tally, &drops, &options, &task),
                     BELAY_OK);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    belay_outcome outcome = join_outside(task);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_SKIPPED);
    assert_int_equal(outcome.status, BELAY_ECANCELED);
    assert_int_equal(tally_read(&drops), 1);
    assert_int_equal(tally_read(&ran), 0);
}

static void test_late_child_of_a_canceled_scope_is_accepted_and_skipped(void **state) {
    tally drops = {0};
    belay_task_options options = {.arg_drop = tally_drop};
    belay_scope scope;
    belay_task_handle task;
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_scope_cancel(scope, 8, NULL), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_tally, &drops, &options, &task), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_SKIPPED);
    assert_int_equal(tally_read(&drops), 1);
    assert_int_equal(belay_scope_close(NULL, scope), 8);
}

static belay_status open_late(belay_task *self, void *arg) {
    belay_scope scope;
    (void)arg;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, arg, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_scope_opened_by_a_canceled_task_is_canceled_from_the_start(void **state) {
    belay_executor *ex = executor_of(state);
    tally ran = {0};
    belay_task_handle task = spawn_outside(ex, open_late, &ran);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&ran), 0);
}

/* ---- the subtree ------------------------------------------------------------------------------------------------- */

typedef struct branch {
    uint32_t depth;
    tally *canceled;
} branch;

/* A chain of tasks, each waiting in its own scope for the next. */
static belay_status grow(belay_task *self, void *arg) {
    branch *b = arg;
    branch next = {b->depth - 1, b->canceled};
    belay_scope scope;
    belay_status status = BELAY_ECANCELED;
    if (b->depth == 0) {
        status = belay_sleep_until(self, BELAY_NEVER);
    } else if (EXPECT(belay_scope_open(self, NULL, &scope) == BELAY_OK)) {
        EXPECT_STATUS(belay_spawn(self, scope, grow, &next, NULL, NULL), BELAY_OK);
        status = belay_scope_close(self, scope);
    }
    EXPECT(status == BELAY_ECANCELED);
    (void)tally_add(b->canceled);
    return status;
}

static void test_cancel_of_a_task_reaches_all_it_has_opened(void **state) {
    belay_executor *ex = executor_of(state);
    tally canceled = {0};
    branch top = {DEPTH, &canceled};
    belay_task_handle task = spawn_outside(ex, grow, &top);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&canceled), DEPTH + 1);
}

static void test_cancel_of_a_scope_reaches_everything_below(void **state) {
    belay_executor *ex = executor_of(state);
    tally canceled = {0};
    branch top = {DEPTH, &canceled};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(belay_spawn(NULL, scope, grow, &top, NULL, NULL), BELAY_OK);
    }
    await_waiting(ex, "sleep", 4);
    assert_int_equal(belay_scope_cancel(scope, 77, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), 77);
    assert_int_equal(tally_read(&canceled), 4 * (DEPTH + 1));
}

static void test_cancel_of_one_scope_leaves_its_siblings_alone(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope one, other;
    belay_task_handle task;
    assert_int_equal(belay_scope_open_root(ex, NULL, &one), BELAY_OK);
    assert_int_equal(belay_scope_open_root(ex, NULL, &other), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, one, body_sleep, NULL, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, other, body_sleep, NULL, NULL, &task), BELAY_OK);
    assert_int_equal(belay_scope_cancel(one, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close_until(NULL, one, BELAY_NEVER), BELAY_ECANCELED);
    assert_int_equal(belay_scope_close_until(NULL, other, 0), BELAY_EBUSY);
    gate_open(task);
    assert_int_equal(belay_scope_close(NULL, other), BELAY_OK);
}

/* ---- reasons ----------------------------------------------------------------------------------------------------- */

typedef struct why {
    belay_scope scope;
    belay_cancel_reason reason;
} why;

static belay_status ask_why(belay_task *self, void *arg) {
    why *w = arg;
    EXPECT_STATUS(belay_reason(self, &w->reason), BELAY_ENOENT);
    EXPECT(!belay_canceled(self));
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_reason(self, &w->reason), BELAY_OK);
    return BELAY_ECANCELED;
}

static void test_first_reason_of_a_task_stays(void **state) {
    static const char text[] = "first";
    belay_executor *ex = executor_of(state);
    why w = {0};
    belay_task_handle task = spawn_outside(ex, ask_why, &w);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 11, text), BELAY_OK);
    (void)belay_task_cancel(task, 12, "second");
    (void)join_outside(task);
    assert_int_equal(w.reason.code, 11);
    assert_ptr_equal(w.reason.text, text);
    assert_non_null(strstr(w.reason.site, "cancel_test.c:"));
    assert_int_equal(w.reason.origin.slot, 0);
}

static void test_first_reason_of_a_scope_stays_and_names_its_origin(void **state) {
    belay_executor *ex = executor_of(state);
    why w = {0};
    assert_int_equal(belay_scope_open_root(ex, NULL, &w.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, w.scope, ask_why, &w, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_cancel(w.scope, 21, "first"), BELAY_OK);
    assert_int_equal(belay_scope_cancel(w.scope, 22, "second"), BELAY_EALREADY);
    assert_int_equal(belay_scope_close(NULL, w.scope), 21);
    assert_int_equal(w.reason.code, 21);
    assert_string_equal(w.reason.text, "first");
    assert_true(w.reason.origin.slot == w.scope.slot &&
                w.reason.origin.generation == w.scope.generation);
}

/* ---- the masses -------------------------------------------------------------------------------------------------- */

enum { MANY = 3000 };

typedef struct masses {
    belay_scope place;
    tally asleep, refused;
} masses;

static belay_status sleep_among_many(belay_task *self, void *arg) {
    masses *m = arg;
    (void)tally_add(&m->asleep);
    EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_SECOND * 3600)), BELAY_ECANCELED);
    (void)tally_add(&m->refused);
    return BELAY_ECANCELED;
}

static void masses_spawn(masses *m) {
    belay_task_options pinned = {.pin = 1};
    for (int i = 0; i < MANY; i++) {
        const belay_task_options *o = i % 100 == 0 ? &pinned : NULL;
        assert_int_equal(belay_spawn(NULL, m->place, sleep_among_many, m, o, NULL), BELAY_OK);
        assert_int_equal(
            belay_spawn_at(NULL, m->place, BELAY_NEVER, body_nothing, NULL, NULL, NULL), BELAY_OK);
    }
}

static void test_a_cancel_reaches_thousands(void **state) {
    belay_executor *ex = executor_of(state);
    masses m = {0};
    belay_stats stats;
    assert_int_equal(belay_scope_open_root(ex, NULL, &m.place), BELAY_OK);
    masses_spawn(&m);
    tally_await(&m.asleep, MANY);
    assert_int_equal(belay_scope_cancel(m.place, BELAY_OK, "enough"), BELAY_OK);
    assert_int_equal(belay_scope_cancel(m.place, BELAY_OK, "again"), BELAY_EALREADY);
    assert_int_equal(belay_scope_close(NULL, m.place), BELAY_OK);
    assert_int_equal(tally_read(&m.refused), MANY);
    assert_int_equal(belay_executor_stats(ex, &stats, sizeof stats), BELAY_OK);
    assert_int_equal(stats.canceled, MANY);
    assert_int_equal(stats.skipped, MANY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_after_a_task_cancel_every_later_wait_fails),
        BOTH(test_after_a_scope_cancel_every_later_wait_fails),
        BOTH(test_cancel_of_oneself_ends_the_next_wait),
        BOTH(test_cancel_wakes_a_suspended_joiner),
        BOTH(test_second_cancel_and_cancel_of_a_finished_task_are_ealready),
        BOTH(test_task_canceled_before_its_start_is_skipped),
        BOTH(test_late_child_of_a_canceled_scope_is_accepted_and_skipped),
        BOTH(test_scope_opened_by_a_canceled_task_is_canceled_from_the_start),
        BOTH(test_cancel_of_a_task_reaches_all_it_has_opened),
        BOTH(test_cancel_of_a_scope_reaches_everything_below),
        BOTH(test_cancel_of_one_scope_leaves_its_siblings_alone),
        BOTH(test_first_reason_of_a_task_stays),
        BOTH(test_first_reason_of_a_scope_stays_and_names_its_origin),
        BOTH(test_a_cancel_reaches_thousands),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

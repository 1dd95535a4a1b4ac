/* Callbacks on cancel: called once, by the canceller; what one may do. Removal: on_cancel_remove_test.c. */
#include "api/callbacks.h"

enum { MANY = 1000 };

static void test_it_runs_once_before_the_cancel_returns_and_knows_the_reason(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    seen s = {.calls = {0}};
    belay_registration r = put(scope, BELAY_HARD_CANCELED, &s);
    assert_int_equal(tally_read(&s.calls), 0);
    assert_int_equal(belay_scope_cancel(scope, 101, "why"), BELAY_OK);
    assert_int_equal(tally_read(&s.calls), 1);
    assert_int_equal(tally_read(&s.drops), 1);
    assert_true(s.reason.code == 101 && strcmp(s.reason.text, "why") == 0);
    assert_int_equal(s.reason.origin.generation, scope.generation);
    assert_int_equal(belay_scope_cancel(scope, 102, "again"), BELAY_EALREADY);
    assert_int_equal(tally_read(&s.calls), 1);
    assert_int_equal(belay_on_cancel_remove(NULL, r), BELAY_ESTALE);
    assert_int_equal(belay_on_cancel_forget(r), BELAY_ESTALE);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void test_one_put_down_after_the_cancel_runs_at_once(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    seen hard = {.calls = {0}}, soft = {.calls = {0}};
    assert_int_equal(belay_scope_cancel(scope, 103, NULL), BELAY_OK);
    belay_registration r = put(scope, BELAY_HARD_CANCELED, &hard);
    (void)put(scope, BELAY_SOFT_CANCELED, &soft);
    assert_true(tally_read(&hard.calls) == 1 && tally_read(&hard.drops) == 1);
    assert_true(tally_read(&soft.calls) == 1 && hard.reason.code == 103);
    assert_int_equal(belay_on_cancel_remove(NULL, r), BELAY_ESTALE);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void test_each_runs_at_its_level_or_a_harder_one_and_only_once(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    seen hard = {.calls = {0}}, soft = {.calls = {0}};
    (void)put(scope, BELAY_HARD_CANCELED, &hard);
    (void)put(scope, BELAY_SOFT_CANCELED, &soft);
    assert_int_equal(belay_scope_soft_cancel(scope, 104, NULL), BELAY_OK);
    assert_true(tally_read(&soft.calls) == 1 && tally_read(&hard.calls) == 0);
    seen late = {.calls = {0}};
    (void)put(scope, BELAY_SOFT_CANCELED, &late);
    assert_int_equal(tally_read(&late.calls), 1);
    assert_int_equal(belay_scope_cancel(scope, 105, NULL), BELAY_OK);
    assert_true(tally_read(&soft.calls) == 1 && tally_read(&hard.calls) == 1);
    assert_true(soft.reason.code == 104 && hard.reason.code == 105);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void test_a_soft_one_runs_at_a_hard_cancel_that_comes_first(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    seen soft = {.calls = {0}};
    (void)put(scope, BELAY_SOFT_CANCELED, &soft);
    assert_int_equal(belay_scope_cancel(scope, 106, NULL), BELAY_OK);
    assert_true(tally_read(&soft.calls) == 1 && soft.reason.code == 106);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void test_one_that_never_ran_is_dropped_when_its_scope_closes(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    seen s = {.calls = {0}};
    belay_registration r = put(scope, BELAY_SOFT_CANCELED, &s);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_true(tally_read(&s.calls) == 0 && tally_read(&s.drops) == 1);
    assert_int_equal(belay_on_cancel_remove(NULL, r), BELAY_ESTALE);
}

static void test_a_refused_one_leaves_its_argument_alone(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    seen s = {.calls = {0}};
    assert_int_equal(
        belay_on_cancel(belay_scope_token(scope), (belay_cancel_level)7, note, &s, note_drop, NULL),
        BELAY_EINVAL);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(
        belay_on_cancel(belay_scope_token(scope), BELAY_HARD_CANCELED, note, &s, note_drop, NULL),
        BELAY_ESTALE);
    assert_true(tally_read(&s.calls) == 0 && tally_read(&s.drops) == 0);
}

/* ---- what one may do ------------------------------------------------------------------------- */

typedef struct busy {
    belay_scope scope, place;
    seen late;
    tally ran;
} busy;

static void do_much(const belay_cancel_reason *reason, void *arg) {
    busy *b = arg;
    (void)reason;
    EXPECT_STATUS(belay_on_cancel(belay_scope_token(b->scope), BELAY_HARD_CANCELED, note, &b->late,
                                  note_drop, NULL),
                  BELAY_OK);
    EXPECT(tally_read(&b->late.calls) == 1);
    EXPECT_STATUS(belay_join_until(NULL, (belay_task_handle){0}, 0, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_try_spawn(NULL, b->place, body_tally, &b->ran, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_wait_until(NULL, b->place, 0), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_scope_cancel(b->scope, 112, NULL), BELAY_EALREADY);
}

static void test_a_callback_may_do_all_that_does_not_wait(void **state) {
    belay_executor *ex = executor_of(state);
    busy b = {.scope = scope_make(ex, NULL), .place = scope_make(ex, NULL)};
    assert_int_equal(
        belay_on_cancel(belay_scope_token(b.scope), BELAY_HARD_CANCELED, do_much, &b, NULL, NULL),
        BELAY_OK);
    assert_int_equal(belay_scope_cancel(b.scope, 113, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, b.place), BELAY_OK);
    assert_int_equal(tally_read(&b.ran), 1);
    assert_int_equal(belay_scope_close(NULL, b.scope), BELAY_OK);
}

static void test_many_all_run(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    static seen s;
    s = (seen){.calls = {0}};
    for (int i = 0; i < MANY; i++) {
        (void)put(scope, i % 2 == 0 ? BELAY_HARD_CANCELED : BELAY_SOFT_CANCELED, &s);
    }
    assert_int_equal(belay_scope_cancel(scope, 114, NULL), BELAY_OK);
    assert_int_equal(tally_read(&s.calls), MANY);
    assert_int_equal(tally_read(&s.drops), MANY);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static belay_status opened_below(belay_task *self, void *arg) {
    seen *s = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(
        belay_on_cancel(belay_scope_token(scope), BELAY_HARD_CANCELED, note, s, note_drop, NULL),
        BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void
test_those_of_scopes_below_run_too_by_scope_cancel_task_cancel_and_deadline(void **state) {
    belay_executor *ex = executor_of(state);
    for (int how = 0; how < 3; how++) {
        seen s = {.calls = {0}};
        belay_scope scope = scope_make(ex, NULL);
        belay_task_handle task = spawn_into(scope, opened_below, &s);
        await_waiting(ex, "sleep", 1);
        if (how == 0) {
            assert_int_equal(belay_scope_cancel(scope, 115, NULL), BELAY_OK);
        } else if (how == 1) {
            assert_int_equal(belay_task_cancel(task, 115, NULL), BELAY_OK);
        } else {
            assert_int_equal(belay_scope_set_deadline(scope, belay_after(BELAY_MILLISECOND)),
                             BELAY_OK);
        }
        assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
        assert_true(tally_read(&s.calls) == 1 && tally_read(&s.drops) == 1);
        assert_int_equal(s.reason.code, how == 2 ? BELAY_ETIMEDOUT : 115);
        (void)belay_scope_close(NULL, scope);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_it_runs_once_before_the_cancel_returns_and_knows_the_reason),
        BOTH(test_one_put_down_after_the_cancel_runs_at_once),
        BOTH(test_each_runs_at_its_level_or_a_harder_one_and_only_once),
        BOTH(test_a_soft_one_runs_at_a_hard_cancel_that_comes_first),
        BOTH(test_one_that_never_ran_is_dropped_when_its_scope_closes),
        BOTH(test_a_refused_one_leaves_its_argument_alone),
        BOTH(test_a_callback_may_do_all_that_does_not_wait),
        BOTH(test_many_all_run),
        BOTH(test_those_of_scopes_below_run_too_by_scope_cancel_task_cancel_and_deadline),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

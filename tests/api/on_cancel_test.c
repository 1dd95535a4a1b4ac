/* Callbacks on cancel: called once, by the canceller; removal and its waiting. */
#include "api/cancels.h"

enum { MANY = 1000 };

typedef struct seen {
    belay_cancel_reason reason;
    tally calls, drops;
} seen;

static void note(const belay_cancel_reason *reason, void *arg) {
    seen *s = arg;
    s->reason = *reason;
    (void)tally_add(&s->calls);
}

static void note_drop(void *arg) {
    (void)tally_add(&((seen *)arg)->drops);
}

static belay_registration put(belay_scope scope, belay_cancel_level level, seen *s) {
    belay_registration r = {0};
    assert_int_equal(belay_on_cancel(belay_scope_token(scope), level, note, s, note_drop, &r),
                     BELAY_OK);
    return r;
}

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

static void test_a_removed_one_does_not_run_and_is_dropped_once(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    seen a = {.calls = {0}}, b = {.calls = {0}};
    belay_registration ra = put(scope, BELAY_HARD_CANCELED, &a);
    belay_registration rb = put(scope, BELAY_HARD_CANCELED, &b);
    assert_int_equal(belay_on_cancel_remove(NULL, ra), BELAY_OK);
    assert_int_equal(belay_on_cancel_remove(NULL, ra), BELAY_ESTALE);
    assert_int_equal(belay_on_cancel_forget(rb), BELAY_OK);
    assert_true(tally_read(&a.drops) == 1 && tally_read(&b.drops) == 1);
    assert_int_equal(belay_scope_cancel(scope, 107, NULL), BELAY_OK);
    assert_true(tally_read(&a.calls) == 0 && tally_read(&b.calls) == 0);
    assert_true(tally_read(&a.drops) == 1 && tally_read(&b.drops) == 1);
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

typedef struct inside {
    belay_registration own, other;
    belay_scope scope;
    seen other_seen;
    tally calls, drops;
} inside;

static void remove_itself(const belay_cancel_reason *reason, void *arg) {
    inside *i = arg;
    (void)reason;
    EXPECT_STATUS(belay_on_cancel_remove(belay_self(), i->own), BELAY_EALREADY);
    EXPECT_STATUS(belay_on_cancel_forget(i->own), BELAY_EALREADY);
    (void)tally_add(&i->calls);
}

static void drop_and_remove(void *arg) {
    inside *i = arg;
    EXPECT_STATUS(belay_on_cancel_remove(belay_self(), i->own), BELAY_EALREADY);
    (void)tally_add(&i->drops);
}

static belay_status cancel_inside(belay_task *self, void *arg) {
    inside *i = arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, &i->scope), BELAY_OK);
    EXPECT_STATUS(belay_on_cancel(belay_scope_token(i->scope), BELAY_HARD_CANCELED, remove_itself,
                                  i, drop_and_remove, &i->own),
                  BELAY_OK);
    EXPECT_STATUS(belay_scope_cancel(i->scope, 108, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, i->scope), BELAY_OK);
    return BELAY_OK;
}

static void test_removal_from_inside_itself_does_not_wait(void **state) {
    inside i = {.calls = {0}};
    run(executor_of(state), cancel_inside, &i);
    assert_true(tally_read(&i.calls) == 1 && tally_read(&i.drops) == 1);
    i = (inside){.scope = scope_make(executor_of(state), NULL)};
    assert_int_equal(belay_on_cancel(belay_scope_token(i.scope), BELAY_HARD_CANCELED, remove_itself,
                                     &i, drop_and_remove, &i.own),
                     BELAY_OK);
    assert_int_equal(belay_scope_cancel(i.scope, 108, NULL), BELAY_OK); /* by a foreign thread */
    assert_true(tally_read(&i.calls) == 1 && tally_read(&i.drops) == 1);
    assert_int_equal(belay_scope_close(NULL, i.scope), BELAY_OK);
}

static void remove_other(const belay_cancel_reason *reason, void *arg) {
    inside *i = arg;
    (void)reason;
    (void)tally_add(&i->calls);
    EXPECT_STATUS(belay_on_cancel_remove(belay_self(), i->other), BELAY_OK);
}

static void test_one_may_remove_another_that_has_not_run(void **state) {
    inside i = {.scope = scope_make(executor_of(state), NULL)};
    assert_int_equal(belay_on_cancel(belay_scope_token(i.scope), BELAY_HARD_CANCELED, remove_other,
                                     &i, NULL, &i.own),
                     BELAY_OK);
    i.other = put(i.scope, BELAY_HARD_CANCELED, &i.other_seen);
    assert_int_equal(belay_scope_cancel(i.scope, 109, NULL), BELAY_OK);
    /* The order is not promised: if the other one had come first, its removal would not have been BELAY_OK. */
    assert_true(tally_read(&i.calls) == 1 && tally_read(&i.other_seen.calls) == 0);
    assert_int_equal(tally_read(&i.other_seen.drops), 1);
    assert_int_equal(belay_scope_close(NULL, i.scope), BELAY_OK);
}

/* ---- one that runs for a while ------------------------------------------------------------------------------------- */

typedef struct slow {
    belay_scope scope;
    belay_registration r;
    tally running, go, over, dropped, removed;
} slow;

static void run_slowly(const belay_cancel_reason *reason, void *arg) {
    slow *s = arg;
    (void)reason;
    (void)tally_add(&s->running);
    tally_await(&s->go, 1);
    (void)tally_add(&s->over);
}

static void drop_slow(void *arg) {
    (void)tally_add(&((slow *)arg)->dropped);
}

static void *cancel_slow(void *arg) {
    slow *s = arg;
    EXPECT_STATUS(belay_scope_cancel(s->scope, 110, NULL), BELAY_OK);
    return NULL;
}

static pthread_t slow_start(belay_executor *ex, slow *s) {
    pthread_t thread;
    s->scope = scope_make(ex, NULL);
    assert_int_equal(belay_on_cancel(belay_scope_token(s->scope), BELAY_HARD_CANCELED, run_slowly,
                                     s, drop_slow, &s->r),
                     BELAY_OK);
    assert_int_equal(pthread_create(&thread, NULL, cancel_slow, s), 0);
    tally_await(&s->running, 1);
    return thread;
}

static void slow_end(slow *s, pthread_t thread) {
    pthread_join(thread, NULL);
    assert_true(tally_read(&s->over) == 1 && tally_read(&s->dropped) == 1);
    assert_int_equal(belay_scope_close(NULL, s->scope), BELAY_OK);
}

static belay_status remove_running(belay_task *self, void *arg) {
    slow *s = arg;
    EXPECT_STATUS(belay_on_cancel_remove(self, s->r), BELAY_EALREADY);
    EXPECT(tally_read(&s->over) == 1 && tally_read(&s->dropped) == 1);
    (void)tally_add(&s->removed);
    return BELAY_OK;
}

static void *remove_running_thread(void *arg) {
    slow *s = arg;
    belay_status status = belay_on_cancel_remove(NULL, s->r); /* or it comes too late */
    EXPECT(status == BELAY_EALREADY || status == BELAY_ESTALE);
    EXPECT(tally_read(&s->over) == 1 && tally_read(&s->dropped) == 1);
    return NULL;
}

static void test_removal_of_a_running_one_waits_for_its_end(void **state) {
    belay_executor *ex = executor_of(state);
    slow s = {.go = {0}};
    pthread_t canceller = slow_start(ex, &s), remover;
    belay_task_handle task = spawn_outside(ex, remove_running, &s);
    await_waiting(ex, "a callback's end", 1);
    assert_int_equal(pthread_create(&remover, NULL, remove_running_thread, &s), 0);
    assert_int_equal(tally_read(&s.removed), 0);
    tally_set(&s.go, 1);
    (void)join_outside(task);
    pthread_join(remover, NULL);
    slow_end(&s, canceller);
}

static belay_status remove_though_canceled(belay_task *self, void *arg) {
    slow *s = arg;
    EXPECT_STATUS(belay_on_cancel_remove(self, s->r), BELAY_EALREADY);
    EXPECT(tally_read(&s->over) == 1 && belay_canceled(self));
    return BELAY_ECANCELED;
}

static void test_a_remover_that_is_canceled_stays_until_the_end(void **state) {
    belay_executor *ex = executor_of(state);
    slow s = {.go = {0}};
    pthread_t canceller = slow_start(ex, &s);
    belay_task_handle task = spawn_outside(ex, remove_though_canceled, &s);
    await_waiting(ex, "a callback's end", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    await_waiting(ex, "a callback's end", 1);
    tally_set(&s.go, 1);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    slow_end(&s, canceller);
}

static void test_forgetting_a_running_one_does_not_wait(void **state) {
    slow s = {.go = {0}};
    pthread_t canceller = slow_start(executor_of(state), &s);
    assert_int_equal(belay_on_cancel_forget(s.r), BELAY_EALREADY);
    assert_int_equal(tally_read(&s.over), 0);
    tally_set(&s.go, 1);
    slow_end(&s, canceller);
}

typedef struct crossing {
    slow *slow;
    tally calls;
} crossing;

static void remove_elsewhere(const belay_cancel_reason *reason, void *arg) {
    crossing *c = arg;
    (void)reason;
    EXPECT_STATUS(belay_on_cancel_remove(belay_self(), c->slow->r), BELAY_ECONTEXT);
    (void)tally_add(&c->calls);
}

static void test_a_callback_cannot_wait_for_the_end_of_another(void **state) {
    belay_executor *ex = executor_of(state);
    slow s = {.go = {0}};
    pthread_t canceller = slow_start(ex, &s);
    crossing c = {.slow = &s};
    belay_scope scope = scope_make(ex, NULL);
    assert_int_equal(belay_on_cancel(belay_scope_token(scope), BELAY_HARD_CANCELED,
                                     remove_elsewhere, &c, NULL, NULL),
                     BELAY_OK);
    assert_int_equal(belay_scope_cancel(scope, 111, NULL), BELAY_OK);
    assert_int_equal(tally_read(&c.calls), 1);
    tally_set(&s.go, 1);
    slow_end(&s, canceller);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

/* ---- what one may do -------------------------------------------------------------------------------------------------- */

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
        BOTH(test_a_removed_one_does_not_run_and_is_dropped_once),
        BOTH(test_one_that_never_ran_is_dropped_when_its_scope_closes),
        BOTH(test_a_refused_one_leaves_its_argument_alone),
        BOTH(test_removal_from_inside_itself_does_not_wait),
        BOTH(test_one_may_remove_another_that_has_not_run),
        BOTH(test_removal_of_a_running_one_waits_for_its_end),
        BOTH(test_a_remover_that_is_canceled_stays_until_the_end),
        BOTH(test_forgetting_a_running_one_does_not_wait),
        BOTH(test_a_callback_cannot_wait_for_the_end_of_another),
        BOTH(test_a_callback_may_do_all_that_does_not_wait),
        BOTH(test_many_all_run),
        BOTH(test_those_of_scopes_below_run_too_by_scope_cancel_task_cancel_and_deadline),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

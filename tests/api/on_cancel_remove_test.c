/* Removing callbacks on cancel: not yet run, running (which is waited for), from inside. */
#include "api/callbacks.h"

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

/* ---- one that runs for a while --------------------------------------------------------------- */

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

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_removed_one_does_not_run_and_is_dropped_once),
        BOTH(test_removal_from_inside_itself_does_not_wait),
        BOTH(test_one_may_remove_another_that_has_not_run),
        BOTH(test_removal_of_a_running_one_waits_for_its_end),
        BOTH(test_a_remover_that_is_canceled_stays_until_the_end),
        BOTH(test_forgetting_a_running_one_does_not_wait),
        BOTH(test_a_callback_cannot_wait_for_the_end_of_another),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

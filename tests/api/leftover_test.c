/* Scopes opened from outside that nobody has closed when the executor shuts down. */
#include "api/support.h"

static belay_scope open_named(belay_executor *ex, const char *name) {
    belay_scope scope;
    belay_scope_options options = {.name = name};
    assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
    return scope;
}

static void test_destroy_closes_and_names_a_scope_that_nobody_closes(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    belay_scope forgotten[3];
    for (int i = 0; i < 3; i++) {
        forgotten[i] = open_named(ex, "forgotten one");
    }
    tally drops = {0};
    belay_task_options options = {.arg_drop = tally_drop};
    assert_int_equal(belay_spawn(NULL, forgotten[1], body_sleep, &drops, &options, NULL), BELAY_OK);
    assert_int_equal(belay_executor_destroy(ex), BELAY_OK);
    assert_int_equal(tally_read(&drops), 1);
    assert_true(log_holds("forgotten one"));
    assert_true(log_holds("leftover_test.c"));
    assert_int_equal(tally_read(&support_log.lines), 3);
    assert_int_equal(belay_scope_close(NULL, forgotten[0]), BELAY_ESTALE);
    assert_int_equal(belay_scope_seal(forgotten[1]), BELAY_ESTALE);
}

static void test_the_handle_is_stale_once_shutdown_has_closed_the_scope(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = open_named(ex, "forgotten");
    tally drops = {0};
    belay_task_options options = {.arg_drop = tally_drop};
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ESTALE);
    assert_int_equal(belay_spawn(NULL, scope, body_nothing, &drops, &options, NULL), BELAY_ESTALE);
    assert_int_equal(tally_read(&drops), 0);
}

static void test_timed_shutdown_names_open_scopes_and_leaves_them_to_their_closer(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = open_named(ex, "mine");
    assert_int_equal(belay_executor_shutdown(ex, 0, belay_after(BELAY_MILLISECOND)), BELAY_EBUSY);
    assert_true(log_holds("scope mine ("));
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_false(log_holds("empty at the end"));
}

static void test_within_the_grace_an_open_scope_is_named_and_stays_usable(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = open_named(ex, "still in use");
    tally ran = {0};
    assert_int_equal(
        belay_executor_shutdown(ex, belay_after(700 * BELAY_MILLISECOND), belay_after(0)),
        BELAY_EBUSY);
    assert_true(log_holds("still in use"));
    assert_int_equal(belay_spawn(NULL, scope, body_tally, &ran, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ECANCELED);
}

typedef struct stay {
    tally started, may_end;
} stay;

static belay_status stay_on(belay_task *self, void *arg) {
    stay *s = arg;
    (void)tally_add(&s->started);
    while (tally_read(&s->may_end) == 0) {
        (void)belay_yield(self);
    }
    return BELAY_OK;
}

/* Shutdown looks every quarter of a second: a scope with a task in it, and an empty one beside it, stay. */
static void test_nothing_is_closed_while_a_task_lives(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope busy = open_named(ex, "busy");
    belay_scope empty = open_named(ex, "empty");
    stay s = {0};
    uint64_t count = 1;
    assert_int_equal(belay_spawn(NULL, busy, stay_on, &s, NULL, NULL), BELAY_OK);
    tally_await(&s.started, 1);
    assert_int_equal(belay_executor_shutdown(ex, 0, belay_after(800 * BELAY_MILLISECOND)),
                     BELAY_EBUSY);
    assert_int_equal(belay_scope_count(empty, &count), BELAY_OK);
    assert_int_equal(count, 0);
    assert_int_equal(belay_scope_count(busy, &count), BELAY_OK);
    assert_int_equal(count, 1);
    tally_set(&s.may_end, 1);
    assert_int_equal(belay_scope_close(NULL, busy), BELAY_ECANCELED);
    assert_int_equal(belay_scope_close(NULL, empty), BELAY_OK);
}

static belay_status free_object(belay_task *self, void *arg) {
    (void)self;
    (void)tally_add(arg);
    return BELAY_OK;
}

static void test_a_scope_with_deferred_calls_is_left_to_its_opener(void **state) {
    belay_executor *ex = executor_of(state);
    tally freed = {0};
    belay_scope scope = open_named(ex, "in use");
    belay_scope empty = open_named(ex, "forgotten");
    assert_int_equal(belay_scope_defer(scope, free_object, &freed), BELAY_OK);
    assert_int_equal(belay_executor_shutdown(ex, 0, belay_after(800 * BELAY_MILLISECOND)),
                     BELAY_EBUSY);
    assert_int_equal(tally_read(&freed), 0);
    assert_true(log_holds("scope in use ("));
    assert_true(log_holds("with deferred calls"));
    assert_int_equal(belay_scope_close(NULL, empty), BELAY_ESTALE);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&freed), 1);
}

/* ---- against a late closer --------------------------------------------------------------------------------------- */

enum { CLOSERS = 3, SCOPES = 40 };

typedef struct late {
    belay_scope scopes[SCOPES];
    tally closed; /* by the closers */
    tally lost;   /* found closing or closed */
    belay_time at;
} late;

static void *close_late(void *arg) {
    late *l = arg;
    while (belay_now() < l->at) {
        sched_yield();
    }
    for (int i = SCOPES; i-- > 0;) {
        belay_status status = belay_scope_close(NULL, l->scopes[i]);
        bool lost = status == BELAY_ESTALE || status == BELAY_EALREADY;
        EXPECT(lost || status == BELAY_OK || status == BELAY_ECANCELED);
        (void)tally_add(lost ? &l->lost : &l->closed);
    }
    return NULL;
}

static void test_a_late_closer_and_shutdown_close_each_scope_once(void **state) {
    belay_executor *ex = executor_of(state);
    late l = {.at = belay_after(500 * BELAY_MILLISECOND)};
    pthread_t threads[CLOSERS];
    for (int i = 0; i < SCOPES; i++) {
        l.scopes[i] = open_named(ex, "contested");
    }
    for (int i = 0; i < CLOSERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, close_late, &l), 0);
    }
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    for (int i = 0; i < CLOSERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(tally_read(&l.closed) + tally_read(&support_log.lines), SCOPES);
    assert_int_equal(tally_read(&l.closed) + tally_read(&l.lost), CLOSERS * SCOPES);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_destroy_closes_and_names_a_scope_that_nobody_closes),
        BOTH(test_the_handle_is_stale_once_shutdown_has_closed_the_scope),
        BOTH(test_timed_shutdown_names_open_scopes_and_leaves_them_to_their_closer),
        BOTH(test_within_the_grace_an_open_scope_is_named_and_stays_usable),
        BOTH(test_nothing_is_closed_while_a_task_lives),
        BOTH(test_a_scope_with_deferred_calls_is_left_to_its_opener),
        BOTH(test_a_late_closer_and_shutdown_close_each_scope_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

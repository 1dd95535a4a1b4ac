/* What deferred calls leave behind: nobody inherits it, and nothing of it is lost. */
#include "api/defers.h"
#include "api/locks.h"

/* ---- forks and scopes -------------------------------------------------------------------------------------------- */

static belay_status letter_f(belay_task *self, void *arg) {
    (void)self;
    write_letter(arg, 'f');
    return BELAY_OK;
}

static belay_status leave_forks(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_fork(self, letter_f, arg), BELAY_OK);
    EXPECT_STATUS(belay_fork(self, letter_f, arg), BELAY_OK);
    return BELAY_OK;
}

static belay_status defer_forks_above_a_letter(belay_task *self, void *arg) {
    static mark below;
    below = (mark){arg, 'n'};
    EXPECT_STATUS(belay_defer(self, letter, &below), BELAY_OK);
    EXPECT_STATUS(belay_defer(self, leave_forks, arg), BELAY_OK);
    return BELAY_OK;
}

/* The next task on the same fiber syncs its own fork, not one that it never made. */
static belay_status one_fork_only(belay_task *self, void *arg) {
    trace *t = arg;
    EXPECT_STATUS(belay_fork(self, letter_f, t), BELAY_OK);
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    EXPECT_STATUS(belay_sync(self), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_forks_that_a_deferred_call_leaves_have_run_before_the_next_call(void **state) {
    belay_executor *ex = executor_of(state);
    trace t = {.text = ""};
    run(ex, defer_forks_above_a_letter, &t);
    assert_string_equal(t.text, "ffn");
    trace next = {.text = ""};
    run(ex, one_fork_only, &next);
    assert_string_equal(next.text, "f");
}

/* The closer has a fork of its own outstanding: that stays. */
static belay_status close_with_forks(belay_task *self, void *arg) {
    trace *t = arg;
    static mark mine;
    mine = (mark){t, 'm'};
    EXPECT_STATUS(belay_fork(self, letter, &mine), BELAY_OK);
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_defer(scope, leave_forks, t), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    write_letter(t, 'c');
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    EXPECT_STATUS(belay_sync(self), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_forks_left_in_a_scopes_cleanup_are_not_the_closers(void **state) {
    trace t = {.text = ""};
    run(executor_of(state), close_with_forks, &t);
    assert_int_equal(tally_read(&t.length), 4);
    int forks = 0;
    for (const char *at = t.text; *at != 'c'; at++) {
        forks += *at == 'f';
    }
    assert_int_equal(forks, 2);
}

static belay_status sleep_until_canceled(belay_task *self, void *arg) {
    trace *t = arg;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    write_letter(t, 's');
    return BELAY_ECANCELED;
}

static belay_status leave_scope(belay_task *self, void *arg) {
    belay_scope scope;
    belay_task_options options = {.flags = BELAY_TASK_RUN_CANCELED};
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, sleep_until_canceled, arg, &options, NULL), BELAY_OK);
    return BELAY_OK;
}

static belay_status defer_a_scope_above_a_letter(belay_task *self, void *arg) {
    static mark below;
    below = (mark){arg, 'n'};
    EXPECT_STATUS(belay_defer(self, letter, &below), BELAY_OK);
    EXPECT_STATUS(belay_defer(self, leave_scope, arg), BELAY_OK);
    return BELAY_OK;
}

static void
test_a_scope_that_a_deferred_call_leaves_open_is_closed_before_the_next_call(void **state) {
    trace t = {.text = ""};
    run(executor_of(state), defer_a_scope_above_a_letter, &t);
    assert_string_equal(t.text, "sn");
    assert_true(log_holds("returned with open scopes"));
}

/* ---- locks, and deferred calls of deferred calls ----------------------------------------------------------------- */

typedef struct late_lock {
    belay_mutex mutex;
    trace trace;
} late_lock;

static belay_status lock_and_leave(belay_task *self, void *arg) {
    late_lock *l = arg;
    EXPECT_STATUS(belay_mutex_lock(self, &l->mutex), BELAY_OK);
    write_letter(&l->trace, 'l');
    return BELAY_OK;
}

/* The body leaves the scope open: its cleanup runs after the look at the locks of the body. */
static belay_status leave_scope_that_locks(belay_task *self, void *arg) {
    late_lock *l = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_defer(scope, lock_and_leave, l), BELAY_OK);
    return BELAY_OK;
}

static belay_status lock_after_the_dead(belay_task *self, void *arg) {
    late_lock *l = arg;
    EXPECT_STATUS(belay_mutex_lock_until(self, &l->mutex, belay_after(LONG)), BELAY_EOWNERDEAD);
    EXPECT_STATUS(belay_mutex_unlock(self, &l->mutex), BELAY_OK);
    return BELAY_OK;
}

static void test_a_lock_that_cleanup_of_a_left_scope_took_goes_to_the_next(void **state) {
    belay_executor *ex = executor_of(state);
    late_lock l = {.mutex = BELAY_MUTEX_INIT, .trace = {.text = ""}};
    run(ex, leave_scope_that_locks, &l);
    assert_string_equal(l.trace.text, "l");
    run(ex, lock_after_the_dead, &l);
}

static belay_status defer_to_the_task(belay_task *self, void *arg) {
    static mark task_own;
    task_own = (mark){arg, 't'};
    write_letter(arg, 'd');
    EXPECT_STATUS(belay_defer(self, letter, &task_own), BELAY_OK);
    return BELAY_OK;
}

/* A deferred call of the task's puts one into the scope of deferred calls, which puts one down for the task. */
static belay_status defer_to_the_cleanup(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_scope_defer(belay_scope_current(self), defer_to_the_task, arg), BELAY_OK);
    write_letter(arg, 'c');
    return BELAY_OK;
}

static belay_status chain_of_defers(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_defer(self, defer_to_the_cleanup, arg), BELAY_OK);
    return BELAY_OK;
}

static void test_what_cleanup_of_cleanup_defers_is_called_too(void **state) {
    belay_executor *ex = executor_of(state);
    for (int i = 0; i < 3;
         i++) { /* on the same fiber: a call that is left would be made in the next round */
        trace t = {.text = ""};
        run(ex, chain_of_defers, &t);
        assert_string_equal(t.text, "cdt");
    }
}

/* A stolen fork or one that runs in place: it has an end of its own only when it is stolen. */
static belay_status fork_that_defers(belay_task *self, void *arg) {
    return chain_of_defers(self, arg);
}

static belay_status forks_a_deferrer(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_fork(self, fork_that_defers, arg), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    return belay_sync(self);
}

static void test_a_forks_deferred_calls_are_made_to_the_last(void **state) {
    belay_executor *ex = executor_of(state);
    for (int i = 0; i < 20; i++) {
        trace t = {.text = ""};
        run(ex, forks_a_deferrer, &t);
        assert_string_equal(t.text, "cdt");
    }
}

/* ---- the scope that they run in ---------------------------------------------------------------------------------- */

static belay_status close_around(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_scope_close(self, belay_scope_current(self)), BELAY_EDEADLK);
    return BELAY_OK;
}

static belay_status close_current(belay_task *self, void *arg) {
    belay_scope current = belay_scope_current(self);
    EXPECT_STATUS(belay_scope_close(self, current), BELAY_EINVAL);
    EXPECT_STATUS(belay_scope_close_until(self, current, 0), BELAY_EINVAL);
    EXPECT_STATUS(belay_spawn(self, current, letter_f, arg, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, current, close_around, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_wait(self, current), BELAY_OK);
    write_letter(arg, 'w');
    return BELAY_OK;
}

static belay_status close_both(belay_task *self, void *arg) {
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_scope_defer(scope, close_current, arg), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT_STATUS(belay_defer(self, close_current, arg), BELAY_OK);
    return BELAY_OK;
}

static void test_the_scope_of_cleanup_is_not_the_calls_to_close(void **state) {
    trace t = {.text = ""};
    run(executor_of(state), close_both, &t);
    assert_string_equal(t.text, "fwfw");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_forks_that_a_deferred_call_leaves_have_run_before_the_next_call),
        BOTH(test_forks_left_in_a_scopes_cleanup_are_not_the_closers),
        BOTH(test_a_scope_that_a_deferred_call_leaves_open_is_closed_before_the_next_call),
        BOTH(test_a_lock_that_cleanup_of_a_left_scope_took_goes_to_the_next),
        BOTH(test_what_cleanup_of_cleanup_defers_is_called_too),
        BOTH(test_a_forks_deferred_calls_are_made_to_the_last),
        BOTH(test_the_scope_of_cleanup_is_not_the_calls_to_close),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

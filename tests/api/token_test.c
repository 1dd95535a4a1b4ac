/* Tokens: seeing a cancel, waiting for it, and a descriptor for it. Scopes that follow one: token_follow_test.c. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "api/cancels.h"

static void test_a_token_shows_each_level_and_its_reason(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    belay_token token = belay_scope_token(scope);
    belay_cancel_reason reason;
    assert_int_equal(level_of(token), BELAY_NOT_CANCELED);
    assert_int_equal(belay_token_reason(token, &reason), BELAY_ENOENT);
    assert_int_equal(belay_scope_soft_cancel(scope, 71, "soft"), BELAY_OK);
    assert_int_equal(level_of(token), BELAY_SOFT_CANCELED);
    assert_int_equal(belay_token_reason(token, &reason), BELAY_OK);
    assert_true(reason.code == 71 && strcmp(reason.text, "soft") == 0 && reason.site != NULL);
    assert_int_equal(belay_scope_cancel(scope, 72, "hard"), BELAY_OK);
    assert_int_equal(level_of(token), BELAY_HARD_CANCELED);
    assert_int_equal(belay_token_reason(token, &reason), BELAY_OK);
    assert_int_equal(reason.code, 72);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void expect_stale(belay_token token) {
    belay_cancel_level level = BELAY_HARD_CANCELED;
    belay_cancel_reason reason;
    belay_registration r = {.slot = 1};
    int fd = 0;
    assert_int_equal(belay_token_level(token, &level), BELAY_ESTALE);
    assert_int_equal(level, BELAY_NOT_CANCELED);
    assert_int_equal(belay_token_reason(token, &reason), BELAY_ESTALE);
    assert_int_equal(belay_token_wait_until(NULL, token, BELAY_SOFT_CANCELED, BELAY_NEVER),
                     BELAY_ESTALE);
    assert_int_equal(belay_on_cancel(token, BELAY_SOFT_CANCELED, count_cancel, NULL, NULL, &r),
                     BELAY_ESTALE);
    assert_int_equal(r.slot, 0);
    assert_int_equal(belay_token_fd(token, BELAY_SOFT_CANCELED, &fd, &r), BELAY_ESTALE);
    assert_int_equal(fd, -1);
}

static void test_a_stale_token_says_so_everywhere(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    expect_stale(belay_scope_token(scope));
    expect_stale((belay_token){0});
}

static void test_bad_arguments_are_einval(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    belay_token token = belay_scope_token(scope);
    belay_registration r;
    int fd;
    assert_int_equal(belay_token_level(token, NULL), BELAY_EINVAL);
    assert_int_equal(belay_token_reason(token, NULL), BELAY_EINVAL);
    assert_int_equal(belay_token_wait_until(NULL, token, BELAY_NOT_CANCELED, 0), BELAY_EINVAL);
    assert_int_equal(belay_token_wait_until(NULL, token, (belay_cancel_level)3, 0), BELAY_EINVAL);
    assert_int_equal(belay_on_cancel(token, BELAY_NOT_CANCELED, count_cancel, NULL, NULL, NULL),
                     BELAY_EINVAL);
    assert_int_equal(belay_on_cancel(token, BELAY_HARD_CANCELED, NULL, NULL, NULL, NULL),
                     BELAY_EINVAL);
    assert_int_equal(belay_token_fd(token, BELAY_HARD_CANCELED, NULL, &r), BELAY_EINVAL);
    assert_int_equal(belay_token_fd(token, BELAY_HARD_CANCELED, &fd, NULL), BELAY_EINVAL);
    assert_int_equal(belay_token_fd(token, BELAY_NOT_CANCELED, &fd, &r), BELAY_EINVAL);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

/* ---- waiting --------------------------------------------------------------------------------- */

typedef struct watch {
    belay_token token;
    belay_cancel_level level;
    belay_status want;
    tally ended;
} watch;

static belay_status watcher(belay_task *self, void *arg) {
    watch *w = arg;
    EXPECT_STATUS(belay_token_wait_until(self, w->token, w->level, BELAY_NEVER), w->want);
    (void)tally_add(&w->ended);
    return BELAY_OK;
}

static void *watching_thread(void *arg) {
    (void)watcher(NULL, arg);
    return NULL;
}

static void test_a_wait_ends_with_a_cancel_that_is_hard_enough(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = scope_make(ex, NULL);
    watch soft = {belay_scope_token(scope), BELAY_SOFT_CANCELED, BELAY_OK, {0}};
    watch hard = {belay_scope_token(scope), BELAY_HARD_CANCELED, BELAY_OK, {0}};
    pthread_t thread;
    belay_task_handle a = spawn_outside(ex, watcher, &soft), b = spawn_outside(ex, watcher, &hard);
    assert_int_equal(pthread_create(&thread, NULL, watching_thread, &soft), 0);
    await_waiting(ex, "a cancel token", 2);
    assert_int_equal(belay_scope_soft_cancel(scope, 73, NULL), BELAY_OK);
    tally_await(&soft.ended, 2);
    pthread_join(thread, NULL);
    assert_int_equal(tally_read(&hard.ended), 0);
    assert_int_equal(belay_scope_cancel(scope, 74, NULL), BELAY_OK);
    assert_int_equal(join_outside(a).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(join_outside(b).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(tally_read(&hard.ended), 1);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void test_a_hard_cancel_ends_waits_for_a_soft_one(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = scope_make(ex, NULL);
    watch soft = {belay_scope_token(scope), BELAY_SOFT_CANCELED, BELAY_OK, {0}};
    belay_task_handle task = spawn_outside(ex, watcher, &soft);
    await_waiting(ex, "a cancel token", 1);
    assert_int_equal(belay_scope_cancel(scope, 75, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_token_wait_until(NULL, soft.token, BELAY_HARD_CANCELED, 0), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void test_a_wait_times_out_and_polls_with_zero(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    belay_token token = belay_scope_token(scope);
    assert_int_equal(belay_token_wait_until(NULL, token, BELAY_SOFT_CANCELED, 0), BELAY_ETIMEDOUT);
    assert_int_equal(
        belay_token_wait_until(NULL, token, BELAY_SOFT_CANCELED, belay_after(BELAY_MILLISECOND)),
        BELAY_ETIMEDOUT);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void test_a_waiter_that_is_canceled_itself_hears_that(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = scope_make(ex, NULL);
    watch w = {belay_scope_token(scope), BELAY_HARD_CANCELED, BELAY_ECANCELED, {0}};
    belay_task_handle task = spawn_outside(ex, watcher, &w);
    await_waiting(ex, "a cancel token", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(task);
    /* by the very token */
    task = spawn_into(scope, watcher, &w);
    await_waiting(ex, "a cancel token", 1);
    assert_int_equal(belay_scope_cancel(scope, 76, NULL), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(belay_scope_close(NULL, scope), 76);
}

static void test_a_wait_ends_with_estale_when_the_scope_ends_uncanceled(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope = scope_make(ex, NULL);
    watch w = {belay_scope_token(scope), BELAY_SOFT_CANCELED, BELAY_ESTALE, {0}};
    belay_task_handle task = spawn_outside(ex, watcher, &w);
    await_waiting(ex, "a cancel token", 1);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
}

static belay_status cancel_and_close(belay_task *self, void *arg) {
    watch *w = arg;
    belay_scope scope = {w->token.slot, w->token.executor, w->token.generation};
    EXPECT_STATUS(belay_scope_cancel(scope, 77, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

static void test_a_watcher_hears_of_a_cancel_though_the_scope_has_closed_since(void **state) {
    belay_executor *ex = executor_of(state);
    for (int i = 0; i < 20; i++) {
        belay_scope scope = scope_make(ex, NULL);
        watch w = {belay_scope_token(scope), BELAY_HARD_CANCELED, BELAY_OK, {0}};
        belay_task_handle task = spawn_outside(ex, watcher, &w);
        await_waiting(ex, "a cancel token", 1);
        run(ex, cancel_and_close, &w);
        assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    }
}

static void *watch_to_the_end(void *arg) {
    watch *w = arg;
    belay_status status = belay_token_wait_until(NULL, w->token, w->level, BELAY_NEVER);
    EXPECT(status == BELAY_OK || status == BELAY_ESTALE); /* stale: it comes when all is over */
    (void)tally_add(&w->ended);
    return NULL;
}

static void test_the_end_of_an_executor_ends_waits_for_its_token(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    watch w = {belay_scope_token(belay_executor_root(ex)), BELAY_HARD_CANCELED, BELAY_OK, {0}};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watch_to_the_end, &w), 0);
    /* Both ways round are right: it waits before the end begins, or finds that it has. */
    assert_true(executor_end(ex));
    pthread_join(thread, NULL);
    assert_int_equal(tally_read(&w.ended), 1);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static bool is_readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

static void test_a_descriptor_becomes_readable_with_the_cancel(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    belay_token token = belay_scope_token(scope);
    belay_registration soft, hard, late;
    int soft_fd, hard_fd, late_fd;
    assert_int_equal(belay_token_fd(token, BELAY_SOFT_CANCELED, &soft_fd, &soft), BELAY_OK);
    assert_int_equal(belay_token_fd(token, BELAY_HARD_CANCELED, &hard_fd, &hard), BELAY_OK);
    assert_false(is_readable(soft_fd) || is_readable(hard_fd));
    assert_int_equal(belay_scope_soft_cancel(scope, 85, NULL), BELAY_OK);
    assert_true(is_readable(soft_fd) && !is_readable(hard_fd));
    assert_int_equal(belay_scope_cancel(scope, 86, NULL), BELAY_OK);
    assert_true(is_readable(hard_fd));
    assert_int_equal(belay_token_fd(token, BELAY_SOFT_CANCELED, &late_fd, &late), BELAY_OK);
    assert_true(is_readable(late_fd));
    assert_int_equal(belay_token_fd_close(late, late_fd), BELAY_OK);
    assert_int_equal(belay_token_fd_close(soft, soft_fd), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_true(is_readable(hard_fd)); /* also when the scope is gone */
    assert_int_equal(belay_token_fd_close(hard, hard_fd), BELAY_OK);
    assert_int_equal(fcntl(hard_fd, F_GETFD), -1);
}

static void test_a_descriptor_closed_before_the_cancel_is_not_written_to(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    belay_registration r;
    int fd, pipes[2];
    assert_int_equal(belay_token_fd(belay_scope_token(scope), BELAY_HARD_CANCELED, &fd, &r),
                     BELAY_OK);
    assert_int_equal(belay_token_fd_close(r, fd), BELAY_OK);
    assert_int_equal(pipe(pipes), 0); /* one of them has the number now */
    assert_true(pipes[0] == fd || pipes[1] == fd);
    assert_int_equal(belay_scope_cancel(scope, 87, NULL), BELAY_OK);
    assert_false(is_readable(pipes[0]));
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_token_shows_each_level_and_its_reason),
        BOTH(test_a_stale_token_says_so_everywhere),
        BOTH(test_bad_arguments_are_einval),
        BOTH(test_a_wait_ends_with_a_cancel_that_is_hard_enough),
        BOTH(test_a_hard_cancel_ends_waits_for_a_soft_one),
        BOTH(test_a_wait_times_out_and_polls_with_zero),
        BOTH(test_a_waiter_that_is_canceled_itself_hears_that),
        BOTH(test_a_wait_ends_with_estale_when_the_scope_ends_uncanceled),
        BOTH(test_a_watcher_hears_of_a_cancel_though_the_scope_has_closed_since),
        BOTH_BARE(test_the_end_of_an_executor_ends_waits_for_its_token),
        BOTH(test_a_descriptor_becomes_readable_with_the_cancel),
        BOTH(test_a_descriptor_closed_before_the_cancel_is_not_written_to),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A forked child: everything is refused until it starts anew; then the parent's handles are stale and a new executor
 * works. */
#include "api/support.h"

#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREADS_IN_CHILDREN 0
#endif
#endif
#if !defined(THREADS_IN_CHILDREN)
#define THREADS_IN_CHILDREN 1
#endif

/* The child says by its exit status which step failed. */
enum { FINE = 0 };

typedef struct family {
    belay_executor *ex;
    belay_task_handle task;
    belay_scope scope;
} family;

static belay_status add(belay_task *self, void *arg) {
    (void)self;
    ++*(int *)arg;
    return BELAY_OK;
}

static int start_anew(const family *f) {
    belay_executor *ex;
    if (belay_executor_create(NULL, &ex) != BELAY_ECHILD ||
        belay_task_retain(f->task) != BELAY_ECHILD) {
        return 1;
    }
    if (belay_restart_in_child() != BELAY_OK) {
        return 2;
    }
    if (belay_restart_in_child() != BELAY_EALREADY) { /* the second time */
        return 2;
    }
    if (belay_task_retain(f->task) != BELAY_ESTALE ||
        belay_scope_cancel(f->scope, 0, NULL) != BELAY_ESTALE ||
        belay_executor_shutdown(f->ex, 0, 0) != BELAY_ESTALE) {
        return 3;
    }
    return FINE;
}

static int work_anew(const family *f) {
    int failed = start_anew(f);
    belay_executor *ex;
    belay_config config = test_config(2);
    int sum = 0;
    if (failed != FINE) {
        return failed;
    }
    if (belay_executor_create(&config, &ex) != BELAY_OK) {
        return 4;
    }
    if (belay_executor_run(ex, add, &sum, NULL) != BELAY_OK || sum != 1) {
        return 5;
    }
    return belay_executor_destroy(ex) == BELAY_OK ? FINE : 6;
}

static void a_child_does(void **state, int (*what)(const family *)) {
    family f = {.ex = executor_of(state)};
    f.task = gate_make(f.ex);
    assert_int_equal(belay_scope_open_root(f.ex, NULL, &f.scope), BELAY_OK);
    await_waiting(f.ex, "sleep", 1);
    pid_t child = fork();
    if (child == 0) {
        _exit(what(&f));
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), FINE);
    assert_int_equal(belay_scope_close(NULL, f.scope), BELAY_OK);
    gate_open(f.task);
}

static void test_the_parents_handles_are_stale_after_the_restart(void **state) {
    a_child_does(state, start_anew);
}

static void test_a_child_that_starts_anew_runs_tasks(void **state) {
    /* ThreadSanitizer ends a forked child that starts a thread. */
    a_child_does(state, THREADS_IN_CHILDREN ? work_anew : start_anew);
}

static belay_status fork_inside(belay_task *self, void *arg) {
    (void)self;
    pid_t child = fork();
    if (child == 0) {
        _exit(belay_restart_in_child() == BELAY_ECONTEXT ? FINE : 1);
    }
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child);
    *(int *)arg = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
    return BELAY_OK;
}

static void test_a_task_cannot_start_anew(void **state) {
    int status = -1;
    run(executor_of(state), fork_inside, &status);
    assert_int_equal(status, FINE);
}

static void test_without_a_fork_there_is_nothing_to_restart(void **state) {
    (void)state;
    assert_int_equal(belay_restart_in_child(), BELAY_EALREADY);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_the_parents_handles_are_stale_after_the_restart),
        BOTH(test_a_child_that_starts_anew_runs_tasks),
        BOTH(test_a_task_cannot_start_anew),
        BOTH(test_without_a_fork_there_is_nothing_to_restart),
    };
    return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}

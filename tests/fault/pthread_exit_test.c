/* Bodies and blocking functions that end their thread instead of returning: the process ends with a message that names
 * who did it. */
#include "api/support.h"

#include "port/child.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BODIES_MAY_LEAVE                                                                           \
    0 /* ThreadSanitizer ends a process in which a fiber calls pthread_exit, in its own way */
#endif
#endif
#if !defined(BODIES_MAY_LEAVE)
#define BODIES_MAY_LEAVE 1
#endif

typedef struct leaving {
    uint32_t workers;
    int waits;
} leaving;

static belay_status leave(belay_task *self, void *arg) {
    if (((const leaving *)arg)->waits) {
        (void)belay_sleep_until(
            self, belay_after(BELAY_MILLISECOND)); /* it then has a stack of its own */
    }
    pthread_exit(NULL);
}

static void run_leaver(void *arg) {
    belay_config config = test_config(((const leaving *)arg)->workers);
    belay_executor *ex = NULL;
    belay_task_handle task;
    const belay_task_options options = {.name = "leaver"};
    if (belay_executor_create(&config, &ex) != BELAY_OK ||
        belay_spawn(NULL, belay_executor_root(ex), leave, arg, &options, &task) != BELAY_OK) {
        _exit(1);
    }
    (void)belay_join(NULL, task, NULL);
}

static void expect_abort(void **state, void (*body)(void *arg), int waits, const char *who) {
    char output[CHILD_OUTPUT];
    leaving l = {workers_of(state), waits};
    int end = child_run(body, &l, output);
    if (end != 1000 + SIGABRT || strstr(output, who) == NULL ||
        strstr(output, "pthread_exit") == NULL) {
        fprintf(stderr, "ended with %d, having said: %s\n", end, output);
    }
    assert_int_equal(end, 1000 + SIGABRT);
    assert_non_null(strstr(output, who));
    assert_non_null(strstr(output, "pthread_exit"));
}

static void test_a_body_that_ends_its_thread_aborts_and_is_named(void **state) {
    if (!BODIES_MAY_LEAVE) {
        skip();
    }
    expect_abort(state, run_leaver, 0, "task leaver (leave@");
}

static void test_the_same_after_it_was_suspended(void **state) {
    if (!BODIES_MAY_LEAVE) {
        skip();
    }
    expect_abort(state, run_leaver, 1, "task leaver (leave@");
}

static belay_status leave_pool(void *arg, const belay_blocking_context *context) {
    (void)arg;
    (void)context;
    pthread_exit(NULL);
}

static belay_status call_leaver(belay_task *self, void *arg) {
    (void)arg;
    return belay_blocking(self, leave_pool, NULL, NULL);
}

static void run_blocking_leaver(void *arg) {
    belay_config config = test_config(((const leaving *)arg)->workers);
    belay_executor *ex = NULL;
    if (belay_executor_create(&config, &ex) == BELAY_OK) {
        (void)belay_executor_run(ex, call_leaver, NULL, NULL);
    }
}

static void test_a_blocking_function_that_ends_its_thread_aborts(void **state) {
    expect_abort(state, run_blocking_leaver, 0, "a blocking function");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_a_body_that_ends_its_thread_aborts_and_is_named),
        BOTH_BARE(test_the_same_after_it_was_suspended),
        BOTH_BARE(test_a_blocking_function_that_ends_its_thread_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

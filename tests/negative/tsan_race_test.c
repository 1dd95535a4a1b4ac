/* ThreadSanitizer sees races between tasks as it sees races between threads: also between two tasks that one worker
 * runs in turn and that never suspend, although one stack and one thread could serve both. And it sees the orders that
 * the library promises: spawn before body, body before join, body before close.
 *
 * Each case is a program of its own: this one, started again with the case's name. Without ThreadSanitizer there is
 * nothing to test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <belay/belay.h>

enum { SKIPPED = 77, FOUND = 66, TASKS = 8 };

/* ---- the cases, each in a child ---------------------------------------------------------------------------------- */

static uint64_t shared; /* plain */

static belay_status add(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    shared++;
    return BELAY_OK;
}

static belay_status yield_and_add(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_yield(self);
    shared++;
    return BELAY_OK;
}

static belay_status add_forked(belay_task *self, void *arg) {
    return add(self, arg);
}

static belay_scope open_here(belay_task *self) {
    belay_scope scope = {0};
    if (belay_scope_open(self, NULL, &scope) != BELAY_OK) {
        abort();
    }
    return scope;
}

static void spawn_here(belay_task *self, belay_scope scope, belay_body *body,
                       belay_task_handle *out) {
    if (belay_spawn(self, scope, body, NULL, NULL, out) != BELAY_OK) {
        abort();
    }
}

static belay_status race_of(belay_task *self, belay_body *body, int tasks) {
    belay_scope scope = open_here(self);
    for (int i = 0; i < tasks; i++) {
        spawn_here(self, scope, body, NULL);
    }
    return belay_scope_close(self, scope);
}

static belay_status race_of_two(belay_task *self, void *arg) {
    (void)arg;
    return race_of(self, add, 2);
}

static belay_status race_of_yielding(belay_task *self, void *arg) {
    (void)arg;
    return race_of(self, yield_and_add, 2);
}

/* The first and the last of several; those between touch nothing. */
static belay_status nothing(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}
static belay_status race_at_a_distance(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope = open_here(self);
    spawn_here(self, scope, add, NULL);
    for (int i = 0; i < TASKS; i++) {
        spawn_here(self, scope, nothing, NULL);
    }
    spawn_here(self, scope, add, NULL);
    return belay_scope_close(self, scope);
}

/* The parent's own access races with the child's: nothing has joined it yet. */
static belay_status race_with_child(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope = open_here(self);
    spawn_here(self, scope, add, NULL);
    shared++;
    return belay_scope_close(self, scope);
}

static belay_status ordered_by_close(belay_task *self, void *arg) {
    (void)arg;
    shared = 1;
    for (int i = 0; i < TASKS; i++) {
        belay_status status = race_of(self, add, 1);
        if (status != BELAY_OK) {
            return status;
        }
        shared++;
    }
    return shared == 1 + 2 * TASKS ? BELAY_OK : BELAY_EINVAL;
}

static belay_status ordered_by_join(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope = open_here(self);
    for (int i = 0; i < TASKS; i++) {
        belay_task_handle task;
        spawn_here(self, scope, i % 2 == 0 ? add : yield_and_add, &task);
        if (belay_join(self, task, NULL) != BELAY_OK || belay_task_release(task) != BELAY_OK) {
            return BELAY_EINVAL;
        }
        shared++;
    }
    return belay_scope_close(self, scope);
}

static belay_status ordered_by_sync(belay_task *self, void *arg) {
    for (int i = 0; i < TASKS; i++) {
        shared++;
        if (belay_fork(self, add_forked, arg) != BELAY_OK || belay_sync(self) != BELAY_OK) {
            return BELAY_EINVAL;
        }
        shared++;
    }
    return BELAY_OK;
}

static const struct {
    const char *name;
    belay_body *body;
} cases[] = {
    {"race of two", race_of_two},
    {"race of yielding", race_of_yielding},
    {"race at a distance", race_at_a_distance},
    {"race with child", race_with_child},
    {"ordered by close", ordered_by_close},
    {"ordered by join", ordered_by_join},
    {"ordered by sync", ordered_by_sync},
};

static int run_case(const char *name) {
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.workers = 1;
    belay_executor *executor;
    belay_outcome outcome = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, name) == 0 &&
            belay_executor_create(&config, &executor) == BELAY_OK &&
            belay_executor_run(executor, cases[i].body, NULL, &outcome) == BELAY_OK &&
            belay_executor_destroy(executor) == BELAY_OK && outcome.status == BELAY_OK) {
            return 0;
        }
    }
    return 1;
}

/* ---- what the child says ----------------------------------------------------------------------------------------- */

/* The child's exit status; *race: it printed the sanitizer's report of a data race. */
static int start_again(const char *name, bool *race) {
    char self[4096] = "";
    char command[sizeof self + 256];
    char line[512];
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(command, sizeof command, "TSAN_OPTIONS='exitcode=%d halt_on_error=0' '%s' '%s' 2>&1",
             FOUND, self, name);
    FILE *child = popen(command, "r");
    assert_non_null(child);
    *race = false;
    while (fgets(line, sizeof line, child) != NULL) {
        *race |= strstr(line, "WARNING: ThreadSanitizer: data race") != NULL;
    }
    int status = pclose(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_case(void **state) {
    const char *name = *state;
    bool expected = strncmp(name, "race", 4) == 0;
    bool race;
    int status = start_again(name, &race);
    assert_int_equal(race, expected);
    assert_int_equal(status, expected ? FOUND : 0);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return run_case(argv[1]);
    }
#if !defined(BELAY_TSAN)
    return SKIPPED;
#endif
    struct CMUnitTest tests[sizeof cases / sizeof cases[0]];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = test_case,
                                       .initial_state = (void *)(uintptr_t)cases[i].name};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

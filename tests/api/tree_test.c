/* The tree as text: each scope under its parent, each task in its scope, whatever goes on meanwhile. */
#include "api/support.h"

enum { LINES = 64, WIDTH = 400 };

typedef struct page {
    char line[LINES][WIDTH];
    size_t count;
} page;

static void keep(const char *line, void *arg) {
    page *p = arg;
    if (p->count < LINES) {
        snprintf(p->line[p->count++], WIDTH, "%s", line);
    }
}

static const char *line_with(const page *p, const char *part) {
    for (size_t i = 0; i < p->count; i++) {
        if (strstr(p->line[i], part) != NULL) {
            return p->line[i];
        }
    }
    return NULL;
}

static size_t depth_of(const char *line) {
    return strspn(line, " ") / 2;
}

static belay_status nest(belay_task *self, void *arg) {
    (void)arg;
    belay_scope_options outer = {.name = "outer"}, inner = {.name = "inner"};
    const belay_task_options sleeper = {.name = "sleeper"};
    belay_scope a, b;
    EXPECT_STATUS(belay_scope_open(self, &outer, &a), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, &inner, &b), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, b, body_sleep, NULL, &sleeper, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, b), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, a), BELAY_ECANCELED);
    return BELAY_OK;
}

static void test_each_scope_stands_under_its_parent_and_each_task_in_its_scope(void **state) {
    belay_executor *ex = executor_of(state);
    const belay_task_options options = {.name = "nester"};
    belay_task_handle task;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), nest, NULL, &options, &task),
                     BELAY_OK);
    await_waiting(ex, "sleep", 1);
    await_waiting(ex, "scope close", 1);
    page p = {.count = 0};
    assert_int_equal(belay_tree(ex, keep, &p), BELAY_OK);
    assert_int_equal(p.count, 5);
    assert_int_equal(depth_of(line_with(&p, "scope root")), 0);
    assert_int_equal(depth_of(line_with(&p, "task nester")), 1);
    assert_int_equal(depth_of(line_with(&p, "scope outer")), 1);
    assert_int_equal(depth_of(line_with(&p, "scope inner")), 2);
    assert_int_equal(depth_of(line_with(&p, "task sleeper")), 3);
    assert_non_null(strstr(line_with(&p, "task nester"), "scope close"));
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    (void)join_outside(task);
}

static void call_the_library(const char *line, void *arg) {
    (void)line;
    EXPECT_STATUS(belay_sleep_until(NULL, 0), BELAY_ECONTEXT);
    (void)tally_add(arg);
}

static void test_the_hook_may_not_wait(void **state) {
    tally lines = {0};
    assert_int_equal(belay_tree(executor_of(state), call_the_library, &lines), BELAY_OK);
    assert_int_equal(tally_read(&lines), 1);
}

static void test_mistakes_are_statuses(void **state) {
    page p = {.count = 0};
    assert_int_equal(belay_tree(NULL, keep, &p), BELAY_EINVAL);
    assert_int_equal(belay_tree(executor_of(state), NULL, &p), BELAY_EINVAL);
    assert_int_equal(p.count, 0);
}

/* ---- while it changes -------------------------------------------------------------------------------------------- */

typedef struct churn {
    tally stop;
} churn;

static belay_status stir(belay_task *self, void *arg) {
    churn *c = arg;
    while (tally_read(&c->stop) == 0) {
        belay_scope s;
        EXPECT_STATUS(belay_scope_open(self, NULL, &s), BELAY_OK);
        EXPECT_STATUS(belay_spawn(self, s, body_nothing, NULL, NULL, NULL), BELAY_OK);
        EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    }
    return BELAY_OK;
}

static void test_a_tree_that_changes_is_read_without_harm(void **state) {
    belay_executor *ex = executor_of(state);
    churn c = {{0}};
    belay_task_handle tasks[4];
    for (int i = 0; i < 4; i++) {
        tasks[i] = spawn_outside(ex, stir, &c);
    }
    for (int i = 0; i < 200; i++) {
        page p = {.count = 0};
        assert_int_equal(belay_tree(ex, keep, &p), BELAY_OK);
        assert_int_equal(depth_of(p.line[0]), 0);
    }
    tally_set(&c.stop, 1);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(join_outside(tasks[i]).kind, BELAY_OUTCOME_VALUE);
    }
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_each_scope_stands_under_its_parent_and_each_task_in_its_scope),
        BOTH(test_the_hook_may_not_wait),
        BOTH(test_mistakes_are_statuses),
        BOTH(test_a_tree_that_changes_is_read_without_harm),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}

/* Fork detection, the last words, and the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "port/child.h"
#include "port/port.h"

static void report_forked(void *arg) {
    (void)arg;
    bool before = port_forked();
    port_forked_clear();
    _exit(before ? port_forked() ? 3 : 2 : 1);
}

static void fork_is_noticed_in_the_child(void **state) {
    (void)state;
    assert_int_equal(child_run(report_forked, NULL, NULL), 1); /* nobody watches yet */
    port_fork_watch();
    port_fork_watch();
    assert_int_equal(child_run(report_forked, NULL, NULL), 2);
    assert_false(port_forked());
}

static void panic(void *arg) {
    port_panic(arg);
}

static void broken_invariant(void *arg) {
    CHECK_ALWAYS(arg == NULL);
}

static void panic_speaks_and_aborts(void **state) {
    (void)state;
    char output[CHILD_OUTPUT];
    assert_int_equal(child_run(panic, "the end", output), 1000 + SIGABRT);
    assert_string_equal(output, "the end\n");
    assert_int_equal(child_run(broken_invariant, "x", output), 1000 + SIGABRT);
    assert_non_null(strstr(output, "arg == NULL"));
    assert_int_equal(child_run(broken_invariant, NULL, output), 0);
}

static void log_two_lines(void *arg) {
    port_log_stderr(arg);
    port_log_stderr("");
}

static void log_writes_lines(void **state) {
    (void)state;
    char output[CHILD_OUTPUT];
    assert_int_equal(child_run(log_two_lines, "one", output), 0);
    assert_string_equal(output, "one\n\n");
}

typedef struct visited {
    int count;
    int good;
} visited;

static void visit(const char *entry, void *arg) {
    visited *v = arg;
    v->count++;
    v->good += strcmp(entry, "BELAYTEST_A=1") == 0 || strcmp(entry, "BELAYTEST_B=") == 0;
}

static void environment(void **state) {
    (void)state;
    setenv("BELAYTEST_A", "1", 1);
    setenv("BELAYTEST_B", "", 1);
    setenv("OTHER_BELAYTEST_C", "1", 1);
    assert_string_equal(port_env_get("BELAYTEST_A"), "1");
    assert_null(port_env_get("BELAYTEST_NONE"));
    visited v = {0};
    port_env_each("BELAYTEST_", visit, &v);
    assert_int_equal(v.count, 2);
    assert_int_equal(v.good, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fork_is_noticed_in_the_child),
        cmocka_unit_test(panic_speaks_and_aborts),
        cmocka_unit_test(log_writes_lines),
        cmocka_unit_test(environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

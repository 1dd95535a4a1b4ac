/* What the tests of the options share: a log hook that keeps the lines, and an empty BELAY_ environment to begin
 * with. */
#ifndef TESTS_OPTIONS_KEPT_H
#define TESTS_OPTIONS_KEPT_H

#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"
#include "port/port.h"

#define LINES_MAX 32

static struct kept_lines {
    char line[LINES_MAX][640];
    belay_log_level level[LINES_MAX];
    size_t count;
} logged;

static void keep_line(belay_log_level level, const char *line, void *arg) {
    assert_ptr_equal(arg, &logged);
    assert_null(strchr(line, '\n'));
    assert_true(logged.count < LINES_MAX);
    logged.level[logged.count] = level;
    snprintf(logged.line[logged.count++], sizeof logged.line[0], "%s", line);
}

static inline bool is_logged(const char *part) {
    for (size_t i = 0; i < logged.count; i++) {
        if (strstr(logged.line[i], part) != NULL) {
            return true;
        }
    }
    return false;
}

static int begin(void **state) {
    (void)state;
    static const char *const others[] = {"BELAY_WORKRES", "BELAY_SPINS", "BELAY_HOME", "BELAY_"};
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        if (option_table[i].variable != NULL) {
            unsetenv(option_table[i].variable);
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        unsetenv(others[i]);
    }
    logged.count = 0;
    return 0;
}

static belay_config fresh_config(void) {
    belay_config config;
    memset(&config, 0x5a, sizeof config);
    belay_config_init(&config, sizeof config);
    config.log = keep_line;
    config.log_arg = &logged;
    return config;
}

static void check_defaults(const options *o) {
    uint32_t processors = port_cpu_count();
    assert_int_equal(o->workers, processors < 256 ? processors : 256);
    assert_int_equal(o->stack_size, 128 * 1024);
    assert_int_equal(o->stack_cache, 256);
    assert_int_equal(o->max_stacks, 0);
    assert_int_equal(o->max_tasks, 16777216);
    assert_int_equal(o->max_scopes, 1048576);
    assert_int_equal(o->spin, 20000);
    assert_true(o->membarrier);
    assert_int_equal(o->stall, 0);
    assert_int_equal(o->fork_depth, 8192);
    assert_string_equal(o->name, "belay");
    assert_memory_equal(&o->alloc, allocator_default(), sizeof o->alloc);
    assert_null(o->thread_start);
    assert_null(o->thread_stop);
}

#endif

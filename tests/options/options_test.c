/* Merging program, environment and defaults, and what is said about it. Each test begins with an
 * empty BELAY_ environment; the log hook keeps the lines. */
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options_table.h"
#include "port/port.h"

#define LINES_MAX 32

static struct {
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

static bool is_logged(const char *part) {
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

/* Runs the function with standard error in a file and returns what was written there. */
static const char *captured_stderr(void (*run)(void)) {
    static char text[1024];
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    run();
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* ---- values ---------------------------------------------------------------------------------- */

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

static void test_defaults_without_config(void **state) {
    (void)state;
    options o;
    assert_int_equal(options_resolve(NULL, &o), BELAY_OK);
    check_defaults(&o);
    assert_non_null(o.log);
    assert_true(o.log_is_default);
}

static void test_defaults_of_fresh_config(void **state) {
    (void)state;
    belay_config config = fresh_config();
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    check_defaults(&o);
    assert_false(o.log_is_default);
    assert_int_equal(logged.count, 0);
}

static void test_environment_fills(void **state) {
    (void)state;
    setenv("BELAY_WORKERS", "3", 1);
    setenv("BELAY_STACK_SIZE", "64K", 1);
    setenv("BELAY_STACK_CACHE", "7", 1);
    setenv("BELAY_MAX_STACKS", "1000", 1);
    setenv("BELAY_MAX_TASKS", "16", 1);
    setenv("BELAY_MAX_SCOPES", "2", 1);
    setenv("BELAY_SPIN", "50us", 1);
    setenv("BELAY_MEMBARRIER", "off", 1);
    setenv("BELAY_STALL", "2s", 1);
    setenv("BELAY_FORK_DEPTH", "32", 1);
    belay_config config = fresh_config();
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    assert_int_equal(o.workers, 3);
    assert_int_equal(o.stack_size, 65536);
    assert_int_equal(o.stack_cache, 7);
    assert_int_equal(o.max_stacks, 1000);
    assert_int_equal(o.max_tasks, 16);
    assert_int_equal(o.max_scopes, 2);
    assert_int_equal(o.spin, 50000);
    assert_false(o.membarrier);
    assert_int_equal(o.stall, 2000000000);
    assert_int_equal(o.fork_depth, 32);
    assert_int_equal(logged.count, 0);
}

static void test_program_wins(void **state) {
    (void)state;
    setenv("BELAY_WORKERS", "3", 1);
    setenv("BELAY_SPIN", "nonsense", 1);
    belay_config config = fresh_config();
    config.workers = 5;
    config.spin = 0;
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    assert_int_equal(o.workers, 5);
    assert_int_equal(o.spin, 0);
    assert_int_equal(logged.count, 0);
}

static void test_ignore_env(void **state) {
    (void)state;
    setenv("BELAY_WORKERS", "nonsense", 1);
    setenv("BELAY_STACK_CACHE", "7", 1);
    setenv("BELAY_WORKRES", "3", 1);
    setenv("BELAY_STRICT", "1", 1);
    setenv("BELAY_DISPLAY_ENV", "verbose", 1);
    belay_config config = fresh_config();
    config.ignore_env = 1;
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    check_defaults(&o);
    assert_int_equal(logged.count, 0);
}

static void *no_memory(size_t size, size_t alignment, void *arg) {
    (void)size;
    (void)alignment;
    (void)arg;
    return NULL;
}

static void no_release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)memory;
    (void)size;
    (void)alignment;
    (void)arg;
}

static void no_thread(uint32_t worker, void *arg) {
    (void)worker;
    (void)arg;
}

static void test_hooks_and_name(void **state) {
    (void)state;
    int marker = 0;
    belay_config config = fresh_config();
    config.allocate = no_memory;
    config.release = no_release;
    config.allocator_arg = &marker;
    config.thread_start = no_thread;
    config.thread_stop = no_thread;
    config.thread_arg = &marker;
    config.name = "a name\nthat is longer than thirty-one bytes";
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    assert_ptr_equal(o.alloc.allocate, no_memory);
    assert_ptr_equal(o.alloc.release, no_release);
    assert_ptr_equal(o.alloc.arg, &marker);
    assert_ptr_equal(o.thread_start, no_thread);
    assert_ptr_equal(o.thread_stop, no_thread);
    assert_ptr_equal(o.thread_arg, &marker);
    assert_string_equal(o.name, "a name?that is longer than thir");
}

/* ---- the struct ------------------------------------------------------------------------------ */

static void test_one_hook_alone_is_refused(void **state) {
    (void)state;
    options o;
    belay_config config = fresh_config();
    config.allocate = no_memory;
    assert_int_equal(options_resolve(&config, &o), BELAY_EINVAL);
    config = fresh_config();
    config.release = no_release;
    assert_int_equal(options_resolve(&config, &o), BELAY_EINVAL);
}

static void test_uninitialised_is_refused(void **state) {
    (void)state;
    static const unsigned char fills[] = {0x00, 0x5a, 0xff};
    options o;
    belay_config config;
    for (size_t i = 0; i < sizeof fills; i++) {
        memset(&config, fills[i], sizeof config);
        assert_int_equal(options_resolve(&config, &o), BELAY_EINVAL);
    }
    config = fresh_config();
    config.layout = BELAY_LAYOUT + 1;
    assert_int_equal(options_resolve(&config, &o), BELAY_EINVAL);
    assert_int_equal(logged.count, 0);
}

static void test_impossible_sizes_are_refused(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 4, 8, 15, sizeof(belay_config) - 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        options o;
        belay_config config;
        belay_config_init(&config, sizes[i]);
        assert_int_equal(options_resolve(&config, &o), BELAY_EINVAL);
    }
    belay_config_init(NULL, sizeof(belay_config));
}

/* An older program's struct ends early: nothing behind its end is written or read. */
static void test_older_program(void **state) {
    (void)state;
    for (size_t size = offsetof(belay_config, stack_size); size < sizeof(belay_config); size += 8) {
        belay_config config;
        memset(&config, 0x5a, sizeof config);
        belay_config_init(&config, size);
        for (size_t i = size; i < sizeof config; i++) {
            assert_int_equal(((unsigned char *)&config)[i], 0x5a);
        }
        config.workers = 2;
        options o;
        assert_int_equal(options_resolve(&config, &o), BELAY_OK);
        assert_int_equal(o.workers, 2);
        assert_int_equal(o.stack_size, 128 * 1024);
        assert_true(o.log_is_default);
        assert_string_equal(o.name, "belay");
    }
}

static void test_newer_program(void **state) {
    (void)state;
    struct {
        belay_config known;
        int64_t unknown[2];
    } newer;
    belay_config_init(&newer.known, sizeof newer);
    newer.known.workers = 2;
    options o;
    assert_int_equal(options_resolve(&newer.known, &o), BELAY_OK);
    assert_int_equal(o.workers, 2);
}

static belay_status resolve_with(const option *row, int64_t value) {
    belay_config config = fresh_config();
    options o;
    memcpy((char *)&config + row->offset, &value, sizeof value);
    memset(&o, 0x5a, sizeof o);
    options untouched = o;
    belay_status status = options_resolve(&config, &o);
    if (status != BELAY_OK) {
        assert_memory_equal(&o, &untouched, sizeof o);
    }
    return status;
}

static void test_fields_are_checked(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const option *row = &option_table[i];
        assert_int_equal(resolve_with(row, row->low), BELAY_OK);
        assert_int_equal(resolve_with(row, row->high), BELAY_OK);
        assert_int_equal(resolve_with(row, 0),
                         row->low == 0 || row->zero_is_off ? BELAY_OK : BELAY_EINVAL);
        logged.count = 0;
        assert_int_equal(resolve_with(row, row->high + 1), BELAY_EINVAL);
        assert_true(is_logged(row->field));
        assert_int_equal(logged.level[0], BELAY_LOG_ERROR);
        assert_int_equal(resolve_with(row, -1), BELAY_EINVAL);
        assert_int_equal(resolve_with(row, INT64_MAX), BELAY_EINVAL);
        assert_int_equal(resolve_with(row, INT64_MIN + 1), BELAY_EINVAL);
        logged.count = 0;
    }
}

static void test_bad_field_is_explained(void **state) {
    (void)state;
    belay_config config = fresh_config();
    config.stall = 5;
    config.membarrier = 2;
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_EINVAL);
    assert_int_equal(logged.count, 2);
    assert_string_equal(logged.line[0],
                        "belay: config.membarrier = 2 is out of range: expected 0 to 1");
    assert_string_equal(logged.line[1], "belay: config.stall = 5 is out of range: expected 0, or "
                                        "1000000 to 3600000000000");
}

/* ---- bad variables --------------------------------------------------------------------------- */

static void test_bad_variable_is_one_line(void **state) {
    (void)state;
    setenv("BELAY_STACK_SIZE", "64Q", 1);
    belay_config config = fresh_config();
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    check_defaults(&o);
    assert_int_equal(logged.count, 1);
    assert_int_equal(logged.level[0], BELAY_LOG_WARNING);
    assert_string_equal(logged.line[0],
                        "belay: bad value BELAY_STACK_SIZE=64Q: expected a number of "
                        "bytes, or one with K, M or G, from 16K to 1G; using the "
                        "default, 128K");
}

static void test_every_variable_is_checked(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const char *variable = option_table[i].variable;
        if (variable == NULL) {
            continue;
        }
        begin(NULL);
        setenv(variable, "", 1);
        belay_config config = fresh_config();
        options o;
        assert_int_equal(options_resolve(&config, &o), BELAY_OK);
        check_defaults(&o);
        assert_int_equal(logged.count, 1);
        assert_true(is_logged(variable));
    }
}

static void test_nasty_value_stays_one_short_line(void **state) {
    (void)state;
    char value[4000];
    memset(value, '\n', sizeof value);
    value[sizeof value - 1] = '\0';
    value[0] = '\x1b';
    setenv("BELAY_WORKERS", value, 1);
    belay_config config = fresh_config();
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    assert_int_equal(logged.count, 1);
    assert_true(strlen(logged.line[0]) < 200);
    assert_true(is_logged("BELAY_WORKERS=????"));
    assert_true(is_logged("?...: expected a whole number from 1 to 256; using the default, "));
}

static void test_strict_from_environment(void **state) {
    (void)state;
    setenv("BELAY_STRICT", "yes", 1);
    belay_config config = fresh_config();
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    setenv("BELAY_WORKERS", "many", 1);
    setenv("BELAY_SPIN", "1h", 1);
    assert_int_equal(options_resolve(&config, &o), BELAY_EINVAL);
    assert_int_equal(logged.count, 2);
    assert_int_equal(logged.level[0], BELAY_LOG_ERROR);
    assert_true(is_logged("BELAY_WORKERS=many: expected a whole number from 1 to 256; refused"));
    assert_true(is_logged("BELAY_SPIN=1h"));
}

static void test_strict_from_program(void **state) {
    (void)state;
    setenv("BELAY_WORKERS", "many", 1);
    setenv("BELAY_STRICT", "0", 1);
    belay_config config = fresh_config();
    config.strict = 1;
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_EINVAL);
    assert_int_equal(logged.count, 1);
    setenv("BELAY_STRICT", "1", 1);
    config.strict = 0;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
}

static void test_near_names_are_reported(void **state) {
    (void)state;
    setenv("BELAY_WORKRES", "3", 1);
    setenv("BELAY_HOME", "/", 1);
    setenv("BELAY_", "", 1);
    setenv("BELAY_STRICT", "1", 1);
    belay_config config = fresh_config();
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    assert_int_equal(logged.count, 1);
    assert_string_equal(logged.line[0],
                        "belay: BELAY_WORKRES is no variable of belay and is ignored; "
                        "is BELAY_WORKERS meant?");
}

/* ---- display --------------------------------------------------------------------------------- */

static void test_display_changed(void **state) {
    (void)state;
    setenv("BELAY_DISPLAY_ENV", "1", 1);
    setenv("BELAY_SPIN", "50us", 1);
    belay_config config = fresh_config();
    config.stack_size = 65536;
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    assert_int_equal(logged.count, 3);
    assert_string_equal(logged.line[0], "belay: BELAY_STACK_SIZE=64K (program)");
    assert_string_equal(logged.line[1], "belay: BELAY_SPIN=50us (environment)");
    assert_string_equal(logged.line[2], "belay: BELAY_DISPLAY_ENV=1 (environment)");
    assert_int_equal(logged.level[0], BELAY_LOG_INFO);
}

static void test_display_verbose(void **state) {
    (void)state;
    setenv("BELAY_DISPLAY_ENV", "verbose", 1);
    setenv("BELAY_STALL", "soon", 1);
    belay_config config = fresh_config();
    config.name = "shop";
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    assert_int_equal(logged.count, OPTION_ROWS + 3);
    assert_true(is_logged("belay: BELAY_STACK_SIZE=128K (default)"));
    assert_true(is_logged("belay: BELAY_STALL=0 (default)"));
    assert_true(is_logged("belay: BELAY_DISPLAY_ENV=verbose (environment)"));
    assert_true(is_logged("belay: ignore_env=0 (default)"));
    assert_true(is_logged("belay: name=shop (program)"));
    assert_true(is_logged(allocator_default_name()));
}

/* ---- the default hook ------------------------------------------------------------------------ */

static void resolve_plain(void) {
    options o;
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.max_tasks = 1;
    options_resolve(&config, &o);
    options_resolve(NULL, &o);
    options_log(&o, BELAY_LOG_ERROR, "not to be seen");
}

static void resolve_default(void) {
    options o;
    options_resolve(NULL, &o);
}

static void test_default_hook_is_silent(void **state) {
    (void)state;
    assert_string_equal(captured_stderr(resolve_plain), "");
}

static void test_default_hook_prints_bad_variables(void **state) {
    (void)state;
    setenv("BELAY_FORK_DEPTH", "1", 1);
    setenv("BELAY_DISPLAY_ENV", "1", 1);
    assert_string_equal(captured_stderr(resolve_default),
                        "belay: bad value BELAY_FORK_DEPTH=1: expected a whole number from 16 to "
                        "1048576; using the default, 8192\n"
                        "belay: BELAY_DISPLAY_ENV=1 (environment)\n");
}

static void test_log_reaches_the_hook(void **state) {
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    belay_config config = fresh_config();
    options o;
    assert_int_equal(options_resolve(&config, &o), BELAY_OK);
    options_log(&o, BELAY_LOG_WARNING, "task %d\nhas %s", 7, "gone");
    options_log(&o, BELAY_LOG_INFO, "%s", text);
    assert_int_equal(logged.count, 2);
    assert_int_equal(logged.level[0], BELAY_LOG_WARNING);
    assert_string_equal(logged.line[0], "task 7?has gone");
    assert_string_equal(logged.line[1] + strlen(logged.line[1]) - 4, "x...");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults_without_config, begin),
        cmocka_unit_test_setup(test_defaults_of_fresh_config, begin),
        cmocka_unit_test_setup(test_environment_fills, begin),
        cmocka_unit_test_setup(test_program_wins, begin),
        cmocka_unit_test_setup(test_ignore_env, begin),
        cmocka_unit_test_setup(test_hooks_and_name, begin),
        cmocka_unit_test_setup(test_one_hook_alone_is_refused, begin),
        cmocka_unit_test_setup(test_uninitialised_is_refused, begin),
        cmocka_unit_test_setup(test_impossible_sizes_are_refused, begin),
        cmocka_unit_test_setup(test_older_program, begin),
        cmocka_unit_test_setup(test_newer_program, begin),
        cmocka_unit_test_setup(test_fields_are_checked, begin),
        cmocka_unit_test_setup(test_bad_field_is_explained, begin),
        cmocka_unit_test_setup(test_bad_variable_is_one_line, begin),
        cmocka_unit_test_setup(test_every_variable_is_checked, begin),
        cmocka_unit_test_setup(test_nasty_value_stays_one_short_line, begin),
        cmocka_unit_test_setup(test_strict_from_environment, begin),
        cmocka_unit_test_setup(test_strict_from_program, begin),
        cmocka_unit_test_setup(test_near_names_are_reported, begin),
        cmocka_unit_test_setup(test_display_changed, begin),
        cmocka_unit_test_setup(test_display_verbose, begin),
        cmocka_unit_test_setup(test_default_hook_is_silent, begin),
        cmocka_unit_test_setup(test_default_hook_prints_bad_variables, begin),
        cmocka_unit_test_setup(test_log_reaches_the_hook, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is said about options: bad variables, the display, and the default log hook. */
#include "options/kept.h"

#include <unistd.h>

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

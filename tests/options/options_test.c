/* Merging program, environment and defaults. What is said about it: complaint_test.c. */
#include "options/kept.h"

/* ---- values ---------------------------------------------------------------------------------- */

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

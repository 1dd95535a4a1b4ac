/* Text to values and back, on rows made for the purpose. */
#include "options_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const option count = {.kind = OPTION_COUNT, .low = 1, .high = 256};
static const option wide = {.kind = OPTION_SIZE, .low = 0, .high = INT64_MAX};
static const option size = {.kind = OPTION_SIZE, .low = 16384, .high = 1 << 30};
static const option spin = {.kind = OPTION_DURATION, .low = 0, .high = 10000000};
static const option stall = {
    .kind = OPTION_DURATION, .zero_is_off = true, .low = 1000000, .high = 3600000000000};
static const option flag = {.kind = OPTION_FLAG, .low = 0, .high = 1};
static const option show = {.kind = OPTION_DISPLAY, .low = 0, .high = 2};

typedef struct accepted {
    const option *row;
    const char *text;
    int64_t value;
} accepted;

static void test_accepted(void **state) {
    (void)state;
    static const accepted cases[] = {
        {&count, "1", 1},
        {&count, "256", 256},
        {&count, "007", 7},
        {&size, "65536", 65536},
        {&size, "64K", 65536},
        {&size, "64k", 65536},
        {&size, "64KiB", 65536},
        {&size, "64kib", 65536},
        {&size, "2M", 2 << 20},
        {&size, "2MiB", 2 << 20},
        {&size, "1G", 1 << 30},
        {&size, "1GiB", 1 << 30},
        {&wide, "9223372036854775807", INT64_MAX},
        {&wide, "8589934591G", INT64_C(8589934591) << 30},
        {&spin, "0", 0},
        {&spin, "20", 20},
        {&spin, "20ns", 20},
        {&spin, "20us", 20000},
        {&spin, "20US", 20000},
        {&spin, "10ms", 10000000},
        {&stall, "0", 0},
        {&stall, "0s", 0},
        {&stall, "1ms", 1000000},
        {&stall, "3600s", 3600000000000},
        {&flag, "0", 0},
        {&flag, "no", 0},
        {&flag, "off", 0},
        {&flag, "false", 0},
        {&flag, "1", 1},
        {&flag, "yes", 1},
        {&flag, "on", 1},
        {&flag, "TRUE", 1},
        {&show, "0", 0},
        {&show, "1", 1},
        {&show, "2", 2},
        {&show, "verbose", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = -7;
        if (!option_parse(cases[i].row, cases[i].text, &value)) {
            fail_msg("'%s' was refused", cases[i].text);
        }
        assert_int_equal(value, cases[i].value);
    }
}

typedef struct refused {
    const option *row;
    const char *text;
} refused;

static void test_refused(void **state) {
    (void)state;
    static const refused cases[] = {
        {&count, ""},
        {&count, "0"},
        {&count, "257"},
        {&count, "-1"},
        {&count, "+1"},
        {&count, " 1"},
        {&count, "1 "},
        {&count, "1\n"},
        {&count, "1x"},
        {&count, "0x10"},
        {&count, "1.5"},
        {&count, "1K"},
        {&count, "four"},
        {&count, "4294967297"},
        {&count, "18446744073709551617"},
        {&size, "16383"},
        {&size, "15K"},
        {&size, "2G"},
        {&size, "K"},
        {&size, "64 K"},
        {&size, "64KB"},
        {&size, "64KK"},
        {&size, "64s"},
        {&wide, "9223372036854775808"},
        {&wide, "8589934592G"},
        {&wide, "99999999999999999999999"},
        {&spin, "11ms"},
        {&spin, "1s"},
        {&spin, "us"},
        {&spin, "20m"},
        {&spin, "20usec"},
        {&stall, "1us"},
        {&stall, "999999"},
        {&stall, "3601s"},
        {&stall, "9223372036854775807s"},
        {&flag, ""},
        {&flag, "2"},
        {&flag, "01"},
        {&flag, "y"},
        {&flag, "yess"},
        {&flag, "ye"},
        {&show, "3"},
        {&show, "verb"},
        {&show, "yes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = -7;
        if (option_parse(cases[i].row, cases[i].text, &value)) {
            fail_msg("'%s' was accepted", cases[i].text);
        }
        assert_int_equal(value, -7);
    }
}

static void check_format(const option *row, int64_t value, const char *expected) {
    char text[OPTION_VALUE_SIZE];
    option_format(row, value, text);
    assert_string_equal(text, expected);
}

static void test_format(void **state) {
    (void)state;
    check_format(&count, 256, "256");
    check_format(&count, 1 << 20, "1048576");
    check_format(&size, 0, "0");
    check_format(&size, 131072, "128K");
    check_format(&size, 131073, "131073");
    check_format(&size, 1 << 30, "1G");
    check_format(&size, 3 << 20, "3M");
    check_format(&spin, 0, "0");
    check_format(&spin, 20000, "20us");
    check_format(&spin, 20001, "20001ns");
    check_format(&stall, 3600000000000, "3600s");
    check_format(&flag, 1, "1");
    check_format(&show, 1, "1");
    check_format(&show, 2, "verbose");
    check_format(&wide, INT64_MAX, "9223372036854775807");
    check_format(&wide, INT64_MIN + 1, "-9223372036854775807");
}

/* What is printed can be typed. */
static void test_format_is_parsed_back(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const option *row = &option_table[i];
        const int64_t values[] = {row->low, row->high, row->low + (row->high - row->low) / 3};
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            char text[OPTION_VALUE_SIZE];
            int64_t back;
            option_format(row, values[j], text);
            assert_true(option_parse(row, text, &back));
            assert_int_equal(back, values[j]);
        }
    }
}

static void check_syntax(const option *row, const char *expected) {
    char text[OPTION_SYNTAX_SIZE];
    option_syntax(row, text);
    assert_string_equal(text, expected);
}

static void test_syntax(void **state) {
    (void)state;
    check_syntax(&count, "a whole number from 1 to 256");
    check_syntax(&size, "a number of bytes, or one with K, M or G, from 16K to 1G");
    check_syntax(&stall,
                 "0, or a number of nanoseconds, or one with ns, us, ms or s, from 1ms to 3600s");
    check_syntax(&flag, "0, 1, yes, no, on, off, true or false");
    check_syntax(&show, "0, 1 or verbose");
}

static void test_distance(void **state) {
    (void)state;
    assert_int_equal(option_distance("", "", 2), 0);
    assert_int_equal(option_distance("spin", "spin", 2), 0);
    assert_int_equal(option_distance("spin", "spins", 2), 1);
    assert_int_equal(option_distance("pin", "spin", 2), 1);
    assert_int_equal(option_distance("span", "spin", 2), 1);
    assert_int_equal(option_distance("sipn", "spin", 2), 2);
    assert_int_equal(option_distance("", "ab", 2), 2);
    assert_int_equal(option_distance("kitten", "sitting", 5), 3);
    assert_true(option_distance("a", "abcd", 2) > 2);
    assert_true(option_distance("abcd", "wxyz", 2) > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_format),   cmocka_unit_test(test_format_is_parsed_back),
        cmocka_unit_test(test_syntax),   cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The clocks and the seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "port/port.h"

static const int64_t millisecond = 1000000;

static void never_goes_back(void **state) {
    (void)state;
    int64_t last = port_clock_now();
    assert_true(last >= 0);
    for (int i = 0; i < 100000; i++) {
        int64_t now = port_clock_now();
        assert_true(now >= last);
        last = now;
    }
}

static void counts_nanoseconds_of_the_futex_clock(void **state) {
    (void)state;
    uint32_t word = 0;
    int64_t start = port_clock_now();
    while (port_clock_now() < start + 20 * millisecond) {
        port_futex_wait(&word, 0, start + 20 * millisecond);
    }
    assert_true(port_clock_now() >= start + 20 * millisecond);
}

static void coarse_lags_a_little(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t before = port_clock_now();
        int64_t coarse = port_clock_coarse();
        int64_t after = port_clock_now();
        assert_true(coarse <= after);
        assert_true(coarse >= before - 50 * millisecond);
    }
}

static void seeds_differ(void **state) {
    (void)state;
    uint64_t a = port_random_seed();
    uint64_t b = port_random_seed();
    assert_true(a != b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_goes_back),
        cmocka_unit_test(counts_nanoseconds_of_the_futex_clock),
        cmocka_unit_test(coarse_lags_a_little),
        cmocka_unit_test(seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

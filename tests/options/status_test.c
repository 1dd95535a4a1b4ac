/* Every status has words of its own. */
#include <belay/status.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void test_known_codes_have_distinct_words(void **state) {
    (void)state;
    for (belay_status a = BELAY_OK; a >= BELAY_ESYSTEM; a--) {
        assert_true(strlen(belay_status_text(a)) > 3);
        assert_string_not_equal(belay_status_text(a), "unknown status");
        for (belay_status b = a - 1; b >= BELAY_ESYSTEM; b--) {
            assert_string_not_equal(belay_status_text(a), belay_status_text(b));
        }
    }
}

static void test_other_codes(void **state) {
    (void)state;
    assert_string_equal(belay_status_text(1), "program error");
    assert_string_equal(belay_status_text(INT32_MAX), "program error");
    assert_string_equal(belay_status_text(BELAY_ESYSTEM - 1), "unknown status");
    assert_string_equal(belay_status_text(INT32_MIN), "unknown status");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_codes_have_distinct_words),
        cmocka_unit_test(test_other_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* In the build with AddressSanitizer leaks are looked for when a test program ends. That they are found is shown here:
 * one that was planted is, and it is the only one although an executor has lived meanwhile. */
#include "api/support.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_LOOKED_FOR 1
int __lsan_do_recoverable_leak_check(void);
#endif
#endif
#if !defined(LEAKS_ARE_LOOKED_FOR)
#define LEAKS_ARE_LOOKED_FOR 0
static int __lsan_do_recoverable_leak_check(void) {
    return 0;
}
#endif

/* So that no pointer to it is in memory. */
static uintptr_t hidden;

static __attribute__((noinline)) void hide(size_t size) {
    hidden = ~(uintptr_t)malloc(size);
}

static __attribute__((noinline)) void bring_back(void) {
    free((void *)~hidden);
}

static void live(uint32_t workers) {
    belay_config config = test_config(workers);
    belay_executor *ex = executor_make(&config);
    run(ex, body_nothing, NULL);
    assert_true(executor_end(ex));
}

static void test_a_planted_leak_is_found_and_none_besides(void **state) {
    if (!LEAKS_ARE_LOOKED_FOR) {
        skip();
    }
    live(workers_of(state));
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
    hide(12345);
    live(workers_of(state));
    assert_int_not_equal(__lsan_do_recoverable_leak_check(), 0);
    bring_back();
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_a_planted_leak_is_found_and_none_besides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a soft cancel looks at: only the calls for which it is enough. Hard ones, however many, are not gone through,
 * so that the list in front of it costs nothing. Here their list is broken on purpose while a soft cancel runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include <belay/belay.h>

#include "owner/scope.h"

enum { LIMIT_SECONDS = 100, CALLS = 1000 };

static uint32_t soft_calls, hard_calls;

static void count_call(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    ++*(uint32_t *)arg;
}

static belay_executor *executor_make(void) {
    belay_config config;
    belay_executor *ex = NULL;
    belay_config_init(&config, sizeof config);
    config.ignore_env = 1;
    config.workers = 1;
    assert_int_equal(belay_executor_create(&config, &ex), BELAY_OK);
    return ex;
}

static void test_a_soft_cancel_does_not_look_at_hard_registrations(void **state) {
    (void)state;
    belay_executor *ex = executor_make();
    belay_source source;
    assert_int_equal(belay_source_create(ex, NULL, 0, &source), BELAY_OK);
    belay_token token = belay_source_token(source);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(
            belay_on_cancel(token, BELAY_HARD_CANCELED, count_call, &hard_calls, NULL, NULL),
            BELAY_OK);
        assert_int_equal(
            belay_on_cancel(token, BELAY_SOFT_CANCELED, count_call, &soft_calls, NULL, NULL),
            BELAY_OK);
    }
    const scope *s = slab_at(&ex->scopes, source.slot);
    list *first = s->on_cancel[CANCEL_HARD].next;
    list *second = first->next;
    first->next = NULL; /* who goes past the first falls off */
    assert_int_equal(belay_source_cancel(source, BELAY_SOFT_CANCELED, 1, NULL), BELAY_OK);
    assert_int_equal(soft_calls, CALLS);
    assert_int_equal(hard_calls, 0);
    first->next = second;
    assert_int_equal(belay_source_cancel(source, BELAY_HARD_CANCELED, 1, NULL), BELAY_OK);
    assert_int_equal(soft_calls, CALLS);
    assert_int_equal(hard_calls, CALLS);
    assert_int_equal(belay_source_release(source), BELAY_OK);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_int_equal(belay_executor_destroy(ex), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_soft_cancel_does_not_look_at_hard_registrations),
    };
    alarm(LIMIT_SECONDS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

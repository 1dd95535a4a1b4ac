/* Owners at the shutdown of their executor: none is taken from who holds it. */
#include "api/owners.h"

/* Longer than shutdown looks at what nobody closes. */
static void
test_an_owner_that_somebody_holds_keeps_a_timed_shutdown_busy_and_is_named(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    object_make(ex, &o);
    object_task(&o, background);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_executor_shutdown(ex, 0, belay_after(700 * BELAY_MILLISECOND)),
                     BELAY_EBUSY);
    assert_int_equal(tally_read(&o.ended), 1);
    assert_int_equal(tally_read(&o.drained), 0);
    assert_true(log_holds("owner object ("));
    assert_true(log_holds("owners.h"));
    assert_int_equal(belay_owner_retain(o.owner), BELAY_OK);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(tally_read(&o.drained), 0);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(tally_read(&o.drained), 1);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
}

/* A thread that uses the object while the executor is destroyed, for longer than shutdown looks. */
static void *use_and_release(void *arg) {
    object *o = arg;
    for (belay_time end = belay_after(700 * BELAY_MILLISECOND); belay_now() < end;) {
        EXPECT(tally_read(&o->drained) == 0);
        (void)belay_sleep_until(NULL, belay_after(BELAY_MILLISECOND));
    }
    EXPECT_STATUS(belay_owner_release(o->owner), BELAY_OK);
    return NULL;
}

static void test_destroy_waits_until_an_owner_is_released(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    object o = {.ended = {0}};
    pthread_t user;
    object_make(ex, &o);
    object_task(&o, background);
    assert_int_equal(pthread_create(&user, NULL, use_and_release, &o), 0);
    assert_int_equal(belay_executor_destroy(ex), BELAY_OK);
    assert_int_equal(tally_read(&o.drained), 1);
    assert_true(log_holds("owner object ("));
    assert_int_equal(pthread_join(user, NULL), 0);
    assert_int_equal(belay_owner_wait_until(NULL, o.owner, BELAY_NEVER), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_an_owner_that_somebody_holds_keeps_a_timed_shutdown_busy_and_is_named),
        BOTH_BARE(test_destroy_waits_until_an_owner_is_released),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

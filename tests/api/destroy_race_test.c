/* Several threads that destroy, or shut down, one executor at the same time. The pointer must not be used after a
 * destroy; here that is made sure of: nobody creates another executor before all have returned. */
#include "api/support.h"

enum { RACERS = 4, ROUNDS = 40 };

typedef struct race {
    belay_executor *ex;
    tally start;
    tally destroyed;
    tally already;
} race;

static void *destroy(void *arg) {
    race *r = arg;
    tally_await(&r->start, 1);
    belay_status status = belay_executor_destroy(r->ex);
    EXPECT(status == BELAY_OK || status == BELAY_EALREADY);
    (void)tally_add(status == BELAY_OK ? &r->destroyed : &r->already);
    return NULL;
}

static void *shut_down(void *arg) {
    race *r = arg;
    tally_await(&r->start, 1);
    belay_status status = belay_executor_shutdown(r->ex, 0, BELAY_NEVER);
    EXPECT(status == BELAY_OK || status == BELAY_ESTALE);
    return NULL;
}

static void test_of_several_that_destroy_one_succeeds(void **state) {
    belay_config config = test_config(workers_of(state));
    for (int round = 0; round < ROUNDS; round++) {
        race r = {0};
        tally drops = {0};
        belay_task_options options = {.arg_drop = tally_drop};
        pthread_t threads[RACERS + 1];
        assert_int_equal(belay_executor_create(&config, &r.ex), BELAY_OK);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(
                belay_spawn(NULL, belay_executor_root(r.ex), body_sleep, &drops, &options, NULL),
                BELAY_OK);
        }
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, destroy, &r), 0);
        }
        assert_int_equal(pthread_create(&threads[RACERS], NULL, shut_down, &r), 0);
        tally_set(&r.start, 1);
        for (int i = 0; i <= RACERS; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(tally_read(&r.destroyed), 1);
        assert_int_equal(tally_read(&r.already), RACERS - 1);
        assert_int_equal(tally_read(&drops), 5);
    }
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_of_several_that_destroy_one_succeeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The timing wheel: arming and disarming on several threads while another fires. */
#include "event/probe.h"

enum { ARMERS = 3, EACH = PROBES / ARMERS, ROUNDS = 20 };

typedef struct armer {
    port_thread thread;
    uint32_t first;
    uint64_t wrong; /* timers that fired although disarmed, or did neither */
    uint64_t disarmed;
} armer;

static ATOMIC(int64_t) clock_now;
static ATOMIC(uint32_t) armers_left;

static void armer_run(void *arg) {
    armer *a = arg;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = a->first; i < a->first + EACH; i++) {
            int64_t now = load_relaxed(&clock_now); /* relaxed: any time will do */
            timer_arm(&wheels[i % 2], &probes[i].timer, now + (int64_t)(i * 37 % 900) * TICK);
        }
        for (uint32_t i = a->first; i < a->first + EACH; i++) {
            bool still = timer_disarm(&probes[i].timer);
            a->disarmed += still;
            a->wrong += fired(&probes[i]) != (still ? 0u : 1u);
            store_relaxed(&probes[i].fired, 0u); /* relaxed: not armed, ours */
        }
    }
    fetch_sub_acq_rel(&armers_left, 1u); /* pairs with the loop below */
}

static void armed_and_disarmed_while_firing(void **state) {
    (void)state;
    armer a[ARMERS] = {0};
    uint64_t sum = 0, disarmed = 0;
    int64_t now = base;
    logged = PROBES;                /* no log: two wheels would write it */
    store_relaxed(&clock_now, now); /* relaxed, all: starting the threads publishes them */
    store_relaxed(&armers_left, ARMERS);
    for (uint32_t i = 0; i < ARMERS; i++) {
        a[i].first = i * EACH;
        assert_true(port_thread_start(&a[i].thread, armer_run, &a[i], "armer"));
    }
    while (load_acquire(&armers_left) != 0) { /* pairs with armer_run */
        now += TICK / 2;
        store_relaxed(&clock_now, now); /* relaxed: a number */
        sum += wheel_poll(&wheels[0], now) + wheel_poll(&wheels[1], now);
    }
    for (uint32_t i = 0; i < ARMERS; i++) {
        port_thread_join(&a[i].thread);
        assert_int_equal(a[i].wrong, 0);
        disarmed += a[i].disarmed;
    }
    assert_int_equal(sum + disarmed, (uint64_t)ARMERS * EACH * ROUNDS);
    assert_int_equal(wheel_poll(&wheels[0], now + 2000 * TICK), 0);
}

int main(void) {
    alarm(BARE_LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(armed_and_disarmed_while_firing, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

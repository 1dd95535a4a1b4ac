/* Resources in the simulator: the k-th call fails, or each by chance; and memory that is used after it was given back.
 * */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "port/port.h"
#include "port/sim/sim.h"

enum { SEEDS = 200, SIZE = 64 };

static uint32_t refused;
static bool broken; /* the planted fault is in */

static void open_three(void *arg) {
    (void)arg;
    refused = 0;
    port_poller poller;
    port_bell bells[2];
    bool have_poller = port_poller_open(&poller);
    bool have[2] = {port_bell_open(&bells[0]), port_bell_open(&bells[1])};
    refused = !have_poller + !have[0] + !have[1];
    for (int i = 0; i < 2; i++) {
        if (have[i]) {
            port_bell_close(&bells[i]);
        }
    }
    if (have_poller) {
        port_poller_close(&poller);
    }
}

static void test_the_kth_descriptor(void **state) {
    (void)state;
    for (uint64_t call = 0; call <= 4; call++) {
        sim_config config = {.fail_descriptor = call};
        sim_result result = sim_run(&config, open_three, NULL);
        assert_true(result.ok);
        assert_int_equal(result.descriptors, 3);
        assert_int_equal(refused, call >= 1 && call <= 3);
    }
}

static void allocate_many(void *arg) {
    (void)arg;
    refused = 0;
    for (int i = 0; i < 100; i++) {
        void *block = port_heap_allocate(SIZE, 16);
        refused += block == NULL;
        port_heap_release(block, SIZE, 16);
    }
}

static char text[1 << 14];

/* About one in four, and the same ones again from the decisions. */
static void test_failures_by_chance(void **state) {
    (void)state;
    uint32_t sum = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        sim_config config = {.seed = seed, .fail_rate = 1 << 18, .record = true};
        assert_true(sim_run(&config, allocate_many, NULL).ok);
        uint32_t first = refused;
        sum += first;
        assert_true(sim_decisions(text, sizeof text) < sizeof text);
        config.record = false;
        config.scheduler = SIM_REPLAY;
        config.decisions = text;
        sim_result again = sim_run(&config, allocate_many, NULL);
        assert_int_equal(refused, first);
        assert_int_equal(again.drift, 0);
    }
    assert_in_range(sum, SEEDS * 20, SEEDS * 30);
}

static void write_late(void *arg) {
    (void)arg;
    char *block = port_heap_allocate(SIZE, 16);
    sim_check(block != NULL && (unsigned char)block[0] == 0xcd, "no block, or not fresh");
    port_heap_release(block, SIZE, 16);
    if (broken) {
        *(volatile char *)block = 0;
    }
    block = port_heap_allocate(SIZE, 16);
    sim_check(block != NULL && (unsigned char)block[SIZE - 1] == 0xcd, "no block, or not fresh");
    port_heap_release(block, SIZE, 16);
}

/* AddressSanitizer, which has the heap to itself, would end the program at the fault. */
static void test_write_after_release(void **state) {
    (void)state;
#if !defined(BELAY_ASAN)
    sim_config config = {.seed = 0};
    broken = false;
    assert_string_equal(sim_run(&config, write_late, NULL).failure, "");
    broken = true;
    assert_non_null(strstr(sim_run(&config, write_late, NULL).failure, "after it had been given"));
#endif
}

/* ---- a long PCT run ----------------------------------------------------------------------------- */

enum { STEPS = 1000 };

static atomic_u32 counts[2];

static void walk(void *arg) {
    atomic_u32 *own = arg;
    for (uint32_t i = 0; i < STEPS; i++) {
        (void)fetch_add_relaxed(own, 1u); /* relaxed: steps, nothing else */
    }
}

static void walk_two(void *arg) {
    (void)arg;
    port_thread other;
    sim_check(port_thread_start(&other, walk, &counts[1], "other"), "no thread");
    walk(&counts[0]);
    port_thread_join(&other);
}

/* Depth d has d - 1 change points. Without one: to the other at its start or at the join, back, and out. Each adds a
 * switch, and one more when the other then ends before its time; later ones only if their priority is the lower one. */
static void test_pct_depth(void **state) {
    (void)state;
    uint64_t before = 0;
    for (uint32_t depth = 1; depth <= 3; depth++) {
        uint64_t most = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            sim_config config = {.seed = seed,
                                 .scheduler = SIM_PCT,
                                 .pct_depth = depth,
                                 .pct_steps = 2 * STEPS,
                                 .no_spurious = true};
            sim_result result = sim_run(&config, walk_two, NULL);
            assert_true(result.ok);
            most = result.switches > most ? result.switches : most;
        }
        assert_in_range(most, before + (depth <= 2), 3 + 2 * (depth - 1));
        before = most;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_kth_descriptor),
        cmocka_unit_test(test_failures_by_chance),
        cmocka_unit_test(test_write_after_release),
        cmocka_unit_test(test_pct_depth),
    };
    return cmocka_run_group_tests_name("sim/resource", tests, NULL, NULL);
}

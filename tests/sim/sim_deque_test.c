/* A work-stealing deque (D. Chase and Y. Lev) in the simulator: right, and without the fence in
 * pop. It is also the measure of the simulator's speed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "port/port.h"
#include "port/sim/sim.h"

enum { SEEDS = 50000, ITEMS = 4 };

static struct {
    bool broken;
    ATOMIC(int64_t) top;
    ATOMIC(int64_t) bottom;
    ATOMIC(uintptr_t) slot[ITEMS];
    uint32_t taken[ITEMS + 1];
} shared;

static void take(uintptr_t item) {
    if (item != 0) {
        sim_check(shared.taken[item]++ == 0, "item taken twice");
    }
}

static void deque_push(uintptr_t item) {
    int64_t b = load_relaxed(&shared.bottom);     /* relaxed: the owner's own */
    store_relaxed(&shared.slot[b % ITEMS], item); /* relaxed: the release orders it */
    store_release(&shared.bottom, b + 1);         /* pairs with the load in deque_steal */
}

static uintptr_t deque_pop(void) {
    int64_t b = load_relaxed(&shared.bottom) - 1; /* relaxed: the owner's own */
    if (shared.broken) {
        store_release(&shared.bottom, b); /* the fault: may be seen after the load of top */
    } else {
        store_seq_cst(&shared.bottom, b); /* before the load of top; pairs with deque_steal */
    }
    int64_t t = load_seq_cst(&shared.top); /* pairs with the CAS in deque_steal */
    uintptr_t item = 0;
    if (t <= b) {
        item = load_relaxed(&shared.slot[b % ITEMS]); /* relaxed: the owner's own */
    }
    if (t == b && !cas_seq_cst(&shared.top, &t, t + 1)) { /* the last one: pairs with deque_steal */
        item = 0;
    }
    if (t >= b) {
        store_release(&shared.bottom, b + 1); /* pairs with the load in deque_steal */
    }
    return item;
}

static uintptr_t deque_steal(void) {
    int64_t t = load_seq_cst(&shared.top);    /* before bottom; pairs with deque_pop */
    int64_t b = load_seq_cst(&shared.bottom); /* pairs with deque_push and deque_pop */
    if (t >= b) {
        return 0;
    }
    uintptr_t item = load_relaxed(&shared.slot[t % ITEMS]); /* relaxed: the CAS decides */
    return cas_seq_cst(&shared.top, &t, t + 1) ? item : 0;  /* pairs with deque_pop */
}

static void deque_owner(void *arg) {
    (void)arg;
    for (uintptr_t item = 1; item <= ITEMS; item++) {
        deque_push(item);
        if (item % 2 == 0) {
            take(deque_pop());
        }
    }
    for (int i = 0; i < ITEMS; i++) {
        take(deque_pop());
    }
}

static void deque_thief(void *arg) {
    (void)arg;
    for (int i = 0; i < ITEMS; i++) {
        take(deque_steal());
    }
}

static void deque(void *arg) {
    (void)arg;
    port_thread thief;
    sim_check(port_thread_start(&thief, deque_thief, NULL, "thief"), "no thread");
    deque_owner(NULL);
    port_thread_join(&thief);
    for (int item = 1; item <= ITEMS; item++) {
        sim_check(shared.taken[item] == 1, "item lost");
    }
}

static void deque_reset(void *arg) {
    memset(&shared, 0, sizeof shared);
    shared.broken = arg != NULL;
}

static void test_deque(void **state) {
    (void)state;
    sim_config config = {.seed = 0};
    struct timespec begin;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    sim_result right = sim_explore(&config, SEEDS, deque_reset, deque, NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_string_equal(right.failure, "");
    double seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    print_message("%.0f schedules a second\n", SEEDS / seconds);
    for (int scheduler = SIM_RANDOM; scheduler <= SIM_PCT; scheduler++) {
        config.scheduler = (sim_scheduler)scheduler;
        sim_result wrong = sim_explore(&config, SEEDS, deque_reset, deque, &shared);
        assert_string_equal(wrong.failure, "item taken twice");
        print_message("missing fence found at seed %u\n", (unsigned)wrong.seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deque),
    };
    return cmocka_run_group_tests_name("sim/deque", tests, NULL, NULL);
}

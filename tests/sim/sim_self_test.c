/* The simulator proves itself: threads, time, failures and replay. Each property is shown twice
 * where that makes sense: a right program never fails, and a planted fault is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/lock.h"
#include "port/fiber.h"
#include "port/sim/sim.h"

enum { SEEDS = 2000, STACK = 32 * 1024 };

static struct {
    lock guard;
    ATOMIC(uint32_t) word;
    uint32_t plain;
    int64_t woken_at;
    bool refused;
    bool broken; /* the planted fault is in */
} shared;

static void reset(void *arg) {
    memset(&shared, 0, sizeof shared);
    shared.broken = arg != NULL;
}

static sim_result explore(void (*scenario)(void *arg), bool broken) {
    sim_config config = {.seed = 1};
    return sim_explore(&config, SEEDS, reset, scenario, broken ? &shared : NULL);
}

static void pair(void (*body)(void *arg)) {
    port_thread other;
    sim_check(port_thread_start(&other, body, NULL, "other"), "no thread");
    body(NULL);
    port_thread_join(&other);
}

/* ---- replay ---------------------------------------------------------------------------------- */

static void count_up(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        fetch_add_relaxed(&shared.word, 1);
        port_cpu_relax();
    }
}

static void count_pair(void *arg) {
    (void)arg;
    pair(count_up);
    sim_check(load_relaxed(&shared.word) == 40, "lost count");
}

static void test_replay(void **state) {
    (void)state;
    uint32_t different = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_config config = {.seed = seed};
        reset(NULL);
        sim_result first = sim_run(&config, count_pair, NULL);
        reset(NULL);
        sim_result second = sim_run(&config, count_pair, NULL);
        assert_true(first.ok);
        assert_memory_equal(&first, &second, sizeof first);
        config.seed = seed + 1000;
        reset(NULL);
        different += sim_run(&config, count_pair, NULL).hash != first.hash;
    }
    assert_int_equal(different, 100);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void nothing(void *arg) {
    (void)arg;
}

static void forget_to_join(void *arg) {
    (void)arg;
    port_thread thread;
    sim_check(port_thread_start(&thread, nothing, NULL, "orphan"), "no thread");
}

static void test_thread_never_joined(void **state) {
    (void)state;
    sim_result result = explore(forget_to_join, false);
    assert_false(result.ok);
    assert_string_equal(result.failure, "thread never joined: orphan");
}

static void start_two(void *arg) {
    (void)arg;
    port_thread threads[2] = {{.id = 0}, {.id = 0}};
    for (int i = 0; i < 2; i++) {
        if (!port_thread_start(&threads[i], nothing, NULL, "either")) {
            shared.refused = threads[i].id == 0;
        }
    }
    for (int i = 0; i < 2; i++) {
        if (threads[i].id != 0) {
            port_thread_join(&threads[i]);
        }
    }
}

static void test_thread_start_fails(void **state) {
    (void)state;
    for (uint64_t call = 1; call <= 3; call++) {
        sim_config config = {.seed = call, .fail_thread_start = call};
        reset(NULL);
        sim_result result = sim_run(&config, start_two, NULL);
        assert_true(result.ok);
        assert_int_equal(result.thread_starts, 2);
        assert_int_equal(shared.refused, call <= 2);
    }
    sim_config few = {.thread_limit = 2};
    reset(NULL);
    assert_true(sim_run(&few, start_two, NULL).ok);
}

static void many_threads(void *arg) {
    (void)arg;
    for (int round = 0; round < 3; round++) {
        port_thread threads[63];
        for (int i = 0; i < 63; i++) {
            sim_check(port_thread_start(&threads[i], count_up, NULL, "many"), "no thread");
        }
        sim_check(!port_thread_start(&(port_thread){0}, nothing, NULL, "more"), "too many");
        for (int i = 0; i < 63; i++) {
            port_thread_join(&threads[i]);
        }
    }
    sim_check(load_relaxed(&shared.word) == 3 * 63 * 20, "lost count");
}

static void test_many_threads(void **state) {
    (void)state;
    sim_config config = {.seed = 1};
    sim_result result = sim_explore(&config, 20, reset, many_threads, NULL);
    assert_string_equal(result.failure, "");
}

static void current_of_its_own(void *arg) {
    char mine;
    (void)arg;
    port_current_set(&mine);
    for (int i = 0; i < 10; i++) {
        port_thread_yield();
        sim_check(port_current_get() == &mine, "another thread's current");
    }
}

static void current_pair(void *arg) {
    (void)arg;
    pair(current_of_its_own);
}

static void test_current(void **state) {
    (void)state;
    assert_string_equal(explore(current_pair, false).failure, "");
}

/* ---- time ------------------------------------------------------------------------------------ */

static void sleep_a_second(void *arg) {
    (void)arg;
    int64_t deadline = port_clock_now() + 1000000000;
    while (port_clock_now() < deadline) {
        port_futex_wait(&shared.word.value, 0, deadline);
    }
    shared.woken_at = port_clock_now() - deadline;
}

static void test_deadline_jumps(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_config config = {.seed = seed};
        reset(NULL);
        sim_result result = sim_run(&config, sleep_a_second, NULL);
        assert_true(result.ok);
        assert_in_range(result.leaps, 1, 1);
        assert_in_range(shared.woken_at, 0, 10000);
    }
}

static void wait_for_ever(void *arg) {
    (void)arg;
    while (load_acquire(&shared.word) == 0) { /* pairs with nothing: nobody ever stores */
        port_futex_wait(&shared.word.value, 0, PORT_NEVER);
    }
}

static void test_lost_wakeup(void **state) {
    (void)state;
    sim_result result = explore(wait_for_ever, false);
    assert_non_null(strstr(result.failure, "lost wakeup"));
}

static void spin_for_ever(void *arg) {
    (void)arg;
    while (load_acquire(&shared.word) == 0) { /* pairs with nothing: nobody ever stores */
        port_cpu_relax();
    }
}

static void test_livelock(void **state) {
    (void)state;
    sim_config config = {.step_limit = 5000};
    reset(NULL);
    sim_result result = sim_run(&config, spin_for_ever, NULL);
    assert_non_null(strstr(result.failure, "livelock"));
    assert_int_equal(result.steps, 5001);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void panic(void *arg) {
    (void)arg;
    port_panic("said so");
}

static void test_panic(void **state) {
    (void)state;
    assert_string_equal(explore(panic, false).failure, "said so");
}

static void touch_after_unmap(void *arg) {
    (void)arg;
    volatile char *page = port_pages_map(port_page_size(), port_page_size());
    sim_check(page != NULL && page[0] == 0, "no page, or not zeroed");
    page[0] = 1;
    port_pages_discard((void *)page, port_page_size());
    sim_check(page[0] == 0, "content survived a discard");
    port_pages_unmap((void *)page, port_page_size());
    if (shared.broken) {
        page[0] = 1;
    }
}

static void test_pages(void **state) {
    (void)state;
    assert_string_equal(explore(touch_after_unmap, false).failure, "");
    assert_non_null(strstr(explore(touch_after_unmap, true).failure, "fault: signal 11"));
}

static void map_two(void *arg) {
    (void)arg;
    char *first = port_pages_map(1 << 16, 1 << 16);
    char *second = port_pages_map(1 << 12, 1 << 12);
    shared.refused = first == NULL || second == NULL;
    sim_check((uintptr_t)first % (1 << 16) == 0, "not aligned");
}

static void test_map_fails(void **state) {
    (void)state;
    for (uint64_t call = 1; call <= 3; call++) {
        sim_config config = {.fail_pages_map = call};
        reset(NULL);
        assert_int_equal(sim_run(&config, map_two, NULL).pages_maps, 2);
        assert_int_equal(shared.refused, call <= 2);
    }
}

/* ---- locks ----------------------------------------------------------------------------------- */

static void lock_wrongly(void) {
    while (load_acquire(&shared.guard.word) != 0) { /* the fault: looks, and then takes */
        port_cpu_relax();
    }
    exchange_acquire(&shared.guard.word, 1);
}

static void under_lock(void *arg) {
    (void)arg;
    for (int i = 0; i < 3; i++) {
        if (shared.broken) {
            lock_wrongly();
        } else {
            lock_take(&shared.guard);
        }
        uint32_t seen = shared.plain;
        port_clock_now(); /* a step */
        shared.plain = seen + 1;
        lock_release(&shared.guard);
    }
}

static void lock_three(void *arg) {
    (void)arg;
    port_thread other;
    sim_check(port_thread_start(&other, under_lock, NULL, "third"), "no thread");
    pair(under_lock);
    port_thread_join(&other);
    sim_check(shared.plain == 9, "two threads under the lock");
}

static void test_lock(void **state) {
    (void)state;
    assert_string_equal(explore(lock_three, false).failure, "");
    assert_string_equal(explore(lock_three, true).failure, "two threads under the lock");
}

/* ---- stacks of the program's own ------------------------------------------------------------- */

static struct {
    port_fiber threads[2]; /* the own stacks of the two threads that carry the fiber */
    port_fiber fiber;
} carried;

static void fiber_body(void *arg) {
    (void)arg;
    for (uint32_t i = 1;; i++) {
        port_thread_yield();
        shared.plain = i;
        port_fiber_switch(&carried.fiber, &carried.threads[i % 2], false);
    }
}

/* The two threads take turns in carrying one fiber. */
static void carry(port_fiber *own, uint32_t turn) {
    port_fiber_adopt(own);
    for (uint32_t i = turn; i <= 10; i += 2) {
        while (load_acquire(&shared.word) != i) { /* pairs with the release below */
            port_cpu_relax();
        }
        port_fiber_switch(own, &carried.fiber, false);
        sim_check(shared.plain == i, "the fiber did not run once");
        store_release(&shared.word, i + 1); /* pairs with the acquire above */
    }
    port_fiber_release(own);
}

static void carry_even(void *arg) {
    (void)arg;
    carry(&carried.threads[0], 2);
}

static void carry_fiber(void *arg) {
    (void)arg;
    char *low = port_pages_map(STACK, port_page_size());
    sim_check(low != NULL, "no stack");
    sim_check(port_fiber_init(&carried.fiber, low, STACK, low + STACK, fiber_body, NULL),
              "no fiber");
    port_thread other;
    sim_check(port_thread_start(&other, carry_even, NULL, "even"), "no thread");
    store_release(&shared.word, 1); /* pairs with the acquire in carry() */
    carry(&carried.threads[1], 1);
    port_thread_join(&other);
    port_fiber_fini(&carried.fiber);
    port_pages_unmap(low, STACK);
}

static void test_fiber_moves(void **state) {
    (void)state;
    assert_string_equal(explore(carry_fiber, false).failure, "");
}

/* ---- environment ----------------------------------------------------------------------------- */

static void read_environment(void *arg) {
    (void)arg;
    const char *value = port_env_get("BELAY_A");
    sim_check(value != NULL && strcmp(value, "one") == 0, "wrong value");
    sim_check(port_env_get("BELAY") == NULL, "half a name was enough");
    sim_check(port_cpu_count() == 5 && !port_membarrier_init(), "wrong machine");
}

static void test_environment(void **state) {
    (void)state;
    const char *environment[] = {"BELAY_AB=two", "BELAY_A=one", NULL};
    sim_config config = {.environment = environment, .cpus = 5, .no_membarrier = true};
    assert_string_equal(sim_run(&config, read_environment, NULL).failure, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_thread_never_joined),
        cmocka_unit_test(test_thread_start_fails),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_current),
        cmocka_unit_test(test_deadline_jumps),
        cmocka_unit_test(test_lost_wakeup),
        cmocka_unit_test(test_livelock),
        cmocka_unit_test(test_panic),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_map_fails),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_fiber_moves),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests_name("sim/self", tests, NULL, NULL);
}

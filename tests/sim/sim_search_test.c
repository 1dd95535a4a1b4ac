/* The search finds every outcome that x86-TSO allows, and no other; a decision list, or a string of bytes, makes a
 * run again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "port/port.h"
#include "port/sim/sim.h"

enum { BOUND = 100 };

static struct {
    ATOMIC(uint32_t) x;
    ATOMIC(uint32_t) y;
    uint32_t seen[4];
    bool fenced;
} shared;

static bool outcome[2][2][2][2]; /* of the four loads */

static void reset(void *arg) {
    memset(&shared, 0, sizeof shared);
    shared.fenced = arg != NULL;
}

static void three(void (*a)(void *arg), void (*b)(void *arg), void (*c)(void *arg)) {
    void (*const entry[])(void *arg) = {a, b, c};
    port_thread thread[3];
    int count = c != NULL ? 3 : 2;
    for (int i = 0; i < count; i++) {
        sim_check(port_thread_start(&thread[i], entry[i], NULL, "thread"), "no thread");
    }
    for (int i = 0; i < count; i++) {
        port_thread_join(&thread[i]);
    }
    outcome[shared.seen[0]][shared.seen[1]][shared.seen[2]][shared.seen[3]] = true;
}

static uint32_t search(void (*scenario)(void *arg), bool fenced) {
    sim_search how = {.preemptions = BOUND};
    sim_config config = {.no_spurious = true};
    memset(outcome, 0, sizeof outcome);
    sim_result result = sim_exhaust(&config, &how, reset, scenario, fenced ? &shared : NULL);
    assert_string_equal(result.failure, "");
    assert_true(how.complete && how.unbounded);
    uint32_t found = 0;
    for (uint32_t i = 0; i < 16; i++) {
        found += outcome[i >> 3][i >> 2 & 1][i >> 1 & 1][i & 1];
    }
    return found;
}

/* ---- store buffering: both may miss the other's store, unless there is a fence ------------------ */

static void fence(void) {
    if (shared.fenced) {
        port_fence_heavy(true);
    }
}

static void buffer_x(void *arg) {
    (void)arg;
    store_relaxed(&shared.x, 1u); /* relaxed, all: the order is what is tried */
    fence();
    shared.seen[0] = load_relaxed(&shared.y);
}

static void buffer_y(void *arg) {
    (void)arg;
    store_relaxed(&shared.y, 1u);
    fence();
    shared.seen[1] = load_relaxed(&shared.x);
}

static void store_buffering(void *arg) {
    (void)arg;
    three(buffer_x, buffer_y, NULL);
}

static void test_store_buffering(void **state) {
    (void)state;
    assert_int_equal(search(store_buffering, false), 4);
    assert_true(outcome[0][0][0][0]);
    assert_int_equal(search(store_buffering, true), 3);
    assert_false(outcome[0][0][0][0]);
}

/* ---- message passing: the second store is never seen without the first -------------------------- */

static void send(void *arg) {
    (void)arg;
    store_relaxed(&shared.x, 1u);
    store_relaxed(&shared.y, 1u);
}

static void receive(void *arg) {
    (void)arg;
    shared.seen[0] = load_relaxed(&shared.y);
    shared.seen[1] = load_relaxed(&shared.x);
}

static void message_passing(void *arg) {
    (void)arg;
    three(send, receive, NULL);
}

static void test_message_passing(void **state) {
    (void)state;
    assert_int_equal(search(message_passing, false), 3);
    assert_false(outcome[1][0][0][0]);
}

/* ---- two stores in one order: no thread sees them in the other ---------------------------------- */

static void read_xx(void *arg) {
    (void)arg;
    shared.seen[0] = load_relaxed(&shared.x);
    shared.seen[1] = load_relaxed(&shared.x);
}

static void read_yx(void *arg) {
    (void)arg;
    shared.seen[2] = load_relaxed(&shared.y);
    shared.seen[3] = load_relaxed(&shared.x);
}

static void coherence(void *arg) {
    (void)arg;
    three(send, read_xx, read_yx);
}

/* Each pair is 00, 01 or 11: the second reader sees y without x never, and the first never loses x. */
static void test_coherence(void **state) {
    (void)state;
    assert_int_equal(search(coherence, false), 9);
}

/* ---- stores against stores ----------------------------------------------------------------------- */

static void nothing(void *arg) {
    (void)arg;
}

static void one_two(void *arg) {
    (void)arg;
    store_relaxed(&shared.x, 1u);
    store_relaxed(&shared.y, 2u);
}

static void two_one(void *arg) {
    (void)arg;
    store_relaxed(&shared.y, 1u);
    store_relaxed(&shared.x, 2u);
}

static void note_last(void *arg) {
    (void)arg;
    shared.seen[0] = load_relaxed(&shared.x) == 1;
    shared.seen[1] = load_relaxed(&shared.y) == 1;
}

static void cross(void *arg) {
    (void)arg;
    port_thread thread[2];
    sim_check(port_thread_start(&thread[0], one_two, NULL, "a"), "no thread");
    sim_check(port_thread_start(&thread[1], two_one, NULL, "b"), "no thread");
    port_thread_join(&thread[0]);
    port_thread_join(&thread[1]);
    three(note_last, nothing, NULL);
}

/* Both first stores cannot be the last ones. */
static void test_stores_cross(void **state) {
    (void)state;
    assert_int_equal(search(cross, false), 3);
    assert_false(outcome[1][1][0][0]);
}

static void store_y_load_x(void *arg) {
    (void)arg;
    store_relaxed(&shared.y, 2u);
    shared.seen[0] = load_relaxed(&shared.x);
}

static void load_last(void *arg) {
    (void)arg;
    shared.seen[1] = load_relaxed(&shared.y) == 2;
}

static void store_last(void *arg) {
    (void)arg;
    port_thread thread[2];
    sim_check(port_thread_start(&thread[0], send, NULL, "a"), "no thread");
    sim_check(port_thread_start(&thread[1], store_y_load_x, NULL, "b"), "no thread");
    port_thread_join(&thread[0]);
    port_thread_join(&thread[1]);
    three(load_last, nothing, NULL);
}

/* The second thread's store lands after the first one's, and yet its load has missed the store before. */
static void test_store_lands_late(void **state) {
    (void)state;
    assert_int_equal(search(store_last, false), 4);
    assert_true(outcome[0][1][0][0]);
}

/* ---- locks, waiting, spinning ------------------------------------------------------------------ */

static void spin(void *arg) {
    (void)arg;
    while (load_acquire(&shared.x) == 0) { /* pairs with nothing: a delayed store is enough */
        port_cpu_relax();
    }
    shared.seen[0] = 1;
}

static void sleep_on(void *arg) {
    (void)arg;
    while (load_acquire(&shared.y) == 0) { /* pairs with the store in wake */
        port_futex_wait(&shared.y.value, 0, PORT_NEVER);
    }
    shared.seen[1] = 1;
}

static void wake(void *arg) {
    (void)arg;
    store_relaxed(&shared.x, 1u);
    store_seq_cst(&shared.y, 1u);
    port_futex_wake(&shared.y.value, 1);
}

static void waits(void *arg) {
    (void)arg;
    three(spin, sleep_on, wake);
}

static void test_waits(void **state) {
    (void)state;
    assert_int_equal(search(waits, false), 1);
}

static void wake_first(void *arg) {
    (void)arg;
    port_futex_wake(&shared.y.value, 1); /* the fault: the word has not changed yet */
    store_seq_cst(&shared.y, 1u);
}

static void lost_wake(void *arg) {
    (void)arg;
    three(sleep_on, wake_first, NULL);
}

static char text[1 << 16];

/* One preemption, or none, is enough; the decisions repeat it. */
static void test_lost_wake_is_found_and_replayed(void **state) {
    (void)state;
    sim_search how = {.preemptions = BOUND};
    sim_config config = {.no_spurious = true, .record = true};
    sim_result found = sim_exhaust(&config, &how, reset, lost_wake, NULL);
    assert_non_null(strstr(found.failure, "lost wakeup"));
    assert_true(how.reached <= 1);
    assert_true(sim_decisions(text, sizeof text) < sizeof text);
    sim_config again = {.no_spurious = true, .scheduler = SIM_REPLAY, .decisions = text};
    reset(NULL);
    sim_result second = sim_run(&again, lost_wake, NULL);
    assert_string_equal(second.failure, found.failure);
    assert_true(second.hash == found.hash);
    assert_int_equal(second.drift, 0);
}

/* A step more at the start, and the rest is found again. */
static void lost_wake_later(void *arg) {
    for (int i = 0; i < 3; i++) {
        (void)port_clock_now();
    }
    lost_wake(arg);
}

static void test_replay_after_a_change(void **state) {
    (void)state;
    uint32_t failed = 0;
    uint32_t found = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_config config = {.seed = seed, .record = true};
        reset(NULL);
        sim_result result = sim_run(&config, lost_wake, NULL);
        if (!result.ok) {
            assert_true(sim_decisions(text, sizeof text) < sizeof text);
            sim_config again = {.scheduler = SIM_REPLAY, .decisions = text};
            reset(NULL);
            found += strstr(sim_run(&again, lost_wake_later, NULL).failure, "lost wakeup") != NULL;
            failed++;
        }
    }
    assert_true(failed >= 10);
    assert_true(found * 2 > failed);
}

/* ---- bytes --------------------------------------------------------------------------------------- */

static void test_bytes(void **state) {
    (void)state;
    uint8_t bytes[64];
    uint32_t failed = 0;
    for (uint32_t seed = 0; seed < 500; seed++) {
        uint32_t random = seed * 2654435761u + 1;
        for (size_t i = 0; i < sizeof bytes; i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(random >> 24);
        }
        sim_config config = {
            .scheduler = SIM_BYTES, .bytes = bytes, .byte_count = seed % (sizeof bytes + 1)};
        reset(NULL);
        sim_result first = sim_run(&config, lost_wake, NULL);
        reset(NULL);
        sim_result second = sim_run(&config, lost_wake, NULL);
        assert_true(first.hash == second.hash && first.ok == second.ok);
        failed += !first.ok;
    }
    assert_in_range(failed, 1, 499);
}

/* ---- places ---------------------------------------------------------------------------------------- */

static void pass_ten(void *arg) {
    (void)arg;
    for (uint32_t i = 0; i < 10; i++) {
        shared.seen[0] = i;
        sim_pass();
        port_thread_yield();
    }
}

static void await_place(void *arg) {
    (void)arg;
    port_thread other;
    sim_check(port_thread_start(&other, pass_ten, NULL, "passer"), "no thread");
    sim_check(sim_await_pass(7), "not that many places");
    sim_check(shared.seen[0] == 6, "not at the place");
    sim_check(!sim_await_pass(11), "more places than there are");
    port_thread_join(&other);
}

static void test_places(void **state) {
    (void)state;
    sim_config config = {.seed = 0};
    sim_result result = sim_explore(&config, 500, reset, await_place, NULL);
    assert_string_equal(result.failure, "");
    assert_int_equal(result.passes, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_buffering),
        cmocka_unit_test(test_message_passing),
        cmocka_unit_test(test_coherence),
        cmocka_unit_test(test_stores_cross),
        cmocka_unit_test(test_store_lands_late),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_lost_wake_is_found_and_replayed),
        cmocka_unit_test(test_replay_after_a_change),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests_name("sim/search", tests, NULL, NULL);
}

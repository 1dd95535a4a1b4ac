/* The simulated memory: the classic litmus tests, and memory that is given back or reused. A weak
 * outcome that x86 has must be reached, and one that it has not must never be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "port/fiber.h"
#include "port/sim/sim.h"

enum { SEEDS = 5000 };

typedef enum fence_kind { FENCE_NONE, FENCE_LIGHT, FENCE_HEAVY, FENCE_BOTH } fence_kind;

static struct {
    fence_kind fence[2];
    ATOMIC(uint32_t) x;
    ATOMIC(uint32_t) y;
    uint32_t seen[2];
    ATOMIC(uint32_t) * block;
} shared;

static void run_two(void (*first)(void *arg), void (*second)(void *arg)) {
    port_thread other;
    port_membarrier_init();
    sim_check(port_thread_start(&other, second, NULL, "second"), "no thread");
    first(NULL);
    port_thread_join(&other);
}

/* ---- store buffering ------------------------------------------------------------------------- */

static void fence_issue(fence_kind kind) {
    if (kind == FENCE_LIGHT) {
        port_fence_light(false);
    } else if (kind == FENCE_HEAVY) {
        port_fence_heavy(false);
    } else if (kind == FENCE_BOTH) {
        port_fence_light(true);
    }
}

static void sb_first(void *arg) {
    (void)arg;
    store_relaxed(&shared.x, 1); /* relaxed: the fence orders it */
    fence_issue(shared.fence[0]);
    shared.seen[0] = load_relaxed(&shared.y); /* relaxed: likewise */
}

static void sb_second(void *arg) {
    (void)arg;
    store_relaxed(&shared.y, 1); /* relaxed: the fence orders it */
    fence_issue(shared.fence[1]);
    shared.seen[1] = load_relaxed(&shared.x); /* relaxed: likewise */
}

static void sb(void *arg) {
    (void)arg;
    run_two(sb_first, sb_second);
    sim_check(shared.seen[0] == 1 || shared.seen[1] == 1, "both missed the other's store");
}

static void words_reset(void *arg) {
    const fence_kind *fence = arg;
    memset(&shared, 0, sizeof shared);
    shared.fence[0] = fence[0];
    shared.fence[1] = fence[1];
}

static sim_result sb_explore(fence_kind first, fence_kind second, bool strong) {
    fence_kind fence[2] = {first, second};
    sim_config config = {.no_store_buffers = strong};
    return sim_explore(&config, SEEDS, words_reset, sb, fence);
}

static void test_store_buffering(void **state) {
    (void)state;
    const fence_kind none[][2] = {
        {FENCE_NONE, FENCE_NONE}, {FENCE_LIGHT, FENCE_LIGHT}, {FENCE_BOTH, FENCE_LIGHT}};
    const fence_kind enough[][2] = {
        {FENCE_LIGHT, FENCE_HEAVY}, {FENCE_HEAVY, FENCE_LIGHT}, {FENCE_BOTH, FENCE_BOTH}};
    for (int i = 0; i < 3; i++) {
        assert_false(sb_explore(none[i][0], none[i][1], false).ok);
        assert_true(sb_explore(none[i][0], none[i][1], true).ok);
        assert_true(sb_explore(enough[i][0], enough[i][1], false).ok);
    }
}

static void heavy_alone(void *arg) {
    (void)arg;
    port_fence_heavy(false);
}

static void test_heavy_needs_membarrier(void **state) {
    (void)state;
    sim_config config = {.no_membarrier = true};
    assert_false(sim_run(&config, heavy_alone, NULL).ok);
}

/* ---- message passing ------------------------------------------------------------------------- */

static void mp_write(void *arg) {
    (void)arg;
    store_relaxed(&shared.x, 1); /* relaxed: the release orders it */
    store_release(&shared.y, 1); /* pairs with the acquire in mp_read */
}

static void mp_read(void *arg) {
    (void)arg;
    shared.seen[0] = load_acquire(&shared.y); /* pairs with the release in mp_write */
    shared.seen[1] = load_relaxed(&shared.x); /* relaxed: the acquire orders it */
}

static void mp(void *arg) {
    (void)arg;
    run_two(mp_write, mp_read);
    sim_check(shared.seen[0] == 0 || shared.seen[1] == 1, "the message came before its content");
}

static void test_message_passing(void **state) {
    (void)state;
    fence_kind fence[2] = {FENCE_NONE, FENCE_NONE};
    sim_config config = {.seed = 0};
    assert_true(sim_explore(&config, SEEDS, words_reset, mp, fence).ok);
}

/* ---- widths and types ------------------------------------------------------------------------ */

static struct {
    ATOMIC(uint8_t) one;
    ATOMIC(int16_t) two;
    ATOMIC(int32_t) four;
    ATOMIC(uint64_t) eight;
    ATOMIC(bool) truth;
    ATOMIC(const char *) text;
} words;

static void widths(void *arg) {
    (void)arg;
    static const char name[] = "name";
    store_relaxed(&words.one, 255);
    store_relaxed(&words.two, -2);
    store_seq_cst(&words.four, -4);
    store_release(&words.truth, true);
    store_release(&words.text, name);
    sim_check(load_relaxed(&words.two) == -2 && load_acquire(&words.four) == -4, "sign lost");
    sim_check(load_relaxed(&words.truth) && load_relaxed(&words.text) == name, "value lost");
    sim_check(fetch_add_relaxed(&words.one, 1) == 255 && load_relaxed(&words.one) == 0, "no wrap");
    sim_check(fetch_sub_relaxed(&words.two, 1) == -2 && load_relaxed(&words.two) == -3, "no sub");
    sim_check(fetch_or_acq_rel(&words.eight, UINT64_C(3) << 62) == 0, "no or");
    sim_check(fetch_and_acq_rel(&words.eight, UINT64_C(1) << 63) == UINT64_C(3) << 62, "no and");
    int32_t expected = 7;
    sim_check(!cas_acq_rel(&words.four, &expected, 9) && expected == -4, "took a wrong value");
    sim_check(cas_acq_rel(&words.four, &expected, 9), "refused the right value");
    sim_check(exchange_acq_rel(&words.text, NULL) == name, "lost the old value");
}

static void test_widths(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_config config = {.seed = seed};
        memset(&words, 0, sizeof words);
        assert_string_equal(sim_run(&config, widths, NULL).failure, "");
    }
    memset(&words, 0, sizeof words);
    widths(NULL); /* outside a run: plain accesses */
}

/* ---- memory that is given back --------------------------------------------------------------- */

static void free_own(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        ATOMIC(uint64_t) *block = malloc(4 * sizeof *block);
        memset(block, 0, 4 * sizeof *block);
        sim_check(load_relaxed(&block[2]) == 0, "a store outlived its memory");
        store_relaxed(&block[2], 1); /* relaxed: nobody else sees it */
        free(block);
    }
}

static void store_late(void *arg) {
    (void)arg;
    store_relaxed(&shared.x, 1);    /* relaxed: says nothing of what follows */
    store_relaxed(shared.block, 1); /* relaxed: the fault, nothing keeps the block */
}

static void free_early(void *arg) {
    (void)arg;
    while (load_relaxed(&shared.x) == 0) { /* relaxed: the fault is elsewhere */
        port_cpu_relax();
    }
    free((void *)shared.block);
}

static void free_of_another(void *arg) {
    (void)arg;
    shared.block = malloc(64);
    run_two(store_late, free_early);
}

static void block_reset(void *arg) {
    (void)arg;
    memset(&shared, 0, sizeof shared);
}

static void test_memory_given_back(void **state) {
    (void)state;
    sim_config config = {.seed = 0};
    assert_string_equal(sim_explore(&config, SEEDS, NULL, free_own, NULL).failure, "");
    sim_result result = sim_explore(&config, SEEDS, block_reset, free_of_another, NULL);
    assert_non_null(strstr(result.failure, "memory given back"));
    free((void *)shared.block); /* the failed run did not come to it */
}

__attribute__((noinline)) static void frame_with_word(void) {
    ATOMIC(uint64_t) local[8];
    for (int i = 0; i < 8; i++) {
        store_relaxed(&local[i], UINT64_MAX); /* relaxed: nobody else sees it */
    }
}

__attribute__((noinline)) static uint64_t frame_with_plain(void) {
    volatile uint64_t local[8] = {0};
    port_clock_now();
    port_clock_now();
    return local[0] | local[3] | local[7];
}

static void frames(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        frame_with_word();
        sim_check(frame_with_plain() == 0, "a store outlived its frame");
    }
}

static void test_frames(void **state) {
    (void)state;
    sim_config config = {.seed = 0};
    assert_string_equal(sim_explore(&config, SEEDS, NULL, frames, NULL).failure, "");
}

/* ---- words at the end of a stack ------------------------------------------------------------- */

typedef struct stack_end {
    port_fiber fiber;
    ATOMIC(uint32_t) word;
} stack_end;

static struct {
    port_fiber own;
    stack_end *end;
} carried;

/* Store buffering again, between the word above a fiber's frames and one elsewhere. */
static void above_frames(void *arg) {
    stack_end *end = arg;
    store_relaxed(&end->word, 1);             /* relaxed: the fault is a missing fence */
    shared.seen[0] = load_relaxed(&shared.y); /* relaxed: likewise */
    port_fiber_switch(&end->fiber, &carried.own, true);
}

static void against_it(void *arg) {
    (void)arg;
    store_seq_cst(&shared.y, 1);
    shared.seen[1] = load_relaxed(&carried.end->word); /* relaxed: the store before it is fenced */
}

static void run_fiber(void *arg) {
    (void)arg;
    port_fiber_adopt(&carried.own);
    port_fiber_switch(&carried.own, &carried.end->fiber, false);
    port_fiber_release(&carried.own);
}

static void end_of_stack(void *arg) {
    (void)arg;
    size_t size = 8 * port_page_size();
    char *low = port_pages_map(size, port_page_size());
    sim_check(low != NULL, "no stack");
    carried.end = (stack_end *)(void *)(low + size - 256);
    port_fiber_init(&carried.end->fiber, low, size, carried.end, above_frames, carried.end);
    run_two(run_fiber, against_it);
    sim_check(shared.seen[0] == 1 || shared.seen[1] == 1, "both missed the other's store");
}

static void test_end_of_stack(void **state) {
    (void)state;
    sim_config config = {.seed = 0};
    assert_false(sim_explore(&config, SEEDS, block_reset, end_of_stack, NULL).ok);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_buffering),   cmocka_unit_test(test_heavy_needs_membarrier),
        cmocka_unit_test(test_message_passing),   cmocka_unit_test(test_widths),
        cmocka_unit_test(test_memory_given_back), cmocka_unit_test(test_frames),
        cmocka_unit_test(test_end_of_stack),
    };
    return cmocka_run_group_tests_name("sim/memory", tests, NULL, NULL);
}

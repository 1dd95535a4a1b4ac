/* The stack pool under many threads: nobody shares a stack, and nobody is refused one that exists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mem/stack.h"

enum { GOTTEN = 12000, MOST_HELD = 300, BLOCK = 125 };

typedef struct hammer {
    stack_pool *pool;
    port_thread thread;
    uint64_t foreign; /* bytes found on a held stack that another thread wrote */
    uint64_t refused;
    int held;
    char mark;
} hammer;

static void hammer_round(hammer *h) {
    stack held[MOST_HELD];
    for (int i = 0; i < h->held; i++) {
        h->refused += !stack_get(h->pool, &held[i]);
        memset(held[i].low, h->mark, 64);
    }
    for (int i = 0; i < h->held; i++) {
        h->foreign += ((char *)held[i].low)[63] != h->mark;
        stack_put(h->pool, held[i]);
    }
}

static void hammer_run(void *arg) {
    hammer *h = arg;
    for (int gotten = 0; gotten < GOTTEN; gotten += h->held) {
        hammer_round(h);
    }
}

/* The limit is just what all need together: whoever is refused was told so wrongly. */
static void hammer_with(int held, bool trim) {
    stack_pool *pool =
        stack_pool_create(allocator_default(), (size_t)64 * 1024, 10, 4 * (uint32_t)held);
    assert_non_null(pool);
    hammer h[4];
    for (int i = 0; i < 4; i++) {
        h[i] = (hammer){.pool = pool, .held = held, .mark = (char)('a' + i)};
        assert_true(port_thread_start(&h[i].thread, hammer_run, &h[i], "hammer"));
    }
    for (int i = 0; trim && i < 100; i++) {
        stack_pool_trim(pool);
    }
    for (int i = 0; i < 4; i++) {
        port_thread_join(&h[i].thread);
        assert_int_equal(h[i].foreign, 0);
        assert_int_equal(h[i].refused, 0);
    }
    stack_pool_counts now;
    stack_pool_read(pool, &now);
    assert_int_equal(now.in_use, 0);
    assert_true(now.cached <= 10 + BLOCK);
    assert_true(now.mapped <= 4 * (uint64_t)held);
    stack_pool_destroy(pool);
}

static void many_threads(void **state) {
    (void)state;
    hammer_with(20, false);
}

static void many_threads_while_stacks_become_cold(void **state) {
    (void)state;
    hammer_with(20, true);
    hammer_with(MOST_HELD, false);
    hammer_with(MOST_HELD, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads),
        cmocka_unit_test(many_threads_while_stacks_become_cold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

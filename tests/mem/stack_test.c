/* The stack pool: guards, the cache and its bound, limits, exhaustion, and many stacks at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mem/stack.h"
#include "port/child.h"
#include "port/linux/pages.h"

enum { SIZE = 64 * 1024 };

static size_t page;

static stack_pool *pool_open(uint32_t cache, uint32_t limit) {
    stack_pool *pool = stack_pool_create(allocator_default(), SIZE, cache, limit);
    assert_non_null(pool);
    return pool;
}

static stack get(stack_pool *pool) {
    stack s;
    assert_true(stack_get(pool, &s));
    return s;
}

static stack_pool_counts counts(const stack_pool *pool) {
    stack_pool_counts now;
    stack_pool_read(pool, &now);
    return now;
}

static void dirty(stack s) {
    memset(s.low, 'x', s.size);
}

static void write_below(void *arg) {
    stack *s = arg;
    ((volatile char *)s->low)[-1] = 1;
}

static void write_at(void *address) {
    *(volatile char *)address = 1;
}

static void usable_and_guarded(void **state) {
    (void)state;
    stack_pool *pool = pool_open(4, 0);
    stack s[3];
    for (int i = 0; i < 3; i++) {
        s[i] = get(pool);
        assert_int_equal(s[i].size, SIZE - page);
        assert_int_equal(((uintptr_t)s[i].low + s[i].size) % 16, 0);
        dirty(s[i]);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(child_run(write_below, &s[i], NULL), 1000 + SIGSEGV);
        stack_put(pool, s[i]);
    }
    stack_pool_destroy(pool);
}

static void small_sizes_are_rounded_up(void **state) {
    (void)state;
    stack_pool *pool = stack_pool_create(allocator_default(), 1, 0, 0);
    stack s = get(pool);
    assert_int_equal(s.size, 3 * page);
    stack_put(pool, s);
    stack_pool_destroy(pool);
    pool = stack_pool_create(allocator_default(), 5 * page + 1, 0, 0);
    s = get(pool);
    assert_int_equal(s.size, 5 * page);
    stack_put(pool, s);
    stack_pool_destroy(pool);
}

static void cache_is_bounded_and_last_in_first_out(void **state) {
    (void)state;
    stack_pool *pool = pool_open(2, 0);
    stack s[4];
    for (int i = 0; i < 4; i++) {
        s[i] = get(pool);
        dirty(s[i]);
    }
    assert_int_equal(counts(pool).in_use, 4);
    for (int i = 0; i < 4; i++) {
        stack_put(pool, s[i]);
    }
    stack_pool_counts now = counts(pool);
    assert_int_equal(now.cached, 2);
    assert_int_equal(now.in_use, 0);
    assert_int_equal(now.peak, 4);
    assert_int_equal(stack_used(&s[0]), SIZE - page); /* warm */
    assert_int_equal(stack_used(&s[3]), 0);           /* beyond the bound: given back */
    assert_ptr_equal(get(pool).low, s[1].low);
    assert_ptr_equal(get(pool).low, s[0].low);
    assert_int_equal(counts(pool).cached, 0);
    stack cold = get(pool);
    assert_true(cold.low == s[2].low || cold.low == s[3].low);
    stack_put(pool, s[0]);
    stack_put(pool, s[1]);
    stack_put(pool, cold);
    stack_pool_destroy(pool);
}

static void trim_gives_the_pages_back(void **state) {
    (void)state;
    stack_pool *pool = pool_open(8, 0);
    stack s[3];
    for (int i = 0; i < 3; i++) {
        s[i] = get(pool);
        dirty(s[i]);
    }
    for (int i = 0; i < 3; i++) {
        stack_put(pool, s[i]);
    }
    assert_int_equal(stack_pool_trim(pool), 3 * (SIZE - page));
    assert_int_equal(counts(pool).cached, 0);
    assert_int_equal(counts(pool).in_use, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stack_used(&s[i]), 0);
        assert_int_equal(child_run(write_below, &s[i], NULL), 1000 + SIGSEGV);
    }
    assert_int_equal(stack_pool_trim(pool), 0);
    stack_pool_destroy(pool);
}

static void limit_is_exact(void **state) {
    (void)state;
    stack_pool *pool = pool_open(2, 70);
    stack s[70];
    stack more = {NULL, 1};
    for (int i = 0; i < 70; i++) {
        s[i] = get(pool);
    }
    assert_int_equal(counts(pool).mapped, 70);
    assert_false(stack_get(pool, &more));
    assert_int_equal(more.size, 1); /* untouched */
    stack_put(pool, s[33]);
    assert_true(stack_get(pool, &s[33]));
    for (int i = 0; i < 70; i++) {
        stack_put(pool, s[i]);
    }
    assert_int_equal(counts(pool).peak, 70);
    stack_pool_destroy(pool);
}

static void no_address_space(void **state) {
    (void)state;
    stack_pool *pool = stack_pool_create(allocator_default(), (size_t)1 << 60, 4, 0);
    stack s;
    assert_false(stack_get(pool, &s));
    assert_int_equal(counts(pool).mapped, 0);
    stack_pool_destroy(pool);
    pool = stack_pool_create(allocator_default(), SIZE_MAX, 4, 0);
    assert_false(stack_get(pool, &s));
    stack_pool_destroy(pool);
}

static void *refuse(size_t size, size_t alignment, void *arg) {
    (void)size;
    (void)alignment;
    (void)arg;
    return NULL;
}

static void no_memory_for_the_pool(void **state) {
    (void)state;
    allocator none = {refuse, NULL, NULL};
    assert_null(stack_pool_create(&none, SIZE, 4, 0));
}

static int mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    int lines = 0;
    for (int c = getc(maps); c != EOF; c = getc(maps)) {
        lines += c == '\n';
    }
    fclose(maps);
    return lines;
}

enum { MANY = 100000 };

static void many_stacks_use_few_mappings(void **state) {
    (void)state;
    static stack s[MANY];
    stack_pool *pool = pool_open(0, 0);
    s[0] = get(pool);
    if (counts(pool).guard != PORT_GUARD_MARKER) {
        stack_put(pool, s[0]);
        stack_pool_destroy(pool);
        skip(); /* an older kernel: see the next test */
    }
    int before = mappings();
    for (int i = 1; i < MANY; i++) {
        s[i] = get(pool);
    }
    int after = mappings();
    assert_true(after - before < 300);
    assert_int_equal(counts(pool).in_use, MANY);
    assert_int_equal(child_run(write_below, &s[MANY - 1], NULL), 1000 + SIGSEGV);
    for (int i = 0; i < MANY; i++) {
        stack_put(pool, s[i]);
    }
    stack_pool_destroy(pool);
    assert_int_equal(child_run(write_at, s[MANY / 2].low, NULL), 1000 + SIGSEGV); /* unmapped */
}

static void mprotect_leaves_mappings_to_the_host(void **state) {
    (void)state;
    static stack s[MANY];
    pages_guard_restrict(PORT_GUARD_PROTECT);
    stack_pool *pool = pool_open(0, 0);
    s[0] = get(pool);
    assert_int_equal(counts(pool).guard, PORT_GUARD_PROTECT);
    assert_int_equal(child_run(write_below, &s[0], NULL), 1000 + SIGSEGV);
    for (int i = 1; i < 20000; i++) {
        s[i] = get(pool);
    }
    assert_true(mappings() < 40000);
    assert_int_equal(counts(pool).guard, PORT_GUARD_NONE); /* the weakest in use */
    for (int i = 0; i < 20000; i++) {
        stack_put(pool, s[i]);
    }
    stack_pool_destroy(pool);
    pages_guard_restrict(PORT_GUARD_MARKER);
}

typedef struct overflow {
    stack_pool *pool;
    stack s;
    size_t by;
} overflow;

static void overflow_and_put(void *arg) {
    overflow *o = arg;
    if (o->by > 0) {
        ((char *)o->s.low)[-(ptrdiff_t)o->by] = 1;
    }
    stack_put(o->pool, o->s);
}

static void canary_is_checked(void **state) {
    (void)state;
    char output[CHILD_OUTPUT];
    pages_guard_restrict(PORT_GUARD_NONE);
    overflow o = {.pool = pool_open(0, 0)};
    assert_true(stack_get(o.pool, &o.s));
    assert_int_equal(counts(o.pool).guard, PORT_GUARD_NONE);
    for (int again = 0; again < 2; again++) {
        dirty(o.s);
        o.by = 0;
        assert_int_equal(child_run(overflow_and_put, &o, NULL), 0);
        for (o.by = 1; o.by <= 256; o.by += 51) {
            assert_int_equal(child_run(overflow_and_put, &o, output), 1000 + SIGABRT);
            assert_non_null(strstr(output, "overflowed its stack"));
        }
        stack_put(o.pool, o.s); /* nothing cached: its pages are given back, the canary with them */
        assert_int_equal(stack_used(&o.s), 0);
        assert_true(stack_get(o.pool, &o.s));
    }
    stack_put(o.pool, o.s);
    stack_pool_destroy(o.pool);
    pages_guard_restrict(PORT_GUARD_MARKER);
}

enum { ROUNDS = 3000, HELD = 20 };

typedef struct hammer {
    stack_pool *pool;
    port_thread thread;
    uint64_t foreign; /* bytes found on a held stack that another thread wrote */
    uint64_t refused;
    char mark;
} hammer;

static void hammer_run(void *arg) {
    hammer *h = arg;
    for (int round = 0; round < ROUNDS / HELD; round++) {
        stack held[HELD];
        for (int i = 0; i < HELD; i++) {
            h->refused += !stack_get(h->pool, &held[i]);
            memset(held[i].low, h->mark, 64);
        }
        for (int i = 0; i < HELD; i++) {
            h->foreign += ((char *)held[i].low)[63] != h->mark;
            stack_put(h->pool, held[i]);
        }
    }
}

/* The limit is just what all need together: whoever is refused was told so wrongly. */
static void many_threads(void **state) {
    (void)state;
    stack_pool *pool = pool_open(10, 4 * HELD);
    hammer h[4];
    for (int i = 0; i < 4; i++) {
        h[i] = (hammer){.pool = pool, .mark = (char)('a' + i)};
        assert_true(port_thread_start(&h[i].thread, hammer_run, &h[i], "hammer"));
    }
    for (int i = 0; i < 4; i++) {
        port_thread_join(&h[i].thread);
        assert_int_equal(h[i].foreign, 0);
        assert_int_equal(h[i].refused, 0);
    }
    stack_pool_counts now = counts(pool);
    assert_int_equal(now.in_use, 0);
    assert_true(now.cached <= 10);
    assert_true(now.mapped <= 4 * HELD);
    stack_pool_destroy(pool);
}

static void used_is_counted_from_the_top(void **state) {
    (void)state;
    stack_pool *pool = pool_open(0, 0);
    stack s = get(pool);
    assert_int_equal(stack_used(&s), 0);
    char *top = (char *)s.low + s.size;
    top[-1] = 1;
    assert_int_equal(stack_used(&s), page);
    top[-(ptrdiff_t)(3 * page)] = 1;
    assert_int_equal(stack_used(&s), 3 * page);
    stack_put(pool, s);
    stack_pool_destroy(pool);
}

int main(void) {
    page = port_page_size();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usable_and_guarded),
        cmocka_unit_test(small_sizes_are_rounded_up),
        cmocka_unit_test(cache_is_bounded_and_last_in_first_out),
        cmocka_unit_test(trim_gives_the_pages_back),
        cmocka_unit_test(limit_is_exact),
        cmocka_unit_test(no_address_space),
        cmocka_unit_test(no_memory_for_the_pool),
        cmocka_unit_test(many_stacks_use_few_mappings),
        cmocka_unit_test(mprotect_leaves_mappings_to_the_host),
        cmocka_unit_test(canary_is_checked),
        cmocka_unit_test(many_threads),
        cmocka_unit_test(used_is_counted_from_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

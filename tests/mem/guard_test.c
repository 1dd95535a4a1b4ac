/* Stacks one by one: size, guards of each kind, what they cost in mappings, and how much was used. The pool:
 * stack_test.c. */
#include "mem/pool.h"

#include <stdio.h>

#include "port/linux/pages.h"

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
        stack_put(o.pool, o.s);
        stack_pool_trim(o.pool); /* its pages are given back, the canary with them */
        assert_int_equal(stack_used(&o.s), 0);
        assert_true(stack_get(o.pool, &o.s));
    }
    stack_put(o.pool, o.s);
    stack_pool_destroy(o.pool);
    pages_guard_restrict(PORT_GUARD_MARKER);
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
        cmocka_unit_test(many_stacks_use_few_mappings),
        cmocka_unit_test(mprotect_leaves_mappings_to_the_host),
        cmocka_unit_test(canary_is_checked),
        cmocka_unit_test(used_is_counted_from_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the tests of the stack pool share. */
#ifndef TESTS_MEM_POOL_H
#define TESTS_MEM_POOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mem/stack.h"
#include "port/child.h"

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

static inline stack_pool_counts counts(const stack_pool *pool) {
    stack_pool_counts now;
    stack_pool_read(pool, &now);
    return now;
}

static inline void dirty(stack s) {
    memset(s.low, 'x', s.size);
}

static void write_below(void *arg) {
    stack *s = arg;
    ((volatile char *)s->low)[-1] = 1;
}

#endif

/* The stack pool: the cache and its bound, limits, exhaustion, and what becomes cold. Guards: guard_test.c. Many
 * threads: stack_threads_test.c. */
#include "mem/pool.h"

#include "port/linux/pages.h"

enum { BLOCK = 125, SEVERAL = 600 };

static void put_all(stack_pool *pool, const stack *s, int count) {
    for (int i = 0; i < count; i++) {
        stack_put(pool, s[i]);
    }
}

/* Writes to the lowest and the highest page. */
static void touch_ends(stack s, char mark) {
    ((char *)s.low)[0] = mark;
    ((char *)s.low)[s.size - 1] = mark;
}

static void get_and_touch(stack_pool *pool, stack *s, int count) {
    for (int i = 0; i < count; i++) {
        s[i] = get(pool);
        touch_ends(s[i], 'x');
    }
}

static void cache_is_bounded_and_last_in_first_out(void **state) {
    (void)state;
    static stack s[SEVERAL];
    stack_pool *pool = pool_open(10, 0);
    get_and_touch(pool, s, SEVERAL);
    assert_int_equal(counts(pool).in_use, SEVERAL);
    put_all(pool, s, SEVERAL);
    stack_pool_counts now = counts(pool);
    assert_in_range(now.cached, 10, 10 + BLOCK);
    assert_int_equal(now.in_use, 0);
    assert_int_equal(now.peak, SEVERAL);
    int cold = SEVERAL - (int)now.cached;
    for (int i = 0; i < SEVERAL; i++) { /* the coldest were given back */
        assert_int_equal(stack_used(&s[i]), i < cold ? 0 : SIZE - page);
    }
    for (int i = SEVERAL; i-- > cold;) {
        assert_ptr_equal(get(pool).low, s[i].low);
    }
    assert_int_equal(counts(pool).cached, 0);
    stack other = get(pool);
    assert_int_equal(stack_used(&other), 0);
    put_all(pool, &s[cold], SEVERAL - cold);
    stack_put(pool, other);
    stack_pool_destroy(pool);
}

/* A program that breathes: a quarter of what is in use may come and go without a page fault. */
static void more_stay_warm_while_many_are_in_use(void **state) {
    (void)state;
    static stack s[SEVERAL];
    stack_pool *pool = pool_open(0, 0);
    get_and_touch(pool, s, SEVERAL);
    put_all(pool, s, 200);
    assert_int_equal(counts(pool).cached, 200); /* 400 / 4 + BLOCK are allowed */
    put_all(pool, s + 200, SEVERAL - 200);
    assert_true(counts(pool).cached <= BLOCK);
    stack_pool_destroy(pool);
}

enum { LOOK = 1000000000 }; /* longer than between two looks */

/* With somebody who looks, putting gives nothing back; what was not needed between two looks goes at the second. */
static void what_was_idle_is_given_back_by_who_looks(void **state) {
    (void)state;
    static stack s[SEVERAL];
    int64_t now = LOOK;
    stack_pool *pool = pool_open(0, 0);
    assert_int_equal(stack_pool_age(pool, now), PORT_NEVER);
    get_and_touch(pool, s, SEVERAL);
    put_all(pool, s, SEVERAL);
    assert_int_equal(counts(pool).cached, SEVERAL);
    assert_true(stack_pool_ages(pool));
    now += LOOK;
    assert_true(stack_pool_age(pool, now) > now); /* the first look finds them new */
    assert_int_equal(counts(pool).cached, SEVERAL);
    now += LOOK;
    (void)stack_pool_age(pool, now);
    assert_true(counts(pool).cached <= BLOCK);
    now += LOOK;
    assert_int_equal(stack_pool_age(pool, now), PORT_NEVER);
    assert_false(stack_pool_ages(pool));
    stack_pool_destroy(pool);
}

static void what_was_needed_between_two_looks_stays_warm(void **state) {
    (void)state;
    static stack s[SEVERAL];
    stack_pool *pool = pool_open(0, 0);
    (void)stack_pool_age(pool, LOOK);
    get_and_touch(pool, s, SEVERAL);
    put_all(pool, s, SEVERAL);
    for (int64_t i = 2; i < 6; i++) {
        (void)stack_pool_age(pool, i * LOOK);
        for (uint32_t n = 0; n < SEVERAL;) {
            n += stack_get_some(pool, s + n, SEVERAL - n);
        }
        put_all(pool, s, SEVERAL);
    }
    assert_int_equal(counts(pool).cached, SEVERAL);
    stack_pool_destroy(pool);
}

static void shuffle(stack *s, int count) {
    uint32_t random = 1;
    for (int i = count; i > 1; i--) {
        random = random * 1664525 + 1013904223;
        int j = (int)((random >> 8) % (uint32_t)i);
        stack swapped = s[i - 1];
        s[i - 1] = s[j];
        s[j] = swapped;
    }
}

/* Gives all but the first `held` back, and looks at what became of whom. */
static void discard_all_but(stack_pool *pool, stack *s, int held) {
    put_all(pool, s + held, SEVERAL - held);
    stack_pool_trim(pool);
    for (int i = 0; i < held; i++) {
        assert_int_equal(((char *)s[i].low)[0], 'x');
        assert_int_equal(((char *)s[i].low)[s[i].size - 1], 'x');
    }
    for (int i = held; i < SEVERAL; i++) {
        assert_int_equal(stack_used(&s[i]), 0);
    }
    for (int i = 0; i < SEVERAL; i += 37) {
        assert_int_equal(child_run(write_below, &s[i], NULL), 1000 + SIGSEGV);
    }
    put_all(pool, s, held);
}

/* Neighbours are given back as one range: the guards between them must stay, and whoever is in use
 * in the midst of them must not notice. */
static void only_unused_stacks_are_given_back(void **state) {
    (void)state;
    static stack s[SEVERAL];
    const port_guard kinds[] = {PORT_GUARD_MARKER, PORT_GUARD_PROTECT};
    for (int kind = 0; kind < 2; kind++) {
        pages_guard_restrict(kinds[kind]);
        stack_pool *pool = pool_open(0, 0);
        get_and_touch(pool, s, SEVERAL);
        discard_all_but(pool, s, 0);
        get_and_touch(pool, s, SEVERAL);
        shuffle(s, SEVERAL);
        discard_all_but(pool, s, SEVERAL / 3);
        stack_pool_destroy(pool);
    }
    pages_guard_restrict(PORT_GUARD_MARKER);
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

static void several_at_once(void **state) {
    (void)state;
    stack s[16];
    stack_pool *pool = pool_open(20, 200);
    assert_int_equal(stack_get_some(pool, s, 3), 3);
    for (int i = 0; i < 3; i++) {
        dirty(s[i]);
    }
    stack_put_some(pool, s, 3);
    assert_int_equal(counts(pool).cached, 3);
    assert_int_equal(counts(pool).in_use, 0);
    stack_put_some(pool, s, 0);
    assert_int_equal(stack_get_some(pool, s, 16), 4); /* 200 left: 3 * 64 and some */
    stack_put_some(pool, s, 4);
    stack_pool_destroy(pool);
}

static void nobody_takes_the_last_stacks_at_once(void **state) {
    (void)state;
    stack s[70];
    stack_pool *pool = pool_open(2, 70);
    int taken = 0;
    for (int count = 1; count > 0; taken += count) {
        count = (int)stack_get_some(pool, s + taken, 8);
        assert_true(count <= (taken < 7 ? 2 : 1));
    }
    assert_int_equal(taken, 70);
    stack_put_some(pool, s, 70);
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

int main(void) {
    page = port_page_size();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_is_bounded_and_last_in_first_out),
        cmocka_unit_test(more_stay_warm_while_many_are_in_use),
        cmocka_unit_test(what_was_idle_is_given_back_by_who_looks),
        cmocka_unit_test(what_was_needed_between_two_looks_stays_warm),
        cmocka_unit_test(only_unused_stacks_are_given_back),
        cmocka_unit_test(trim_gives_the_pages_back),
        cmocka_unit_test(limit_is_exact),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(nobody_takes_the_last_stacks_at_once),
        cmocka_unit_test(no_address_space),
        cmocka_unit_test(no_memory_for_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

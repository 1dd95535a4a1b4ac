/* Slabs: numbers, type stability, batches that wander between caches, the limit, and missing memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/resource.h>

#include "mem/slab.h"
#include "port/child.h"

typedef struct thing {
    _Alignas(16) uint64_t kept;
    slab_link link;
    uint32_t number;
    ATOMIC(uint32_t) holders;
    uint64_t also_kept;
} thing;

_Static_assert(sizeof(thing) % 16 == 0, "what a slab takes");

static slab things;

static void open_with(uint32_t limit) {
    assert_true(
        slab_init(&things, sizeof(thing), offsetof(thing, link), offsetof(thing, number), limit));
}

static thing *take(slab_cache *cache) {
    return slab_take(&things, cache);
}

static void give(slab_cache *cache, thing *t) {
    slab_give(&things, cache, t);
}

static void numbers_are_dense_and_found(void **state) {
    (void)state;
    enum { COUNT = 2 * SLAB_CHUNK + 10 };
    static bool seen[COUNT + SLAB_BATCH + 1];
    memset(seen, 0, sizeof seen);
    slab_cache cache = {0};
    open_with(1u << 20);
    assert_int_equal(slab_made(&things), 0);
    assert_null(slab_at(&things, 1));
    for (int i = 0; i < COUNT; i++) {
        thing *t = take(&cache);
        assert_non_null(t);
        assert_int_equal((uintptr_t)t % 16, 0);
        assert_true(t->number >= 1 && t->number <= slab_made(&things));
        assert_false(seen[t->number]);
        seen[t->number] = true;
        assert_ptr_equal(slab_at(&things, t->number), t);
        assert_int_equal(t->kept | t->also_kept, 0); /* a slot starts zeroed */
        assert_int_equal(load_relaxed(&t->holders), 0);
    }
    uint32_t made = slab_made(&things);
    assert_true(made >= COUNT && made < COUNT + SLAB_BATCH);
    assert_null(slab_at(&things, 0));
    assert_non_null(slab_at(&things, made));
    assert_null(slab_at(&things, made + 1));
    assert_null(slab_at(&things, UINT32_MAX));
    slab_fini(&things);
}

static void last_given_is_taken_first(void **state) {
    (void)state;
    slab_cache cache = {0};
    open_with(1000);
    thing *a = take(&cache);
    thing *b = take(&cache);
    give(&cache, a);
    give(&cache, b);
    assert_ptr_equal(take(&cache), b);
    assert_ptr_equal(take(&cache), a);
    slab_fini(&things);
}

/* Whoever looks at a free slot finds a slot of the same kind: the same number, and all but the link as it was. */
static void content_stays_while_free(void **state) {
    (void)state;
    enum { COUNT = 3 * SLAB_BATCH };
    slab_cache cache = {0};
    thing *held[COUNT];
    open_with(1000);
    for (int i = 0; i < COUNT; i++) {
        held[i] = take(&cache);
        held[i]->kept = 1000u + held[i]->number;
        held[i]->also_kept = 2000u + held[i]->number;
    }
    for (int i = 0; i < COUNT; i++) {
        give(&cache, held[i]);
    }
    for (uint32_t n = 1; n <= slab_made(&things); n++) {
        const thing *t = slab_at(&things, n);
        assert_int_equal(t->number, n);
        assert_int_equal(t->kept, 1000u + n);
        assert_int_equal(t->also_kept, 2000u + n);
    }
    for (int i = 0; i < COUNT; i++) {
        thing *t = take(&cache);
        assert_int_equal(t->kept, 1000u + t->number); /* reused, not made anew */
    }
    assert_int_equal(slab_made(&things), COUNT);
    slab_fini(&things);
}

/* What one side gives the other finds again: only what two caches may keep is ever made. */
static void batches_wander_between_caches(void **state) {
    (void)state;
    slab_cache producer = {0}, consumer = {0};
    thing *held[SLAB_BATCH];
    open_with(1u << 20);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < SLAB_BATCH; i++) {
            held[i] = take(&producer);
            assert_int_equal(load_relaxed(&held[i]->holders), 0);
            store_relaxed(&held[i]->holders, 1u);
        }
        for (int i = 0; i < SLAB_BATCH; i++) {
            store_relaxed(&held[i]->holders, 0u);
            give(&consumer, held[i]);
        }
    }
    assert_true(slab_made(&things) <= 4 * SLAB_BATCH);
    slab_fini(&things);
}

static void limit_is_exact(void **state) {
    (void)state;
    enum { LIMIT = SLAB_CHUNK + SLAB_BATCH + 7 };
    slab_cache cache = {0}, other = {0};
    static thing *held[LIMIT];
    open_with(LIMIT);
    for (int i = 0; i < LIMIT; i++) {
        held[i] = take(&cache);
        assert_non_null(held[i]);
    }
    assert_null(take(&cache));
    assert_null(take(&other));
    assert_int_equal(slab_made(&things), LIMIT);
    assert_null(slab_at(&things, LIMIT + 1));
    give(&cache, held[5]);
    assert_ptr_equal(take(&cache), held[5]);
    assert_null(take(&cache));
    for (int i = 0; i < LIMIT; i++) {
        give(&cache, held[i]);
    }
    for (int i = 0; i < LIMIT; i++) {
        assert_non_null(take(&cache)); /* the short last batch is as good as any */
    }
    assert_null(take(&cache));
    slab_fini(&things);
}

static void limit_of_one(void **state) {
    (void)state;
    slab_cache cache = {0};
    open_with(1);
    thing *only = take(&cache);
    assert_non_null(only);
    assert_int_equal(only->number, 1);
    assert_null(take(&cache));
    give(&cache, only);
    assert_ptr_equal(take(&cache), only);
    slab_fini(&things);
}

/* In a child: without address space there is no chunk; with it again, all goes on. */
static void without_address_space(void *arg) {
    (void)arg;
    slab_cache cache = {0};
    struct rlimit before, none;
    open_with(1u << 20);
    getrlimit(RLIMIT_AS, &before);
    none = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_AS, &none);
    slab second;
    bool table =
        slab_init(&second, sizeof(thing), offsetof(thing, link), offsetof(thing, number), 1000);
    slab_fini(&second);
    void *slot = slab_take(&things, &cache);
    uint32_t made = slab_made(&things);
    setrlimit(RLIMIT_AS, &before);
    void *later = slab_take(&things, &cache);
    _exit(table ? 1 : slot != NULL ? 2 : made != 0 ? 3 : later == NULL ? 4 : 0);
}

static void no_memory_is_null(void **state) {
    (void)state;
#if defined(BELAY_TSAN) || defined(BELAY_ASAN)
    skip(); /* they need the address space themselves */
#endif
    assert_int_equal(child_run(without_address_space, NULL, NULL), 0);
}

enum { THREADS = 4, HELD = 150, ROUNDS = 300 };

typedef struct hammer {
    port_thread thread;
    slab_cache cache;
    uint64_t refused;
    uint64_t doubled; /* slots that somebody else held as well */
} hammer;

static lock mailbox_lock;
static thing *mailbox[HELD]; /* under the lock: slots that one thread took and another gives */

static void hammer_run(void *arg) {
    hammer *h = arg;
    for (int round = 0; round < ROUNDS; round++) {
        thing *held[HELD] = {NULL};
        for (int i = 0; i < HELD; i++) {
            held[i] = take(&h->cache);
            h->refused += held[i] == NULL;
            h->doubled += held[i] != NULL &&
                          fetch_add_relaxed(&held[i]->holders, 1u) != 0; /* relaxed: a number */
        }
        lock_take(&mailbox_lock);
        for (int i = 0; i < HELD / 2; i++) {
            thing *mine = held[i];
            held[i] = mailbox[i];
            mailbox[i] = mine;
        }
        lock_release(&mailbox_lock);
        for (int i = 0; i < HELD; i++) {
            if (held[i] != NULL) {
                fetch_sub_relaxed(&held[i]->holders, 1u); /* relaxed: a number */
                give(&h->cache, held[i]);
            }
        }
    }
}

static void many_threads(void **state) {
    (void)state;
    static hammer h[THREADS];
    memset(h, 0, sizeof h);
    memset(mailbox, 0, sizeof mailbox);
    lock_init(&mailbox_lock);
    /* what all hold, and what their caches may keep at the worst moment */
    open_with(THREADS * (HELD + 3 * SLAB_BATCH) + HELD);
    for (int i = 0; i < THREADS; i++) {
        assert_true(port_thread_start(&h[i].thread, hammer_run, &h[i], "hammer"));
    }
    for (int i = 0; i < THREADS; i++) {
        port_thread_join(&h[i].thread);
        assert_int_equal(h[i].refused, 0);
        assert_int_equal(h[i].doubled, 0);
    }
    for (uint32_t n = 1; n <= slab_made(&things); n++) {
        assert_int_equal(((thing *)slab_at(&things, n))->number, n);
    }
    slab_fini(&things);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_dense_and_found),
        cmocka_unit_test(last_given_is_taken_first),
        cmocka_unit_test(content_stays_while_free),
        cmocka_unit_test(batches_wander_between_caches),
        cmocka_unit_test(limit_is_exact),
        cmocka_unit_test(limit_of_one),
        cmocka_unit_test(no_memory_is_null),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The run queue: order, shares, growth, missing memory, and one owner against many thieves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/bare.h"

enum { ENTRIES = 20000 };

static entry entries[ENTRIES];
static runq queue;

static int start(void **state) {
    (void)state;
    entries_reset(entries, ENTRIES);
    memset(&queue, 0, sizeof queue);
    return runq_init(&queue, allocator_default()) ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    runq_fini(&queue);
    return 0;
}

static void push_range(uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        assert_true(runq_push(&queue, &entries[i].run));
    }
}

static void assert_run(runnable *const *got, uint32_t n, uint32_t first) {
    for (uint32_t i = 0; i < n; i++) {
        assert_entry(got[i], first + i);
    }
}

static void claims_take_half_in_order(void **state) {
    (void)state;
    runnable *got[RUNQ_CLAIM];
    assert_int_equal(runq_claim(&queue, got), 0);
    push_range(0, 11);
    const uint32_t shares[] = {6, 3, 1, 1};
    uint32_t next = 0;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(runq_size(&queue), 11 - next);
        assert_int_equal(runq_claim(&queue, got), shares[i]);
        assert_run(got, shares[i], next);
        next += shares[i];
    }
    assert_int_equal(runq_claim(&queue, got), 0);
    assert_int_equal(runq_size(&queue), 0);
}

static void shares_are_bounded(void **state) {
    (void)state;
    runnable *claimed[RUNQ_CLAIM], *stolen[RUNQ_STEAL];
    push_range(0, 200);
    assert_int_equal(runq_claim(&queue, claimed), RUNQ_CLAIM);
    assert_run(claimed, RUNQ_CLAIM, 0);
    assert_int_equal(runq_steal(&queue, stolen), RUNQ_STEAL);
    assert_run(stolen, RUNQ_STEAL, RUNQ_CLAIM);
}

static void thieves_take_half_of_the_oldest(void **state) {
    (void)state;
    runnable *got[RUNQ_STEAL];
    assert_int_equal(runq_steal(&queue, got), 0);
    push_range(0, 9);
    assert_int_equal(runq_steal(&queue, got), 5);
    assert_run(got, 5, 0);
    assert_int_equal(runq_steal(&queue, got), 2);
    assert_run(got, 2, 5);
    push_range(9, 10);
    assert_int_equal(runq_steal(&queue, got), 2);
    assert_run(got, 2, 7);
    assert_int_equal(runq_steal(&queue, got), 1);
    assert_run(got, 1, 9);
    assert_int_equal(runq_steal(&queue, got), 0);
}

/* Takes everything and finds it in order. */
static void assert_drains(uint32_t from, uint32_t to) {
    runnable *got[RUNQ_CLAIM];
    for (uint32_t n; from < to; from += n) {
        n = runq_claim(&queue, got);
        assert_int_not_equal(n, 0);
        assert_run(got, n, from);
    }
    assert_int_equal(from, to);
    assert_int_equal(runq_size(&queue), 0);
}

static const runq_ring *ring_now(void) {
    return load_relaxed(&queue.ring); /* relaxed: a single thread */
}

static void grows_when_full(void **state) {
    (void)state;
    push_range(0, RUNQ_START);
    assert_int_equal(ring_now()->capacity, RUNQ_START);
    const runq_ring *first = ring_now();
    push_range(RUNQ_START, RUNQ_START + 1);
    assert_int_equal(ring_now()->capacity, 2 * RUNQ_START);
    assert_ptr_equal(ring_now()->older, first); /* a thief may still read it */
    push_range(RUNQ_START + 1, 3000);
    assert_int_equal(runq_size(&queue), 3000);
    assert_drains(0, 3000);
}

/* Entries keep their order although they lie across the ring's end when it grows. */
static void grows_from_the_middle(void **state) {
    (void)state;
    runnable *got[RUNQ_CLAIM];
    push_range(0, 200);
    uint32_t taken = runq_claim(&queue, got);
    taken += runq_claim(&queue, got);
    assert_true(taken > 0);
    push_range(200, 1500);
    assert_drains(taken, 1500);
}

/* What was taken makes room: the ring is used in rounds. */
static void reuses_the_ring(void **state) {
    (void)state;
    for (uint32_t i = 0; i < ENTRIES / 200; i++) {
        push_range(i * 200, (i + 1) * 200);
        assert_drains(i * 200, (i + 1) * 200);
    }
    assert_int_equal(ring_now()->capacity, RUNQ_START);
}

static bool refuse;

static void *allocate_unless_refused(size_t size, size_t alignment, void *arg) {
    (void)arg;
    const allocator *heap = allocator_default();
    return refuse ? NULL : heap->allocate(size, alignment, heap->arg);
}

static void release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)arg;
    const allocator *heap = allocator_default();
    heap->release(memory, size, alignment, heap->arg);
}

static void full_without_memory(void **state) {
    (void)state;
    static const allocator hook = {allocate_unless_refused, release, NULL};
    runnable *got[RUNQ_CLAIM];
    runq_fini(&queue);
    refuse = true;
    assert_false(runq_init(&queue, &hook));
    refuse = false;
    assert_true(runq_init(&queue, &hook));
    refuse = true;
    push_range(0, RUNQ_START);
    assert_false(runq_push(&queue, &entries[RUNQ_START].run));
    assert_false(runq_push(&queue, &entries[RUNQ_START].run));
    assert_int_equal(runq_size(&queue), RUNQ_START);
    uint32_t taken = runq_claim(&queue, got);
    push_range(RUNQ_START, RUNQ_START + taken); /* there is room again */
    assert_false(runq_push(&queue, &entries[RUNQ_START + taken].run));
    assert_drains(taken, RUNQ_START + taken);
}

/* ---- threads ------------------------------------------------------------------------------------- */

enum { THIEVES = 3, ROUNDS = 15 };

typedef struct thief {
    port_thread thread;
    uint64_t stolen;
    uint64_t disordered; /* entries that came out before an older one of the same run */
} thief;

static ATOMIC(uint32_t) finished;

static void thief_run(void *arg) {
    thief *t = arg;
    runnable *got[RUNQ_STEAL];
    /* acquire: pairs with the owner's store: what it pushed is visible */
    for (bool last = false; !last;) {
        last = load_acquire(&finished) != 0;
        for (uint32_t n; (n = runq_steal(&queue, got)) != 0; t->stolen += n) {
            for (uint32_t i = 0; i < n; i++) {
                entry_mark(got[i]);
                t->disordered += entry_of(got[i])->number != entry_of(got[0])->number + i;
            }
        }
    }
}

/* Pushes in bursts, now and then takes a run itself. */
static uint64_t own_side(void) {
    runnable *got[RUNQ_CLAIM];
    uint64_t claimed = 0;
    uint32_t random = 12345;
    for (uint32_t next = 0; next < ENTRIES;) {
        random = random * 1664525u + 1013904223u;
        uint32_t burst = (random >> 16) % 700;
        for (; burst > 0 && next < ENTRIES; burst--, next++) {
            assert_true(runq_push(&queue, &entries[next].run));
        }
        for (uint32_t turns = (random >> 8) % 8; turns > 0; turns--) {
            uint32_t n = runq_claim(&queue, got);
            for (uint32_t i = 0; i < n; i++) {
                entry_mark(got[i]);
            }
            claimed += n;
        }
    }
    return claimed;
}

static void one_owner_many_thieves(void **state) {
    (void)state;
    uint64_t stolen = 0;
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(stop(NULL), 0);
        assert_int_equal(start(NULL), 0); /* small again: it grows under the thieves' eyes */
        store_release(&finished, 0u);     /* pairs with thief_run */
        thief t[THIEVES] = {0};
        for (int i = 0; i < THIEVES; i++) {
            assert_true(port_thread_start(&t[i].thread, thief_run, &t[i], "thief"));
        }
        uint64_t taken = own_side();
        store_release(&finished, 1u); /* pairs with thief_run */
        for (int i = 0; i < THIEVES; i++) {
            port_thread_join(&t[i].thread);
            taken += t[i].stolen;
            stolen += t[i].stolen;
            assert_int_equal(t[i].disordered, 0);
        }
        runnable *got[RUNQ_CLAIM];
        for (uint32_t n; (n = runq_claim(&queue, got)) != 0; taken += n) {
            for (uint32_t i = 0; i < n; i++) {
                entry_mark(got[i]); /* what lost races left over */
            }
        }
        assert_int_equal(taken, ENTRIES);
        assert_int_equal(entries_wrong(entries, ENTRIES), 0);
    }
    assert_true(stolen > 0);
}

int main(void) {
    alarm(BARE_LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(claims_take_half_in_order, start, stop),
        cmocka_unit_test_setup_teardown(shares_are_bounded, start, stop),
        cmocka_unit_test_setup_teardown(thieves_take_half_of_the_oldest, start, stop),
        cmocka_unit_test_setup_teardown(grows_when_full, start, stop),
        cmocka_unit_test_setup_teardown(grows_from_the_middle, start, stop),
        cmocka_unit_test_setup_teardown(reuses_the_ring, start, stop),
        cmocka_unit_test_setup_teardown(full_without_memory, start, stop),
        cmocka_unit_test_setup_teardown(one_owner_many_thieves, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

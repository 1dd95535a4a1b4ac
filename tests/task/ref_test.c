/* References and generations of a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "port/port.h"
#include "task/ref.h"

static belay_task t;

static int start(void **state) {
    (void)state;
    memset(&t, 0, sizeof t);
    return 0;
}

static void set_word(uint64_t generation, uint64_t references) {
    store_relaxed(&t.ref, generation << REF_BITS | references); /* relaxed: a single thread */
}

static uint64_t references(void) {
    return load_relaxed(&t.ref) & REF_COUNT; /* relaxed: a look */
}

static void born_alive(void **state) {
    (void)state;
    assert_false(ref_gain(&t, 0)); /* not born: no handle has been given out */
    assert_int_equal(ref_lose(&t, 0), REF_STALE);
    ref_born(&t, 2);
    assert_int_equal(references(), 2);
    assert_int_equal(ref_generation(&t), 0);
}

static void gained_only_if_alive(void **state) {
    (void)state;
    ref_born(&t, 1);
    assert_true(ref_gain(&t, 0));
    assert_false(ref_gain(&t, 1));
    assert_int_equal(references(), 2);
    assert_int_equal(ref_lose(&t, 1), REF_STALE);
    assert_int_equal(ref_lose(&t, 0), REF_HELD);
    assert_int_equal(ref_lose(&t, 0), REF_LAST);
    assert_false(ref_gain(&t, 0));
    assert_false(ref_gain(&t, 1)); /* the right generation, but nobody holds it */
    assert_int_equal(references(), 0);
}

static void generation_advances_at_the_last(void **state) {
    (void)state;
    for (uint64_t generation = 0; generation < 5; generation++) {
        assert_int_equal(ref_generation(&t), generation);
        ref_born(&t, 2);
        assert_int_equal(ref_lose(&t, generation), REF_HELD);
        assert_int_equal(ref_generation(&t), generation);
        assert_int_equal(ref_lose(&t, generation), REF_LAST);
        assert_int_equal(ref_lose(&t, generation), REF_STALE); /* one too many */
        assert_int_equal(ref_lose(&t, generation + 1), REF_STALE);
        assert_int_equal(ref_generation(&t), generation + 1);
    }
}

/* A count that is full is refused, and never runs over into the generation. */
static void too_many_references(void **state) {
    (void)state;
    set_word(7, REF_COUNT - 1);
    assert_true(ref_gain(&t, 7));
    assert_int_equal(references(), REF_COUNT);
    assert_false(ref_gain(&t, 7));
    assert_int_equal(ref_generation(&t), 7);
    assert_int_equal(references(), REF_COUNT);
    assert_int_equal(ref_lose(&t, 7), REF_HELD);
}

static void used_up_slots_are_retired(void **state) {
    (void)state;
    set_word(REF_GENERATION - 2, 1);
    assert_int_equal(ref_lose(&t, REF_GENERATION - 2), REF_LAST);
    assert_true(ref_usable(&t));
    ref_born(&t, 1);
    assert_int_equal(ref_lose(&t, REF_GENERATION - 1), REF_LAST);
    assert_false(ref_usable(&t));
}

enum { THREADS = 3, LIVES = 20000 };

typedef struct holder {
    port_thread thread;
    uint64_t last;
    uint64_t stale;
} holder;

static ATOMIC(uint64_t) lives; /* how many have begun */

/* Follows the record's lives: gains and loses a reference in whichever it meets. */
static void holder_run(void *arg) {
    holder *h = arg;
    for (uint64_t life = 0; life < LIVES;) {
        life = load_acquire(&lives); /* pairs with each_life_has_one_end */
        uint64_t generation = life > 0 ? life - 1 : 0;
        if (ref_gain(&t, generation)) {
            ref_drop drop = ref_lose(&t, generation);
            h->last += drop == REF_LAST;
            h->stale += drop == REF_STALE;
        }
    }
}

static void each_life_has_one_end(void **state) {
    (void)state;
    holder h[THREADS] = {0};
    uint64_t last = 0;
    store_relaxed(&lives, 0); /* relaxed: starting the threads publishes it */
    for (int i = 0; i < THREADS; i++) {
        assert_true(port_thread_start(&h[i].thread, holder_run, &h[i], "holder"));
    }
    for (uint64_t life = 0; life < LIVES; life++) {
        while (ref_generation(&t) != life) {
            port_thread_yield(); /* somebody else still holds the life before */
        }
        ref_born(&t, 1);
        store_release(&lives, life + 1); /* pairs with holder_run */
        last += ref_lose(&t, life) == REF_LAST;
    }
    for (int i = 0; i < THREADS; i++) {
        port_thread_join(&h[i].thread);
        assert_int_equal(h[i].stale, 0);
        last += h[i].last;
    }
    assert_int_equal(last, LIVES);
    assert_int_equal(load_relaxed(&t.ref), (uint64_t)LIVES << REF_BITS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(born_alive, start),
        cmocka_unit_test_setup(gained_only_if_alive, start),
        cmocka_unit_test_setup(generation_advances_at_the_last, start),
        cmocka_unit_test_setup(too_many_references, start),
        cmocka_unit_test_setup(used_up_slots_are_retired, start),
        cmocka_unit_test_setup(each_life_has_one_end, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

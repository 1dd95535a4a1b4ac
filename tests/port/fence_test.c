/* The fence pair: of two threads that store and then read the other's word, one sees the other's
 * store. A smoke test: it fails soon when the heavy half is left out, but proves nothing by
 * passing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "port/port.h"

enum { ROUNDS = 20000 };

typedef struct side {
    ATOMIC(uint32_t) stored; /* the round, stored in it */
    ATOMIC(uint32_t) ready;  /* the round this side has reached */
    uint32_t saw;
} __attribute__((aligned(64))) side;

static side light, heavy;
static ATOMIC(uint32_t) both_missed;
static bool symmetric;

/* Both leave this at about the same time; bounded by the other's few instructions. */
static void meet(side *mine, side *other, uint32_t round) {
    store_release(&mine->ready, round); /* pairs with the load in the other's meet() */
    for (int spins = 0; load_acquire(&other->ready) < round; spins++) { /* pairs with its store */
        if (spins > 1000) {
            port_thread_yield();
        }
    }
}

static void light_side(void *arg) {
    (void)arg;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        meet(&light, &heavy, 2 * round);
        store_relaxed(&light.stored, round); /* relaxed: the fence is what is tested */
        port_fence_light(symmetric);
        light.saw = load_relaxed(&heavy.stored); /* relaxed: as above */
        meet(&light, &heavy, 2 * round + 1);
    }
}

static void heavy_side(void) {
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        meet(&heavy, &light, 2 * round);
        store_relaxed(&heavy.stored, round); /* relaxed: the fence is what is tested */
        port_fence_heavy(symmetric);
        heavy.saw = load_relaxed(&light.stored); /* relaxed: as above */
        meet(&heavy, &light, 2 * round + 1);
        if (heavy.saw != round && light.saw != round) {
            owner_add(&both_missed, 1);
        }
    }
}

static void run(bool with_symmetric) {
    symmetric = with_symmetric;
    light = (side){0};
    heavy = (side){0};
    init_plain(&both_missed, 0);
    port_thread thread;
    assert_true(port_thread_start(&thread, light_side, NULL, "light"));
    heavy_side();
    port_thread_join(&thread);
    assert_int_equal(load_relaxed(&both_missed), 0); /* relaxed: the other thread has ended */
}

static void symmetric_pair(void **state) {
    (void)state;
    run(true);
}

static void asymmetric_pair(void **state) {
    (void)state;
    if (!port_membarrier_init()) {
        skip();
    }
    assert_true(port_membarrier_init()); /* once for each executor */
    run(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symmetric_pair),
        cmocka_unit_test(asymmetric_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The spin lock: exclusion, also when its holder is put aside, and that who naps comes back by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/spin.h"
#include "port/port.h"

enum { THREADS = 4, ROUNDS = 20000, LIMIT_SECONDS = 60, LONG = 3000000 };

static spin shared;
static uint64_t guarded; /* under the lock */

static void states(void **state) {
    (void)state;
    spin_init(&shared);
    assert_true(spin_try(&shared));
    assert_false(spin_try(&shared));
    spin_release(&shared);
    spin_take(&shared);
    assert_false(spin_try(&shared));
    spin_release(&shared);
}

static void count_up(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        spin_take(&shared);
        uint64_t before = guarded;
        if (i % 256 == 0) {
            port_thread_yield(); /* others meet a held lock */
        }
        guarded = before + 1;
        spin_release(&shared);
    }
}

static void excludes(void **state) {
    (void)state;
    port_thread thread[THREADS];
    spin_init(&shared);
    guarded = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_true(port_thread_start(&thread[i], count_up, NULL, "count"));
    }
    for (int i = 0; i < THREADS; i++) {
        port_thread_join(&thread[i]);
    }
    assert_int_equal(guarded, (uint64_t)THREADS * ROUNDS);
}

static atomic_u32 at_the_door;

static void pass_through(void *arg) {
    (void)arg;
    fetch_add_seq_cst(&at_the_door, 1u); /* seq_cst: a test */
    spin_take(&shared);
    guarded++;
    spin_release(&shared);
}

/* The lock is held long enough for the others to nap; nobody wakes them. */
static void who_naps_comes_back(void **state) {
    (void)state;
    port_thread thread[THREADS];
    spin_init(&shared);
    guarded = 0;
    spin_take(&shared);
    for (int i = 0; i < THREADS; i++) {
        assert_true(port_thread_start(&thread[i], pass_through, NULL, "pass"));
    }
    while (load_acquire(&at_the_door) != THREADS) { /* pairs with pass_through */
        port_thread_yield();
    }
    int64_t end = port_clock_now() + LONG;
    while (port_clock_now() < end) {
        port_thread_yield();
    }
    assert_int_equal(guarded, 0);
    spin_release(&shared);
    for (int i = 0; i < THREADS; i++) {
        port_thread_join(&thread[i]);
    }
    assert_int_equal(guarded, THREADS);
}

int main(void) {
    alarm(LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),
        cmocka_unit_test(excludes),
        cmocka_unit_test(who_naps_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The lock: its three states, exclusion, and that nobody who sleeps on it is forgotten. A forgotten sleeper shows as a
 * hang, which an alarm ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/lock.h"
#include "port/port.h"

enum { FREE, HELD, SLEEPERS };
enum { THREADS = 4, LIMIT_SECONDS = 60 };

static lock shared;

static uint32_t word_now(void) {
    return load_relaxed(&shared.word); /* relaxed: a look */
}

static void states(void **state) {
    (void)state;
    lock_init(&shared);
    assert_int_equal(word_now(), FREE);
    assert_true(lock_try(&shared));
    assert_int_equal(word_now(), HELD);
    assert_false(lock_try(&shared));
    lock_release(&shared);
    assert_int_equal(word_now(), FREE);
    lock_take(&shared);
    assert_int_equal(word_now(), HELD); /* nobody waited: the release needs no system call */
    lock_release(&shared);
}

enum { ROUNDS = 20000 };

static uint64_t
    guarded; /* under the lock; ThreadSanitizer checks the ordering, the sum the exclusion */

static void count_up(void *arg) {
    uint64_t *own = arg;
    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&shared);
        uint64_t before = guarded;
        if (i % 256 == 0) {
            port_thread_yield(); /* others come to sleep */
        }
        guarded = before + 1;
        lock_release(&shared);
        ++*own;
    }
}

static void excludes(void **state) {
    (void)state;
    port_thread thread[THREADS];
    uint64_t own[THREADS] = {0};
    lock_init(&shared);
    guarded = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_true(port_thread_start(&thread[i], count_up, &own[i], "count"));
    }
    for (int i = 0; i < THREADS; i++) {
        port_thread_join(&thread[i]);
        assert_int_equal(own[i], ROUNDS);
    }
    assert_int_equal(guarded, (uint64_t)THREADS * ROUNDS);
    assert_int_equal(word_now(), FREE);
}

static void pass_through(void *arg) {
    (void)arg;
    lock_take(&shared);
    guarded++;
    lock_release(&shared);
}

/* One release must do for all who came meanwhile: each passes the wake on. */
static void no_sleeper_is_forgotten(void **state) {
    (void)state;
    lock_init(&shared);
    guarded = 0;
    for (int round = 0; round < 500; round++) {
        port_thread thread[THREADS];
        lock_take(&shared);
        for (int i = 0; i < THREADS; i++) {
            assert_true(port_thread_start(&thread[i], pass_through, NULL, "pass"));
        }
        while (word_now() != SLEEPERS) {
            port_thread_yield();
        }
        assert_false(lock_try(&shared));
        assert_int_equal(guarded, (uint64_t)round * THREADS);
        lock_release(&shared);
        for (int i = 0; i < THREADS; i++) {
            port_thread_join(&thread[i]);
        }
    }
    assert_int_equal(guarded, 500 * THREADS);
    assert_int_equal(word_now(), FREE);
}

int main(void) {
    alarm(LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),
        cmocka_unit_test(excludes),
        cmocka_unit_test(no_sleeper_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

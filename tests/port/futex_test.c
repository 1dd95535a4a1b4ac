/* Parking: returns when it must, sleeps until woken, and honours the deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "port/port.h"

static const int64_t second = 1000000000;

static void returns_when_the_word_differs(void **state) {
    (void)state;
    uint32_t word = 5;
    int64_t start = port_clock_now();
    port_futex_wait(&word, 4, start + 20 * second);
    assert_true(port_clock_now() < start + 10 * second);
}

static void returns_when_the_deadline_has_passed(void **state) {
    (void)state;
    uint32_t word = 5;
    int64_t start = port_clock_now();
    port_futex_wait(&word, 5, start - 1);
    port_futex_wait(&word, 5, -7);
    port_futex_wait(&word, 5, INT64_MIN);
    assert_true(port_clock_now() < start + 10 * second);
}

static void sleeps_until_the_deadline(void **state) {
    (void)state;
    uint32_t word = 5;
    int64_t deadline = port_clock_now() + second / 50;
    uint32_t returns = 0;
    while (port_clock_now() < deadline) {
        port_futex_wait(&word, 5, deadline);
        returns++;
    }
    assert_in_range(returns, 1, 100); /* it slept, and did not spin */
    assert_true(port_clock_now() < deadline + 10 * second);
}

typedef struct sleeper {
    ATOMIC(uint32_t) word;
    ATOMIC(int32_t) tid;
    port_thread thread;
} sleeper;

static void sleep_until_nonzero(void *arg) {
    sleeper *s = arg;
    store_release(&s->tid, (int32_t)syscall(SYS_gettid)); /* pairs with wait_until_asleep */
    while (load_acquire(&s->word) == 0) {                 /* pairs with wake_ends_the_sleep */
        port_futex_wait(&s->word.value, 0, PORT_NEVER);
    }
}

/* The kernel says of the thread that it sleeps in a system call: then the wake is what ends it. */
static void wait_until_asleep(sleeper *s) {
    char path[64];
    char line[512];
    const char *state = NULL;
    while (load_acquire(&s->tid) == 0) { /* pairs with sleep_until_nonzero */
        port_thread_yield();
    }
    snprintf(path, sizeof path, "/proc/self/task/%" PRId32 "/stat", load_relaxed(&s->tid));
    do {
        port_thread_yield();
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_non_null(fgets(line, sizeof line, file));
        fclose(file);
        state = strrchr(line, ')');
    } while (state == NULL || state[2] != 'S');
}

static void wake_ends_the_sleep(void **state) {
    (void)state;
    static sleeper s;
    assert_true(port_thread_start(&s.thread, sleep_until_nonzero, &s, "sleeper"));
    wait_until_asleep(&s);
    store_release(&s.word, 1); /* pairs with sleep_until_nonzero */
    port_futex_wake(&s.word.value, 1);
    port_thread_join(&s.thread);
}

enum { SLEEPERS = 3 };

static ATOMIC(uint32_t) gate;
static sleeper crowd[SLEEPERS];

static void sleep_at_the_gate(void *arg) {
    sleeper *s = arg;
    store_release(&s->tid, (int32_t)syscall(SYS_gettid)); /* pairs with wait_until_asleep */
    while (load_acquire(&gate) == 0) {                    /* pairs with wake_reaches_all */
        port_futex_wait(&gate.value, 0, PORT_NEVER);
    }
}

static void wake_reaches_all(void **state) {
    (void)state;
    for (int i = 0; i < SLEEPERS; i++) {
        assert_true(port_thread_start(&crowd[i].thread, sleep_at_the_gate, &crowd[i], "crowd"));
    }
    for (int i = 0; i < SLEEPERS; i++) {
        wait_until_asleep(&crowd[i]);
    }
    store_release(&gate, 1); /* pairs with sleep_at_the_gate */
    port_futex_wake(&gate.value, UINT32_MAX);
    for (int i = 0; i < SLEEPERS; i++) {
        port_thread_join(&crowd[i].thread);
    }
}

static void waking_nobody_is_harmless(void **state) {
    (void)state;
    uint32_t *page = port_pages_map(port_page_size(), port_page_size());
    port_futex_wake(page, 1);
    port_pages_unmap(page, port_page_size());
    port_futex_wake(page, 1); /* the memory need not be valid any more */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_when_the_word_differs),
        cmocka_unit_test(returns_when_the_deadline_has_passed),
        cmocka_unit_test(sleeps_until_the_deadline),
        cmocka_unit_test(wake_ends_the_sleep),
        cmocka_unit_test(wake_reaches_all),
        cmocka_unit_test(waking_nobody_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

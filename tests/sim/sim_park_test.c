/* Parking in the simulator: a hand-made protocol and one on Concurrency Kit's structures, each
 * right and with a planted lost wakeup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <ck_ec.h>
#include <ck_stack.h>
#include <cmocka.h>

#include "port/port.h"
#include "port/sim/sim.h"

enum { SEEDS = 20000, ITEMS = 3 };

typedef enum fault { FAULT_NONE, FAULT_FENCE, FAULT_ORDER, FAULT_NO_INCREMENT } fault;

typedef struct item {
    ck_stack_entry_t entry; /* first: an entry is an item */
    uint32_t value;
} item;

static struct {
    fault fault;
    ATOMIC(uint32_t) ready;
    ATOMIC(uint32_t) waiting;
    ATOMIC(uint32_t) word;
    ck_stack_t stack;
    ck_ec32_t count;
    item items[2 * ITEMS];
    uint32_t sum;
} shared;

static void reset(void *arg) {
    memset(&shared, 0, sizeof shared);
    shared.fault = *(fault *)arg;
}

static sim_result explore(void (*scenario)(void *arg), fault planted) {
    sim_config config = {.seed = 0};
    return sim_explore(&config, SEEDS, reset, scenario, &planted);
}

/* ---- flag, fence, check ---------------------------------------------------------------------- */

static void park(void *arg) {
    (void)arg;
    while (load_acquire(&shared.ready) == 0) { /* pairs with the store in unpark */
        store_relaxed(&shared.waiting, 1);     /* relaxed: the fence orders it */
        port_fence_light(false);
        if (load_acquire(&shared.ready) == 0) { /* pairs with the store in unpark */
            port_futex_wait(&shared.word.value, 0, PORT_NEVER);
        }
    }
}

static void unpark(void) {
    store_release(&shared.ready, 1); /* pairs with the loads in park */
    if (shared.fault != FAULT_FENCE) {
        port_fence_heavy(false);
    }
    if (load_relaxed(&shared.waiting) != 0) { /* relaxed: the fence orders it */
        store_release(&shared.word, 1);       /* pairs with the kernel's look at the word */
        port_futex_wake(&shared.word.value, 1);
    }
}

static void unpark_out_of_order(void) {
    bool waits = load_relaxed(&shared.waiting) != 0; /* relaxed: the fault is the order */
    store_seq_cst(&shared.ready, 1);
    if (waits) {
        store_release(&shared.word, 1); /* pairs with the kernel's look at the word */
        port_futex_wake(&shared.word.value, 1);
    }
}

static void parking(void *arg) {
    (void)arg;
    port_thread sleeper;
    port_membarrier_init();
    sim_check(port_thread_start(&sleeper, park, NULL, "sleeper"), "no thread");
    if (shared.fault == FAULT_ORDER) {
        unpark_out_of_order();
    } else {
        unpark();
    }
    port_thread_join(&sleeper);
}

static void test_parking(void **state) {
    (void)state;
    assert_string_equal(explore(parking, FAULT_NONE).failure, "");
    for (fault planted = FAULT_FENCE; planted <= FAULT_ORDER; planted++) {
        sim_result result = explore(parking, planted);
        assert_non_null(strstr(result.failure, "lost wakeup"));
        print_message("fault %d found at seed %u\n", planted, (unsigned)result.seed);
    }
}

/* ---- stack and event count ------------------------------------------------------------------- */

static int now(const struct ck_ec_ops *ops, struct timespec *out) {
    (void)ops;
    int64_t clock = port_clock_now();
    *out = (struct timespec){.tv_sec = clock / 1000000000, .tv_nsec = clock % 1000000000};
    return 0;
}

static void wait_word(const struct ck_ec_wait_state *wait, const uint32_t *word, uint32_t expected,
                      const struct timespec *deadline) {
    (void)wait;
    int64_t until = PORT_NEVER;
    if (deadline != NULL) {
        until = deadline->tv_sec * 1000000000 + deadline->tv_nsec;
    }
    port_futex_wait(word, expected, until);
}

static void wake_word(const struct ck_ec_ops *ops, const uint32_t *word) {
    (void)ops;
    port_futex_wake(word, UINT32_MAX);
}

static const struct ck_ec_ops ops = {.gettime = now, .wait32 = wait_word, .wake32 = wake_word};
static const struct ck_ec_mode mode = {.ops = &ops, .single_producer = false};

static void produce(void *arg) {
    item *items = arg;
    for (uint32_t i = 0; i < ITEMS; i++) {
        items[i].value = 1;
        ck_stack_push_upmc(&shared.stack, &items[i].entry);
        if (shared.fault != FAULT_NO_INCREMENT) {
            ck_ec_inc(&shared.count, &mode);
        }
    }
}

static void consume_all(void) {
    ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&shared.stack);
    for (; entry != NULL; entry = entry->next) {
        shared.sum += ((item *)(void *)entry)->value;
    }
}

static void consume(void *arg) {
    (void)arg;
    for (;;) {
        uint32_t seen = ck_ec_value(&shared.count);
        consume_all();
        if (shared.sum == 2 * ITEMS) {
            return;
        }
        if (shared.fault == FAULT_ORDER) {
            seen = ck_ec_value(&shared.count); /* the fault: after the look */
        }
        ck_ec_wait(&shared.count, &mode, seen, NULL);
    }
}

static void injection(void *arg) {
    (void)arg;
    port_thread threads[2];
    sim_check(port_thread_start(&threads[0], produce, &shared.items[0], "first"), "no thread");
    sim_check(port_thread_start(&threads[1], produce, &shared.items[ITEMS], "second"), "no thread");
    consume(NULL);
    port_thread_join(&threads[0]);
    port_thread_join(&threads[1]);
}

static void test_injection(void **state) {
    (void)state;
    assert_string_equal(explore(injection, FAULT_NONE).failure, "");
    for (fault planted = FAULT_ORDER; planted <= FAULT_NO_INCREMENT; planted++) {
        sim_result result = explore(injection, planted);
        assert_non_null(strstr(result.failure, "lost wakeup"));
        print_message("fault %d found at seed %u\n", planted, (unsigned)result.seed);
    }
}

static void time_out(void *arg) {
    (void)arg;
    struct timespec deadline;
    const struct timespec delay = {.tv_sec = 5};
    ck_ec_deadline(&deadline, &mode, &delay);
    int64_t begin = port_clock_now();
    sim_check(ck_ec_wait(&shared.count, &mode, 0, &deadline) == -1, "no timeout");
    sim_check(port_clock_now() - begin >= 4900000000, "too early");
}

static void test_timeout(void **state) {
    (void)state;
    assert_string_equal(explore(time_out, FAULT_NONE).failure, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parking),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_timeout),
    };
    return cmocka_run_group_tests_name("sim/park", tests, NULL, NULL);
}

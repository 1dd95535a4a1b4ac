/* Creating an executor when the system refuses: each call for a thread, pages or heap memory fails in turn. Nothing is
 * left behind, and the next create succeeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <belay/belay.h>

#include "owner/registry.h"
#include "port/port.h"
#include "port/sim/sim.h"

enum { WORKERS = 4, MOST = 400 };

static int64_t outstanding; /* plain: the simulator switches at its own steps only */
static belay_status status;
static belay_status again;

static void *allocate(size_t size, size_t alignment, void *arg) {
    (void)arg;
    void *memory = port_heap_allocate(size, alignment);
    outstanding += memory != NULL;
    return memory;
}

static void release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)arg;
    outstanding -= memory != NULL;
    port_heap_release(memory, size, alignment);
}

static belay_status nothing(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static belay_status create_and_destroy(bool run) {
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.workers = WORKERS;
    config.ignore_env = 1;
    config.allocate = allocate;
    config.release = release;
    belay_executor *ex;
    belay_status created = belay_executor_create(&config, &ex);
    if (created == BELAY_OK) {
        sim_check(!run || belay_executor_run(ex, nothing, NULL, NULL) == BELAY_OK, "does not run");
        sim_check(belay_executor_destroy(ex) == BELAY_OK, "not destroyed");
    } else {
        sim_check(ex == NULL, "a pointer in spite of the failure");
    }
    sim_check(outstanding == 0, "memory was kept");
    return created;
}

static void twice(void *arg) {
    (void)arg;
    outstanding = 0;
    status = create_and_destroy(false);
    again = create_and_destroy(status != BELAY_OK);
}

/* The table of executors outlives a run, so its entry must not be pages of the run. */
static int claim_once(void **state) {
    (void)state;
    executor_unclaim(executor_claim());
    return 0;
}

static void test_a_thread_that_does_not_start_is_eagain(void **state) {
    (void)state;
    for (uint64_t call = 1; call <= WORKERS; call++) {
        sim_config config = {.seed = call, .fail_thread_start = call};
        sim_result result = sim_run(&config, twice, NULL);
        assert_string_equal(result.failure, "");
        assert_int_equal(status, BELAY_EAGAIN);
        assert_int_equal(again, BELAY_OK);
    }
}

/* What fails later than the first create may fail the second. */
static void test_memory_that_is_refused_is_enomem(void **state) {
    (void)state;
    uint32_t failed[2] = {0};
    for (uint64_t call = 1; call <= MOST; call++) {
        for (int pages = 0; pages < 2; pages++) {
            sim_config config = {.seed = call,
                                 .fail_pages_map = pages ? call : 0,
                                 .fail_heap_allocate = pages ? 0 : call};
            status = BELAY_OK;
            sim_result result = sim_run(&config, twice, NULL);
            assert_string_equal(result.failure, "");
            assert_true(status == BELAY_OK || status == BELAY_ENOMEM);
            assert_true(again == BELAY_OK || status == BELAY_OK);
            failed[pages] += status == BELAY_ENOMEM;
        }
    }
    assert_true(failed[0] > 1);
    assert_true(failed[1] > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_that_does_not_start_is_eagain),
        cmocka_unit_test(test_memory_that_is_refused_is_enomem),
    };
    return cmocka_run_group_tests(tests, claim_once, NULL);
}

/* Running out: of memory through the hook, of tasks, scopes and stacks. What was accepted ends, what was refused is
 * the caller's, nothing is lost and nothing hangs; when there is room again, work goes on. */
#include "api/support.h"

enum { SLOTS = 64, STACKS = 12, SLEEPERS = 200 };

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* A heap that fails from its k-th allocation on, or only at it. */
typedef struct heap {
    tally allocations, outstanding;
    uint64_t fail_at; /* 0: never */
    bool once;
} heap;

static void *heap_allocate(size_t size, size_t alignment, void *arg) {
    heap *h = arg;
    uint64_t number = tally_add(&h->allocations);
    void *memory = NULL;
    uint64_t fail_at = __atomic_load_n(&h->fail_at, __ATOMIC_ACQUIRE);
    bool fails = fail_at != 0 && (h->once ? number == fail_at : number >= fail_at);
    alignment = alignment < sizeof(void *) ? sizeof(void *) : alignment;
    if (fails || posix_memalign(&memory, alignment, size) != 0) {
        return NULL;
    }
    memset(memory, 0xcd, size);
    (void)__atomic_add_fetch(&h->outstanding.value, size, __ATOMIC_ACQ_REL);
    return memory;
}

static void heap_release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)alignment;
    if (memory != NULL) {
        (void)__atomic_sub_fetch(&((heap *)arg)->outstanding.value, size, __ATOMIC_ACQ_REL);
        free(memory);
    }
}

static belay_config heap_config(heap *h, uint32_t workers) {
    belay_config config = test_config(workers);
    config.allocate = heap_allocate;
    config.release = heap_release;
    config.allocator_arg = h;
    config.stall = BELAY_SECOND;
    return config;
}

static void test_create_without_memory_is_enomem_and_gives_everything_back(void **state) {
    belay_executor *ex = NULL;
    for (int once = 0; once < 2; once++) {
        for (uint64_t k = 1;; k++) {
            heap h = {.fail_at = k, .once = once != 0};
            belay_config config = heap_config(&h, workers_of(state));
            belay_status status = belay_executor_create(&config, &ex);
            if (status == BELAY_OK) {
                assert_true(k > 2);
                assert_int_equal(belay_executor_destroy(ex), BELAY_OK);
                assert_int_equal(tally_read(&h.outstanding), 0);
                break;
            }
            assert_int_equal(status, BELAY_ENOMEM);
            assert_null(ex);
            assert_int_equal(tally_read(&h.outstanding), 0);
        }
    }
}

static long count_down(belay_task *self, long n);
BELAY_FORKABLE(count_down, long, long)
static long count_down(belay_task *self, long n) {
    (void)self;
    return n;
}

typedef struct load {
    tally drops, accepted;
} load;

static void load_drop(void *arg) {
    (void)tally_add(&((load *)arg)->drops);
}

/* Forks beyond fork_depth, sleeps, scopes, spawns: all that wants memory. */
static belay_status use_memory(belay_task *self, void *arg) {
    load *l = arg;
    belay_scope scope;
    belay_task_options options = {.arg_drop = load_drop};
    for (long i = 0; i < 200; i++) {
        count_down_fork(self, i);
    }
    for (long i = 200; i-- > 0;) {
        long n = count_down_sync(self);
        EXPECT(n == i || belay_canceled(self));
    }
    belay_status status = belay_scope_open(self, NULL, &scope);
    if (status == BELAY_OK) {
        for (int i = 0; i < 50; i++) {
            status = belay_spawn(self, scope, body_nothing, l, &options, NULL);
            EXPECT(status == BELAY_OK || status == BELAY_ENOMEM);
            if (status == BELAY_OK) {
                (void)tally_add(&l->accepted);
            }
        }
        (void)belay_sleep_until(self, belay_after(1000));
        (void)belay_scope_close(self, scope);
    }
    return BELAY_OK;
}

static void test_out_of_memory_later_loses_nothing(void **state) {
    for (uint64_t k = 0; k < 6; k++) {
        heap h = {0};
        load l = {{0}, {0}};
        belay_config config = heap_config(&h, workers_of(state));
        config.fork_depth = 16;
        belay_executor *ex = executor_make(&config);
        h.once = k % 2 != 0;
        __atomic_store_n(&h.fail_at, tally_read(&h.allocations) + 1 + k / 2, __ATOMIC_RELEASE);
        for (int i = 0; i < 20; i++) {
            belay_task_options options = {.arg_drop = load_drop};
            belay_status status =
                belay_spawn(NULL, belay_executor_root(ex), use_memory, &l, &options, NULL);
            assert_true(status == BELAY_OK || status == BELAY_ENOMEM);
            if (status == BELAY_OK) {
                (void)tally_add(&l.accepted);
            }
        }
        assert_int_equal(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER), BELAY_OK);
        assert_int_equal(tally_read(&l.drops), tally_read(&l.accepted));
        assert_true(executor_end(ex));
        assert_int_equal(tally_read(&h.outstanding), 0);
    }
}

static belay_status lose_forks(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 100; i++) {
        EXPECT_STATUS(belay_fork(self, body_nothing, NULL), BELAY_OK);
    }
    uint32_t lost = 0;
    for (int i = 0; i < 100; i++) {
        lost += belay_sync(self) == BELAY_ENOMEM;
    }
    EXPECT(lost == 84);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    return BELAY_OK;
}

static void test_fork_without_memory_is_enomem_at_its_sync_and_in_the_outcome(void **state) {
    heap h = {0};
    belay_config config = heap_config(&h, workers_of(state));
    belay_outcome outcome;
    config.fork_depth = 16;
    belay_executor *ex = executor_make(&config);
    __atomic_store_n(&h.fail_at, 1, __ATOMIC_RELEASE);
    assert_int_equal(belay_executor_run(ex, lose_forks, NULL, &outcome), BELAY_OK);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_ERROR);
    assert_int_equal(outcome.status, BELAY_ENOMEM);
    run(ex, body_nothing, NULL);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&h.outstanding), 0);
}

/* ---- tasks and scopes -------------------------------------------------------------------------------------------- */

/* The limit is a promise: free records in caches (two batches of 64 per worker and per shard of outsiders) come on
 * top. */
static uint32_t most_cached(const belay_executor *ex) {
    return (2 * belay_executor_workers(ex) + 8) * 128; /* spares are as many as workers */
}

static uint32_t fill_with_sleepers(belay_executor *ex, belay_scope scope, tally *drops) {
    belay_task_options options = {.arg_drop = tally_drop};
    uint32_t accepted = 0;
    belay_status status = BELAY_OK;
    while (status == BELAY_OK && accepted <= SLOTS + most_cached(ex)) {
        status = belay_spawn(NULL, scope, body_sleep, drops, &options, NULL);
        accepted += status == BELAY_OK;
    }
    assert_int_equal(status, BELAY_ENOMEM);
    return accepted;
}

static void fill_and_empty(belay_executor *ex) {
    tally drops = {0};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    uint32_t accepted = fill_with_sleepers(ex, scope, &drops);
    assert_true(accepted >= SLOTS && accepted <= SLOTS + most_cached(ex));
    assert_int_equal(tally_read(&drops), 0);
    assert_int_equal(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&drops), accepted);
}

static void test_spawn_beyond_max_tasks_is_enomem_and_loses_nothing(void **state) {
    belay_config config = test_config(workers_of(state));
    config.max_tasks = SLOTS;
    belay_executor *ex = executor_make(&config);
    fill_and_empty(ex);
    assert_true(executor_end(ex));
}

static void test_spawn_from_outside_works_again_once_max_tasks_have_ended(void **state) {
    belay_config config = test_config(workers_of(state));
    config.max_tasks = SLOTS;
    belay_executor *ex = executor_make(&config);
    for (int i = 0; i < 5; i++) {
        fill_and_empty(ex);
    }
    assert_true(executor_end(ex));
}

static void test_scope_beyond_max_scopes_is_enomem_until_one_is_closed(void **state) {
    belay_config config = test_config(workers_of(state));
    config.max_scopes = 4; /* the root is one */
    belay_executor *ex = executor_make(&config);
    static belay_scope scopes[4096];
    for (int round = 0; round < 5; round++) {
        uint32_t open = 0;
        while (open < 4095 && belay_scope_open_root(ex, NULL, &scopes[open]) == BELAY_OK) {
            open++;
        }
        assert_true(open >= 3 && open <= 3 + most_cached(ex));
        assert_int_equal(belay_scope_open_root(ex, NULL, &scopes[open]), BELAY_ENOMEM);
        assert_int_equal(scopes[open].generation, 0);
        while (open-- > 0) {
            assert_int_equal(belay_scope_close(NULL, scopes[open]), BELAY_OK);
        }
    }
    assert_true(executor_end(ex));
}

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

typedef struct stackless {
    tally drops, woke;
} stackless;

static void stackless_drop(void *arg) {
    (void)tally_add(&((stackless *)arg)->drops);
}

static belay_status short_sleep(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_MILLISECOND)), BELAY_OK);
    (void)tally_add(&((stackless *)arg)->woke);
    return BELAY_OK;
}

static void spawn_sleepers(belay_executor *ex, belay_scope scope, belay_body *body, stackless *s) {
    belay_task_options options = {.arg_drop = stackless_drop};
    (void)ex;
    for (int i = 0; i < SLEEPERS; i++) {
        assert_int_equal(belay_spawn(NULL, scope, body, s, &options, NULL), BELAY_OK);
    }
}

static void check_no_one_lost(belay_executor *ex, const stackless *s) {
    belay_stats stats;
    assert_int_equal(tally_read(&s->drops), SLEEPERS);
    assert_int_equal(belay_executor_stats(ex, &stats, sizeof stats), BELAY_OK);
    assert_int_equal(stats.value + stats.error + stats.canceled + stats.skipped, SLEEPERS);
    assert_int_equal(stats.value, tally_read(&s->woke));
}

static belay_executor *executor_with_few_stacks(uint32_t workers) {
    belay_config config = test_config(workers);
    config.max_stacks = STACKS;
    return executor_make(&config);
}

static void test_out_of_stacks_sleepers_all_end_as_stacks_come_back(void **state) {
    belay_executor *ex = executor_with_few_stacks(workers_of(state));
    belay_scope_options options = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    stackless s = {{0}, {0}};
    assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
    spawn_sleepers(ex, scope, short_sleep, &s);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    check_no_one_lost(ex, &s);
    run(ex, body_nothing, NULL);
    assert_true(executor_end(ex));
}

static void test_out_of_stacks_for_good_cancel_and_close_still_end_all(void **state) {
    belay_executor *ex = executor_with_few_stacks(workers_of(state));
    belay_scope_options options = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    stackless s = {{0}, {0}};
    assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
    spawn_sleepers(ex, scope, body_sleep, &s);
    await_waiting(ex, "sleep", 2);
    assert_int_equal(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    check_no_one_lost(ex, &s);
    run(ex, body_nothing, NULL);
    assert_true(executor_end(ex));
}

static void test_create_with_fewer_stacks_than_workers_need_is_a_status(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = NULL;
    config.max_stacks = 1;
    belay_status status = belay_executor_create(&config, &ex);
    assert_true(status == BELAY_OK || status == BELAY_ENOMEM);
    if (status == BELAY_OK) {
        belay_outcome outcome;
        assert_int_equal(belay_executor_run(ex, body_nothing, NULL, &outcome), BELAY_OK);
        assert_true(outcome.status == BELAY_OK || outcome.status == BELAY_ENOSTACK);
        assert_true(executor_end(ex));
    } else {
        assert_null(ex);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_create_without_memory_is_enomem_and_gives_everything_back),
        BOTH_BARE(test_out_of_memory_later_loses_nothing),
        BOTH_BARE(test_fork_without_memory_is_enomem_at_its_sync_and_in_the_outcome),
        BOTH_BARE(test_spawn_beyond_max_tasks_is_enomem_and_loses_nothing),
        BOTH_BARE(test_spawn_from_outside_works_again_once_max_tasks_have_ended),
        BOTH_BARE(test_scope_beyond_max_scopes_is_enomem_until_one_is_closed),
        BOTH_BARE(test_out_of_stacks_sleepers_all_end_as_stacks_come_back),
        BOTH_BARE(test_out_of_stacks_for_good_cancel_and_close_still_end_all),
        BOTH_BARE(test_create_with_fewer_stacks_than_workers_need_is_a_status),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

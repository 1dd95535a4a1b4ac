/* Fork-join: both forms give the right sums, whoever runs the halves, and whatever happens between fork and sync. */
#include "api/support.h"

/* ---- the typed form ---------------------------------------------------------------------------------------------- */

static long fib(belay_task *self, long n);
BELAY_FORKABLE(fib, long, long)
static long fib(belay_task *self, long n) {
    if (n < 2) {
        return n;
    }
    fib_fork(self, n - 1);
    long b = fib(self, n - 2);
    return fib_sync(self) + b;
}

static belay_status fib_task(belay_task *self, void *arg) {
    EXPECT(fib(self, 20) == 6765);
    (void)tally_add(arg);
    return BELAY_OK;
}

static void test_fib_is_right(void **state) {
    tally ran = {0};
    for (int i = 0; i < 20; i++) {
        run(executor_of(state), fib_task, &ran);
    }
    assert_int_equal(tally_read(&ran), 20);
}

static void test_many_tasks_fork_at_once(void **state) {
    belay_executor *ex = executor_of(state);
    tally ran = {0};
    for (int i = 0; i < 30; i++) {
        assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), fib_task, &ran, NULL, NULL),
                         BELAY_OK);
    }
    assert_int_equal(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&ran), 30);
}

typedef struct wide {
    int64_t a, b, c, d, e, f;
} wide;

static wide swap_ends(belay_task *self, wide w);
BELAY_FORKABLE(swap_ends, wide, wide)
static wide swap_ends(belay_task *self, wide w) {
    (void)self;
    return (wide){w.f, w.e, w.d, w.c, w.b, w.a};
}

static belay_status wide_task(belay_task *self, void *arg) {
    (void)arg;
    for (int64_t i = 0; i < 1000; i++) {
        swap_ends_fork(self, (wide){i, 1, 2, 3, 4, i + 1});
        wide w = swap_ends_sync(self);
        EXPECT(w.a == i + 1 && w.f == i && w.b == 4 && w.e == 1);
    }
    return BELAY_OK;
}

static void test_forty_eight_bytes_travel_by_value(void **state) {
    run(executor_of(state), wide_task, NULL);
}

/* ---- the generic form -------------------------------------------------------------------------------------------- */

typedef struct range {
    const uint32_t *items;
    uint32_t count;
    uint64_t sum;
} range;

static belay_status sum_range(belay_task *self, void *arg) {
    range *r = arg;
    if (r->count <= 8) {
        for (uint32_t i = 0; i < r->count; i++) {
            r->sum += r->items[i];
        }
        return BELAY_OK;
    }
    uint32_t half = r->count / 2;
    range left = {r->items, half, 0}, right = {r->items + half, r->count - half, 0};
    EXPECT_STATUS(belay_fork(self, sum_range, &left), BELAY_OK);
    EXPECT_STATUS(sum_range(self, &right), BELAY_OK);
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    r->sum = left.sum + right.sum;
    return BELAY_OK;
}

static void test_generic_fork_sums(void **state) {
    uint32_t items[5000];
    for (uint32_t i = 0; i < 5000; i++) {
        items[i] = i;
    }
    range all = {items, 5000, 0};
    run(executor_of(state), sum_range, &all);
    assert_int_equal(all.sum, 5000 * 4999 / 2);
}

static belay_status give_code(belay_task *self, void *arg) {
    (void)self;
    return *(belay_status *)arg;
}

static belay_status nested_codes(belay_task *self, void *arg) {
    belay_status codes[] = {0, 11, 22, 33, 44};
    (void)arg;
    for (int i = 1; i < 5; i++) {
        EXPECT_STATUS(belay_fork(self, give_code, &codes[i]), BELAY_OK);
    }
    for (int i = 4; i > 0; i--) {
        EXPECT_STATUS(belay_sync(self), codes[i]); /* the youngest first */
    }
    EXPECT_STATUS(belay_sync(self), BELAY_EINVAL);
    EXPECT_STATUS(belay_fork(self, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_sync(self), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_sync_answers_the_youngest_fork_with_its_status(void **state) {
    run(executor_of(state), nested_codes, NULL);
}

/* ---- waiting in between ------------------------------------------------------------------------------------------ */

static long nap(belay_task *self, long depth);
BELAY_FORKABLE(nap, long, long)
static long nap(belay_task *self, long depth) {
    if (depth == 0) {
        EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_MILLISECOND / 10)), BELAY_OK);
        return 1;
    }
    nap_fork(self, depth - 1);
    nap_fork(self, depth - 1);
    EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_MILLISECOND / 5)), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    long a = nap_sync(self);
    return a + nap_sync(self);
}

static belay_status nap_task(belay_task *self, void *arg) {
    EXPECT(nap(self, 5) == 32);
    (void)arg;
    return BELAY_OK;
}

static void test_sleeping_between_fork_and_sync_works(void **state) {
    for (int i = 0; i < 3; i++) {
        run(executor_of(state), nap_task, NULL);
    }
}

/* The fork must be stolen: its owner waits for what it does. */
static belay_status open_the_gate(belay_task *self, void *arg) {
    (void)self;
    gate_open(*(belay_task_handle *)arg);
    return 6;
}

static belay_status sleep_until_stolen(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_fork(self, open_the_gate, arg), BELAY_OK);
    EXPECT_STATUS(gate_pass(self, *(belay_task_handle *)arg), BELAY_OK);
    EXPECT_STATUS(belay_sync(self), 6);
    return BELAY_OK;
}

static void test_fork_of_a_suspended_task_is_run_by_others(void **state) {
    belay_task_handle gate = gate_make(executor_of(state));
    run(executor_of(state), sleep_until_stolen, &gate);
}

/* ---- scopes, returns --------------------------------------------------------------------------------------------- */

static belay_status fork_with_scope(belay_task *self, void *arg) {
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < 10; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, body_tally, arg, NULL, NULL), BELAY_OK);
    }
    return belay_scope_close(self, scope);
}

static belay_status scoped_forks(belay_task *self, void *arg) {
    belay_scope scope;
    EXPECT_STATUS(belay_fork(self, fork_with_scope, arg), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_fork(self, fork_with_scope, arg), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_tally, arg, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_EINVAL); /* its forks first */
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    return BELAY_OK;
}

static void test_forks_open_scopes_and_scopes_hold_forks(void **state) {
    for (int i = 0; i < 20; i++) {
        tally ran = {0};
        run(executor_of(state), scoped_forks, &ran);
        assert_int_equal(tally_read(&ran), 21);
    }
}

static belay_status leave_forks(belay_task *self, void *arg) {
    for (int i = 0; i < 100; i++) {
        EXPECT_STATUS(belay_fork(self, body_tally, arg), BELAY_OK);
    }
    return BELAY_OK;
}

static void test_unsynced_forks_are_run_before_the_task_ends(void **state) {
    tally ran = {0};
    run(executor_of(state), leave_forks, &ran);
    assert_int_equal(tally_read(&ran), 100);
}

/* ---- more than fork_depth ---------------------------------------------------------------------------------------- */

static long square(belay_task *self, long n);
BELAY_FORKABLE(square, long, long)
static long square(belay_task *self, long n) {
    (void)self;
    return n * n;
}

enum { DEEP = 3000 };

static belay_status fork_deep(belay_task *self, void *arg) {
    (void)arg;
    for (long i = 0; i < DEEP; i++) {
        square_fork(self, i);
    }
    for (long i = DEEP - 1; i >= 0; i--) {
        EXPECT(square_sync(self) == i * i);
    }
    EXPECT(fib(self, 12) == 144);
    return BELAY_OK;
}

static void test_more_forks_than_fork_depth_run_inline_with_the_right_results(void **state) {
    belay_config config = test_config(workers_of(state));
    config.fork_depth = 16;
    belay_executor *ex = executor_make(&config);
    for (int i = 0; i < 5; i++) {
        run(ex, fork_deep, NULL);
    }
    assert_true(executor_end(ex));
}

static void test_forks_without_membarrier(void **state) {
    belay_config config = test_config(workers_of(state));
    tally ran = {0};
    config.membarrier = 0;
    belay_executor *ex = executor_make(&config);
    run(ex, fib_task, &ran);
    run(ex, nap_task, NULL);
    assert_true(executor_end(ex));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_fib_is_right),
        BOTH(test_many_tasks_fork_at_once),
        BOTH(test_forty_eight_bytes_travel_by_value),
        BOTH(test_generic_fork_sums),
        BOTH(test_sync_answers_the_youngest_fork_with_its_status),
        BOTH(test_sleeping_between_fork_and_sync_works),
        BOTH(test_fork_of_a_suspended_task_is_run_by_others),
        BOTH(test_forks_open_scopes_and_scopes_hold_forks),
        BOTH(test_unsynced_forks_are_run_before_the_task_ends),
        BOTH_BARE(test_more_forks_than_fork_depth_run_inline_with_the_right_results),
        BOTH_BARE(test_forks_without_membarrier),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

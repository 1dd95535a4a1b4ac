/* Block hints and the rest: cancels, pinned tasks, forks, timers, the watchdog, shutdown, thread hooks. */
#include "api/block_hints.h"

/* ---- cancel, pinned tasks, forks, timers ------------------------------------------------------------------------- */

static belay_status poll_inside(belay_task *self, void *arg) {
    pipe_case *c = arg;
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    (void)tally_add(&c->inside);
    while (!belay_canceled(self)) {
        sched_yield();
    }
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_cancel_is_seen_inside_and_told_by_the_next_wait(void **state) {
    pipe_case c = {0};
    belay_task_handle task = spawn_outside(executor_of(state), poll_inside, &c);
    tally_await(&c.inside, 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, "enough"), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

typedef struct pinned_case {
    pipe_case pipe;
    pthread_t thread;
    tally before, after;
} pinned_case;

static belay_status pinned_reader(belay_task *self, void *arg) {
    pinned_case *c = arg;
    c->thread = pthread_self();
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    read_one(&c->pipe);
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    EXPECT(pthread_equal(c->thread, pthread_self()));
    EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_MILLISECOND / 4)), BELAY_OK);
    EXPECT(pthread_equal(c->thread, pthread_self()));
    return BELAY_OK;
}

static belay_status pinned_other(belay_task *self, void *arg) {
    pinned_case *c = arg;
    EXPECT(pthread_equal(c->thread, pthread_self()));
    EXPECT(tally_read(&c->pipe.read) == 1);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    EXPECT(pthread_equal(c->thread, pthread_self()));
    return BELAY_OK;
}

static void test_pinned_tasks_stay_on_their_thread_and_wait_for_the_end(void **state) {
    belay_executor *ex = executor_of(state);
    const belay_task_options pinned = {.pin = BELAY_PIN(0)};
    pinned_case c = {.pipe = pipe_make()};
    belay_task_handle one, two;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), pinned_reader, &c, &pinned, &one),
                     BELAY_OK);
    tally_await(&c.pipe.inside, 1);
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), pinned_other, &c, &pinned, &two),
                     BELAY_OK);
    run_meeting(ex, workers_of(state));
    feed(&c.pipe, 1);
    (void)join_outside(one);
    (void)join_outside(two);
    pipe_free(&c.pipe);
}

static belay_status note_index(belay_task *self, void *arg) {
    return where_am_i(self, arg);
}

/* On a spare: what is pinned "here" is pinned to a worker, and runs when that one is back. */
static belay_status pin_here(belay_task *self, void *arg) {
    const belay_task_options here = {.pin = BELAY_PIN_HERE};
    EXPECT_STATUS(belay_spawn(self, belay_scope_current(self), note_index, arg, &here, NULL),
                  BELAY_OK);
    return BELAY_OK;
}

static void test_pinned_here_on_a_spare_is_pinned_to_its_worker(void **state) {
    belay_executor *ex = executor_of(state);
    pipe_case c = pipe_make();
    belay_task_handle readers[MOST];
    block_all(state, ex, &c, readers);
    int32_t index = -1;
    run(ex, pin_here, &index);
    feed(&c, workers_of(state));
    join_readers(state, readers);
    assert_int_equal(belay_scope_wait(NULL, belay_executor_root(ex)), BELAY_OK);
    assert_true(index >= 0 && index < (int32_t)workers_of(state));
    pipe_free(&c);
}

static uint64_t forked(belay_task *self, uint64_t address) {
    (void)self;
    tally *t = (tally *)(uintptr_t)address;
    return tally_add(t);
}
BELAY_FORKABLE(forked, uint64_t, uint64_t)

static belay_status fork_and_block(belay_task *self, void *arg) {
    pipe_case *c = arg;
    forked_fork(self, (uint64_t)(uintptr_t)&c->read);
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    tally_await(&c->read, 1); /* a spare steals it */
    forked_fork(self, (uint64_t)(uintptr_t)&c->read);
    EXPECT(forked_sync(self) == 2);
    EXPECT(forked_sync(self) == 1);
    (void)belay_block_end(self); /* the first sync may have waited */
    return BELAY_OK;
}

static void test_forks_of_a_task_that_blocks_are_stolen(void **state) {
    for (int i = 0; i < 20; i++) {
        pipe_case c = {0};
        run(executor_of(state), fork_and_block, &c);
    }
}

static belay_status sleep_a_little(belay_task *self, void *arg) {
    (void)tally_add(arg);
    EXPECT_STATUS(belay_sleep_until(self, belay_after(2 * BELAY_MILLISECOND)), BELAY_OK);
    (void)tally_add(arg);
    return BELAY_OK;
}

static void test_timers_of_blocked_workers_fire(void **state) {
    belay_executor *ex = executor_of(state);
    tally slept = {0};
    belay_task_handle sleepers[MOST], readers[MOST];
    for (int i = 0; i < MOST; i++) {
        sleepers[i] = spawn_outside(ex, sleep_a_little, &slept);
    }
    tally_await(&slept, MOST);
    pipe_case c = pipe_make();
    block_all(state, ex, &c, readers);
    for (int i = 0; i < MOST; i++) {
        (void)join_outside(sleepers[i]);
    }
    feed(&c, workers_of(state));
    join_readers(state, readers);
    pipe_free(&c);
}

/* ---- what is said about it --------------------------------------------------------------------------------------- */

static belay_status busy_until(belay_task *self, void *arg) {
    (void)self;
    tally_await(arg, 1);
    return BELAY_OK;
}

static void test_the_watchdog_does_not_report_who_blocks(void **state) {
    belay_config config = test_config(workers_of(state));
    config.stall = 5 * BELAY_MILLISECOND;
    belay_executor *ex = executor_make(&config);
    pipe_case c = pipe_make();
    belay_task_handle readers[MOST];
    block_all(state, ex, &c, readers);
    tally go = {0};
    uint64_t before = stats_of(ex).stalls;
    belay_task_handle busy = spawn_outside(ex, busy_until, &go);
    while (stats_of(ex).stalls == before) { /* the others were there before */
        sched_yield();
    }
    assert_int_equal(stats_of(ex).stalls, before + 1);
    tally_set(&go, 1);
    (void)join_outside(busy);
    feed(&c, workers_of(state));
    join_readers(state, readers);
    pipe_free(&c);
    assert_true(executor_end(ex));
}

static void test_a_task_inside_a_hint_is_named_by_shutdown_which_can_be_repeated(void **state) {
    belay_executor *ex = with_spares(state, 2);
    pipe_case c = pipe_make();
    belay_task_handle task = spawn_outside(ex, reader, &c);
    tally_await(&c.inside, 1);
    assert_int_equal(belay_executor_shutdown(ex, 0, belay_after(BELAY_MILLISECOND)), BELAY_EBUSY);
    assert_true(log_holds("1 tasks are left"));
    feed(&c, 1);
    (void)join_outside(task);
    pipe_free(&c);
    assert_true(executor_end(ex));
}

typedef struct hook_case {
    tally started, stopped, range;
    uint32_t workers;
} hook_case;

static void hook_start(uint32_t index, void *arg) {
    hook_case *c = arg;
    (void)tally_add(&c->started);
    if (index >= 2 * c->workers) {
        (void)tally_add(&c->range);
    }
}
static void hook_stop(uint32_t index, void *arg) {
    (void)index;
    hook_case *c = arg;
    (void)tally_add(&c->stopped);
}

static void test_thread_hooks_run_on_spares_too(void **state) {
    hook_case h = {.workers = workers_of(state)};
    belay_config config = test_config(workers_of(state));
    config.thread_start = hook_start;
    config.thread_stop = hook_stop;
    config.thread_arg = &h;
    belay_executor *ex = executor_make(&config);
    pipe_case c = pipe_make();
    belay_task_handle readers[MOST];
    block_all(state, ex, &c, readers);
    run_meeting(ex, workers_of(state));
    feed(&c, workers_of(state));
    join_readers(state, readers);
    pipe_free(&c);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&h.started), 2 * workers_of(state));
    assert_int_equal(tally_read(&h.stopped), 2 * workers_of(state));
    assert_int_equal(tally_read(&h.range), 0);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_a_cancel_is_seen_inside_and_told_by_the_next_wait),
        BOTH(test_pinned_tasks_stay_on_their_thread_and_wait_for_the_end),
        BOTH(test_pinned_here_on_a_spare_is_pinned_to_its_worker),
        BOTH(test_forks_of_a_task_that_blocks_are_stolen),
        BOTH(test_timers_of_blocked_workers_fire),
        BOTH_BARE(test_the_watchdog_does_not_report_who_blocks),
        BOTH_BARE(test_a_task_inside_a_hint_is_named_by_shutdown_which_can_be_repeated),
        BOTH_BARE(test_thread_hooks_run_on_spares_too),
    };
    return cmocka_run_group_tests_name("api/block_hint_tasks", tests, NULL, NULL);
}

/* Block hints: while tasks block their workers in the system, spare workers run in their place. */
#include "api/block_hints.h"

static void test_with_all_workers_inside_hints_the_task_that_frees_them_runs(void **state) {
    belay_executor *ex = executor_of(state);
    for (int round = 0; round < 20; round++) {
        pipe_case c = pipe_make();
        belay_task_handle readers[MOST];
        block_all(state, ex, &c, readers);
        for (uint32_t i = 0; i < workers_of(state); i++) {
            run(ex, feeder, &c);
        }
        join_readers(state, readers);
        pipe_free(&c);
    }
    assert_int_equal(stats_of(ex).block_hints, 20 * workers_of(state));
    assert_int_equal(stats_of(ex).block_unserved, 0);
}

static void test_as_many_run_at_once_as_were_configured(void **state) {
    belay_executor *ex = executor_of(state);
    pipe_case c = pipe_make();
    belay_task_handle readers[MOST];
    block_all(state, ex, &c, readers);
    run_meeting(ex, workers_of(state));
    feed(&c, workers_of(state));
    join_readers(state, readers);
    run_meeting(ex, workers_of(state));
    pipe_free(&c);
}

static void test_what_comes_after_the_hints_runs_on_the_configured_workers(void **state) {
    belay_executor *ex = executor_of(state);
    int32_t workers = (int32_t)workers_of(state);
    pipe_case c = pipe_make();
    belay_task_handle readers[MOST];
    block_all(state, ex, &c, readers);
    int32_t index = -1;
    run(ex, where_am_i, &index);
    assert_true(index >= 0 && index < 2 * workers && (workers != 1 || index == 1));
    feed(&c, workers_of(state));
    join_readers(state, readers);
    int strangers = 0; /* a spare may have been about to pick when its place was taken */
    for (int i = 0; i < 100; i++) {
        run(ex, where_am_i, &index);
        strangers += index >= workers;
    }
    assert_true(strangers <= workers);
    pipe_free(&c);
}

/* ---- spares that run out ----------------------------------------------------------------------------------------- */

static void test_beyond_the_limit_a_hint_is_counted_and_served_later(void **state) {
    belay_executor *ex = with_spares(state, 1);
    pipe_case first = pipe_make(), others = pipe_make();
    belay_task_handle one = spawn_outside(ex, reader, &first);
    tally_await(&first.inside, 1);
    belay_task_handle readers[MOST];
    block_all(state, ex, &others, readers); /* the last is on the spare, or without one */
    assert_int_equal(stats_of(ex).block_unserved, workers_of(state));
    meeting m = {.wanted = 1};
    belay_task_handle late = spawn_outside(ex, meet, &m);
    assert_int_equal(belay_join_until(NULL, late, belay_after(BELAY_MILLISECOND), NULL),
                     BELAY_ETIMEDOUT);
    feed(&first, 1); /* one worker is back */
    (void)join_outside(one);
    (void)join_outside(late);
    feed(&others, workers_of(state));
    join_readers(state, readers);
    run_meeting(ex, workers_of(state));
    pipe_free(&first);
    pipe_free(&others);
    assert_true(executor_end(ex));
}

/* One spare, two workers inside: when one comes back its spare serves the other. */
static void test_a_spare_that_is_not_needed_any_more_takes_another_place(void **state) {
    if (workers_of(state) == 1) {
        return;
    }
    belay_config config = test_config(2);
    config.spare_workers = 1;
    belay_executor *ex = executor_make(&config);
    pipe_case a = pipe_make(), b = pipe_make();
    belay_task_handle one = spawn_outside(ex, reader, &a);
    tally_await(&a.inside, 1);
    belay_task_handle two = spawn_outside(ex, reader, &b);
    tally_await(&b.inside, 1);
    feed(&a, 1);
    (void)join_outside(one);
    run_meeting(ex, 2);
    feed(&b, 1);
    (void)join_outside(two);
    pipe_free(&a);
    pipe_free(&b);
    assert_true(executor_end(ex));
}

static belay_status queue_and_block(belay_task *self, void *arg) {
    pipe_case *c = arg;
    for (int i = 0; i < MOST; i++) {
        EXPECT_STATUS(
            belay_spawn(self, belay_scope_current(self), body_tally, &c->read, NULL, NULL),
            BELAY_OK);
    }
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    tally_await(&c->read, MOST);
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    return BELAY_OK;
}

static void test_without_spares_others_take_what_the_worker_has_queued(void **state) {
    if (workers_of(state) == 1) {
        return;
    }
    belay_executor *ex = with_spares(state, 0);
    for (int i = 0; i < 20; i++) {
        pipe_case c = {0};
        run(ex, queue_and_block, &c);
    }
    assert_int_equal(stats_of(ex).block_unserved, 20);
    assert_true(executor_end(ex));
}

static void test_what_the_worker_has_queued_runs_meanwhile(void **state) {
    for (int i = 0; i < 20; i++) {
        pipe_case c = {0};
        run(executor_of(state), queue_and_block, &c);
    }
}

/* ---- nesting, mistakes, waits ------------------------------------------------------------------------------------ */

static belay_status nested(belay_task *self, void *arg) {
    pipe_case *c = arg;
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    read_one(c); /* still inside the outer one */
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    EXPECT_STATUS(belay_block_end(self), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_hints_nest_and_the_outermost_counts(void **state) {
    belay_executor *ex = executor_of(state);
    pipe_case c = pipe_make();
    belay_task_handle tasks[MOST];
    for (uint32_t i = 0; i < workers_of(state); i++) {
        tasks[i] = spawn_outside(ex, nested, &c);
    }
    tally_await(&c.inside, workers_of(state));
    for (uint32_t i = 0; i < workers_of(state); i++) {
        run(ex, feeder, &c);
    }
    join_readers(state, tasks);
    assert_int_equal(stats_of(ex).block_hints, workers_of(state));
    pipe_free(&c);
}

static belay_status too_deep(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 255; i++) {
        EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    }
    EXPECT_STATUS(belay_block_begin(self), BELAY_EINVAL);
    for (int i = 0; i < 255; i++) {
        EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    }
    EXPECT_STATUS(belay_block_end(self), BELAY_EINVAL);
    return BELAY_OK;
}

static void end_in_drop(void *arg) {
    belay_task **self = arg;
    EXPECT_STATUS(belay_block_begin(*self), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_block_end(*self), BELAY_ECONTEXT);
    *self = NULL;
}

static belay_status mistakes(belay_task *self, void *arg) {
    belay_task *me = self;
    EXPECT_STATUS(belay_block_begin(NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_block_end(NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_block_end(self), BELAY_EINVAL);
    EXPECT_STATUS(belay_set_result(self, &me, end_in_drop), BELAY_OK);
    EXPECT_STATUS(belay_set_result(self, NULL, NULL), BELAY_OK); /* drops the first */
    EXPECT(me == NULL);
    return too_deep(self, arg);
}

static void test_mistakes_are_statuses(void **state) {
    assert_int_equal(belay_block_begin(NULL), BELAY_ECONTEXT);
    assert_int_equal(belay_block_end(NULL), BELAY_ECONTEXT);
    run(executor_of(state), mistakes, NULL);
}

static belay_status wait_inside(belay_task *self, void *arg) {
    pipe_case *c = arg;
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_MILLISECOND / 2)), BELAY_OK);
    EXPECT_STATUS(belay_block_end(self), BELAY_EALREADY);
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK); /* holds again */
    read_one(c);
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    EXPECT_STATUS(belay_block_end(self), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_a_wait_ends_the_hint_and_a_begin_makes_it_hold_again(void **state) {
    belay_executor *ex = executor_of(state);
    pipe_case c = pipe_make();
    belay_task_handle tasks[MOST];
    for (uint32_t i = 0; i < workers_of(state); i++) {
        tasks[i] = spawn_outside(ex, wait_inside, &c);
    }
    tally_await(&c.inside, workers_of(state));
    for (uint32_t i = 0; i < workers_of(state); i++) {
        run(ex, feeder, &c);
    }
    join_readers(state, tasks);
    pipe_free(&c);
}

static belay_status forget_the_end(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    return BELAY_OK;
}

static belay_status end_only(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_block_end(self), BELAY_EINVAL);
    return BELAY_OK;
}

/* Or rather with the worker's next pick: that there was one shows when it has run something. */
static void test_a_hint_ends_with_its_task(void **state) {
    belay_executor *ex = executor_of(state);
    int32_t strangers = 0, index = -1;
    for (int i = 0; i < 50; i++) {
        run(ex, forget_the_end, NULL);
        run(ex, end_only, NULL);
    }
    if (workers_of(state) != 1) {
        return; /* nothing shows that all of them have picked */
    }
    while (index != 0) {
        run(ex, where_am_i, &index);
    }
    for (int i = 0; i < 50; i++) {
        run(ex, where_am_i, &index);
        strangers += index != 0;
    }
    assert_true(strangers <= 1); /* the spare may have been about to pick */
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_with_all_workers_inside_hints_the_task_that_frees_them_runs),
        BOTH(test_as_many_run_at_once_as_were_configured),
        BOTH(test_what_comes_after_the_hints_runs_on_the_configured_workers),
        BOTH_BARE(test_beyond_the_limit_a_hint_is_counted_and_served_later),
        BOTH_BARE(test_a_spare_that_is_not_needed_any_more_takes_another_place),
        BOTH_BARE(test_without_spares_others_take_what_the_worker_has_queued),
        BOTH(test_what_the_worker_has_queued_runs_meanwhile),
        BOTH(test_hints_nest_and_the_outermost_counts),
        BOTH(test_mistakes_are_statuses),
        BOTH(test_a_wait_ends_the_hint_and_a_begin_makes_it_hold_again),
        BOTH(test_a_hint_ends_with_its_task),
    };
    return cmocka_run_group_tests_name("api/block_hint", tests, NULL, NULL);
}

/* The threads for functions that block: no more than the cap, used again, joined at the end. */
#include <unistd.h>

#include "api/blockings.h"

/* ---- the cap --------------------------------------------------------------------------------- */

static belay_executor *capped(void **state, int64_t threads) {
    belay_config config = test_config(workers_of(state));
    config.blocking_threads = threads;
    return executor_make(&config);
}

static void test_a_queued_call_that_is_cancelled_never_runs(void **state) {
    belay_executor *ex = capped(state, 1);
    block_case first = case_make(), second = case_make();
    belay_task_handle a = spawn_outside(ex, call_block, &first);
    tally_await(&first.started, 1);
    belay_task_handle b = spawn_outside(ex, call_block, &second);
    await_waiting(ex, "blocking call", 2);
    (void)belay_task_cancel(b, BELAY_ECANCELED, "enough");
    (void)join_outside(b);
    assert_int_equal(second.status, BELAY_ECANCELED);
    assert_int_equal(second.result, 99);
    tally_set(&first.go, 1);
    (void)join_outside(a);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&second.started), 0);
}

static void
test_a_queued_call_whose_deadline_passes_never_runs_and_a_running_one_does(void **state) {
    belay_executor *ex = capped(state, 1);
    block_case first = case_make(), second = case_make();
    first.deadline = belay_after(20 * BELAY_MILLISECOND);
    belay_task_handle a = spawn_outside(ex, call_block, &first);
    tally_await(&first.started, 1);
    second.deadline = belay_after(BELAY_MILLISECOND);
    run(ex, call_block, &second);
    assert_int_equal(second.status, BELAY_ETIMEDOUT);
    (void)belay_sleep_until(NULL, first.deadline + BELAY_MILLISECOND);
    tally_set(&first.go, 1);
    (void)join_outside(a);
    assert_int_equal(first.status, BELAY_OK);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&second.started), 0);
}

enum { CALLS = 40, CAP = 3 };

typedef struct crowd {
    tally inside, most, ran;
} crowd;

static belay_status crowd_in(void *arg, const belay_blocking_context *context) {
    (void)context;
    crowd *c = arg;
    uint64_t now = tally_add(&c->inside);
    if (now > tally_read(&c->most)) {
        tally_set(&c->most, now);
    }
    usleep(200);
    (void)__atomic_sub_fetch(&c->inside.value, 1, __ATOMIC_ACQ_REL);
    (void)tally_add(&c->ran);
    return BELAY_OK;
}

static belay_status crowd_call(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_blocking(self, crowd_in, arg, NULL), BELAY_OK);
    return BELAY_OK;
}

static void test_no_more_than_the_cap_run_at_once_and_all_run(void **state) {
    belay_executor *ex = capped(state, CAP);
    crowd c = {0};
    belay_task_handle tasks[CALLS];
    for (int i = 0; i < CALLS; i++) {
        tasks[i] = spawn_outside(ex, crowd_call, &c);
    }
    for (int i = 0; i < CALLS; i++) {
        (void)join_outside(tasks[i]);
    }
    assert_int_equal(tally_read(&c.ran), CALLS);
    assert_true(tally_read(&c.most) <= CAP);
    assert_true(executor_end(ex));
}

/* Each notes its turn. */
typedef struct turn_case {
    tally *turns;
    uint64_t turn;
} turn_case;

static belay_status note_turn(void *arg, const belay_blocking_context *context) {
    (void)context;
    turn_case *c = arg;
    c->turn = tally_add(c->turns);
    return BELAY_OK;
}

static belay_status call_note_turn(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_blocking(self, note_turn, arg, NULL), BELAY_OK);
    return BELAY_OK;
}

static void test_queued_calls_run_in_the_order_they_came(void **state) {
    belay_executor *ex = capped(state, 1);
    block_case first = case_make();
    belay_task_handle blocker = spawn_outside(ex, call_block, &first);
    tally_await(&first.started, 1);
    tally turns = {0};
    turn_case cases[8];
    belay_task_handle tasks[8];
    for (int i = 0; i < 8; i++) {
        cases[i] = (turn_case){.turns = &turns};
        tasks[i] = spawn_outside(ex, call_note_turn, &cases[i]);
        await_waiting(ex, "blocking call", (size_t)i + 2);
    }
    tally_set(&first.go, 1);
    (void)join_outside(blocker);
    for (uint64_t i = 0; i < 8; i++) {
        (void)join_outside(tasks[i]);
        assert_int_equal(cases[i].turn, i + 1);
    }
    assert_true(executor_end(ex));
}

static void test_threads_are_used_again(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    tally_set(&c.go, 1);
    run(ex, call_block, &c);
    pthread_t first = c.thread;
    int others = 0;
    for (int i = 0; i < 50; i++) {
        run(ex, call_block, &c);
        others += !pthread_equal(c.thread, first);
        usleep(
            100); /* lets the thread become idle; if it has not, another starts, which is legal */
    }
    assert_true(others < 50);
}

/* ---- mistakes and edges ---------------------------------------------------------------------- */

static void test_destroy_joins_the_threads(void **state) {
    for (int i = 0; i < 10; i++) {
        belay_executor *ex = capped(state, 4);
        crowd c = {0};
        belay_task_handle tasks[6];
        for (int k = 0; k < 6; k++) {
            tasks[k] = spawn_outside(ex, crowd_call, &c);
        }
        for (int k = 0; k < 6; k++) {
            (void)join_outside(tasks[k]);
        }
        assert_true(executor_end(ex));
        assert_int_equal(tally_read(&c.ran), 6);
    }
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_a_queued_call_that_is_cancelled_never_runs),
        BOTH_BARE(test_a_queued_call_whose_deadline_passes_never_runs_and_a_running_one_does),
        BOTH_BARE(test_no_more_than_the_cap_run_at_once_and_all_run),
        BOTH_BARE(test_queued_calls_run_in_the_order_they_came),
        BOTH(test_threads_are_used_again),
        BOTH_BARE(test_destroy_joins_the_threads),
    };
    return cmocka_run_group_tests_name("api/blocking_cap", tests, NULL, NULL);
}

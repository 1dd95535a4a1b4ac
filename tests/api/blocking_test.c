/* Functions that block, on threads of their own; and the hint. */
#include "api/support.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A function that blocks until it is told, and a task that calls it. */
typedef struct block_case {
    tally started, go, ended, canceled_seen;
    bool until_canceled;
    belay_scope scope;
    belay_time deadline;
    belay_status status, result;
    int32_t worker;
    pthread_t thread;
} block_case;

static belay_status block(void *arg, const belay_blocking_context *context) {
    block_case *c = arg;
    c->worker = belay_worker_index();
    c->thread = pthread_self();
    (void)tally_add(&c->started);
    while (tally_read(&c->go) == 0) {
        if (belay_blocking_canceled(context)) {
            tally_set(&c->canceled_seen, 1);
            if (c->until_canceled) {
                break;
            }
        }
        sched_yield();
    }
    (void)tally_add(&c->ended);
    return 42;
}

static belay_status call_block(belay_task *self, void *arg) {
    block_case *c = arg;
    c->result = 99;
    c->status = belay_blocking_until(self, block, c, c->deadline, &c->result);
    return BELAY_OK;
}

static block_case case_make(void) {
    return (block_case){.deadline = BELAY_NEVER};
}

static void test_the_function_runs_on_another_thread_and_its_result_comes_back(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    tally_set(&c.go, 1);
    run(ex, call_block, &c);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(c.result, 42);
    assert_int_equal(c.worker, -1);
    assert_false(pthread_equal(c.thread, pthread_self()));
}

static void test_other_tasks_run_meanwhile(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    belay_task_handle task = spawn_outside(ex, call_block, &c);
    tally_await(&c.started, 1);
    await_waiting(ex, "blocking call", 1);
    for (int i = 0; i < 100; i++) {
        run(ex, body_nothing, NULL);
    }
    assert_int_equal(tally_read(&c.ended), 0);
    tally_set(&c.go, 1);
    (void)join_outside(task);
    assert_int_equal(c.status, BELAY_OK);
}

static void test_a_cancel_is_seen_inside_and_the_caller_stays_until_the_end(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    belay_task_handle task = spawn_outside(ex, call_block, &c);
    tally_await(&c.started, 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, "enough"), BELAY_OK);
    tally_await(&c.canceled_seen, 1);
    assert_int_equal(belay_join_until(NULL, task, belay_after(2 * BELAY_MILLISECOND), NULL),
                     BELAY_ETIMEDOUT);
    assert_int_equal(tally_read(&c.ended), 0);
    tally_set(&c.go, 1);
    (void)join_outside(task);
    assert_int_equal(tally_read(&c.ended), 1);
    assert_int_equal(c.status, BELAY_OK); /* it took effect; the next wait reports the cancel */
    assert_int_equal(c.result, 42);
}

static belay_status block_in_scope(belay_task *self, void *arg) {
    block_case *c = arg;
    EXPECT_STATUS(belay_scope_open(self, NULL, &c->scope), BELAY_OK);
    EXPECT_STATUS(call_block(self, c), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, c->scope), BELAY_ETIMEDOUT);
    return BELAY_OK;
}

static void test_a_scope_deadline_is_seen_inside_too(void **state) {
    block_case c = case_make();
    c.until_canceled = true;
    belay_task_handle task = spawn_outside(executor_of(state), block_in_scope, &c);
    tally_await(&c.started, 1);
    assert_int_equal(belay_scope_set_deadline(c.scope, belay_after(BELAY_MILLISECOND)), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(c.status, BELAY_OK);
    assert_int_equal(tally_read(&c.canceled_seen), 1);
}

static belay_status canceled_call(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    return call_block(self, arg);
}

static void test_a_cancelled_caller_is_refused_and_the_function_never_runs(void **state) {
    belay_executor *ex = executor_of(state);
    block_case c = case_make();
    belay_task_handle task = spawn_outside(ex, canceled_call, &c);
    await_waiting(ex, "sleep", 1);
    (void)belay_task_cancel(task, BELAY_ECANCELED, "enough");
    (void)join_outside(task);
    assert_int_equal(c.status, BELAY_ECANCELED);
    assert_int_equal(c.result, 99);
    assert_int_equal(tally_read(&c.started), 0);
}

/* ---- the cap ------------------------------------------------------------------------------------------------------- */

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

/* ---- mistakes and edges --------------------------------------------------------------------------------------------- */

static void test_on_a_foreign_thread_the_function_runs_right_there(void **state) {
    (void)state;
    block_case c = case_make();
    tally_set(&c.go, 1);
    assert_int_equal(call_block(NULL, &c), BELAY_OK);
    assert_int_equal(c.status, BELAY_OK);
    assert_true(pthread_equal(c.thread, pthread_self()));
}

static belay_status bad_calls(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_blocking(self, NULL, arg, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_blocking(NULL, block, arg, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_block_begin(NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_block_end(NULL), BELAY_ECONTEXT);
    return BELAY_OK;
}

static void test_mistakes_are_statuses(void **state) {
    block_case c = case_make();
    run(executor_of(state), bad_calls, &c);
    assert_int_equal(tally_read(&c.started), 0);
}

static belay_status join_inside(void *arg, const belay_blocking_context *context) {
    (void)context;
    belay_task_handle *task = arg;
    return belay_join(NULL, *task, NULL); /* as a foreign thread may */
}

static belay_status join_by_blocking(belay_task *self, void *arg) {
    belay_status result = 99;
    belay_task_handle task;
    EXPECT_STATUS(belay_spawn(self, belay_scope_current(self), body_nothing, arg, NULL, &task),
                  BELAY_OK);
    EXPECT_STATUS(belay_blocking(self, join_inside, &task, &result), BELAY_OK);
    EXPECT_STATUS(result, BELAY_OK);
    EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    return BELAY_OK;
}

static void test_the_function_may_wait_like_a_foreign_thread(void **state) {
    run(executor_of(state), join_by_blocking, NULL);
}

static belay_status no_threads(belay_task *self, void *arg) {
    block_case *c = arg;
    EXPECT_STATUS(call_block(self, c), BELAY_OK);
    return BELAY_OK;
}

static void test_without_a_thread_to_be_had_the_call_is_refused(void **state) {
    if (geteuid() == 0) {
        return; /* the limit on threads does not bind root */
    }
    belay_executor *ex = executor_of(state);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NPROC, &before), 0);
    none = before;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_NPROC, &none), 0);
    block_case c = case_make();
    tally_set(&c.go, 1);
    run(ex, no_threads, &c);
    assert_int_equal(setrlimit(RLIMIT_NPROC, &before), 0);
    assert_int_equal(c.status, BELAY_EAGAIN);
    assert_int_equal(tally_read(&c.started), 0);
}

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

static void test_a_forked_child_is_refused(void **state) {
    (void)executor_of(state);
    pid_t child = fork();
    if (child == 0) {
        _exit(belay_blocking(NULL, block, NULL, NULL) == BELAY_ECHILD ? 0 : 1);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

/* ---- the hint ------------------------------------------------------------------------------------------------------------ */

typedef struct hint_case {
    tally ran;
} hint_case;

enum { QUEUED = 20 };

/* Blocks its worker until the tasks it has queued there have run. */
static belay_status block_on_others(belay_task *self, void *arg) {
    hint_case *c = arg;
    for (int i = 0; i < QUEUED; i++) {
        EXPECT_STATUS(belay_spawn(self, belay_scope_current(self), body_tally, &c->ran, NULL, NULL),
                      BELAY_OK);
    }
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    EXPECT_STATUS(belay_block_begin(self), BELAY_EALREADY);
    tally_await(&c->ran, QUEUED);
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    EXPECT_STATUS(belay_block_end(self), BELAY_EALREADY);
    return BELAY_OK;
}

static void test_the_work_of_a_worker_that_blocks_is_done_by_others(void **state) {
    if (workers_of(state) == 1) {
        return; /* no worker is added */
    }
    hint_case c = {0};
    for (int i = 0; i < 20; i++) {
        tally_set(&c.ran, 0);
        run(executor_of(state), block_on_others, &c);
    }
}

static belay_status wait_in_between(belay_task *self, void *arg) {
    (void)arg;
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_MILLISECOND / 2)), BELAY_OK);
    EXPECT_STATUS(belay_block_end(self), BELAY_EALREADY);
    return BELAY_OK;
}

static void test_a_wait_ends_the_hint(void **state) {
    run(executor_of(state), wait_in_between, NULL);
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH(test_the_function_runs_on_another_thread_and_its_result_comes_back),
        BOTH(test_other_tasks_run_meanwhile),
        BOTH(test_a_cancel_is_seen_inside_and_the_caller_stays_until_the_end),
        BOTH(test_a_scope_deadline_is_seen_inside_too),
        BOTH(test_a_cancelled_caller_is_refused_and_the_function_never_runs),
        BOTH_BARE(test_a_queued_call_that_is_cancelled_never_runs),
        BOTH_BARE(test_a_queued_call_whose_deadline_passes_never_runs_and_a_running_one_does),
        BOTH_BARE(test_no_more_than_the_cap_run_at_once_and_all_run),
        BOTH_BARE(test_queued_calls_run_in_the_order_they_came),
        BOTH(test_threads_are_used_again),
        BOTH(test_on_a_foreign_thread_the_function_runs_right_there),
        BOTH(test_mistakes_are_statuses),
        BOTH(test_the_function_may_wait_like_a_foreign_thread),
        BOTH(test_without_a_thread_to_be_had_the_call_is_refused),
        BOTH_BARE(test_destroy_joins_the_threads),
        BOTH(test_a_forked_child_is_refused),
        BOTH(test_the_work_of_a_worker_that_blocks_is_done_by_others),
        BOTH(test_a_wait_ends_the_hint),
    };
    return cmocka_run_group_tests_name("api/blocking", tests, NULL, NULL);
}

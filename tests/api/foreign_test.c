/* Foreign waits: completions from elsewhere against cancels and deadlines. */
#include <belay/foreign.h>

#include "api/cancels.h"

typedef struct request {
    belay_foreign op;
    belay_abort_hook *hook;
    belay_abort_answer answer;
    belay_status want;
    belay_time deadline;
    tally started, aborts, ended;
} request;

static belay_abort_answer answer(belay_foreign *op, void *arg) {
    request *r = arg;
    EXPECT(op == &r->op);
    EXPECT_STATUS(belay_join_until(NULL, (belay_task_handle){0}, 0, NULL), BELAY_ECONTEXT);
    (void)tally_add(&r->aborts);
    return r->answer;
}

static request request_for(belay_status want, belay_abort_answer a) {
    request r = {
        .hook = a != 0 ? answer : NULL, .answer = a, .want = want, .deadline = BELAY_NEVER};
    belay_foreign_init(&r.op);
    return r;
}

static belay_status wait_request(belay_task *self, void *arg) {
    request *r = arg;
    (void)tally_add(&r->started);
    EXPECT_STATUS(belay_foreign_wait_until(self, &r->op, r->deadline, r->hook, r), r->want);
    (void)tally_add(&r->ended);
    return self != NULL && belay_canceled(self) ? BELAY_ECANCELED : BELAY_OK;
}

static void test_a_completion_before_the_wait_is_found(void **state) {
    request r = request_for(191, BELAY_ABORT_DONE);
    belay_foreign_complete(&r.op, 191);
    run(executor_of(state), wait_request, &r);
    assert_int_equal(tally_read(&r.aborts), 0);
    belay_foreign_init(&r.op); /* the memory may be used again */
    belay_foreign_complete(&r.op, BELAY_OK);
    r.want = BELAY_OK;
    (void)wait_request(NULL, &r);
}

static void *complete_request(void *arg) {
    request *r = arg;
    tally_await(&r->started, 1);
    belay_foreign_complete(&r->op, r->want);
    return NULL;
}

static void test_a_completion_wakes_a_task_and_a_thread(void **state) {
    for (int foreign = 0; foreign < 2; foreign++) {
        request r = request_for(192, BELAY_ABORT_DONE);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, complete_request, &r), 0);
        if (foreign) {
            (void)wait_request(NULL, &r);
        } else {
            run(executor_of(state), wait_request, &r);
        }
        pthread_join(thread, NULL);
        assert_int_equal(tally_read(&r.ended), 1);
    }
}

static void test_a_cancel_that_could_abort_ends_the_wait(void **state) {
    belay_executor *ex = executor_of(state);
    request r = request_for(BELAY_ECANCELED, BELAY_ABORT_DONE);
    belay_task_handle task = spawn_outside(ex, wait_request, &r);
    await_waiting(ex, "a foreign completion", 1);
    assert_int_equal(belay_task_cancel(task, 193, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&r.aborts), 1);
}

static void test_a_cancel_that_came_too_late_to_abort_waits_for_what_took_effect(void **state) {
    belay_executor *ex = executor_of(state);
    request r = request_for(194, BELAY_ABORT_PENDING);
    belay_task_handle task = spawn_outside(ex, wait_request, &r);
    await_waiting(ex, "a foreign completion", 1);
    assert_int_equal(belay_task_cancel(task, 195, NULL), BELAY_OK);
    tally_await(&r.aborts, 1);
    await_waiting(ex, "a foreign completion", 1);
    assert_int_equal(tally_read(&r.ended), 0);
    belay_foreign_complete(&r.op, 194);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&r.aborts), 1);
}

static void test_without_a_hook_the_wait_goes_on_to_the_completion(void **state) {
    belay_executor *ex = executor_of(state);
    request r = request_for(BELAY_OK, 0);
    belay_task_handle task = spawn_outside(ex, wait_request, &r);
    await_waiting(ex, "a foreign completion", 1);
    assert_int_equal(belay_task_cancel(task, 196, NULL), BELAY_OK);
    belay_foreign_complete(&r.op, BELAY_OK);
    assert_int_equal(join_outside(task).kind,
                     BELAY_OUTCOME_CANCELED); /* the next call hears of it */
}

static void test_a_deadline_aborts_too_in_tasks_and_threads(void **state) {
    for (int foreign = 0; foreign < 2; foreign++) {
        for (int poll = 0; poll < 2; poll++) {
            request r = request_for(BELAY_ETIMEDOUT, BELAY_ABORT_DONE);
            r.deadline = poll ? 0 : belay_after(BELAY_MILLISECOND);
            if (foreign) {
                (void)wait_request(NULL, &r);
            } else {
                run(executor_of(state), wait_request, &r);
            }
            assert_int_equal(tally_read(&r.aborts), 1);
        }
    }
}

static void test_a_deadline_that_came_too_late_gives_the_completions_status(void **state) {
    request r = request_for(197, BELAY_ABORT_PENDING);
    pthread_t thread;
    r.deadline = 0;
    assert_int_equal(pthread_create(&thread, NULL, complete_request, &r), 0);
    run(executor_of(state), wait_request, &r);
    pthread_join(thread, NULL);
    assert_true(tally_read(&r.aborts) <= 1);
}

static belay_status completed_and_canceled(belay_task *self, void *arg) {
    request *r = arg;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    belay_foreign_complete(&r->op, BELAY_OK);
    EXPECT_STATUS(belay_foreign_wait(self, &r->op, r->hook, r), BELAY_OK);
    EXPECT(tally_read(&r->aborts) == 0);
    belay_foreign_init(&r->op);
    EXPECT_STATUS(belay_foreign_wait(self, &r->op, r->hook, r), BELAY_ECANCELED);
    EXPECT(tally_read(&r->aborts) == 1);
    return BELAY_ECANCELED;
}

static void test_what_is_complete_is_success_though_the_task_is_canceled(void **state) {
    belay_executor *ex = executor_of(state);
    request r = request_for(BELAY_OK, BELAY_ABORT_DONE);
    belay_task_handle task = spawn_outside(ex, completed_and_canceled, &r);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_task_cancel(task, 198, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

static belay_abort_answer complete_in_hook(belay_foreign *op, void *arg) {
    belay_foreign_complete(op, 199);
    (void)tally_add(&((request *)arg)->aborts);
    return BELAY_ABORT_PENDING;
}

static void test_the_hook_itself_may_complete(void **state) {
    request r = request_for(199, BELAY_ABORT_PENDING);
    r.hook = complete_in_hook;
    r.deadline = 0;
    run(executor_of(state), wait_request, &r);
    assert_int_equal(tally_read(&r.aborts), 1);
}

static belay_status wait_shielded(belay_task *self, void *arg) {
    request *r = arg;
    belay_scope s;
    EXPECT_STATUS(belay_shield_open(self, belay_after(LONG), &s), BELAY_OK);
    (void)wait_request(self, r);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    return belay_yield(self);
}

static void test_a_shield_keeps_the_cancel_from_the_wait(void **state) {
    belay_executor *ex = executor_of(state);
    request r = request_for(BELAY_OK, BELAY_ABORT_DONE);
    belay_task_handle task = spawn_outside(ex, wait_shielded, &r);
    await_waiting(ex, "a foreign completion", 1);
    assert_int_equal(belay_task_cancel(task, 200, NULL), BELAY_OK);
    belay_foreign_complete(&r.op, BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&r.aborts), 0);
}

static void complete_in_callback(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    belay_foreign_complete(&((request *)arg)->op, BELAY_OK);
}

static void test_a_callback_may_complete(void **state) {
    belay_executor *ex = executor_of(state);
    request r = request_for(BELAY_OK, BELAY_ABORT_DONE);
    belay_source source = source_make(ex, NULL, 0);
    assert_int_equal(belay_on_cancel(belay_source_token(source), BELAY_HARD_CANCELED,
                                     complete_in_callback, &r, NULL, NULL),
                     BELAY_OK);
    belay_task_handle task = spawn_outside(ex, wait_request, &r);
    await_waiting(ex, "a foreign completion", 1);
    assert_int_equal(belay_source_cancel(source, BELAY_HARD_CANCELED, 201, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_source_release(source), BELAY_OK);
}

static void test_bad_arguments_wait_for_nothing(void **state) {
    (void)state;
    assert_int_equal(belay_foreign_wait(NULL, NULL, NULL, NULL), BELAY_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_completion_before_the_wait_is_found),
        BOTH(test_a_completion_wakes_a_task_and_a_thread),
        BOTH(test_a_cancel_that_could_abort_ends_the_wait),
        BOTH(test_a_cancel_that_came_too_late_to_abort_waits_for_what_took_effect),
        BOTH(test_without_a_hook_the_wait_goes_on_to_the_completion),
        BOTH(test_a_deadline_aborts_too_in_tasks_and_threads),
        BOTH(test_a_deadline_that_came_too_late_gives_the_completions_status),
        BOTH(test_what_is_complete_is_success_though_the_task_is_canceled),
        BOTH(test_the_hook_itself_may_complete),
        BOTH(test_a_shield_keeps_the_cancel_from_the_wait),
        BOTH(test_a_callback_may_complete),
        BOTH(test_bad_arguments_wait_for_nothing),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

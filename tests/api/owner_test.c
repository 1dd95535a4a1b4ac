/* Owners: objects whose background tasks die with their last user. */
#include "api/owners.h"

enum { TASKS = 100 };

static void test_background_tasks_of_an_instance_die_with_it(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    object_make(ex, &o);
    for (int i = 0; i < TASKS; i++) {
        object_task(&o, background);
    }
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(belay_owner_wait_until(NULL, o.owner, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&o.drained), 1);
}

static void test_a_task_that_still_runs_does_not_keep_its_owner_wanted(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    object_make(ex, &o);
    object_task(&o, background);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    tally_await(&o.drained, 1);
    assert_int_equal(tally_read(&o.ended), 1);
}

static void test_an_owner_without_tasks_is_drained_by_its_release(void **state) {
    object o = {.ended = {0}};
    object_make(executor_of(state), &o);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(tally_read(&o.drained), 1);
    assert_int_equal(belay_owner_release(o.owner), BELAY_ESTALE);
    assert_int_equal(belay_owner_retain(o.owner), BELAY_ESTALE);
    assert_int_equal(tally_read(&o.drained), 1);
}

static void test_each_reference_keeps_it_and_a_weak_handle_can_gain_one_until_then(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    object_make(ex, &o);
    object_task(&o, background);
    belay_owner weak = o.owner;
    assert_int_equal(belay_owner_retain(weak), BELAY_OK);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    await_waiting(ex, "sleep", 1); /* undisturbed */
    assert_int_equal(tally_read(&o.drained), 0);
    assert_int_equal(belay_owner_release(weak), BELAY_OK);
    assert_int_equal(belay_owner_retain(weak), BELAY_ESTALE);
    tally_await(&o.drained, 1);
}

static belay_status stay_while_unwanted(belay_task *self, void *arg) {
    object *o = arg;
    (void)belay_sleep_until(self, BELAY_NEVER);
    EXPECT_STATUS(belay_owner_retain(o->owner), BELAY_ESTALE);
    EXPECT_STATUS(belay_spawn(NULL, belay_owner_scope(o->owner), body_nothing, NULL, NULL, NULL) ==
                      BELAY_OK,
                  false);
    (void)tally_add(&o->ended);
    return BELAY_OK;
}

static void
test_once_unwanted_it_takes_no_reference_and_no_task_though_one_still_lives(void **state) {
    object o = {.ended = {0}};
    object_make(executor_of(state), &o);
    object_task(&o, stay_while_unwanted);
    await_waiting(executor_of(state), "sleep", 1);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    tally_await(&o.drained, 1);
    assert_int_equal(tally_read(&o.ended), 1);
}

static belay_status release_own(belay_task *self, void *arg) {
    object *o = arg;
    EXPECT_STATUS(belay_owner_close(self, o->owner), BELAY_EDEADLK);
    EXPECT_STATUS(belay_owner_wait_until(self, o->owner, 0), BELAY_EDEADLK);
    EXPECT_STATUS(belay_owner_release(o->owner), BELAY_OK);
    EXPECT(belay_canceled(self));
    EXPECT(tally_read(&o->drained) == 0);
    (void)tally_add(&o->ended);
    return BELAY_ECANCELED;
}

static void test_an_owners_own_task_may_release_it_and_may_not_wait_for_it(void **state) {
    object o = {.ended = {0}};
    object_make(executor_of(state), &o);
    object_task(&o, release_own);
    tally_await(&o.drained, 1);
    assert_int_equal(tally_read(&o.ended), 1);
}

static void release_in_callback(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    EXPECT_STATUS(belay_owner_release(((object *)arg)->owner), BELAY_OK);
}

static void test_the_last_reference_may_go_in_a_callback(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    belay_source source = source_make(ex, NULL, 0);
    object_make(ex, &o);
    object_task(&o, background);
    assert_int_equal(belay_on_cancel(belay_source_token(source), BELAY_HARD_CANCELED,
                                     release_in_callback, &o, NULL, NULL),
                     BELAY_OK);
    assert_int_equal(belay_source_cancel(source, BELAY_HARD_CANCELED, 141, NULL), BELAY_OK);
    tally_await(&o.drained, 1);
    assert_int_equal(belay_source_release(source), BELAY_OK);
    /* of its own cancel */
    o = (object){.ended = {0}};
    object_make(ex, &o);
    assert_int_equal(belay_on_cancel(belay_scope_token(belay_owner_scope(o.owner)),
                                     BELAY_HARD_CANCELED, release_in_callback, &o, NULL, NULL),
                     BELAY_OK);
    assert_int_equal(belay_scope_cancel(belay_owner_scope(o.owner), 142, NULL), BELAY_OK);
    assert_int_equal(tally_read(&o.drained), 1);
}

static belay_status close_in_task(belay_task *self, void *arg) {
    object *o = arg;
    EXPECT_STATUS(belay_owner_close(self, o->owner), BELAY_OK);
    EXPECT(tally_read(&o->drained) == 1 && tally_read(&o->ended) == 1);
    EXPECT_STATUS(belay_owner_close(self, o->owner), BELAY_ESTALE);
    return BELAY_OK;
}

static void test_close_of_the_last_reference_waits_for_the_drained_hook(void **state) {
    belay_executor *ex = executor_of(state);
    for (int foreign = 0; foreign < 2; foreign++) {
        object o = {.ended = {0}};
        object_make(ex, &o);
        object_task(&o, background);
        await_waiting(ex, "sleep", 1);
        if (foreign) {
            (void)close_in_task(NULL, &o);
        } else {
            run(ex, close_in_task, &o);
        }
        assert_int_equal(tally_read(&o.drained), 1);
    }
}

static void test_close_of_one_of_several_references_waits_for_the_tasks_alone(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    object_make(ex, &o);
    object_task(&o, background);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_owner_retain(o.owner), BELAY_OK);
    assert_int_equal(belay_owner_close(NULL, o.owner), BELAY_OK);
    assert_true(tally_read(&o.ended) == 1 && tally_read(&o.drained) == 0);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(tally_read(&o.drained), 1);
}

static belay_status wait_for_owner(belay_task *self, void *arg) {
    return belay_owner_wait_until(self, ((object *)arg)->owner, BELAY_NEVER);
}

static void test_waiting_times_out_is_canceled_and_ends_with_the_owner(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    object_make(ex, &o);
    assert_int_equal(belay_owner_wait_until(NULL, o.owner, 0), BELAY_ETIMEDOUT);
    assert_int_equal(belay_owner_wait_until(NULL, o.owner, belay_after(BELAY_MILLISECOND)),
                     BELAY_ETIMEDOUT);
    belay_task_handle canceled = spawn_outside(ex, wait_for_owner, &o);
    belay_task_handle patient = spawn_outside(ex, wait_for_owner, &o);
    await_waiting(ex, "an owner's end", 2);
    assert_int_equal(belay_task_cancel(canceled, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(canceled).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(join_outside(patient).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_owner_wait_until(NULL, o.owner, BELAY_NEVER), BELAY_OK);
    assert_int_equal(belay_owner_wait_until(NULL, (belay_owner){0}, BELAY_NEVER), BELAY_OK);
}

enum { SLOTS = 300 };

/* The slot of the owner that is gone serves a scope of the caller's: that is no deadlock. */
static belay_status reuse_and_wait(belay_task *self, void *arg) {
    object *o = arg;
    belay_scope scopes[SLOTS];
    bool reused = false;
    for (int i = 0; i < SLOTS; i++) {
        EXPECT_STATUS(belay_scope_open(self, NULL, &scopes[i]), BELAY_OK);
        reused |= scopes[i].slot == o->owner.slot;
    }
    EXPECT(reused);
    EXPECT_STATUS(belay_owner_wait_until(self, o->owner, BELAY_NEVER), BELAY_OK);
    EXPECT_STATUS(belay_owner_close(self, o->owner), BELAY_ESTALE);
    for (int i = SLOTS; i-- > 0;) {
        EXPECT_STATUS(belay_scope_close(self, scopes[i]), BELAY_OK);
    }
    return BELAY_OK;
}

static belay_status make_and_drop(belay_task *self, void *arg) {
    object *o = arg;
    EXPECT_STATUS(belay_owner_create(belay_task_executor(self), NULL, &o->owner), BELAY_OK);
    EXPECT_STATUS(belay_owner_release(o->owner), BELAY_OK);
    return reuse_and_wait(self, arg);
}

static void
test_waiting_for_an_owner_that_is_gone_is_no_deadlock_in_a_scope_of_its_slot(void **state) {
    object o = {.ended = {0}};
    run(executor_of(state), make_and_drop, &o);
}

static belay_status body_fail(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 143;
}

static void test_an_error_of_a_task_cancels_the_rest_and_the_owner_stays(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    object_make(ex, &o);
    object_task(&o, background);
    await_waiting(ex, "sleep", 1);
    object_task(&o, body_fail);
    assert_int_equal(belay_scope_wait(NULL, belay_owner_scope(o.owner)), BELAY_OK);
    assert_true(tally_read(&o.ended) == 1 && tally_read(&o.drained) == 0);
    assert_int_equal(belay_owner_retain(o.owner), BELAY_OK);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(tally_read(&o.drained), 1);
}

static void test_a_finished_task_is_not_changed_by_the_end_of_its_owner(void **state) {
    object o = {.ended = {0}};
    object_make(executor_of(state), &o);
    belay_task_handle done = spawn_into(belay_owner_scope(o.owner), body_nothing, NULL);
    assert_int_equal(belay_join(NULL, done, NULL), BELAY_OK);
    assert_int_equal(belay_owner_close(NULL, o.owner), BELAY_OK);
    belay_outcome outcome;
    assert_int_equal(belay_join(NULL, done, &outcome), BELAY_OK);
    assert_true(outcome.kind == BELAY_OUTCOME_VALUE && !outcome.cancel_requested);
    assert_int_equal(belay_task_release(done), BELAY_OK);
}

static belay_status note_deferred(belay_task *self, void *arg) {
    object *o = arg;
    EXPECT(self == NULL && tally_read(&o->drained) == 0 && tally_read(&o->ended) == 1);
    (void)tally_add(&o->deferred);
    return BELAY_OK;
}

static void test_what_was_deferred_to_an_owner_runs_before_the_drained_hook(void **state) {
    belay_executor *ex = executor_of(state);
    object o = {.ended = {0}};
    object_make(ex, &o);
    assert_int_equal(belay_scope_defer(belay_owner_scope(o.owner), note_deferred, &o), BELAY_OK);
    object_task(&o, background);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_owner_close(NULL, o.owner), BELAY_OK);
    assert_true(tally_read(&o.deferred) == 1 && tally_read(&o.drained) == 1);
}

static void test_an_owners_scope_is_not_to_be_closed(void **state) {
    object o = {.ended = {0}};
    object_make(executor_of(state), &o);
    assert_int_equal(belay_scope_close(NULL, belay_owner_scope(o.owner)), BELAY_EINVAL);
    assert_int_equal(belay_owner_release(o.owner), BELAY_OK);
    assert_int_equal(belay_owner_create(NULL, NULL, &o.owner), BELAY_EINVAL);
    assert_int_equal(belay_owner_create(executor_of(state), NULL, NULL), BELAY_EINVAL);
}

typedef struct chain {
    belay_executor *ex;
    belay_scope place;
    tally made, ran;
} chain;

static void make_next(void *arg) {
    chain *c = arg;
    belay_owner next;
    belay_owner_options options = {.drained = tally_drop, .arg = &c->made};
    EXPECT_STATUS(belay_owner_create(c->ex, &options, &next), BELAY_OK);
    EXPECT_STATUS(belay_try_spawn(NULL, c->place, body_tally, &c->ran, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_owner_wait_until(NULL, next, 0), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_owner_release(next), BELAY_OK);
}

static void test_the_drained_hook_may_make_spawn_and_release_but_not_wait(void **state) {
    chain c = {.ex = executor_of(state), .place = scope_make(executor_of(state), NULL)};
    belay_owner_options options = {.drained = make_next, .arg = &c};
    belay_owner owner;
    assert_int_equal(belay_owner_create(c.ex, &options, &owner), BELAY_OK);
    belay_task_handle task = spawn_into(belay_owner_scope(owner), body_sleep, NULL);
    await_waiting(c.ex, "sleep", 1);
    assert_int_equal(belay_owner_release(owner), BELAY_OK);
    tally_await(&c.made, 1);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    tally_await(&c.ran, 1);
    assert_int_equal(belay_scope_close(NULL, c.place), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_background_tasks_of_an_instance_die_with_it),
        BOTH(test_a_task_that_still_runs_does_not_keep_its_owner_wanted),
        BOTH(test_an_owner_without_tasks_is_drained_by_its_release),
        BOTH(test_each_reference_keeps_it_and_a_weak_handle_can_gain_one_until_then),
        BOTH(test_once_unwanted_it_takes_no_reference_and_no_task_though_one_still_lives),
        BOTH(test_an_owners_own_task_may_release_it_and_may_not_wait_for_it),
        BOTH(test_the_last_reference_may_go_in_a_callback),
        BOTH(test_close_of_the_last_reference_waits_for_the_drained_hook),
        BOTH(test_close_of_one_of_several_references_waits_for_the_tasks_alone),
        BOTH(test_waiting_times_out_is_canceled_and_ends_with_the_owner),
        BOTH(test_waiting_for_an_owner_that_is_gone_is_no_deadlock_in_a_scope_of_its_slot),
        BOTH(test_an_error_of_a_task_cancels_the_rest_and_the_owner_stays),
        BOTH(test_a_finished_task_is_not_changed_by_the_end_of_its_owner),
        BOTH(test_what_was_deferred_to_an_owner_runs_before_the_drained_hook),
        BOTH(test_an_owners_scope_is_not_to_be_closed),
        BOTH(test_the_drained_hook_may_make_spawn_and_release_but_not_wait),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

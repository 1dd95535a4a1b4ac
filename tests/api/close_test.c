/* Closing: it waits for all, gives the right status, and when it runs out of time names who is left. */
#include "api/support.h"

typedef struct party {
    belay_scope scope;
    belay_task_handle gate;
    tally ran;
} party;

static void party_open(belay_executor *ex, party *p, const belay_scope_options *options) {
    *p = (party){.gate = gate_make(ex)};
    assert_int_equal(belay_scope_open_root(ex, options, &p->scope), BELAY_OK);
}

static belay_status guest(belay_task *self, void *arg) {
    party *p = arg;
    belay_status status = gate_pass(self, p->gate);
    (void)tally_add(&p->ran);
    return status;
}

/* ---- running out of time ----------------------------------------------------------------------------------------- */

static void test_timed_close_is_ebusy_names_the_stragglers_and_works_again(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_options named = {.name = "late guest"};
    belay_task_info info;
    size_t count = 0;
    party p;
    party_open(ex, &p, NULL);
    assert_int_equal(belay_spawn(NULL, p.scope, guest, &p, &named, NULL), BELAY_OK);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_scope_close_until(NULL, p.scope, 0), BELAY_EBUSY);
    belay_time deadline = belay_after(3 * BELAY_MILLISECOND);
    assert_int_equal(belay_scope_close_until(NULL, p.scope, deadline), BELAY_EBUSY);
    assert_true(belay_now() >= deadline);
    assert_int_equal(belay_scope_stragglers(p.scope, &info, 1, &count), BELAY_OK);
    assert_int_equal(count, 1);
    assert_string_equal(info.name, "late guest");
    assert_string_equal(info.waiting_on, "join");
    assert_int_equal(info.state, BELAY_STATE_SUSPENDED);
    assert_true(info.age >= 0);
    assert_int_equal(belay_spawn(NULL, p.scope, body_nothing, NULL, NULL, NULL), BELAY_ESHUTDOWN);
    gate_open(p.gate);
    assert_int_equal(belay_scope_close(NULL, p.scope), BELAY_OK);
    assert_int_equal(tally_read(&p.ran), 1);
}

typedef struct deeper {
    party *party;
    tally inside;
} deeper;

static belay_status guest_with_scope(belay_task *self, void *arg) {
    deeper *d = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, guest, d->party, NULL, NULL), BELAY_OK);
    (void)tally_add(&d->inside);
    return belay_scope_close(self, scope);
}

static void test_stragglers_below_are_named_too(void **state) {
    belay_executor *ex = executor_of(state);
    belay_task_info infos[4];
    size_t count = 0;
    party p;
    party_open(ex, &p, NULL);
    deeper d = {.party = &p};
    assert_int_equal(belay_spawn(NULL, p.scope, guest_with_scope, &d, NULL, NULL), BELAY_OK);
    await_waiting(ex, "join", 1);
    await_waiting(ex, "scope close", 1);
    assert_int_equal(belay_scope_stragglers(p.scope, infos, 4, &count), BELAY_OK);
    assert_int_equal(count, 2);
    gate_open(p.gate);
    assert_int_equal(belay_scope_close(NULL, p.scope), BELAY_OK);
}

static belay_status close_in_time(belay_task *self, void *arg) {
    party *p = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, guest, p, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close_until(self, scope, 0), BELAY_EBUSY);
    EXPECT_STATUS(belay_scope_close_until(self, scope, belay_after(BELAY_MILLISECOND)),
                  BELAY_EBUSY);
    EXPECT(belay_scope_current(self).slot == scope.slot);
    gate_open(p->gate);
    EXPECT_STATUS(belay_scope_close_until(self, scope, belay_after(60 * BELAY_SECOND)), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ESTALE);
    return BELAY_OK;
}

static void test_task_closes_with_a_deadline_again_and_again(void **state) {
    belay_executor *ex = executor_of(state);
    party p = {.gate = gate_make(ex)};
    run(ex, close_in_time, &p);
}

/* ---- members go on while it closes ------------------------------------------------------------------------------- */

static belay_status spawning_guest(belay_task *self, void *arg) {
    party *p = arg;
    EXPECT_STATUS(gate_pass(self, p->gate), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, p->scope, body_tally, &p->ran, NULL, NULL), BELAY_OK);
    return BELAY_OK;
}

static void test_members_may_spawn_while_it_closes_and_outsiders_not(void **state) {
    belay_executor *ex = executor_of(state);
    party p;
    party_open(ex, &p, NULL);
    assert_int_equal(belay_spawn(NULL, p.scope, spawning_guest, &p, NULL, NULL), BELAY_OK);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_scope_close_until(NULL, p.scope, 0), BELAY_EBUSY);
    assert_int_equal(belay_spawn(NULL, p.scope, body_tally, &p.ran, NULL, NULL), BELAY_ESHUTDOWN);
    gate_open(p.gate);
    assert_int_equal(belay_scope_close(NULL, p.scope), BELAY_OK);
    assert_int_equal(tally_read(&p.ran), 1);
}

/* ---- what it says ------------------------------------------------------------------------------------------------ */

static belay_status close_after_cancel(belay_executor *ex, belay_status code) {
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_cancel(scope, code, "why"), BELAY_OK);
    return belay_scope_close(NULL, scope);
}

static void test_close_reports_the_code_of_the_cancel(void **state) {
    belay_executor *ex = executor_of(state);
    assert_int_equal(close_after_cancel(ex, BELAY_OK), BELAY_OK);
    assert_int_equal(close_after_cancel(ex, BELAY_ECANCELED), BELAY_ECANCELED);
    assert_int_equal(close_after_cancel(ex, 4711), 4711);
}

static void test_cancel_that_nobody_noticed_changes_nothing(void **state) {
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_nothing, NULL, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_wait(NULL, scope), BELAY_OK);
    assert_int_equal(belay_scope_cancel(scope, 4711, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static belay_status close_inner_of_canceled(belay_task *self, void *arg) {
    belay_scope *outer = arg, inner;
    EXPECT_STATUS(belay_scope_open(self, NULL, outer), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, inner, body_sleep, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_cancel(*outer, 42, "outer"), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, *outer), 42);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    return BELAY_OK;
}

static void test_inner_scope_says_canceled_and_the_one_it_began_in_says_why(void **state) {
    belay_scope outer;
    run(executor_of(state), close_inner_of_canceled, &outer);
}

static belay_status close_while_canceled(belay_task *self, void *arg) {
    party *p = arg;
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, guest, p, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ECANCELED);
    EXPECT(tally_read(&p->ran) == 1);
    return BELAY_ECANCELED;
}

static void test_canceled_closer_stays_until_all_have_ended_then_reports(void **state) {
    belay_executor *ex = executor_of(state);
    party p = {.gate = gate_make(ex)};
    belay_task_handle task = spawn_outside(ex, close_while_canceled, &p);
    await_waiting(ex, "scope close", 1);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_task_cancel(task, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    gate_open(p.gate);
}

/* ---- left open --------------------------------------------------------------------------------------------------- */

static belay_status leave_open(belay_task *self, void *arg) {
    belay_scope outer, inner;
    EXPECT_STATUS(belay_scope_open(self, NULL, &outer), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, outer, guest, arg, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, inner, guest, arg, NULL, NULL), BELAY_OK);
    return BELAY_OK;
}

static void test_scopes_left_open_are_canceled_drained_and_reported(void **state) {
    belay_executor *ex = executor_of(state);
    party p = {.gate = gate_make(ex)};
    run(ex, leave_open, &p);
    assert_true(log_holds("returned with open scopes"));
    assert_true(log_holds("belay_executor_run"));
    gate_open(p.gate);
}

/* ---- one closes -------------------------------------------------------------------------------------------------- */

typedef struct rivals {
    belay_scope scope;
    tally closed, late;
} rivals;

static void *rival_close(void *arg) {
    rivals *r = arg;
    belay_status status = belay_scope_close(NULL, r->scope);
    EXPECT(status == BELAY_OK || status == BELAY_EALREADY || status == BELAY_ESTALE);
    (void)tally_add(status == BELAY_OK ? &r->closed : &r->late);
    return NULL;
}

static void test_exactly_one_of_many_closers_closes(void **state) {
    for (int round = 0; round < 20; round++) {
        rivals r = {0};
        pthread_t threads[4];
        assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &r.scope), BELAY_OK);
        assert_int_equal(belay_spawn(NULL, r.scope, body_nothing, NULL, NULL, NULL), BELAY_OK);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, rival_close, &r), 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(tally_read(&r.closed), 1);
        assert_int_equal(tally_read(&r.late), 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_timed_close_is_ebusy_names_the_stragglers_and_works_again),
        BOTH(test_stragglers_below_are_named_too),
        BOTH(test_task_closes_with_a_deadline_again_and_again),
        BOTH(test_members_may_spawn_while_it_closes_and_outsiders_not),
        BOTH(test_close_reports_the_code_of_the_cancel),
        BOTH(test_cancel_that_nobody_noticed_changes_nothing),
        BOTH(test_inner_scope_says_canceled_and_the_one_it_began_in_says_why),
        BOTH(test_canceled_closer_stays_until_all_have_ended_then_reports),
        BOTH(test_scopes_left_open_are_canceled_drained_and_reported),
        BOTH(test_exactly_one_of_many_closers_closes),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Scopes while they are open: nesting, sealing, waiting, the cap, deadlines. Closing is in close_test.c. */
#include "api/support.h"

enum { MEMBERS = 40, CAP = 3 };

/* ---- nesting ----------------------------------------------------------------------------------------------------- */

static belay_status nest(belay_task *self, void *arg) {
    tally *ran = arg;
    belay_scope outer, inner, before = belay_scope_current(self);
    EXPECT_STATUS(belay_scope_open(self, NULL, &outer), BELAY_OK);
    EXPECT(belay_scope_current(self).slot == outer.slot);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT(belay_scope_current(self).slot == inner.slot);
    EXPECT_STATUS(belay_spawn(self, outer, body_tally, ran, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, inner, body_tally, ran, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_OK);
    EXPECT(tally_read(ran) >= 1);
    EXPECT(belay_scope_current(self).slot == outer.slot);
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_OK);
    EXPECT(tally_read(ran) == 2);
    EXPECT(belay_scope_current(self).slot == before.slot);
    return BELAY_OK;
}

static void test_scopes_nest_and_close_in_reverse_order(void **state) {
    tally ran = {0};
    run(executor_of(state), nest, &ran);
}

typedef struct level {
    uint32_t depth;
    tally *ended;
} level;

static belay_status spawn_tree(belay_task *self, void *arg) {
    level *l = arg;
    level below = {l->depth - 1, l->ended};
    belay_scope scope;
    if (l->depth > 0) {
        EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
        EXPECT_STATUS(belay_spawn(self, scope, spawn_tree, &below, NULL, NULL), BELAY_OK);
        EXPECT_STATUS(belay_spawn(self, scope, spawn_tree, &below, NULL, NULL), BELAY_OK);
        EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    }
    (void)tally_add(l->ended);
    return BELAY_OK;
}

static void test_close_waits_for_everything_below(void **state) {
    tally ended = {0};
    level top = {8, &ended};
    run(executor_of(state), spawn_tree, &top);
    assert_int_equal(tally_read(&ended), 511);
}

static void test_scope_opened_outside_is_used_by_tasks_and_threads(void **state) {
    tally ran = {0};
    belay_scope scope;
    uint64_t count = 99;
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(belay_spawn(NULL, scope, body_tally, &ran, NULL, NULL), BELAY_OK);
    }
    assert_int_equal(belay_scope_wait(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&ran), MEMBERS);
    assert_int_equal(belay_scope_count(scope, &count), BELAY_OK);
    assert_int_equal(count, 0);
    assert_int_equal(belay_spawn(NULL, scope, body_tally, &ran, NULL, NULL),
                     BELAY_OK); /* a wait seals nothing */
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&ran), MEMBERS + 1);
}

/* ---- seal -------------------------------------------------------------------------------------------------------- */

typedef struct sealed {
    belay_scope scope;
    belay_task_handle gate;
    tally ran;
} sealed;

static belay_status member_after_seal(belay_task *self, void *arg) {
    sealed *s = arg;
    EXPECT_STATUS(gate_pass(self, s->gate), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, s->scope, body_tally, &s->ran, NULL, NULL), BELAY_ESHUTDOWN);
    EXPECT_STATUS(belay_yield(self), BELAY_OK); /* sealing cancels nobody */
    (void)tally_add(&s->ran);
    return BELAY_OK;
}

static void test_seal_refuses_members_too_and_lets_them_go_on(void **state) {
    belay_executor *ex = executor_of(state);
    sealed s = {.gate = gate_make(ex)};
    assert_int_equal(belay_scope_open_root(ex, NULL, &s.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, s.scope, member_after_seal, &s, NULL, NULL), BELAY_OK);
    await_waiting(ex, "join", 1);
    assert_int_equal(belay_scope_seal(s.scope), BELAY_OK);
    assert_int_equal(belay_scope_seal(s.scope), BELAY_EALREADY);
    assert_int_equal(belay_spawn(NULL, s.scope, body_nothing, NULL, NULL, NULL), BELAY_ESHUTDOWN);
    gate_open(s.gate);
    assert_int_equal(belay_scope_close(NULL, s.scope), BELAY_OK);
    assert_int_equal(tally_read(&s.ran), 1);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static belay_status wait_for_scope(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_scope_wait(self, *(belay_scope *)arg), BELAY_OK);
    return BELAY_OK;
}

static void test_many_wait_for_an_empty_scope(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope scope;
    belay_task_handle sleeper, waiters[4];
    assert_int_equal(belay_scope_open_root(ex, NULL, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_sleep, NULL, NULL, &sleeper), BELAY_OK);
    for (int i = 0; i < 4; i++) {
        waiters[i] = spawn_outside(ex, wait_for_scope, &scope);
    }
    await_waiting(ex, "scope wait", 4);
    assert_int_equal(belay_scope_wait_until(NULL, scope, belay_after(BELAY_MILLISECOND)),
                     BELAY_ETIMEDOUT);
    assert_int_equal(belay_scope_wait_until(NULL, scope, 0), BELAY_ETIMEDOUT);
    assert_int_equal(belay_task_cancel(sleeper, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(belay_scope_wait(NULL, scope), BELAY_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(join_outside(waiters[i]).kind, BELAY_OUTCOME_VALUE);
    }
    assert_int_equal(belay_task_release(sleeper), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static belay_status wait_for_own(belay_task *self, void *arg) {
    belay_scope scope;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < MEMBERS; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, body_tally, arg, NULL, NULL), BELAY_OK);
    }
    EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_OK);
    EXPECT(tally_read(arg) == MEMBERS);
    return belay_scope_close(self, scope);
}

static void test_opener_may_wait_for_its_own_scope(void **state) {
    tally ran = {0};
    run(executor_of(state), wait_for_own, &ran);
}

/* ---- the cap ----------------------------------------------------------------------------------------------------- */

typedef struct crowd {
    belay_scope scope;
    tally alive, most, ended;
} crowd;

static belay_status crowd_member(belay_task *self, void *arg) {
    crowd *c = arg;
    uint64_t alive = tally_add(&c->alive);
    EXPECT(alive <= CAP);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    (void)__atomic_sub_fetch(&c->alive.value, 1, __ATOMIC_ACQ_REL);
    (void)tally_add(&c->ended);
    return BELAY_OK;
}

static belay_status crowd_spawner(belay_task *self, void *arg) {
    crowd *c = arg;
    for (int i = 0; i < MEMBERS; i++) {
        EXPECT_STATUS(belay_spawn(self, c->scope, crowd_member, c, NULL, NULL), BELAY_OK);
    }
    return BELAY_OK;
}

static void *crowd_thread(void *arg) {
    (void)crowd_spawner(NULL, arg);
    return NULL;
}

static void test_cap_bounds_the_members_and_spawn_waits_for_room(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.cap = CAP};
    crowd c = {0};
    pthread_t thread;
    assert_int_equal(belay_scope_open_root(ex, &options, &c.scope), BELAY_OK);
    belay_task_handle task = spawn_outside(ex, crowd_spawner, &c);
    assert_int_equal(pthread_create(&thread, NULL, crowd_thread, &c), 0);
    pthread_join(thread, NULL);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_scope_close(NULL, c.scope), BELAY_OK);
    assert_int_equal(tally_read(&c.ended), 2 * MEMBERS);
}

static belay_status spawn_into_full(belay_task *self, void *arg) {
    return belay_spawn(self, *(belay_scope *)arg, body_nothing, NULL, NULL, NULL);
}

static void
test_full_scope_try_spawn_is_eagain_and_a_waiting_spawner_can_be_canceled(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.cap = 1};
    belay_scope scope;
    belay_task_handle member, gate;
    assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
    assert_int_equal(belay_try_spawn(NULL, scope, body_sleep, NULL, NULL, &gate), BELAY_OK);
    assert_int_equal(belay_try_spawn(NULL, scope, body_nothing, NULL, NULL, &member), BELAY_EAGAIN);
    assert_int_equal(member.generation, 0);
    belay_task_handle spawner = spawn_outside(ex, spawn_into_full, &scope);
    await_waiting(ex, "room in scope", 1);
    assert_int_equal(belay_task_cancel(spawner, BELAY_ECANCELED, NULL), BELAY_OK);
    assert_int_equal(join_outside(spawner).kind, BELAY_OUTCOME_CANCELED);
    spawner = spawn_outside(ex, spawn_into_full, &scope);
    await_waiting(ex, "room in scope", 1);
    gate_open(gate);
    assert_int_equal(join_outside(spawner).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static void
test_cancel_of_a_full_scope_lets_waiting_spawners_in_and_skips_their_tasks(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.cap = 1};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    belay_task_handle spawner = spawn_outside(ex, spawn_into_full, &scope);
    await_waiting(ex, "sleep", 1);
    await_waiting(ex, "room in scope", 1);
    assert_int_equal(belay_scope_cancel(scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(join_outside(spawner).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    belay_stats s;
    assert_int_equal(belay_executor_stats(ex, &s, sizeof s), BELAY_OK);
    assert_int_equal(s.skipped, 1);
}

/* ---- deadlines --------------------------------------------------------------------------------------------------- */

static belay_status outlive_deadline(belay_task *self, void *arg) {
    belay_scope_options options = {.deadline = *(belay_time *)arg};
    belay_scope scope;
    belay_cancel_reason reason;
    EXPECT_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT(belay_now() >= options.deadline);
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_OK);
    EXPECT(reason.code == BELAY_ETIMEDOUT && reason.site == NULL &&
           reason.origin.slot == scope.slot);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_ETIMEDOUT);
    EXPECT(!belay_canceled(self));
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    return BELAY_OK;
}

static void test_deadline_cancels_members_and_opener_and_close_says_so(void **state) {
    belay_time soon = belay_after(10 * BELAY_MILLISECOND), past = 1;
    run(executor_of(state), outlive_deadline, &soon);
    run(executor_of(state), outlive_deadline, &past);
}

static void test_set_deadline_arms_moves_and_removes(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope_options options = {.deadline = belay_after(60 * BELAY_SECOND)};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, &options, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_sleep, NULL, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_scope_set_deadline(scope, BELAY_NEVER), BELAY_OK);
    assert_int_equal(belay_scope_set_deadline(scope, belay_after(60 * BELAY_SECOND)), BELAY_OK);
    assert_int_equal(belay_scope_close_until(NULL, scope, 0), BELAY_EBUSY);
    assert_int_equal(belay_scope_set_deadline(scope, 0), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ETIMEDOUT);
    assert_int_equal(belay_scope_set_deadline(scope, BELAY_NEVER), BELAY_ESTALE);
}

static void test_set_deadline_of_a_canceled_scope_is_too_late(void **state) {
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(executor_of(state), NULL, &scope), BELAY_OK);
    assert_int_equal(belay_scope_cancel(scope, 5, NULL), BELAY_OK);
    assert_int_equal(belay_scope_set_deadline(scope, belay_after(BELAY_SECOND)), BELAY_EALREADY);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK); /* nobody noticed */
}

static void test_deadline_that_comes_after_the_end_changes_nothing(void **state) {
    belay_scope_options options = {.deadline = belay_after(60 * BELAY_SECOND)};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(executor_of(state), &options, &scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, scope, body_nothing, NULL, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_scopes_nest_and_close_in_reverse_order),
        BOTH(test_close_waits_for_everything_below),
        BOTH(test_scope_opened_outside_is_used_by_tasks_and_threads),
        BOTH(test_seal_refuses_members_too_and_lets_them_go_on),
        BOTH(test_many_wait_for_an_empty_scope),
        BOTH(test_opener_may_wait_for_its_own_scope),
        BOTH(test_cap_bounds_the_members_and_spawn_waits_for_room),
        BOTH(test_full_scope_try_spawn_is_eagain_and_a_waiting_spawner_can_be_canceled),
        BOTH(test_cancel_of_a_full_scope_lets_waiting_spawners_in_and_skips_their_tasks),
        BOTH(test_deadline_cancels_members_and_opener_and_close_says_so),
        BOTH(test_set_deadline_arms_moves_and_removes),
        BOTH(test_set_deadline_of_a_canceled_scope_is_too_late),
        BOTH(test_deadline_that_comes_after_the_end_changes_nothing),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

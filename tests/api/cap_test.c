/* The concurrency cap, and changing it. */
#include "api/support.h"

enum { MANY = 60 };

typedef struct hall {
    belay_executor *ex;
    belay_scope scope;
    belay_task_handle gate;
    tally inside, most, done, asked;
} hall;

static belay_status visit(belay_task *self, void *arg) {
    hall *h = arg;
    uint64_t now = tally_add(&h->inside);
    if (now > tally_read(&h->most)) {
        tally_set(&h->most, now);
    }
    belay_status status = gate_pass(self, h->gate);
    (void)__atomic_sub_fetch(&h->inside.value, 1, __ATOMIC_ACQ_REL);
    (void)tally_add(&h->done);
    return status;
}

static belay_status bring_visitors(belay_task *self, void *arg) {
    hall *h = arg;
    for (int i = 0; i < MANY; i++) {
        EXPECT_STATUS(belay_spawn(self, h->scope, visit, h, NULL, NULL), BELAY_OK);
        (void)tally_add(&h->asked);
    }
    return BELAY_OK;
}

static void hall_open(hall *h, belay_executor *ex, uint32_t cap) {
    const belay_scope_options o = {.cap = cap};
    *h = (hall){.ex = ex, .gate = gate_make(ex)};
    assert_int_equal(belay_scope_open_root(ex, &o, &h->scope), BELAY_OK);
}

static void test_no_more_than_the_cap_are_inside(void **state) {
    hall h;
    hall_open(&h, executor_of(state), 3);
    belay_task_handle bringer = spawn_outside(h.ex, bring_visitors, &h);
    await_waiting(h.ex, "room in scope", 1);
    assert_int_equal(tally_read(&h.asked), 3);
    gate_open(h.gate);
    assert_int_equal(join_outside(bringer).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_scope_close(NULL, h.scope), BELAY_OK);
    assert_int_equal(tally_read(&h.done), MANY);
    assert_true(tally_read(&h.most) <= 3);
}

static void test_raising_the_cap_lets_waiting_spawners_in(void **state) {
    hall h;
    hall_open(&h, executor_of(state), 2);
    belay_task_handle bringer = spawn_outside(h.ex, bring_visitors, &h);
    await_waiting(h.ex, "room in scope", 1);
    assert_int_equal(belay_scope_set_cap(h.scope, 5), BELAY_OK);
    tally_await(&h.asked, 5);
    await_waiting(h.ex, "room in scope", 1);
    assert_int_equal(tally_read(&h.asked), 5);
    assert_int_equal(belay_try_spawn(NULL, h.scope, visit, &h, NULL, NULL), BELAY_EAGAIN);
    gate_open(h.gate);
    assert_int_equal(join_outside(bringer).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_scope_close(NULL, h.scope), BELAY_OK);
}

static belay_status leave_when_told(belay_task *self, void *arg) {
    return gate_pass(self, *(belay_task_handle *)arg);
}

static void await_count(belay_scope scope, uint64_t most) {
    uint64_t count = UINT64_MAX;
    while (count > most) {
        assert_int_equal(belay_scope_count(scope, &count), BELAY_OK);
        sched_yield();
    }
}

static void test_a_lowered_cap_waits_until_there_are_fewer(void **state) {
    hall h;
    belay_task_handle gates[4];
    hall_open(&h, executor_of(state), 4);
    for (int i = 0; i < 4; i++) {
        gates[i] = gate_make(h.ex);
        assert_int_equal(belay_spawn(NULL, h.scope, leave_when_told, &gates[i], NULL, NULL),
                         BELAY_OK);
    }
    assert_int_equal(belay_scope_set_cap(h.scope, 2), BELAY_OK);
    for (int i = 0; i < 2; i++) {
        gate_open(gates[i]);
        await_count(h.scope, 3 - (uint64_t)i);
        assert_int_equal(belay_try_spawn(NULL, h.scope, body_nothing, NULL, NULL, NULL),
                         BELAY_EAGAIN);
    }
    gate_open(gates[2]);
    await_count(h.scope, 1);
    assert_int_equal(belay_try_spawn(NULL, h.scope, leave_when_told, &gates[3], NULL, NULL),
                     BELAY_OK);
    gate_open(gates[3]);
    gate_open(h.gate);
    assert_int_equal(belay_scope_close(NULL, h.scope), BELAY_OK);
}

static void test_waiting_spawners_of_a_lowered_cap_all_come_in_the_end(void **state) {
    hall h;
    hall_open(&h, executor_of(state), 8);
    belay_task_handle bringer = spawn_outside(h.ex, bring_visitors, &h);
    await_waiting(h.ex, "room in scope", 1);
    assert_int_equal(belay_scope_set_cap(h.scope, 1), BELAY_OK);
    gate_open(h.gate);
    assert_int_equal(join_outside(bringer).kind, BELAY_OUTCOME_VALUE);
    assert_int_equal(belay_scope_close(NULL, h.scope), BELAY_OK);
    assert_int_equal(tally_read(&h.done), MANY);
}

static void test_only_a_scope_with_a_cap_can_have_it_changed(void **state) {
    hall h;
    hall_open(&h, executor_of(state), 0);
    assert_int_equal(belay_scope_set_cap(h.scope, 3), BELAY_EINVAL);
    assert_int_equal(belay_scope_set_cap(h.scope, 0), BELAY_EINVAL);
    gate_open(h.gate);
    assert_int_equal(belay_scope_close(NULL, h.scope), BELAY_OK);
    assert_int_equal(belay_scope_set_cap(h.scope, 3), BELAY_ESTALE);
}

static belay_status member_tries(belay_task *self, void *arg) {
    hall *h = arg;
    EXPECT_STATUS(belay_try_spawn(self, h->scope, body_nothing, NULL, NULL, NULL), BELAY_EAGAIN);
    return BELAY_OK;
}

static void test_a_member_of_a_full_scope_can_try(void **state) {
    hall h;
    hall_open(&h, executor_of(state), 1);
    gate_open(h.gate);
    assert_int_equal(belay_spawn(NULL, h.scope, member_tries, &h, NULL, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, h.scope), BELAY_OK);
}

static void test_services_take_no_room(void **state) {
    hall h;
    hall_open(&h, executor_of(state), 1);
    const belay_task_options service = {.flags = BELAY_TASK_SERVICE};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(belay_try_spawn(NULL, h.scope, body_sleep, NULL, &service, NULL),
                         BELAY_OK);
    }
    assert_int_equal(belay_try_spawn(NULL, h.scope, visit, &h, NULL, NULL), BELAY_OK);
    gate_open(h.gate);
    assert_int_equal(belay_scope_close(NULL, h.scope), BELAY_OK);
}

static void test_untaken_outcomes_take_no_room(void **state) {
    belay_executor *ex = executor_of(state);
    const belay_scope_options o = {.cap = 1, .flags = BELAY_SCOPE_KEEP_OUTCOMES};
    belay_scope scope;
    assert_int_equal(belay_scope_open_root(ex, &o, &scope), BELAY_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(belay_spawn(NULL, scope, body_nothing, NULL, NULL, NULL), BELAY_OK);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(belay_scope_next(NULL, scope, NULL, NULL), BELAY_OK);
    }
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_no_more_than_the_cap_are_inside),
        BOTH(test_raising_the_cap_lets_waiting_spawners_in),
        BOTH(test_a_lowered_cap_waits_until_there_are_fewer),
        BOTH(test_waiting_spawners_of_a_lowered_cap_all_come_in_the_end),
        BOTH(test_only_a_scope_with_a_cap_can_have_it_changed),
        BOTH(test_a_member_of_a_full_scope_can_try),
        BOTH(test_services_take_no_room),
        BOTH(test_untaken_outcomes_take_no_room),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/cap", tests, NULL, NULL);
}

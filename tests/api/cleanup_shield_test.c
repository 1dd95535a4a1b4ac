/* Shields inside of those that end: by the budget of cleanup, whose end is not known when it begins, or by their
 * time. No inner one outlasts them, however it is hidden, and nothing of it is left on its task. */
#include "api/cancels.h"

#define AGES (1000 * BELAY_SECOND) /* a wait behind such a shield is ended by the watchdog */

enum { CODE = 83 };

typedef struct play {
    tally ready, heard;
    belay_scope around;
    belay_body *clean;
} play;

static const belay_time budget = BELAY_MILLISECOND;

static belay_status defer_it(belay_task *self, void *arg) {
    play *p = arg;
    EXPECT_STATUS(belay_defer(self, p->clean, p), BELAY_OK);
    (void)tally_add(&p->ready);
    return belay_sleep_until(self, BELAY_NEVER);
}

/* A task with this cleanup, cancelled by itself or with the scope around. */
static void act_within(belay_executor *ex, belay_body *clean, belay_time time) {
    for (int whole = 0; whole < 2; whole++) {
        belay_scope_options options = {.cleanup_budget = time};
        play p = {.around = scope_make(ex, &options), .clean = clean};
        belay_task_handle task = spawn_into(p.around, defer_it, &p);
        tally_await(&p.ready, 1);
        assert_int_equal(whole ? belay_scope_cancel(p.around, CODE, NULL)
                               : belay_task_cancel(task, CODE, NULL),
                         BELAY_OK);
        assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
        assert_int_equal(tally_read(&p.heard), 1);
        assert_int_equal(belay_scope_close(NULL, p.around), whole ? CODE : BELAY_OK);
    }
}

static void act(belay_executor *ex, belay_body *clean) {
    act_within(ex, clean, budget);
}

static belay_scope shield(belay_task *self) {
    belay_scope s;
    EXPECT_STATUS(belay_shield_open(self, belay_after(AGES), &s), BELAY_OK);
    return s;
}

static void hear(belay_task *self, play *p) {
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    (void)tally_add(&p->heard);
}

static belay_status clean_in_shields(belay_task *self, void *arg) {
    belay_scope outer = shield(self), inner = shield(self);
    hear(self, arg);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, outer), BELAY_ECANCELED);
    return BELAY_OK;
}

static void test_the_budget_ends_shields_that_cleanup_has_opened(void **state) {
    act(executor_of(state), clean_in_shields);
}

static belay_status clean_below_one_that_is_over(belay_task *self, void *arg) {
    belay_scope_options options = {.deadline = 1};
    belay_scope over, inner;
    EXPECT_STATUS(belay_scope_open(self, &options, &over), BELAY_OK);
    inner = shield(self);
    hear(self, arg);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, over), BELAY_ETIMEDOUT);
    return BELAY_OK;
}

static void test_the_budget_ends_a_shield_in_a_scope_that_was_canceled_before(void **state) {
    act(executor_of(state), clean_below_one_that_is_over);
}

static belay_status cancel_itself(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_scope_cancel(belay_scope_current(self), 1, "no more"), BELAY_OK);
    return clean_in_shields(self, arg);
}

static void test_the_budget_ends_a_shield_in_cleanup_that_was_canceled_itself(void **state) {
    act(executor_of(state), cancel_itself);
}

static belay_status clean_after_all(belay_task *self, void *arg) {
    hear(self, arg);
    belay_scope late = shield(self);
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, late), BELAY_ECANCELED);
    return BELAY_OK;
}

static void test_a_shield_opened_after_the_budget_keeps_nothing_out(void **state) {
    act(executor_of(state), clean_after_all);
}

static void test_without_a_budget_a_shield_in_cleanup_keeps_nothing_out(void **state) {
    act_within(executor_of(state), clean_in_shields, BELAY_NO_BUDGET);
    act_within(executor_of(state), clean_after_all, BELAY_NO_BUDGET);
}

static belay_status shield_in_ended_shield(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope ended, inner;
    EXPECT_STATUS(belay_shield_open(self, 1, &ended), BELAY_OK);
    inner = shield(self);
    (void)tally_add(&p->ready);
    hear(self, p);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, ended), BELAY_ECANCELED);
    inner = shield(self); /* outside of it there may be another */
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_OK);
    return BELAY_ECANCELED;
}

static void test_a_shield_inside_one_that_has_ended_keeps_nothing_out(void **state) {
    belay_executor *ex = executor_of(state);
    play p = {.heard = {0}};
    belay_task_handle task = spawn_outside(ex, shield_in_ended_shield, &p);
    tally_await(&p.ready, 1);
    assert_int_equal(belay_task_cancel(task, CODE, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&p.heard), 1);
}

/* The cleanup of a scope, by its closer, which goes on afterwards. */
static belay_status go_on_after_cleanup(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope_options options = {.cleanup_budget = budget};
    belay_scope around, inside;
    EXPECT_STATUS(belay_scope_open(self, &options, &around), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inside), BELAY_OK);
    EXPECT_STATUS(belay_scope_defer(inside, clean_in_shields, p), BELAY_OK);
    EXPECT_STATUS(belay_scope_cancel(around, CODE, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, inside), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, around), CODE);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    EXPECT_STATUS(belay_task_cancel(belay_task_self_handle(self), CODE, NULL), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_nothing_is_left_on_the_task_of_shields_that_ended_with_another(void **state) {
    play p = {.heard = {0}};
    belay_task_handle task = spawn_outside(executor_of(state), go_on_after_cleanup, &p);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
    assert_int_equal(tally_read(&p.heard), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_the_budget_ends_shields_that_cleanup_has_opened),
        BOTH(test_the_budget_ends_a_shield_in_a_scope_that_was_canceled_before),
        BOTH(test_the_budget_ends_a_shield_in_cleanup_that_was_canceled_itself),
        BOTH(test_a_shield_opened_after_the_budget_keeps_nothing_out),
        BOTH(test_without_a_budget_a_shield_in_cleanup_keeps_nothing_out),
        BOTH(test_a_shield_inside_one_that_has_ended_keeps_nothing_out),
        BOTH(test_nothing_is_left_on_the_task_of_shields_that_ended_with_another),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

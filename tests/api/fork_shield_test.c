/* Shields and stolen forks: a shield of the task covers the forks inside it, wherever they run; one that a fork
 * opens covers that fork; and the end of either lets in what was kept out. Each with a cancel of the task, and one
 * of the scope around. */
#include "api/cancels.h"

enum { CODE = 81, BRIEF = 10 /* milliseconds */ };

typedef struct play {
    belay_executor *ex;
    belay_scope around;
    belay_task_handle gate;
    belay_time until; /* when the outermost shield ends */
    tally ready;      /* the forks run, behind what they want to be behind */
    tally go;         /* the cancel was made */
    tally heard;
} play;

/* Spawns the body, waits for so many to be ready, cancels, and looks at the outcome. */
static void act(belay_executor *ex, belay_body *body, uint64_t ready, uint64_t heard) {
    for (int whole = 0; whole < 2; whole++) {
        play p = {.ex = ex, .around = scope_make(ex, NULL)};
        belay_task_handle task = spawn_into(p.around, body, &p);
        tally_await(&p.ready, ready);
        assert_int_equal(whole ? belay_scope_cancel(p.around, CODE, "why")
                               : belay_task_cancel(task, CODE, "why"),
                         BELAY_OK);
        tally_set(&p.go, 1);
        assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
        assert_int_equal(tally_read(&p.heard), heard);
        assert_int_equal(belay_scope_close(NULL, p.around), whole ? CODE : BELAY_OK);
    }
}

static belay_scope shield(belay_task *self, play *p, belay_time length) {
    belay_scope s;
    belay_time until = belay_after(length);
    p->until = p->until == 0 ? until : p->until;
    EXPECT_STATUS(belay_shield_open(self, until, &s), BELAY_OK);
    return s;
}

/* Until the cancel was made; then waits that succeed. */
static void go_on(belay_task *self, play *p) {
    (void)tally_add(&p->ready);
    EXPECT(tally_await_in(self, &p->go, 1));
    EXPECT(!belay_canceled(self) && !belay_stopping(self));
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND / 10), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
}

static void hear(belay_task *self, play *p) {
    belay_cancel_reason reason;
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_reason(self, &reason), BELAY_OK);
    EXPECT(reason.code == CODE);
    (void)tally_add(&p->heard);
}

/* Only the end of the shield can end this wait. */
static void hear_at_the_end(belay_task *self, play *p) {
    hear(self, p);
    EXPECT(belay_now() >= p->until);
}

/* Suspends, so that what was forked is stolen. */
static void let_steal(belay_task *self, play *p, uint64_t ready) {
    EXPECT(tally_await_in(self, &p->ready, ready));
}

/* ---- the task's shield ------------------------------------------------------------------------------------------ */

static belay_status fork_goes_on(belay_task *self, void *arg) {
    go_on(self, arg);
    return BELAY_OK;
}

static belay_status shield_then_fork(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope s = shield(self, p, LONG);
    EXPECT_STATUS(belay_fork(self, fork_goes_on, p), BELAY_OK);
    EXPECT_STATUS(belay_fork(self, fork_goes_on, p), BELAY_OK);
    let_steal(self, p, 2);
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    hear(self, p);
    return BELAY_ECANCELED;
}

static void test_forks_stolen_behind_a_shield_are_covered(void **state) {
    act(executor_of(state), shield_then_fork, 2, 1);
}

/* The cancel comes first, the theft afterwards. */
static belay_status fork_late(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope s = shield(self, p, LONG);
    (void)tally_add(&p->ready);
    while (tally_read(&p->go) == 0) { /* without a wait: the fork below is not stolen before */
        sched_yield();
    }
    EXPECT_STATUS(belay_fork(self, fork_goes_on, p), BELAY_OK);
    let_steal(self, p, 2);
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    hear(self, p);
    return BELAY_ECANCELED;
}

static void test_a_fork_stolen_after_the_cancel_is_covered_too(void **state) {
    act(executor_of(state), fork_late, 1, 1);
}

static belay_status fork_hears(belay_task *self, void *arg) {
    (void)tally_add(&((play *)arg)->ready);
    hear_at_the_end(self, arg);
    return BELAY_ECANCELED;
}

static belay_status fork_of_fork(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_fork(self, fork_hears, arg), BELAY_OK);
    EXPECT_STATUS(fork_hears(self, arg), BELAY_ECANCELED);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static belay_status shield_ends_by_time(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope s = shield(self, p, BRIEF * BELAY_MILLISECOND);
    EXPECT_STATUS(belay_fork(self, fork_of_fork, p), BELAY_OK);
    hear_at_the_end(self, p);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_the_end_of_a_shield_reaches_the_forks_behind_it_and_theirs(void **state) {
    act(executor_of(state), shield_ends_by_time, 2, 3);
}

/* A fork from before the shield is a part of the task, too: it hears of the task's cancel when the task does; but it
 * is not inside the shield's scope, so it hears of a cancel of the scope around at once. */
static belay_status early_fork(belay_task *self, void *arg) {
    (void)tally_add(&((play *)arg)->ready);
    hear(self, arg);
    return BELAY_ECANCELED;
}

static belay_status fork_then_shield(belay_task *self, void *arg) {
    play *p = arg;
    EXPECT_STATUS(belay_fork(self, early_fork, p), BELAY_OK);
    let_steal(self, p, 1);
    belay_scope s = shield(self, p, LONG);
    go_on(self, p);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void
test_a_fork_from_before_the_shield_hears_of_it_with_its_task_at_the_latest(void **state) {
    act(executor_of(state), fork_then_shield, 2, 1);
}

/* ---- a fork's own shield ---------------------------------------------------- */

static belay_status shield_in_fork(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope s = shield(self, p, LONG);
    go_on(self, p);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    hear(self, p);
    return BELAY_ECANCELED;
}

static belay_status fork_with_shield(belay_task *self, void *arg) {
    play *p = arg;
    EXPECT_STATUS(belay_fork(self, shield_in_fork, p), BELAY_OK);
    hear(self, p); /* the task itself is not covered */
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_shield_of_a_stolen_fork_covers_the_fork_alone(void **state) {
    act(executor_of(state), fork_with_shield, 1, 2);
}

static belay_status member_hears(belay_task *self, void *arg) {
    (void)tally_add(&((play *)arg)->ready);
    hear_at_the_end(self, arg);
    return BELAY_ECANCELED;
}

/* Members in the shield's own scope and in one opened inside it, while its opener, the fork, waits for them in
 * close. */
static belay_status members_in_fork(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope s = shield(self, p, BRIEF * BELAY_MILLISECOND), inner;
    EXPECT_STATUS(belay_spawn(self, s, member_hears, p, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, NULL, &inner), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, inner, member_hears, p, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_fork(self, fork_hears, p), BELAY_OK);
    EXPECT(tally_await_in(self, &p->ready, 3) || belay_now() >= p->until);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, inner), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    hear(self, p);
    return BELAY_ECANCELED;
}

static belay_status fork_with_members(belay_task *self, void *arg) {
    play *p = arg;
    EXPECT_STATUS(belay_fork(self, members_in_fork, p), BELAY_OK);
    hear(self, p);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_its_end_reaches_members_and_forks_that_are_still_inside(void **state) {
    act(executor_of(state), fork_with_members, 3, 5);
}

static belay_status inner_in_fork(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope s = shield(self, p, LONG); /* longer than the one around, and so no longer */
    (void)tally_add(&p->ready);
    hear_at_the_end(self, p);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static belay_status shields_in_both(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope s = shield(self, p, BRIEF * BELAY_MILLISECOND);
    EXPECT_STATUS(belay_fork(self, inner_in_fork, p), BELAY_OK);
    hear_at_the_end(self, p);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_a_forks_shield_inside_the_tasks_ends_with_it(void **state) {
    act(executor_of(state), shields_in_both, 1, 2);
}

/* ---- cleanup in a fork ------------------------------------------------------------------------------------------- */

static belay_status clean(belay_task *self, void *arg) {
    hear_at_the_end(self, arg);
    return BELAY_OK;
}

static belay_status fork_with_cleanup(belay_task *self, void *arg) {
    play *p = arg;
    EXPECT_STATUS(belay_defer(self, clean, p), BELAY_OK);
    (void)tally_add(&p->ready);
    hear(self, p);
    p->until = belay_now() + BRIEF * BELAY_MILLISECOND; /* the cleanup has all of its budget */
    return BELAY_ECANCELED;
}

static belay_status cleanup_in_fork(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope_options options = {.cleanup_budget = BRIEF * BELAY_MILLISECOND};
    belay_scope s;
    EXPECT_STATUS(belay_scope_open(self, &options, &s), BELAY_OK);
    EXPECT_STATUS(belay_fork(self, fork_with_cleanup, p), BELAY_OK);
    hear(self, p);
    EXPECT_STATUS(belay_sync(self), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_cleanup_in_a_stolen_fork_has_its_budget_and_no_more(void **state) {
    act(executor_of(state), cleanup_in_fork, 1, 3);
}

/* Inside a shield of its task the cleanup ends with that, its budget unspent. */
static belay_status clean_to_the_end(belay_task *self, void *arg) {
    hear_at_the_end(self, arg);
    return BELAY_OK;
}

static belay_status fork_with_long_cleanup(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_defer(self, clean_to_the_end, arg), BELAY_OK);
    (void)tally_add(&((play *)arg)->ready);
    return BELAY_OK;
}

static belay_status cleanup_in_shield(belay_task *self, void *arg) {
    play *p = arg;
    belay_scope_options options = {.cleanup_budget = LONG};
    belay_scope around, s;
    EXPECT_STATUS(belay_scope_open(self, &options, &around), BELAY_OK);
    s = shield(self, p, BRIEF * BELAY_MILLISECOND);
    EXPECT_STATUS(belay_fork(self, fork_with_long_cleanup, p), BELAY_OK);
    hear_at_the_end(self, p);
    EXPECT_STATUS(belay_sync(self), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_ECANCELED);
    EXPECT_STATUS(belay_scope_close(self, around), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void test_the_tasks_shield_caps_the_budget_of_a_fork(void **state) {
    act(executor_of(state), cleanup_in_shield, 1, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_forks_stolen_behind_a_shield_are_covered),
        BOTH(test_a_fork_stolen_after_the_cancel_is_covered_too),
        BOTH(test_the_end_of_a_shield_reaches_the_forks_behind_it_and_theirs),
        BOTH(test_a_fork_from_before_the_shield_hears_of_it_with_its_task_at_the_latest),
        BOTH(test_a_shield_of_a_stolen_fork_covers_the_fork_alone),
        BOTH(test_its_end_reaches_members_and_forks_that_are_still_inside),
        BOTH(test_a_forks_shield_inside_the_tasks_ends_with_it),
        BOTH(test_cleanup_in_a_stolen_fork_has_its_budget_and_no_more),
        BOTH(test_the_tasks_shield_caps_the_budget_of_a_fork),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

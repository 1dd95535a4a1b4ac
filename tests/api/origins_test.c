/* Behaviours of task groups in event-loop programs that go wrong there, as promises here. Those that have a file of
 * their own (owners, leases, subscriptions, shielded flushes, done callbacks) are tested there; docs/features.md has
 * the whole list. */
#include "api/support.h"

enum { CROWD = 100 };

/* ---- fire and forget --------------------------------------------------------------------------------------------- */

static void
test_a_hundred_forgotten_tasks_belong_to_the_root_and_are_joined_at_shutdown(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    tally drops = {0};
    const belay_task_options options = {.name = "forgotten", .arg_drop = tally_drop};
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(
            belay_spawn(NULL, belay_executor_root(ex), body_sleep, &drops, &options, NULL),
            BELAY_OK);
    }
    await_waiting(ex, "sleep", CROWD < 64 ? CROWD : 64);
    /* A cancel that does not end them in no time: the report names them. */
    assert_int_equal(belay_executor_shutdown(ex, belay_after(BELAY_MILLISECOND), 0) ==
                             BELAY_EBUSY ||
                         tally_read(&drops) == CROWD,
                     1);
    assert_int_equal(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&drops), CROWD);
    assert_true(executor_end(ex));
}

static belay_status forget_a_child(belay_task *self, void *arg) {
    return belay_spawn(self, belay_executor_root(belay_task_executor(self)), body_tally, arg, NULL,
                       NULL);
}

static void test_a_task_without_any_handle_lives_until_it_ends(void **state) {
    tally ran = {0};
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(belay_spawn(NULL, belay_executor_root(executor_of(state)), forget_a_child,
                                     &ran, NULL, NULL),
                         BELAY_OK);
    }
    tally_await(&ran, CROWD);
}

/* ---- errors that nobody may lose --------------------------------------------------------------------------------- */

static belay_status fail_with(belay_task *self, void *arg) {
    (void)self;
    return (belay_status)(intptr_t)arg;
}

static void
test_outcomes_stay_until_they_are_read_also_after_everything_was_cancelled(void **state) {
    belay_executor *ex = executor_of(state);
    const belay_scope_options supervise = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    belay_task_handle task[CROWD];
    assert_int_equal(belay_scope_open_root(ex, &supervise, &scope), BELAY_OK);
    for (int i = 0; i < CROWD; i++) {
        const belay_task_options always = {.flags = BELAY_TASK_RUN_CANCELED};
        assert_int_equal(
            belay_spawn(NULL, scope, fail_with, (void *)(intptr_t)(i + 1), &always, &task[i]),
            BELAY_OK);
    }
    (void)belay_scope_cancel(scope, BELAY_OK, "all of them");
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    for (int i = 0; i < CROWD; i++) {
        belay_outcome outcome = join_outside(task[i]);
        assert_int_equal(outcome.kind, BELAY_OUTCOME_ERROR);
        assert_int_equal(outcome.status, i + 1);
    }
}

static belay_status hold(belay_task *self, void *arg) {
    belay_scope *out = arg;
    belay_scope_options options = {.name = "kept"};
    belay_status status = belay_scope_open(self, &options, out);
    return status == BELAY_OK ? belay_scope_close(self, *out) : status;
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static void test_a_timer_cannot_be_armed_on_what_has_ended(void **state) {
    belay_executor *ex = executor_of(state);
    belay_scope closed, sealed;
    tally drops = {0};
    const belay_task_options options = {.arg_drop = tally_drop};
    run(ex, hold, &closed);
    assert_int_equal(belay_scope_open_root(ex, NULL, &sealed), BELAY_OK);
    assert_int_equal(belay_scope_seal(sealed), BELAY_OK);
    belay_time later = belay_after(3600 * BELAY_SECOND);
    assert_int_equal(belay_spawn_at(NULL, closed, later, body_nothing, &drops, &options, NULL),
                     BELAY_ESTALE);
    assert_int_equal(belay_spawn_at(NULL, sealed, later, body_nothing, &drops, &options, NULL),
                     BELAY_ESHUTDOWN);
    assert_int_equal(belay_scope_close(NULL, sealed), BELAY_OK);
    assert_int_equal(tally_read(&drops), 0);
}

typedef struct chime {
    tally rung;
    belay_scope scope;
} chime;

/* Arms itself again, as a cycle that keeps itself alive would. */
static belay_status ring_again(belay_task *self, void *arg) {
    chime *c = arg;
    (void)tally_add(&c->rung);
    belay_status status = belay_spawn_at(self, c->scope, belay_after(BELAY_MILLISECOND / 10),
                                         ring_again, c, NULL, NULL);
    return status == BELAY_ESHUTDOWN ? BELAY_OK : status;
}

static void test_a_timer_that_arms_itself_again_ends_with_its_scope(void **state) {
    belay_executor *ex = executor_of(state);
    chime c = {.rung = {0}};
    assert_int_equal(belay_scope_open_root(ex, NULL, &c.scope), BELAY_OK);
    assert_int_equal(belay_spawn(NULL, c.scope, ring_again, &c, NULL, NULL), BELAY_OK);
    tally_await(&c.rung, 5);
    assert_int_equal(belay_scope_cancel(c.scope, BELAY_OK, NULL), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, c.scope), BELAY_OK);
    uint64_t rung = tally_read(&c.rung);
    run(ex, body_nothing, NULL);
    assert_int_equal(tally_read(&c.rung), rung);
}

/* ---- a limit of time, named in the report ------------------------------------------------------------------------ */

typedef struct patience {
    tally stubborn;
    tally let_go;
} patience;

static belay_status ignore_the_limit(belay_task *self, void *arg) {
    patience *p = arg;
    while (belay_sleep_until(self, BELAY_NEVER) == BELAY_OK) {
    }
    (void)tally_add(&p->stubborn);
    while (tally_read(&p->let_go) == 0) {
        (void)belay_yield(self);
    }
    return BELAY_OK;
}

static void test_a_task_that_outstays_its_limit_is_named_with_its_site(void **state) {
    belay_executor *ex = executor_of(state);
    patience p = {.let_go = {0}};
    const belay_scope_options limit = {.name = "limited",
                                       .deadline = belay_after(BELAY_MILLISECOND)};
    const belay_task_options stubborn = {.name = "stubborn"};
    belay_scope scope;
    belay_task_info info[2];
    size_t count = 0;
    assert_int_equal(belay_scope_open_root(ex, &limit, &scope), BELAY_OK);
    const belay_task_options always = {.name = stubborn.name, .flags = BELAY_TASK_RUN_CANCELED};
    assert_int_equal(belay_spawn(NULL, scope, ignore_the_limit, &p, &always, NULL), BELAY_OK);
    tally_await(&p.stubborn, 1);
    assert_int_equal(belay_scope_close_until(NULL, scope, 0), BELAY_EBUSY);
    assert_int_equal(belay_scope_stragglers(scope, info, 2, &count), BELAY_OK);
    assert_int_equal(count, 1);
    assert_string_equal(info[0].name, "stubborn");
    assert_non_null(strstr(info[0].site, "ignore_the_limit@"));
    assert_true(info[0].cancel_requested);
    tally_set(&p.let_go, 1);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_ETIMEDOUT);
}

/* ---- the end of the program -------------------------------------------------------------------------------------- */

typedef struct service {
    tally released;
    tally asked;
    tally cleaned;
} service;

static belay_status clean(belay_task *self, void *arg) {
    service *s = arg;
    EXPECT_STATUS(belay_sleep_until(self, belay_after(BELAY_MILLISECOND)), BELAY_OK);
    (void)tally_add(&s->cleaned);
    return BELAY_OK;
}

static belay_status serve(belay_task *self, void *arg) {
    service *s = arg;
    belay_scope_options soft = {.name = "accept", .flags = BELAY_SCOPE_SOFT};
    belay_scope scope;
    belay_registration resource;
    EXPECT_STATUS(belay_defer(self, clean, s), BELAY_OK);
    EXPECT_STATUS(belay_scope_open(self, &soft, &scope), BELAY_OK);
    EXPECT_STATUS(belay_resource_bind(scope, tally_drop, &s->released, &resource), BELAY_OK);
    EXPECT_STATUS(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    EXPECT(belay_stopping(self));
    (void)tally_add(&s->asked);
    EXPECT_STATUS(belay_resource_release(resource), BELAY_OK); /* by hand, as stop() would ... */
    EXPECT_STATUS(belay_scope_close(self, scope),
                  BELAY_ECANCELED); /* ... and by the close, as the finaliser would */
    return BELAY_OK;
}

static void test_a_graceful_shutdown_runs_everybodys_cleanup_and_releases_once(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    service s = {.released = {0}};
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), serve, &s, NULL, NULL), BELAY_OK);
    await_waiting(ex, "sleep", 1);
    assert_int_equal(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER), BELAY_OK);
    assert_int_equal(tally_read(&s.asked), 1);
    assert_int_equal(tally_read(&s.released), 1);
    assert_int_equal(tally_read(&s.cleaned), 1);
    assert_true(executor_end(ex));
}

int main(void) {
    watchdog_start();
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_a_hundred_forgotten_tasks_belong_to_the_root_and_are_joined_at_shutdown),
        BOTH(test_a_task_without_any_handle_lives_until_it_ends),
        BOTH(test_outcomes_stay_until_they_are_read_also_after_everything_was_cancelled),
        BOTH(test_a_timer_cannot_be_armed_on_what_has_ended),
        BOTH(test_a_timer_that_arms_itself_again_ends_with_its_scope),
        BOTH(test_a_task_that_outstays_its_limit_is_named_with_its_site),
        BOTH_BARE(test_a_graceful_shutdown_runs_everybodys_cleanup_and_releases_once),
    };
    return cmocka_run_group_tests_name("origins", tests, NULL, NULL);
}

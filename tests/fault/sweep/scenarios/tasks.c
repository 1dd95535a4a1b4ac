/* Tasks and scopes: spawned from outside and inside, joined, cancelled, closed; limits of time and of number. */
#include "scenarios.h"

enum { OUTSIDE = 6, INSIDE = 4 };

static void note_end(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    (void)task;
    CHECKED(outcome->kind != 0);
    CHECKED(((fault_ticket *)arg)->ended == 0);
}

static void watch_end(belay_task_handle task) {
    fault_ticket *t = fault_ticket_new("a done callback");
    if (task.generation != 0) {
        (void)fault_settle(
            t, MAY(belay_on_done(task, note_end, t, fault_ended, NULL), BELAY_OK, BELAY_ENOMEM));
    }
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

static belay_status with_result(belay_task *self, void *arg) {
    (void)arg;
    fault_ticket *t = fault_ticket_new("a result");
    (void)fault_settle(t, MAY(belay_set_result(self, t, fault_ended), BELAY_OK));
    return belay_yield(self);
}

/* arg: not NULL if it may be cancelled meanwhile. */
static belay_status family(belay_task *self, void *arg) {
    belay_scope scope;
    belay_task_handle child = {0};
    if (MAY(belay_scope_open(self, NULL, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    for (int i = 0; i < INSIDE; i++) {
        (void)fault_spawn(self, scope, fault_nap, NULL, NULL, i == 0 ? &child : NULL);
    }
    watch_end(child);
    fault_join(self, child);
    belay_status status = belay_scope_close(self, scope);
    return MAY(status, arg != NULL && status == BELAY_ECANCELED ? status : BELAY_OK, BELAY_ENOMEM,
               BELAY_ENOSTACK);
}

static belay_status canceled_family(belay_task *self, void *arg) {
    const belay_scope_options options = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    (void)arg;
    if (MAY(belay_scope_open(self, &options, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    for (int i = 0; i < INSIDE; i++) {
        (void)fault_spawn(self, scope, i % 2 == 0 ? fault_sleeper : family, &scope, NULL, NULL);
    }
    (void)belay_yield(self);
    MAY(belay_scope_cancel(scope, BELAY_OK, "enough"), BELAY_OK);
    return MAY(belay_scope_close(self, scope), BELAY_OK, BELAY_ECANCELED);
}

void scenario_tasks(void) {
    static belay_body *const bodies[OUTSIDE] = {with_result, family, canceled_family,
                                                fault_nap,   family, with_result};
    belay_executor *ex = fault_executor();
    belay_task_handle tasks[OUTSIDE] = {{0}};
    for (int i = 0; ex != NULL && i < OUTSIDE; i++) {
        belay_task_options options = {.name = "outside", .start_at = i == 3 ? belay_after(50) : 0};
        (void)fault_spawn(NULL, belay_executor_root(ex), bodies[i], NULL, &options, &tasks[i]);
        watch_end(tasks[i]);
    }
    for (int i = 0; i < OUTSIDE; i++) {
        fault_join(NULL, tasks[i]);
    }
    if (ex != NULL) {
        (void)fault_spawn(NULL, belay_executor_root(ex), fault_sleeper, NULL, NULL, NULL);
    }
    fault_executor_end(ex);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static belay_status too_late(belay_task *self, void *arg) {
    (void)arg;
    const belay_scope_options options = {.deadline = belay_after(100 * BELAY_MICROSECOND)};
    belay_scope scope;
    if (MAY(belay_scope_open(self, &options, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    (void)fault_spawn(self, scope, fault_sleeper, NULL, NULL, NULL);
    MAY(belay_sleep_until(self, belay_after(3600 * BELAY_SECOND)), BELAY_ECANCELED);
    MAY(belay_scope_close(self, scope), BELAY_ETIMEDOUT, BELAY_ENOMEM, BELAY_ENOSTACK);
    return BELAY_OK;
}

static belay_status crowd(belay_task *self, void *arg) {
    (void)arg;
    const belay_scope_options options = {.cap = 2, .policy = BELAY_COLLECT};
    belay_scope scope;
    if (MAY(belay_scope_open(self, &options, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    for (int i = 0; i < INSIDE; i++) {
        (void)fault_spawn(self, scope, fault_nap, NULL, NULL, NULL);
    }
    belay_failures failures;
    MAY(belay_scope_close_report(self, scope, BELAY_NEVER, &failures), BELAY_OK, BELAY_ENOMEM,
        BELAY_ENOSTACK);
    return BELAY_OK;
}

static belay_status shielded(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    if (MAY(belay_shield_open(self, belay_after(BELAY_SECOND), &scope), BELAY_OK, BELAY_ENOMEM) !=
        BELAY_OK) {
        return BELAY_OK;
    }
    (void)fault_spawn(self, scope, fault_nap, NULL, NULL, NULL);
    (void)belay_task_cancel(belay_task_self_handle(self), BELAY_OK, "not yet");
    MAY(fault_nap(self, NULL), BELAY_OK, BELAY_ECANCELED);
    MAY(belay_scope_close(self, scope), BELAY_OK, BELAY_ENOMEM, BELAY_ENOSTACK);
    MAY(fault_nap(self, NULL), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

/* Failures, one after another, until the list has to grow. */
static belay_status fail(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 7;
}

static belay_status failing(belay_task *self, void *arg) {
    (void)arg;
    const belay_scope_options options = {.policy = BELAY_COLLECT,
                                         .flags = BELAY_SCOPE_KEEP_OUTCOMES};
    belay_scope scope;
    belay_outcome outcome;
    if (MAY(belay_scope_open(self, &options, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    uint32_t spawned = 0, taken = 0;
    for (int i = 0; i < INSIDE; i++) {
        spawned += fault_spawn(self, scope, fail, NULL, NULL, NULL) == BELAY_OK;
    }
    while (belay_scope_next(self, scope, &outcome, NULL) == BELAY_OK) {
        taken++;
        MAY(outcome.status, 7, BELAY_ENOSTACK);
    }
    CHECKED(taken == spawned);
    belay_failures failures;
    MAY(belay_scope_close_report(self, scope, BELAY_NEVER, &failures), spawned != 0 ? 7 : BELAY_OK,
        BELAY_ENOSTACK);
    CHECKED(failures.listed + failures.more == spawned);
    return BELAY_OK;
}

void scenario_limits(void) {
    belay_executor *ex = fault_executor();
    if (ex != NULL) {
        (void)fault_run(ex, too_late, NULL);
        (void)fault_run(ex, crowd, NULL);
        (void)fault_run(ex, shielded, NULL);
        (void)fault_run(ex, failing, NULL);
        (void)belay_executor_trim(ex);
    }
    fault_executor_end(ex);
}

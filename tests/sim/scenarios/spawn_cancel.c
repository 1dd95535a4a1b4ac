/* Spawning and waiting against cancelling: a task is skipped or notices, and nobody sleeps on. */
#include "scenario.h"

enum { TASKS = 3 };

static belay_scope place;        /* what the canceller cancels */
static belay_task_handle victim; /* likewise */
static tally ready;              /* `place` or `victim` is written */
static tally told;               /* the cancel has returned */

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&told);
}

static void cancel_place(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    belay_status status = belay_scope_cancel(place, BELAY_ECANCELED, "scenario");
    sim_check(status == BELAY_OK || status == BELAY_ESTALE, "the scope was not cancelled");
    tally_add(&told, 1);
}

static void cancel_victim(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    belay_status status = belay_task_cancel(victim, BELAY_ECANCELED, "scenario");
    sim_check(status == BELAY_OK || status == BELAY_EALREADY || status == BELAY_ESTALE,
              "the task was not cancelled");
    tally_add(&told, 1);
}

/* Only a cancel ends it. */
static belay_status sleep_on(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    sim_check(status == BELAY_ECANCELED, "woke without a cancel");
    sim_check(belay_canceled(self), "cancelled, and does not know it");
    return status;
}

/* A waiting call that begins after the cancel has returned must say so. */
static belay_status wait_often(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = BELAY_OK;
    while (status == BELAY_OK) {
        bool after = tally_read(&told) != 0;
        status =
            sim_choose(2) == 0 ? belay_yield(self) : belay_sleep_until(self, belay_after(20000));
        sim_check(!after || status == BELAY_ECANCELED, "a cancel was lost");
    }
    sim_check(belay_yield(self) == BELAY_ECANCELED, "a cancel was forgotten");
    return status;
}

/* ---- a scope of foreign threads -------------------------------------------------------------- */

static void foreign(belay_body *body) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    tally_add(&ready, 1);
    port_thread thread = world_thread(cancel_place, NULL, "canceller");
    for (int i = 0; i < TASKS; i++) {
        sim_check(world_spawn(NULL, place, body, NULL, NULL) == BELAY_OK, "refused");
    }
    tally_wait(&told, 1);
    belay_status status = belay_scope_close(NULL, place);
    sim_check(status == BELAY_ECANCELED || status == BELAY_OK, "another end");
    port_thread_join(&thread);
    world_close(ex);
}

static void scope_sleeping(void) {
    foreign(sleep_on);
}

static void scope_waiting(void) {
    foreign(wait_often);
}

/* ---- a scope of a task ----------------------------------------------------------------------- */

static belay_status own_scope(belay_task *self, void *arg) {
    belay_body *body = *(belay_body **)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    place = s;
    tally_add(&ready, 1);
    for (int i = 0; i < TASKS; i++) {
        sim_check(world_spawn(self, s, body, NULL, NULL) == BELAY_OK, "refused");
    }
    belay_status status = belay_scope_close(self, s);
    sim_check(status == BELAY_ECANCELED || status == BELAY_OK, "another end");
    return BELAY_OK;
}

static void inside(belay_body *outer, belay_body *inner, void (*canceller)(void *arg)) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(canceller, NULL, "canceller");
    world_run(ex, outer, &inner);
    port_thread_join(&thread);
    world_close(ex);
}

static void task_scope_sleeping(void) {
    inside(own_scope, sleep_on, cancel_place);
}

static void task_scope_waiting(void) {
    inside(own_scope, wait_often, cancel_place);
}

/* The outer scope is cancelled while scopes are opened and filled inside it. */
static belay_status nested_scopes(belay_task *self, void *arg) {
    belay_body *body = *(belay_body **)arg;
    belay_scope outer;
    belay_scope inner;
    sim_check(belay_scope_open(self, NULL, &outer) == BELAY_OK, "no scope");
    place = outer;
    tally_add(&ready, 1);
    sim_check(world_spawn(self, outer, body, NULL, NULL) == BELAY_OK, "refused");
    sim_check(belay_scope_open(self, NULL, &inner) == BELAY_OK, "no scope");
    sim_check(world_spawn(self, inner, body, NULL, NULL) == BELAY_OK, "refused");
    (void)belay_scope_close(self, inner);
    (void)belay_scope_close(self, outer);
    return BELAY_OK;
}

static void tree(void) {
    inside(nested_scopes, sleep_on, cancel_place);
}

/* The opener itself sleeps in its scope, or waits there for a task that is not in it. */
static belay_status sleep_in_own_scope(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    place = s;
    tally_add(&ready, 1);
    sim_check(belay_sleep_until(self, BELAY_NEVER) == BELAY_ECANCELED, "woke without a cancel");
    sim_check(belay_scope_close(self, s) == BELAY_ECANCELED, "noticed, and closed as if not");
    sim_check(belay_yield(self) == BELAY_OK, "it has left its scope");
    return BELAY_OK;
}

static void opener_sleeping(void) {
    inside(sleep_in_own_scope, NULL, cancel_place);
}

/* ---- one task -------------------------------------------------------------------------------- */

/* The victim, or a scope it opens, or who it waits for there. */
static belay_status sleep_in_scope(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    sim_check(world_spawn(self, s, sleep_on, NULL, NULL) == BELAY_OK, "refused");
    belay_status status = belay_scope_close(self, s);
    sim_check(belay_yield(self) == BELAY_ECANCELED, "a cancel was lost");
    return status == BELAY_OK ? BELAY_ECANCELED : status;
}

/* Who has noticed its own cancel in a scope that it has opened closes it as cancelled, wherever the canceller is. */
static belay_status notice_in_scope(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    if (sim_choose(2) == 0) {
        sim_check(belay_sleep_until(self, BELAY_NEVER) == BELAY_ECANCELED, "woke without a cancel");
    }
    while (!belay_canceled(self)) {
        port_thread_yield();
    }
    sim_check(belay_scope_close(self, s) == BELAY_ECANCELED, "noticed, and closed as if not");
    return BELAY_ECANCELED;
}

static void one_task(belay_body *body) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(cancel_victim, NULL, "canceller");
    sim_check(world_spawn(NULL, belay_executor_root(ex), body, NULL, &victim) == BELAY_OK,
              "refused");
    tally_add(&ready, 1);
    belay_outcome out;
    sim_check(belay_join(NULL, victim, &out) == BELAY_OK, "not joined");
    sim_check(out.kind == BELAY_OUTCOME_SKIPPED || out.kind == BELAY_OUTCOME_CANCELED,
              "another end");
    sim_check(out.cancel_requested, "it does not know");
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    port_thread_join(&thread);
    world_close(ex);
}

static void task_sleeping(void) {
    one_task(sleep_on);
}

static void task_waiting(void) {
    one_task(wait_often);
}

static void task_with_scope(void) {
    one_task(sleep_in_scope);
}

static void task_notices(void) {
    one_task(notice_in_scope);
}

/* ---- failing fast ---------------------------------------------------------------------------- */

static belay_status fail(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 7;
}

static belay_status failing_scope(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    for (int i = 0; i < TASKS; i++) {
        belay_body *body = i == 1 ? fail : sleep_on;
        sim_check(world_spawn(self, s, body, NULL, NULL) == BELAY_OK, "refused");
    }
    sim_check(belay_scope_close(self, s) == 7, "not its error");
    return BELAY_OK;
}

static void fail_fast(void) {
    belay_executor *ex = world_open();
    world_run(ex, failing_scope, NULL);
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"scope_sleeping", reset, scope_sleeping, 2},
    {"scope_waiting", reset, scope_waiting, 2},
    {"task_scope_sleeping", reset, task_scope_sleeping, 2},
    {"task_scope_waiting", reset, task_scope_waiting, 2},
    {"opener_sleeping", reset, opener_sleeping, 2},
    {"tree", reset, tree, 2},
    {"task_sleeping", reset, task_sleeping, 2},
    {"task_waiting", reset, task_waiting, 2},
    {"task_with_scope", reset, task_with_scope, 2},
    {"task_notices", reset, task_notices, 2},
    {"fail_fast", reset, fail_fast, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("spawn_cancel", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

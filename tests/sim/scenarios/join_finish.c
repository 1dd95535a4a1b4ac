/* Joining against finishing, against deadlines, and against cancelling the joiner; results are had
 * once; handles are used while others let go of them. */
#include "scenario.h"

static belay_task_handle target;
static belay_task_handle joiner;
static tally ready;
static tally results;  /* taken by a joiner or dropped */
static tally finished; /* the target's body has returned, nearly */

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&results);
    tally_reset(&finished);
}

static void drop_result(void *value) {
    (void)value;
    tally_add(&results, 1);
}

static belay_status with_result(belay_task *self, void *arg) {
    (void)arg;
    if (sim_choose(2) == 0) {
        (void)belay_yield(self);
    }
    sim_check(belay_set_result(self, &results, drop_result) == BELAY_OK, "no result");
    tally_add(&finished, 1);
    return BELAY_OK;
}

static void take(const belay_outcome *out) {
    sim_check(out->kind == BELAY_OUTCOME_VALUE && out->status == BELAY_OK, "another end");
    if (out->has_result) {
        out->result_drop(out->result);
    }
}

static void join_foreign(void *arg) {
    (void)arg;
    belay_outcome out;
    sim_check(belay_join(NULL, target, &out) == BELAY_OK, "not joined");
    sim_check(tally_read(&finished) == 1, "joined too early");
    take(&out);
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
}

static belay_status join_as_task(belay_task *self, void *arg) {
    (void)arg;
    belay_outcome out;
    sim_check(belay_join(self, target, &out) == BELAY_OK, "not joined");
    sim_check(tally_read(&finished) == 1, "joined too early");
    take(&out);
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    return BELAY_OK;
}

/* A task and a foreign thread join the same one; its result is had once. */
static void two_joiners(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    sim_check(world_spawn(NULL, root, with_result, NULL, &target) == BELAY_OK, "refused");
    sim_check(belay_task_retain(target) == BELAY_OK, "not retained");
    sim_check(world_spawn(NULL, root, join_as_task, NULL, NULL) == BELAY_OK, "refused");
    join_foreign(NULL);
    world_close(ex);
    sim_check(tally_read(&results) == 1, "the result was not had once");
    sim_check(belay_join(NULL, target, NULL) == BELAY_ESTALE, "not stale");
}

/* ---- with a deadline ------------------------------------------------------------------------- */

static belay_status nap(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_sleep_until(self, belay_after(20000));
    tally_add(&finished, 1);
    return status;
}

static void join_in_time(belay_task *self) {
    belay_status status = BELAY_ETIMEDOUT;
    while (status == BELAY_ETIMEDOUT) {
        status = belay_join_until(self, target, belay_after((int64_t)sim_choose(3) * 10000), NULL);
    }
    sim_check(status == BELAY_OK && tally_read(&finished) == 1, "joined too early");
}

static belay_status timed_task(belay_task *self, void *arg) {
    (void)arg;
    join_in_time(self);
    return BELAY_OK;
}

static void timed(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    sim_check(world_spawn(NULL, root, nap, NULL, &target) == BELAY_OK, "refused");
    sim_check(world_spawn(NULL, root, timed_task, NULL, NULL) == BELAY_OK, "refused");
    join_in_time(NULL);
    world_close(ex); /* the handle is not released: destroy frees it */
}

/* ---- the joiner is cancelled ----------------------------------------------------------------- */

static void cancel_joiner(void *arg) {
    (void)arg;
    (void)belay_task_cancel(joiner, BELAY_ECANCELED, NULL);
}

static belay_status join_or_give_up(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_join(self, target, NULL);
    sim_check(status == BELAY_OK || status == BELAY_ECANCELED, "another end");
    sim_check(status != BELAY_OK || tally_read(&finished) == 1, "joined too early");
    return status;
}

static void canceled(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    sim_check(world_spawn(NULL, root, with_result, NULL, &target) == BELAY_OK, "refused");
    sim_check(world_spawn(NULL, root, join_or_give_up, NULL, &joiner) == BELAY_OK, "refused");
    port_thread thread = world_thread(cancel_joiner, NULL, "canceller");
    sim_check(belay_join(NULL, joiner, NULL) == BELAY_OK, "not joined");
    port_thread_join(&thread);
    sim_check(belay_task_release(joiner) == BELAY_OK, "not released");
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    world_close(ex);
    sim_check(tally_read(&results) == 1, "the result was not had once");
}

/* Who cancels and joins stays until the other has ended, cancelled itself or not. */
static belay_status end_slowly(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_sleep_until(self, belay_after(10000));
    port_thread_yield();
    tally_add(&finished, 1);
    return BELAY_OK;
}

static belay_status cancel_and_join(belay_task *self, void *arg) {
    (void)arg;
    belay_outcome out = {0};
    belay_status status = belay_cancel_and_join(self, target, BELAY_ECANCELED, NULL, &out);
    sim_check(status == BELAY_OK || status == BELAY_ECANCELED, "another end");
    sim_check(out.kind == BELAY_OUTCOME_SKIPPED || tally_read(&finished) == 1, "joined too early");
    return status;
}

static void drained(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    belay_task_options o = {.flags = BELAY_TASK_RUN_CANCELED};
    sim_check(world_spawn(NULL, root, end_slowly, NULL, &target) == BELAY_OK, "refused");
    sim_check(world_spawn_with(NULL, root, cancel_and_join, NULL, o, &joiner) == BELAY_OK,
              "refused");
    port_thread thread = world_thread(cancel_joiner, NULL, "canceller");
    sim_check(belay_join(NULL, joiner, NULL) == BELAY_OK, "not joined");
    port_thread_join(&thread);
    sim_check(belay_task_release(joiner) == BELAY_OK, "not released");
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    world_close(ex);
}

/* ---- stale handles --------------------------------------------------------------------------- */

static bool gone(belay_status status) {
    return status == BELAY_ESTALE;
}

/* Weak uses of a handle that another thread releases, while the slot is used again. */
static void use_weakly(void *arg) {
    (void)arg;
    if (belay_task_retain(target) == BELAY_OK) {
        belay_status status = belay_task_cancel(target, BELAY_ECANCELED, NULL);
        sim_check(status == BELAY_OK || status == BELAY_EALREADY, "held, and stale");
        sim_check(belay_join(NULL, target, NULL) == BELAY_OK, "held, and stale");
        sim_check(belay_task_release(target) == BELAY_OK, "held, and stale");
    }
    belay_status status = belay_task_cancel(target, BELAY_ECANCELED, NULL);
    sim_check(status == BELAY_OK || status == BELAY_EALREADY || gone(status), "another refusal");
}

static belay_status not_cancelled(belay_task *self, void *arg) {
    (void)arg;
    sim_check(!belay_canceled(self), "another task's cancel");
    sim_check(belay_yield(self) == BELAY_OK, "another task's cancel");
    return BELAY_OK;
}

static belay_status quick(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static void reuse(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    sim_check(world_spawn(NULL, root, quick, NULL, &target) == BELAY_OK, "refused");
    port_thread thread = world_thread(use_weakly, NULL, "weak");
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    for (int i = 0; i < 3; i++) {
        sim_check(world_spawn(NULL, root, not_cancelled, NULL, NULL) == BELAY_OK, "refused");
    }
    port_thread_join(&thread);
    world_close(ex);
    sim_check(gone(belay_task_cancel(target, BELAY_ECANCELED, NULL)), "not stale");
}

/* The same with the slots of one worker, which come back at once. */
static belay_status reuse_inside(belay_task *self, void *arg) {
    (void)arg;
    belay_scope root = belay_executor_root(belay_task_executor(self));
    sim_check(world_spawn(self, root, quick, NULL, &target) == BELAY_OK, "refused");
    tally_add(&ready, 1);
    (void)belay_join(self, target, NULL);
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    for (int i = 0; i < 3; i++) {
        belay_task_handle next;
        sim_check(world_spawn(self, root, not_cancelled, NULL, &next) == BELAY_OK, "refused");
        (void)belay_yield(self);
        sim_check(belay_task_release(next) == BELAY_OK, "not released");
    }
    return BELAY_OK;
}

static void use_weakly_later(void *arg) {
    tally_wait(&ready, 1);
    use_weakly(arg);
}

static void reuse_slots(void) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(use_weakly_later, NULL, "weak");
    world_run(ex, reuse_inside, NULL);
    port_thread_join(&thread);
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"two_joiners", reset, two_joiners, 2}, {"timed", reset, timed, 2},
    {"canceled", reset, canceled, 2},       {"reuse", reset, reuse, 2},
    {"reuse_slots", reset, reuse_slots, 2}, {"drained", reset, drained, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("join_finish", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

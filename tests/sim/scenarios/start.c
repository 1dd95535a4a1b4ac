/* The start handshake against the starter's cancel and deadline, and against an early end. */
#include "scenario.h"

static belay_task_handle starter;
static tally ready;   /* belay_started said OK */
static tally started; /* belay_start said OK */
static tally ended;

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&started);
    tally_reset(&ended);
}

static belay_status child(belay_task *self, void *arg) {
    belay_status status = BELAY_OK;
    if (sim_choose(2) == 0) {
        status = belay_sleep_until(self, belay_after(sim_choose(3) * 10000));
    }
    if (sim_choose(4) != 0) {
        status = belay_started(self, arg);
        sim_check(status == BELAY_OK || status == BELAY_ECANCELED, "another answer");
        tally_add(&ready, status == BELAY_OK);
        if (sim_choose(2) == 0) {
            sim_check(belay_yield(self) == BELAY_OK || status != BELAY_OK,
                      "ready, and cancelled for a starter that gave up");
        }
    }
    tally_add(&ended, 1);
    return status;
}

static belay_status start_it(belay_task *self, void *arg) {
    (void)arg;
    void *value = NULL;
    belay_time until = sim_choose(2) == 0 ? belay_after(sim_choose(3) * 10000) : BELAY_NEVER;
    belay_scope root =
        self != NULL ? belay_executor_root(belay_task_executor(self)) : *(belay_scope *)arg;
    belay_status status = belay_start_until(self, root, child, &ready, NULL, until, NULL, &value);
    if (status == BELAY_OK) {
        sim_check(value == &ready, "not its value");
        tally_add(&started, 1);
    } else {
        sim_check(status == BELAY_ENOTREADY || status == BELAY_ECANCELED ||
                      status == BELAY_ETIMEDOUT,
                  "another status");
        sim_check(tally_read(&ready) == 0 && value == NULL, "its readiness was lost");
    }
    return BELAY_OK;
}

static void cancel_starter(void *arg) {
    (void)arg;
    (void)belay_task_cancel(starter, BELAY_ECANCELED, NULL);
}

static void canceled(void) {
    belay_executor *ex = world_open();
    sim_check(world_spawn(NULL, belay_executor_root(ex), start_it, NULL, &starter) == BELAY_OK,
              "refused");
    port_thread thread = world_thread(cancel_starter, NULL, "canceller");
    port_thread_join(&thread);
    sim_check(belay_join(NULL, starter, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(starter) == BELAY_OK, "not released");
    sim_check(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER) == BELAY_OK, "not drained");
    world_close(ex);
    sim_check(tally_read(&started) == tally_read(&ready), "not both");
}

static void by_thread(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    (void)start_it(NULL, &root);
    sim_check(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER) == BELAY_OK, "not drained");
    world_close(ex);
    sim_check(tally_read(&ended) <= 1, "ran twice");
    sim_check(tally_read(&started) == tally_read(&ready), "not both");
}

static const scenario list_of_scenarios[] = {
    {"canceled", reset, canceled, 2},
    {"by_thread", reset, by_thread, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("start", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

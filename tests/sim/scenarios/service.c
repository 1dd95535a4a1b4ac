/* Services at the close of their scope: against its cancel, against their own end, and against what they spawn. */
#include "scenario.h"

enum { SERVICES = 3 };

static belay_scope served;
static tally started;
static tally ended;
static tally ordinary; /* ordinary tasks that have ended */

static void reset(void) {
    tally_reset(&started);
    tally_reset(&ended);
    tally_reset(&ordinary);
}

static belay_status count_it(belay_task *self, void *arg) {
    (void)arg;
    if (sim_choose(2) == 0) {
        (void)belay_yield(self);
    }
    tally_add(&ordinary, 1);
    return BELAY_OK;
}

static belay_status serve(belay_task *self, void *arg) {
    (void)arg;
    tally_add(&started, 1);
    belay_status status = BELAY_OK;
    if (sim_choose(4) != 0) { /* else it ends by itself */
        status = belay_sleep_until(self, BELAY_NEVER);
    }
    if (sim_choose(2) == 0) {
        belay_status spawned = world_spawn(self, served, count_it, NULL, NULL);
        sim_check(spawned == BELAY_OK, "an ordinary task was refused");
    }
    if (sim_choose(2) == 0) {
        belay_status spawned = world_spawn_with(
            self, served, count_it, NULL, (belay_task_options){.flags = BELAY_TASK_SERVICE}, NULL);
        sim_check(spawned == BELAY_OK || spawned == BELAY_ESHUTDOWN, "another refusal");
    }
    tally_add(&ended, 1);
    return status;
}

static void cancel_it(void *arg) {
    (void)arg;
    belay_status status = belay_scope_cancel(served, BELAY_OK, NULL);
    sim_check(status == BELAY_OK || status == BELAY_ESTALE, "not cancelled");
}

static void spawn_all(belay_task *self) {
    const belay_task_options service = {.flags = BELAY_TASK_SERVICE};
    for (uintptr_t i = 0; i < SERVICES; i++) {
        sim_check(world_spawn_with(self, served, serve, (void *)i, service, NULL) == BELAY_OK,
                  "refused");
    }
    for (int i = 0; i < 2; i++) {
        sim_check(world_spawn(self, served, count_it, NULL, NULL) == BELAY_OK, "refused");
    }
}

static void close_in_steps(belay_task *self) {
    belay_status status = BELAY_EBUSY;
    while (status == BELAY_EBUSY) {
        belay_time until = sim_choose(2) == 0 ? belay_after(sim_choose(3) * 10000) : BELAY_NEVER;
        status = belay_scope_close_until(self, served, until);
    }
    sim_check(status == BELAY_OK, "not closed");
    sim_check(tally_read(&started) == tally_read(&ended), "a service was left");
}

static belay_status open_and_close(belay_task *self, void *arg) {
    (void)arg;
    sim_check(belay_scope_open(self, NULL, &served) == BELAY_OK, "not opened");
    spawn_all(self);
    close_in_steps(self);
    sim_check(tally_read(&ordinary) >= 2, "a task was left");
    return BELAY_OK;
}

static void closing(void) {
    belay_executor *ex = world_open();
    world_run(ex, open_and_close, NULL);
    world_close(ex);
}

static void against_cancel(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &served) == BELAY_OK, "not opened");
    spawn_all(NULL);
    port_thread thread = world_thread(cancel_it, NULL, "canceller");
    close_in_steps(NULL);
    port_thread_join(&thread);
    world_close(ex);
}

/* In order: each ends only when those that were started after it have ended. */
static belay_status serve_in_order(belay_task *self, void *arg) {
    sim_check(belay_sleep_until(self, BELAY_NEVER) == BELAY_ECANCELED, "woke without a cancel");
    port_thread_yield();
    sim_check(tally_read(&ended) == SERVICES - 1 - (uintptr_t)arg, "not youngest first");
    tally_add(&ended, 1);
    return BELAY_OK;
}

static belay_status open_in_order(belay_task *self, void *arg) {
    (void)arg;
    const belay_task_options service = {.flags = BELAY_TASK_SERVICE | BELAY_TASK_RUN_CANCELED};
    sim_check(belay_scope_open(self, NULL, &served) == BELAY_OK, "not opened");
    for (uintptr_t i = 0; i < SERVICES; i++) {
        sim_check(world_spawn_with(self, served, serve_in_order, (void *)i, service, NULL) ==
                      BELAY_OK,
                  "refused");
    }
    close_in_steps(self);
    sim_check(tally_read(&ended) == SERVICES, "a service was left");
    return BELAY_OK;
}

static void order(void) {
    belay_executor *ex = world_open();
    tally_add(&started, SERVICES);
    world_run(ex, open_in_order, NULL);
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"closing", reset, closing, 2},
    {"against_cancel", reset, against_cancel, 2},
    {"order", reset, order, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("service", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

/* Resources and deferred calls of a scope against its close: each is released, taken or called exactly once, or was
 * refused. */
#include <belay/cleanup.h>

#include "scenario.h"

static belay_scope place;
static belay_registration resource;
static tally released;
static tally taken;
static tally deferred;
static tally called;

static void reset(void) {
    tally_reset(&released);
    tally_reset(&taken);
    tally_reset(&deferred);
    tally_reset(&called);
}

static void give_back(void *value) {
    sim_check(value == &resource, "another resource");
    tally_add(&released, 1);
}

static void release_it(void *arg) {
    (void)arg;
    belay_status status = belay_resource_release(resource);
    sim_check(status == BELAY_OK || status == BELAY_ESTALE || status == BELAY_EALREADY,
              "another answer");
}

static void take_it(void *arg) {
    (void)arg;
    void *value = NULL;
    belay_status status = belay_resource_take(resource, &value);
    sim_check(status == BELAY_OK || status == BELAY_ESTALE || status == BELAY_EALREADY,
              "another answer");
    sim_check((status == BELAY_OK) == (value == &resource), "another resource");
    tally_add(&taken, status == BELAY_OK);
}

static void had_once(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    sim_check(belay_resource_bind(place, give_back, &resource, &resource) == BELAY_OK, "not bound");
    port_thread releaser = world_thread(release_it, NULL, "releaser");
    port_thread taker = world_thread(take_it, NULL, "taker");
    sim_check(belay_scope_close(NULL, place) == BELAY_OK, "not closed");
    port_thread_join(&releaser);
    port_thread_join(&taker);
    world_close(ex);
    sim_check(tally_read(&released) + tally_read(&taken) == 1, "not had once");
}

/* ---- deferred calls -------------------------------------------------------------------------- */

static belay_status call(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    tally_add(&called, 1);
    return BELAY_OK;
}

static void defer_some(void *arg) {
    (void)arg;
    for (int i = 0; i < 4; i++) {
        belay_status status = belay_scope_defer(place, call, NULL);
        sim_check(status == BELAY_OK || status == BELAY_ESHUTDOWN || status == BELAY_ESTALE,
                  "another refusal");
        tally_add(&deferred, status == BELAY_OK);
    }
}

static belay_status open_and_close(belay_task *self, void *arg) {
    (void)arg;
    port_thread thread = world_thread(defer_some, NULL, "outsider");
    sim_check(belay_scope_close(NULL, place) == BELAY_ECONTEXT, "closed without its task");
    (void)belay_yield(self);
    sim_check(belay_scope_close(self, place) == BELAY_OK, "not closed");
    port_thread_join(&thread);
    return BELAY_OK;
}

static void called_once(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    if (sim_choose(2) == 0) {
        world_run(ex, open_and_close, NULL);
    } else {
        port_thread thread = world_thread(defer_some, NULL, "outsider");
        sim_check(belay_scope_close(NULL, place) == BELAY_OK, "not closed");
        port_thread_join(&thread);
    }
    world_close(ex);
    sim_check(tally_read(&called) == tally_read(&deferred),
              "not each that was accepted was called");
}

static const scenario list_of_scenarios[] = {
    {"had_once", reset, had_once, 2},
    {"called_once", reset, called_once, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("resources", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

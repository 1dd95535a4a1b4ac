/* Closing against spawning, waiting for a scope, and closing again after a timed close gave up. */
#include "scenario.h"

static belay_scope place;
static tally ready;
static tally ran;      /* bodies that ran */
static tally accepted; /* spawns that were */
static tally closed;

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&ran);
    tally_reset(&accepted);
    tally_reset(&closed);
}

static belay_status leaf(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    sim_check(tally_read(&closed) == 0, "runs in a closed scope");
    tally_add(&ran, 1);
    return BELAY_OK;
}

static void spawn_leaf(belay_task *self, belay_scope where, bool member) {
    belay_status status = world_spawn(self, where, leaf, NULL, NULL);
    sim_check(status == BELAY_OK ||
                  (!member && (status == BELAY_ESHUTDOWN || status == BELAY_ESTALE)),
              "another refusal");
    if (status == BELAY_OK) {
        tally_add(&accepted, 1);
    }
}

/* A member may spawn whatever its opener does; it may be stolen, and then the count is shared. */
static belay_status branch(belay_task *self, void *arg) {
    (void)arg;
    belay_scope here = belay_scope_current(self);
    spawn_leaf(self, here, true);
    if (sim_choose(2) == 0) {
        (void)belay_yield(self);
    }
    spawn_leaf(self, here, true);
    sim_check(tally_read(&closed) == 0, "runs in a closed scope");
    return BELAY_OK;
}

static void check_closed(belay_scope s) {
    tally_add(&closed, 1);
    sim_check(tally_read(&ran) >= tally_read(&accepted), "closed with a member alive");
    sim_check(belay_spawn(NULL, s, leaf, NULL, NULL, NULL) == BELAY_ESTALE,
              "the handle is not stale");
}

static belay_status open_and_close(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    place = s;
    tally_add(&ready, 1);
    for (int i = 0; i < 2; i++) {
        sim_check(world_spawn(self, s, branch, NULL, NULL) == BELAY_OK, "refused");
    }
    sim_check(belay_scope_close(self, s) == BELAY_OK, "not closed");
    tally_add(&closed, 1);
    return BELAY_OK;
}

static void finish(belay_executor *ex) {
    uint32_t count = tally_read(&accepted);
    world_close(ex);
    sim_check(tally_read(&ran) == count, "not each that was accepted ran");
}

static void member(void) {
    belay_executor *ex = world_open();
    world_run(ex, open_and_close, NULL);
    sim_check(belay_spawn(NULL, place, leaf, NULL, NULL, NULL) == BELAY_ESTALE, "not stale");
    finish(ex);
}

/* ---- outsiders ------------------------------------------------------------------------------- */

static void spawn_foreign(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    for (int i = 0; i < 3; i++) {
        spawn_leaf(NULL, place, false);
    }
}

static void foreign_thread(void) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(spawn_foreign, NULL, "outsider");
    world_run(ex, open_and_close, NULL);
    port_thread_join(&thread);
    finish(ex);
}

static belay_status spawn_outside(belay_task *self, void *arg) {
    (void)arg;
    while (tally_read(&ready) == 0) {
        (void)belay_yield(self);
        port_thread_yield(); /* the simulator must know that this spins */
    }
    for (int i = 0; i < 3; i++) {
        spawn_leaf(self, place, false);
    }
    return BELAY_OK;
}

static void outsider(void) {
    belay_executor *ex = world_open();
    sim_check(world_spawn(NULL, belay_executor_root(ex), spawn_outside, NULL, NULL) == BELAY_OK,
              "refused");
    world_run(ex, open_and_close, NULL);
    finish(ex);
}

/* Opened and closed by a foreign thread. */
static void root_scope(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    tally_add(&ready, 1);
    port_thread thread = world_thread(spawn_foreign, NULL, "outsider");
    sim_check(world_spawn(NULL, place, branch, NULL, NULL) == BELAY_OK, "refused");
    sim_check(belay_scope_close(NULL, place) == BELAY_OK, "not closed");
    check_closed(place);
    port_thread_join(&thread);
    finish(ex);
}

/* Without options and handles: the quick ways to spawn and to end, and endings that are put off. */
static belay_status plain_branch(belay_task *self, void *arg) {
    belay_scope here = belay_scope_current(self);
    for (intptr_t i = (intptr_t)arg; i > 0; i--) {
        sim_check(belay_spawn(self, here, plain_branch, (void *)(i - 1), NULL, NULL) == BELAY_OK,
                  "refused");
        tally_add(&accepted, 1);
    }
    sim_check(tally_read(&closed) == 0, "runs in a closed scope");
    tally_add(&ran, 1);
    return BELAY_OK;
}

static void plain(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    for (intptr_t i = 0; i < 3; i++) {
        sim_check(belay_spawn(NULL, place, plain_branch, (void *)i, NULL, NULL) == BELAY_OK,
                  "refused");
        tally_add(&accepted, 1);
    }
    sim_check(belay_scope_close(NULL, place) == BELAY_OK, "not closed");
    check_closed(place);
    finish(ex);
}

/* ---- sealing --------------------------------------------------------------------------------- */

static void seal_place(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    belay_status status = belay_scope_seal(place);
    sim_check(status == BELAY_OK || status == BELAY_ESTALE, "not sealed");
    if (status == BELAY_OK) {
        sim_check(world_spawn(NULL, place, leaf, NULL, NULL) != BELAY_OK, "sealed, and accepts");
    }
}

/* A sealed scope refuses members too. */
static belay_status try_leaf(belay_task *self, void *arg) {
    (void)arg;
    belay_scope here = belay_scope_current(self);
    for (int i = 0; i < 3; i++) {
        belay_status status = world_spawn(self, here, leaf, NULL, NULL);
        sim_check(status == BELAY_OK || status == BELAY_ESHUTDOWN, "another refusal");
        if (status == BELAY_OK) {
            tally_add(&accepted, 1);
        }
    }
    return BELAY_OK;
}

static belay_status sealed_scope(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    place = s;
    tally_add(&ready, 1);
    belay_status status = world_spawn(self, s, try_leaf, NULL, NULL);
    sim_check(status == BELAY_OK || status == BELAY_ESHUTDOWN, "another refusal");
    sim_check(belay_scope_close(self, s) == BELAY_OK, "not closed");
    return BELAY_OK;
}

static void seal(void) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(seal_place, NULL, "sealer");
    world_run(ex, sealed_scope, NULL);
    port_thread_join(&thread);
    finish(ex);
}

/* ---- giving up, and again -------------------------------------------------------------------- */

static belay_status nap(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_sleep_until(self, belay_after(40000));
    tally_add(&ran, 1);
    return BELAY_OK;
}

static belay_status impatient(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    for (int i = 0; i < 2; i++) {
        sim_check(world_spawn(self, s, nap, NULL, NULL) == BELAY_OK, "refused");
    }
    belay_status status = BELAY_EBUSY;
    for (int i = 0; status == BELAY_EBUSY && i < 3; i++) {
        status = belay_scope_close_until(self, s, belay_after(20000));
    }
    status = status == BELAY_EBUSY ? belay_scope_close(self, s) : status;
    sim_check(status == BELAY_OK, "not closed");
    sim_check(tally_read(&ran) == 2, "closed with a member alive");
    return BELAY_OK;
}

static void timed(void) {
    belay_executor *ex = world_open();
    world_run(ex, impatient, NULL);
    world_close(ex);
}

static void timed_foreign(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    for (int i = 0; i < 2; i++) {
        sim_check(world_spawn(NULL, place, nap, NULL, NULL) == BELAY_OK, "refused");
    }
    belay_status status = BELAY_EBUSY;
    while (status == BELAY_EBUSY) {
        status = belay_scope_close_until(NULL, place, belay_after(10000));
    }
    sim_check(status == BELAY_OK && tally_read(&ran) == 2, "closed with a member alive");
    world_close(ex);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void wait_place(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    belay_status status = sim_choose(2) == 0
                              ? belay_scope_wait(NULL, place)
                              : belay_scope_wait_until(NULL, place, belay_after(20000));
    sim_check(status == BELAY_OK || status == BELAY_ETIMEDOUT || status == BELAY_ESTALE,
              "another end");
}

static belay_status wait_then_close(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    place = s;
    for (int i = 0; i < 2; i++) {
        sim_check(world_spawn(self, s, branch, NULL, NULL) == BELAY_OK, "refused");
    }
    tally_add(&ready, 1);
    sim_check(belay_scope_wait(self, s) == BELAY_OK, "not waited");
    sim_check(tally_read(&ran) == 4, "there was no moment without a task");
    sim_check(world_spawn(self, s, branch, NULL, NULL) == BELAY_OK, "refused");
    sim_check(belay_scope_close(self, s) == BELAY_OK, "not closed");
    tally_add(&closed, 1);
    return BELAY_OK;
}

static void wait_for_zero(void) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(wait_place, NULL, "waiter");
    world_run(ex, wait_then_close, NULL);
    port_thread_join(&thread);
    finish(ex);
}

static const scenario list_of_scenarios[] = {
    {"member", reset, member, 2},
    {"foreign_thread", reset, foreign_thread, 2},
    {"outsider", reset, outsider, 2},
    {"root_scope", reset, root_scope, 2},
    {"plain", reset, plain, 2},
    {"seal", reset, seal, 2},
    {"timed", reset, timed, 2},
    {"timed_foreign", reset, timed_foreign, 2},
    {"wait_for_zero", reset, wait_for_zero, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("close_spawn", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

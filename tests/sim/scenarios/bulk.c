/* Cancelling more than the canceller tells itself: the workers tell the rest, none is forgotten, and the scope stays
 * until they are through. A batch is one or two members here, and the canceller tells none, or one batch. */
#include "scenario.h"

enum { SLEEPERS = 5 };

static belay_scope place; /* what is cancelled */
static tally ready;       /* it is open */
static tally told;        /* the cancel has returned */

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&told);
}

static belay_executor *open_small(void) {
    belay_executor *ex = world_open();
    ex->bulk_batch = 1 + sim_choose(2);
    ex->bulk_at_once = sim_choose(2);
    return ex;
}

static void cancel_place(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    belay_status status = belay_scope_cancel(place, BELAY_ECANCELED, "scenario");
    sim_check(status == BELAY_OK || status == BELAY_ESTALE, "the scope was not cancelled");
    tally_add(&told, 1);
}

static belay_status sleep_on(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    sim_check(status == BELAY_ECANCELED, "woke without a cancel");
    return status;
}

/* May be woken by its timer, or end, while it is told. */
static belay_status sleep_a_little(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_sleep_until(self, belay_after(20000));
    return status == BELAY_OK && sim_choose(2) == 0 ? belay_yield(self) : status;
}

static belay_status sleep_in_scope(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    sim_check(world_spawn(self, s, sleep_on, NULL, NULL) == BELAY_OK, "refused");
    sim_check(world_spawn(self, s, sleep_a_little, NULL, NULL) == BELAY_OK, "refused");
    return belay_scope_close(self, s);
}

static void spawn_all(belay_body *const *body) {
    for (int i = 0; i < SLEEPERS; i++) {
        belay_body *each = body[i % 2];
        sim_check(world_spawn(NULL, place, each, NULL, NULL) == BELAY_OK, "refused");
    }
}

static void run(belay_body *even, belay_body *odd) {
    belay_body *body[] = {even, odd};
    belay_executor *ex = open_small();
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    port_thread thread = world_thread(cancel_place, NULL, "canceller");
    bool before = sim_choose(2) == 0;
    if (before) {
        tally_add(&ready, 1);
    }
    spawn_all(body);
    if (!before) {
        tally_add(&ready, 1);
    }
    belay_status status = BELAY_OK;
    if (sim_choose(2) == 0) { /* closing meanwhile, or afterwards */
        tally_wait(&told, 1);
    }
    status = belay_scope_close(NULL, place);
    sim_check(status == BELAY_ECANCELED || status == BELAY_OK, "another end");
    port_thread_join(&thread);
    sim_check(load_relaxed(&ex->sched.bulk) == 0, "a job is left");
    world_close(ex);
}

static void sleepers(void) {
    run(sleep_on, sleep_on);
}

static void wakers(void) {
    run(sleep_on, sleep_a_little);
}

static void scopes(void) {
    run(sleep_on, sleep_in_scope);
}

/* A task cancels its own scope, in which others sleep. */
static belay_status cancel_own(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    for (int i = 0; i < SLEEPERS; i++) {
        sim_check(world_spawn(self, s, sleep_on, NULL, NULL) == BELAY_OK, "refused");
    }
    (void)belay_yield(self);
    sim_check(belay_scope_cancel(s, BELAY_OK, "enough") == BELAY_OK, "not cancelled");
    sim_check(belay_scope_close(self, s) == BELAY_OK, "another end");
    return BELAY_OK;
}

static void from_inside(void) {
    belay_executor *ex = open_small();
    world_run(ex, cancel_own, NULL);
    world_close(ex);
}

/* The slot has another life while somebody may still be telling of the last one: nobody is moved there to where the
 * next cancel does not look. */
static void next_life(void) {
    belay_executor *ex = open_small();
    for (int life = 0; life < 2; life++) {
        sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
        for (int i = 0; i < 3; i++) {
            sim_check(world_spawn(NULL, place, sleep_on, NULL, NULL) == BELAY_OK, "refused");
        }
        belay_sleep_until(NULL, belay_after(20000));
        sim_check(belay_scope_cancel(place, BELAY_ECANCELED, NULL) == BELAY_OK, "not cancelled");
        (void)belay_scope_close(NULL, place);
    }
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"bulk_sleepers", reset, sleepers, 2},   {"bulk_wakers", reset, wakers, 2},
    {"bulk_scopes", reset, scopes, 2},       {"bulk_from_inside", reset, from_inside, 2},
    {"bulk_next_life", reset, next_life, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("bulk", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

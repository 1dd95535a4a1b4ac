/* A scope's cap: room is handed from the member that ends to the spawner that waits longest, also
 * when that spawner, or the scope, is cancelled at the same moment. */
#include "scenario.h"

enum { SPAWNERS = 2, EACH = 2 };

static belay_scope place;
static belay_task_handle spawner[SPAWNERS];
static atomic_u32 alive;
static tally ran;
static tally accepted;
static tally ready;

static void reset(void) {
    store_relaxed(&alive, 0u); /* relaxed: outside a run */
    tally_reset(&ran);
    tally_reset(&accepted);
    tally_reset(&ready);
}

static belay_status member(belay_task *self, void *arg) {
    (void)arg;
    sim_check(fetch_add_seq_cst(&alive, 1u) == 0,
              "more than the cap allows"); /* seq_cst: a check */
    if (sim_choose(2) == 0) {
        (void)belay_yield(self);
    }
    tally_add(&ran, 1);
    fetch_sub_seq_cst(&alive, 1u); /* seq_cst: as above */
    return BELAY_OK;
}

static belay_status spawn_members(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        belay_status status = world_spawn(self, place, member, NULL, NULL);
        sim_check(status == BELAY_OK || status == BELAY_ECANCELED, "another refusal");
        if (status != BELAY_OK) {
            return status;
        }
        tally_add(&accepted, 1);
    }
    return BELAY_OK;
}

static void spawn_foreign(void *arg) {
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        sim_check(world_spawn(NULL, place, member, NULL, NULL) == BELAY_OK, "refused");
        tally_add(&accepted, 1);
    }
}

static belay_executor *begin(void) {
    belay_executor *ex = world_open();
    belay_scope_options o = {.cap = 1};
    sim_check(belay_scope_open_root(ex, &o, &place) == BELAY_OK, "no scope");
    for (int i = 0; i < SPAWNERS; i++) {
        sim_check(world_spawn(NULL, belay_executor_root(ex), spawn_members, NULL, &spawner[i]) ==
                      BELAY_OK,
                  "refused");
    }
    return ex;
}

static void end(belay_executor *ex) {
    for (int i = 0; i < SPAWNERS; i++) {
        sim_check(belay_join(NULL, spawner[i], NULL) == BELAY_OK, "not joined");
        sim_check(belay_task_release(spawner[i]) == BELAY_OK, "not released");
    }
    belay_status status = belay_scope_close(NULL, place);
    sim_check(status == BELAY_OK || status == BELAY_ECANCELED, "not closed");
    world_close(ex);
}

static void handed_over(void) {
    belay_executor *ex = begin();
    end(ex);
    sim_check(tally_read(&ran) == tally_read(&accepted), "not each that was accepted ran");
    sim_check(tally_read(&ran) == SPAWNERS * EACH, "refused");
}

static void foreign_spawner(void) {
    belay_executor *ex = begin();
    spawn_foreign(NULL);
    end(ex);
    sim_check(tally_read(&ran) == (SPAWNERS + 1) * EACH, "not each that was accepted ran");
}

/* Room must not be lost with a cancelled waiter: the others still get theirs. */
static void waiter_canceled(void) {
    belay_executor *ex = begin();
    belay_status status = belay_task_cancel(spawner[0], BELAY_ECANCELED, NULL);
    sim_check(status == BELAY_OK || status == BELAY_EALREADY, "not cancelled");
    spawn_foreign(NULL);
    end(ex);
    sim_check(tally_read(&ran) == tally_read(&accepted), "not each that was accepted ran");
}

/* A cancelled scope lets everybody in, and skips. */
static void canceled_by_scope(void) {
    belay_executor *ex = begin();
    sim_check(belay_scope_cancel(place, BELAY_ECANCELED, NULL) == BELAY_OK, "not cancelled");
    end(ex);
    sim_check(tally_read(&accepted) == SPAWNERS * EACH, "a cancelled scope refuses");
}

/* So does one whose members wait for who is to be let in. */
static tally let_in;

static belay_status wait_for_entrance(belay_task *self, void *arg) {
    (void)arg;
    while (tally_read(&let_in) == 0) {
        (void)belay_yield(self);
        port_thread_yield(); /* the simulator must know that this spins */
    }
    return BELAY_OK;
}

static void cancel_place(void *arg) {
    (void)arg;
    sim_check(belay_scope_cancel(place, BELAY_ECANCELED, NULL) == BELAY_OK, "not cancelled");
}

static void all_let_in(void) {
    tally_reset(&let_in);
    belay_executor *ex = world_open();
    belay_scope_options o = {.cap = 1};
    belay_task_options run = {.flags = BELAY_TASK_RUN_CANCELED};
    sim_check(belay_scope_open_root(ex, &o, &place) == BELAY_OK, "no scope");
    sim_check(world_spawn_with(NULL, place, wait_for_entrance, NULL, run, NULL) == BELAY_OK,
              "refused");
    port_thread thread = world_thread(cancel_place, NULL, "canceller");
    sim_check(world_spawn(NULL, place, member, NULL, NULL) == BELAY_OK, "refused");
    tally_add(&let_in, 1);
    port_thread_join(&thread);
    (void)belay_scope_close(NULL, place);
    world_close(ex);
}

/* try_spawn takes room only when there is some. */
static void tried(void) {
    belay_executor *ex = begin();
    belay_status status = belay_try_spawn(NULL, place, member, NULL, NULL, NULL);
    sim_check(status == BELAY_OK || status == BELAY_EAGAIN, "another refusal");
    end(ex);
    uint32_t more = status == BELAY_OK ? 1 : 0;
    sim_check(tally_read(&ran) == tally_read(&accepted) + more, "not each that was accepted ran");
}

static const scenario list_of_scenarios[] = {
    {"handed_over", reset, handed_over, 2},
    {"foreign_spawner", reset, foreign_spawner, 2},
    {"waiter_canceled", reset, waiter_canceled, 2},
    {"canceled_by_scope", reset, canceled_by_scope, 2},
    {"all_let_in", reset, all_let_in, 2},
    {"tried", reset, tried, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("room", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

/* Outcomes in the order of completion against members' ends, against close, and against the taker's cancel; joining any
 * of several tasks against their ends. */
#include "scenario.h"

enum { MEMBERS = 3 };

static belay_scope kept;
static belay_task_handle taker;
static belay_task_handle tasks[MEMBERS];
static tally results; /* taken or dropped */
static tally taken;

static const belay_scope_options keep = {.policy = BELAY_COLLECT,
                                         .flags = BELAY_SCOPE_KEEP_OUTCOMES};

static void reset(void) {
    tally_reset(&results);
    tally_reset(&taken);
}

static void drop_result(void *value) {
    (void)value;
    tally_add(&results, 1);
}

static belay_status member(belay_task *self, void *arg) {
    (void)arg;
    if (sim_choose(2) == 0) {
        (void)belay_yield(self);
    }
    sim_check(belay_set_result(self, &results, drop_result) == BELAY_OK, "no result");
    return BELAY_OK;
}

static void take_outcome(const belay_outcome *out) {
    sim_check(out->has_result, "an outcome without its result");
    out->result_drop(out->result);
    tally_add(&taken, 1);
}

static void spawn_members(belay_task *self, belay_scope where) {
    for (int i = 0; i < MEMBERS; i++) {
        sim_check(world_spawn(self, where, member, NULL, NULL) == BELAY_OK, "refused");
    }
}

/* ---- the opener takes all ---------------------------------------------------------------------------------------- */

static belay_status take_all(belay_task *self, void *arg) {
    (void)arg;
    belay_scope mine;
    belay_outcome out;
    belay_status status;
    sim_check(belay_scope_open(self, &keep, &mine) == BELAY_OK, "not opened");
    spawn_members(self, mine);
    while ((status = belay_scope_next(self, mine, &out, NULL)) == BELAY_OK) {
        take_outcome(&out);
    }
    sim_check(status == BELAY_ENOENT, "another end");
    sim_check(tally_read(&taken) == MEMBERS, "not all came");
    sim_check(belay_scope_close(self, mine) == BELAY_OK, "not closed");
    return BELAY_OK;
}

static void opener(void) {
    belay_executor *ex = world_open();
    world_run(ex, take_all, NULL);
    world_close(ex);
    sim_check(tally_read(&results) == MEMBERS, "a result was lost");
}

/* Each member but the first ends only when the outcome of the one before was taken. */
static belay_status member_in_turn(belay_task *self, void *arg) {
    while (tally_read(&taken) < (uintptr_t)arg) {
        (void)belay_yield(self);
        port_thread_yield(); /* the simulator must know that this spins */
    }
    return member(self, NULL);
}

static belay_status take_in_turn(belay_task *self, void *arg) {
    (void)arg;
    belay_scope mine;
    belay_outcome out;
    sim_check(belay_scope_open(self, &keep, &mine) == BELAY_OK, "not opened");
    for (uintptr_t i = 0; i < MEMBERS; i++) {
        sim_check(world_spawn(self, mine, member_in_turn, (void *)i, NULL) == BELAY_OK, "refused");
    }
    while (belay_scope_next(self, mine, &out, NULL) == BELAY_OK) {
        take_outcome(&out);
    }
    sim_check(belay_scope_close(self, mine) == BELAY_OK, "not closed");
    return BELAY_OK;
}

static void in_turn(void) {
    belay_executor *ex = world_open();
    world_run(ex, take_in_turn, NULL);
    world_close(ex);
    sim_check(tally_read(&results) == MEMBERS, "a result was lost");
}

/* ---- takers against close ---------------------------------------------------------------------------------------- */

static void take_some(belay_task *self) {
    belay_outcome out;
    belay_status status = BELAY_OK;
    while (status == BELAY_OK || status == BELAY_ETIMEDOUT) {
        belay_time until = sim_choose(3) == 0 ? belay_after(sim_choose(3) * 10000) : BELAY_NEVER;
        status = belay_scope_next_until(self, kept, until, &out, NULL);
        if (status == BELAY_OK) {
            take_outcome(&out);
        }
    }
    sim_check(status == BELAY_ENOENT || status == BELAY_ESTALE || status == BELAY_ECANCELED,
              "another end");
}

static belay_status take_as_task(belay_task *self, void *arg) {
    (void)arg;
    take_some(self);
    return BELAY_OK;
}

static void take_as_thread(void *arg) {
    (void)arg;
    take_some(NULL);
}

static void against_close(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, &keep, &kept) == BELAY_OK, "not opened");
    sim_check(world_spawn(NULL, belay_executor_root(ex), take_as_task, NULL, &taker) == BELAY_OK,
              "refused");
    port_thread thread = world_thread(take_as_thread, NULL, "taker");
    spawn_members(NULL, kept);
    if (sim_choose(2) == 0) {
        (void)belay_task_cancel(taker, BELAY_ECANCELED, NULL);
    }
    sim_check(belay_scope_close(NULL, kept) == BELAY_OK, "not closed");
    sim_check(tally_read(&results) <= MEMBERS, "a result was had twice");
    port_thread_join(&thread);
    (void)belay_task_release(taker);
    world_close(ex);
    sim_check(tally_read(&results) == MEMBERS, "a result was lost");
}

/* ---- joining any ------------------------------------------------------------------------------------------------- */

static belay_status join_each(belay_task *self, void *arg) {
    (void)arg;
    size_t left = MEMBERS;
    while (left > 0) {
        size_t index = MEMBERS;
        belay_outcome out;
        belay_time until = sim_choose(3) == 0 ? belay_after(sim_choose(2) * 10000) : BELAY_NEVER;
        belay_status status = belay_join_any_until(self, tasks, left, until, &index, &out);
        sim_check(status == BELAY_OK || (status == BELAY_ETIMEDOUT && until != BELAY_NEVER),
                  "another end");
        if (status == BELAY_OK) {
            take_outcome(&out);
            sim_check(belay_task_release(tasks[index]) == BELAY_OK, "not released");
            tasks[index] = tasks[--left];
        }
    }
    return BELAY_OK;
}

static void any(void) {
    belay_executor *ex = world_open();
    for (int i = 0; i < MEMBERS; i++) {
        sim_check(world_spawn(NULL, belay_executor_root(ex), member, NULL, &tasks[i]) == BELAY_OK,
                  "refused");
    }
    if (sim_choose(2) == 0) {
        world_run(ex, join_each, NULL);
    } else {
        (void)join_each(NULL, NULL);
    }
    world_close(ex);
    sim_check(tally_read(&results) == MEMBERS, "a result was lost");
}

static const scenario list_of_scenarios[] = {
    {"opener", reset, opener, 2},
    {"in_turn", reset, in_turn, 2},
    {"against_close", reset, against_close, 2},
    {"any", reset, any, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("next", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

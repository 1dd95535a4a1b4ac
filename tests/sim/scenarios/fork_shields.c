/* Shields and stolen forks against cancels: of the task, or of the scope around. A fork inside its task's shield,
 * one with a shield of its own, one with both: nothing ends before its time, and nothing that was kept out is lost. */
#include <belay/shield.h>

#include "scenario.h"

enum { FIRST_END = 15000, OTHER_END = 60000 };

static belay_scope place;
static belay_task_handle victim;
static belay_time until; /* the task's shield's, written before the fork */
static tally ready;      /* `place` and `victim` are written */
static tally told;       /* the cancel has returned */

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&told);
}

static void cancel_victim(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    sim_check(belay_task_cancel(victim, BELAY_ECANCELED, "scenario") == BELAY_OK, "not cancelled");
    tally_add(&told, 1);
}

static void cancel_place(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    sim_check(belay_scope_cancel(place, BELAY_ECANCELED, "scenario") == BELAY_OK, "not cancelled");
    tally_add(&told, 1);
}

/* Nothing but the cancel ends it, and that only when the shields have ended. */
static belay_status sleep_on(belay_task *self, void *arg) {
    (void)arg;
    sim_check(belay_sleep_until(self, BELAY_NEVER) == BELAY_ECANCELED, "woke without a cancel");
    return BELAY_ECANCELED;
}

static belay_status sleep_behind(belay_task *self, void *arg) {
    (void)sleep_on(self, arg);
    sim_check(belay_now() >= until, "a shield ended before its time");
    return BELAY_ECANCELED;
}

static belay_status with_own(belay_task *self, void *arg) {
    belay_scope s;
    belay_time end = belay_after(FIRST_END);
    sim_check(belay_shield_open(self, end, &s) == BELAY_OK, "no shield");
    belay_status status = belay_sleep_until(self, belay_after(10000 * (int64_t)sim_choose(3)));
    sim_check(status == BELAY_OK || belay_now() >= end, "a shield ended before its time");
    if (sim_choose(2) == 0) {
        sim_check(belay_spawn(self, s, sleep_on, NULL, NULL, NULL) == BELAY_OK, "refused");
    }
    (void)belay_scope_close(self, s);
    bool after = tally_read(&told) != 0;
    status = belay_yield(self);
    sim_check(!after || status == BELAY_ECANCELED, "what a shield kept out is lost");
    return sleep_on(self, arg);
}

/* Its end is that of the task's, which comes first. */
static belay_status with_both(belay_task *self, void *arg) {
    belay_scope s;
    sim_check(belay_shield_open(self, belay_after(OTHER_END), &s) == BELAY_OK, "no shield");
    (void)sleep_behind(self, arg);
    (void)belay_scope_close(self, s);
    return sleep_on(self, arg);
}

/* With a shield of the task, or without; the theft may come at any time, or never. */
static belay_status task(belay_task *self, belay_fork_body *body, bool shielded) {
    belay_scope s;
    until = belay_after(FIRST_END);
    if (shielded) {
        sim_check(belay_shield_open(self, until, &s) == BELAY_OK, "no shield");
    }
    sim_check(belay_fork(self, body, NULL) == BELAY_OK, "not forked");
    if (sim_choose(2) == 0) {
        (void)belay_yield(self);
    }
    sim_check(belay_sync(self) == BELAY_ECANCELED, "the fork ended otherwise");
    if (shielded) {
        (void)belay_scope_close(self, s);
    }
    return sleep_on(self, NULL);
}

static belay_status behind(belay_task *self, void *arg) {
    (void)arg;
    return task(self, sleep_behind, true);
}
static belay_status own(belay_task *self, void *arg) {
    (void)arg;
    return task(self, with_own, false);
}
static belay_status both(belay_task *self, void *arg) {
    (void)arg;
    return task(self, with_both, true);
}

/* A fork from before the shield: a part of the task still, which must hear of the cancel when the shield has ended. */
static belay_status early(belay_task *self, void *arg) {
    belay_scope s;
    sim_check(belay_fork(self, sleep_on, NULL) == BELAY_OK, "not forked");
    sim_check(belay_shield_open(self, belay_after(FIRST_END), &s) == BELAY_OK, "no shield");
    (void)belay_sleep_until(self, belay_after(10000 * (int64_t)sim_choose(3)));
    (void)belay_scope_close(self, s);
    sim_check(belay_sync(self) == BELAY_ECANCELED, "the fork ended otherwise");
    return sleep_on(self, arg);
}

static void play(belay_body *body, void (*canceller)(void *arg)) {
    belay_executor *ex = world_open();
    belay_task_options o = {.flags = BELAY_TASK_RUN_CANCELED};
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    sim_check(world_spawn_with(NULL, place, body, NULL, o, &victim) == BELAY_OK, "refused");
    port_thread thread = world_thread(canceller, NULL, "canceller");
    tally_add(&ready, 1);
    belay_outcome out;
    sim_check(belay_join(NULL, victim, &out) == BELAY_OK, "not joined");
    sim_check(out.kind == BELAY_OUTCOME_CANCELED, "another end");
    port_thread_join(&thread);
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    (void)belay_scope_close(NULL, place);
    world_close(ex);
}

static void task_behind(void) {
    play(behind, cancel_victim);
}
static void scope_behind(void) {
    play(behind, cancel_place);
}
static void task_own(void) {
    play(own, cancel_victim);
}
static void scope_own(void) {
    play(own, cancel_place);
}
static void task_both(void) {
    play(both, cancel_victim);
}
static void scope_both(void) {
    play(both, cancel_place);
}

static void task_early(void) {
    play(early, cancel_victim);
}
static void scope_early(void) {
    play(early, cancel_place);
}

/* Forks of forks that come to their ends while the walk of a cancel is among them. */
static belay_status leaf(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_yield(self);
    return BELAY_OK;
}

static belay_status branch(belay_task *self, void *arg) {
    for (int i = 0; i < 2; i++) {
        sim_check(belay_fork(self, leaf, arg) == BELAY_OK, "not forked");
    }
    (void)belay_yield(self);
    (void)belay_sync(self);
    (void)belay_yield(self);
    (void)belay_sync(self);
    return BELAY_OK;
}

static belay_status trunk(belay_task *self, void *arg) {
    for (int i = 0; i < 2; i++) {
        sim_check(belay_fork(self, branch, arg) == BELAY_OK, "not forked");
        (void)belay_yield(self);
    }
    (void)belay_sync(self);
    (void)belay_sync(self);
    return sleep_on(self, arg);
}

static void ends_on_the_way(void) {
    play(trunk, cancel_victim);
}

static const scenario list_of_scenarios[] = {
    {"task_behind", reset, task_behind, 2},
    {"scope_behind", reset, scope_behind, 2},
    {"task_own", reset, task_own, 2},
    {"scope_own", reset, scope_own, 2},
    {"task_both", reset, task_both, 2},
    {"scope_both", reset, scope_both, 2},
    {"ends_on_the_way", reset, ends_on_the_way, 1},
    {"task_early", reset, task_early, 2},
    {"scope_early", reset, scope_early, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("fork_shields", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

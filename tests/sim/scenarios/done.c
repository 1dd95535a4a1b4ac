/* Done callbacks against the task's end: registered late or early, removed while they run, before close returns. */
#include "scenario.h"

static belay_scope where;
static belay_task_handle target;
static tally called;
static tally dropped;
static tally taken_back;

static void reset(void) {
    tally_reset(&called);
    tally_reset(&dropped);
    tally_reset(&taken_back);
}

static belay_status work(belay_task *self, void *arg) {
    (void)arg;
    if (sim_choose(2) == 0) {
        (void)belay_yield(self);
    }
    return BELAY_OK;
}

static void hear(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    (void)arg;
    sim_check(outcome->kind == BELAY_OUTCOME_VALUE && task.slot == target.slot, "another end");
    tally_add(&called, 1);
}

static void drop(void *arg) {
    (void)arg;
    tally_add(&dropped, 1);
}

static void register_and_remove(void *arg) {
    (void)arg;
    belay_registration r;
    sim_check(belay_on_done(target, hear, NULL, drop, &r) == BELAY_OK, "not registered");
    if (sim_choose(2) == 0) {
        belay_status status = belay_on_done_remove(NULL, r);
        sim_check(status == BELAY_OK || status == BELAY_EALREADY || status == BELAY_ESTALE,
                  "another answer");
        tally_add(&taken_back, status == BELAY_OK);
        if (status == BELAY_EALREADY) {
            sim_check(tally_read(&called) != 0, "removal did not wait for the call");
        }
    }
}

static void at_the_end(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &where) == BELAY_OK, "not opened");
    sim_check(world_spawn(NULL, where, work, NULL, &target) == BELAY_OK, "refused");
    port_thread thread = world_thread(register_and_remove, NULL, "registrar");
    register_and_remove(NULL);
    sim_check(belay_scope_close(NULL, where) == BELAY_OK, "not closed");
    port_thread_join(&thread);
    sim_check(tally_read(&called) + tally_read(&taken_back) == 2, "a call was lost or made twice");
    sim_check(tally_read(&dropped) == 2, "not dropped once each");
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    world_close(ex);
}

/* Calls that register themselves again, early or late, from two threads: each so often, never inside itself, and all
 * before the registration (a late one) or the close (an early one) has returned. */
enum { AGAIN = 3 };

typedef struct again {
    uint32_t left, depth; /* one thread's at a time */
} again;

static void hear_again(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    again *a = arg;
    hear(outcome, task, NULL);
    sim_check(a->depth++ == 0, "called inside itself");
    if (--a->left != 0) {
        sim_check(belay_on_done(task, hear_again, a, drop, NULL) == BELAY_OK, "not registered");
    }
    a->depth--;
}

static again agains[2];

static void register_again(void *arg) {
    again *a = arg;
    a->left = AGAIN;
    a->depth = 0;
    sim_check(belay_on_done(target, hear_again, a, drop, NULL) == BELAY_OK, "not registered");
}

static void again_and_again(void) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &where) == BELAY_OK, "not opened");
    sim_check(world_spawn(NULL, where, work, NULL, &target) == BELAY_OK, "refused");
    port_thread thread = world_thread(register_again, &agains[0], "registrar");
    register_again(&agains[1]);
    sim_check(belay_scope_close(NULL, where) == BELAY_OK, "not closed");
    port_thread_join(&thread);
    sim_check(tally_read(&called) == 2 * AGAIN, "a call was lost or made twice");
    sim_check(tally_read(&dropped) == 2 * AGAIN, "not dropped once each");
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"at_the_end", reset, at_the_end, 2},
    {"again_and_again", reset, again_and_again, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("done", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

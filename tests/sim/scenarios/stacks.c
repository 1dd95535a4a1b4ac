/* Few stacks: tasks that cannot start wait for a stack, and end with BELAY_ENOSTACK only when
 * none can come back. Nobody is forgotten. */
#include "scenario.h"

enum { TASKS = 5, DEPTH = 5 };

#define HOUR (3600 * BELAY_SECOND)

static belay_executor *open_with(int64_t stacks) {
    belay_config config;
    world_config(&config);
    config.max_stacks = stacks;
    return world_open_with(&config);
}

static belay_status nap(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_sleep_until(self, belay_after(20000));
    return BELAY_OK;
}

/* All sleep at once; the stacks come back in time. */
static void sleepers(void) {
    belay_executor *ex = open_with(4);
    belay_task_handle task[TASKS];
    for (int i = 0; i < TASKS; i++) {
        sim_check(world_spawn(NULL, belay_executor_root(ex), nap, NULL, &task[i]) == BELAY_OK,
                  "refused");
    }
    for (int i = 0; i < TASKS; i++) {
        belay_outcome out;
        sim_check(belay_join(NULL, task[i], &out) == BELAY_OK, "not joined");
        sim_check(out.kind == BELAY_OUTCOME_VALUE, "a stack came back, and was not waited for");
        sim_check(belay_task_release(task[i]) == BELAY_OK, "not released");
    }
    world_close(ex);
}

/* Each waits for the next, so that the deepest cannot start. */
static belay_status deeper(belay_task *self, void *arg) {
    intptr_t depth = (intptr_t)arg;
    belay_status status = BELAY_OK;
    if (depth != 0) {
        belay_task_handle task;
        sim_check(world_spawn(self, belay_scope_current(self), deeper, (void *)(depth - 1),
                              &task) == BELAY_OK,
                  "refused");
        belay_outcome out;
        sim_check(belay_join(self, task, &out) == BELAY_OK, "not joined");
        sim_check(out.kind == BELAY_OUTCOME_VALUE || out.status == BELAY_ENOSTACK, "another end");
        status = out.status;
        sim_check(belay_task_release(task) == BELAY_OK, "not released");
    }
    return status;
}

static void chain_in(belay_executor *ex) {
    belay_task_handle task;
    sim_check(world_spawn(NULL, belay_executor_root(ex), deeper, (void *)(intptr_t)DEPTH, &task) ==
                  BELAY_OK,
              "refused");
    belay_outcome out;
    sim_check(belay_join(NULL, task, &out) == BELAY_OK, "not joined");
    sim_check(out.status == BELAY_ENOSTACK, "there were stacks enough");
    sim_check(belay_task_release(task) == BELAY_OK, "not released");
}

static void chain(void) {
    belay_executor *ex = open_with(4);
    chain_in(ex);
    world_close(ex);
}

static belay_status long_nap(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_sleep_until(self, belay_after(HOUR));
    return BELAY_OK;
}

/* A sleep of an hour was taken back: nobody waits that long for a stack that cannot come. (If somebody does, the run
 * has too many steps.) */
static void chain_after_a_sleep(void) {
    belay_executor *ex = open_with(4);
    belay_task_handle sleeper;
    sim_check(world_spawn(NULL, belay_executor_root(ex), long_nap, NULL, &sleeper) == BELAY_OK,
              "refused");
    sim_check(belay_cancel_and_join(NULL, sleeper, BELAY_OK, NULL, NULL) == BELAY_OK, "not ended");
    sim_check(belay_task_release(sleeper) == BELAY_OK, "not released");
    chain_in(ex);
    world_close(ex);
}

static belay_status wait_for_cancel(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

/* Stolen by a worker that has no stack for it, and none comes back: its owner runs it. */
static belay_status forked(belay_task *self, void *arg) {
    (void)belay_yield(self);
    return (belay_status)(intptr_t)arg;
}

static belay_status fork_some(belay_task *self, void *arg) {
    (void)arg;
    for (intptr_t i = 1; i <= DEPTH; i++) {
        sim_check(belay_fork(self, forked, (void *)i) == BELAY_OK, "not forked");
    }
    for (intptr_t i = DEPTH; i >= 1; i--) {
        sim_check(belay_sync(self) == i, "another result");
    }
    return BELAY_OK;
}

static void stolen(void) {
    belay_executor *ex = open_with(3);
    belay_task_handle task;
    belay_outcome out;
    sim_check(world_spawn(NULL, belay_executor_root(ex), fork_some, NULL, &task) == BELAY_OK,
              "refused");
    sim_check(belay_join(NULL, task, &out) == BELAY_OK, "not joined");
    sim_check(out.kind == BELAY_OUTCOME_VALUE, "another end");
    sim_check(belay_task_release(task) == BELAY_OK, "not released");
    world_close(ex);
}

/* A foreign thread wakes a suspended task while the rest starves. */
static void foreign_wake(void) {
    belay_executor *ex = open_with(4);
    belay_task_handle task[TASKS];
    for (int i = 0; i < TASKS; i++) {
        sim_check(world_spawn(NULL, belay_executor_root(ex), wait_for_cancel, NULL, &task[i]) ==
                      BELAY_OK,
                  "refused");
    }
    for (int i = 0; i < TASKS; i++) {
        belay_status status = belay_task_cancel(task[i], BELAY_ECANCELED, NULL);
        sim_check(status == BELAY_OK || status == BELAY_EALREADY, "not cancelled");
    }
    for (int i = 0; i < TASKS; i++) {
        belay_outcome out;
        sim_check(belay_join(NULL, task[i], &out) == BELAY_OK, "not joined");
        sim_check(out.kind != BELAY_OUTCOME_VALUE, "another end");
        sim_check(belay_task_release(task[i]) == BELAY_OK, "not released");
    }
    world_close(ex);
}

/* A foreign thread cancels tasks just when they are refused because no stack can come back: the
 * youngest first, for they are. */
static void refused(void) {
    belay_executor *ex = open_with(4);
    belay_task_handle task[TASKS + 3];
    const int all = (int)(sizeof task / sizeof *task);
    for (int i = 0; i < all; i++) {
        sim_check(world_spawn(NULL, belay_executor_root(ex), wait_for_cancel, NULL, &task[i]) ==
                      BELAY_OK,
                  "refused");
    }
    belay_sleep_until(NULL, belay_after((int64_t)sim_choose(100) * 1000));
    for (int i = all; i-- > 0;) {
        belay_status status = belay_task_cancel(task[i], BELAY_ECANCELED, NULL);
        sim_check(status == BELAY_OK || status == BELAY_EALREADY, "not cancelled");
        sim_check(belay_task_release(task[i]) == BELAY_OK, "not released");
    }
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"sleepers", NULL, sleepers, 4},
    {"chain", NULL, chain, 4},
    {"chain_after_a_sleep", NULL, chain_after_a_sleep, 4},
    {"stolen", NULL, stolen, 4},
    {"foreign_wake", NULL, foreign_wake, 4},
    {"refused", NULL, refused, 1},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("stacks", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

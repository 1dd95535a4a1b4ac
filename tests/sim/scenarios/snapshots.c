/* Snapshots while records change hands: what is told of a task belongs to one task. */
#include <belay/observe.h>

#include "scenario.h"

enum { KINDS = 2, EACH = 3 };

static const char *const names[KINDS] = {"even", "odd"};
static belay_scope home[KINDS];
static atomic_u32 over;

static void reset(void) {
    store_relaxed(&over, 0u); /* relaxed: outside a run */
}

static belay_status leaf(belay_task *self, void *arg) {
    (void)arg;
    return sim_choose(2) == 0 ? belay_yield(self) : BELAY_OK;
}

/* Records of one worker, used again and again, by turns for tasks of two scopes with two names. */
static belay_status churn(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < EACH * KINDS; i++) {
        belay_task_options o = {.name = names[i % KINDS]};
        sim_check(world_spawn_with(self, home[i % KINDS], leaf, NULL, o, NULL) == BELAY_OK,
                  "refused");
        (void)belay_yield(self);
    }
    store_release(&over, 1u); /* pairs with the load in look */
    return BELAY_OK;
}

static void check(const belay_task_info *info) {
    for (int k = 0; k < KINDS; k++) {
        if (info->name == names[k]) {
            sim_check(info->scope.slot == home[k].slot &&
                          info->scope.generation == home[k].generation,
                      "one task's name and another's scope");
        }
    }
}

static void look(void *arg) {
    while (load_acquire(&over) == 0) { /* pairs with the store in churn */
        belay_task_info infos[8];
        size_t count = 0;
        sim_check(belay_snapshot(arg, infos, 8, &count) == BELAY_OK, "no snapshot");
        for (size_t i = 0; i < count && i < 8; i++) {
            check(&infos[i]);
        }
        port_thread_yield();
    }
}

static void told_apart(void) {
    belay_executor *ex = world_open();
    for (int k = 0; k < KINDS; k++) {
        sim_check(belay_scope_open_root(ex, NULL, &home[k]) == BELAY_OK, "no scope");
    }
    port_thread thread = world_thread(look, ex, "looker");
    world_run(ex, churn, NULL);
    port_thread_join(&thread);
    for (int k = 0; k < KINDS; k++) {
        sim_check(belay_scope_close(NULL, home[k]) == BELAY_OK, "not closed");
    }
    world_close(ex);
}

static const scenario list_of_scenarios[] = {{"told_apart", reset, told_apart, 2}};

__attribute__((constructor)) static void add(void) {
    scenarios_add("snapshots", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

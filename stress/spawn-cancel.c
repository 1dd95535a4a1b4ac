/* Spawning against cancelling: an accepted task ends, exactly once, whenever the cancel comes.
 *
 * Into one scope several members and a foreign thread spawn, now or with a start time, into the scope itself or
 * one nested in it, while another thread cancels it after a random time. Some tasks sleep without end: only
 * the cancel ends them. Others cancel a task by its handle while it starts, or while it opens a scope.
 *
 * Would catch: a task that links or parks just as the cancel walks past and sleeps for ever (a hang); one
 * spawned after the cancel had returned whose body runs, or that waits without being refused; a scope
 * opened meanwhile that does not inherit; an argument destroyed twice or never; a reason's slot lost. */
#include "common/stress.h"

enum { SPAWNERS = 3, BATCH = 12 };

typedef struct game {
    belay_scope scope;
    uint64_t seeds;
    uint64_t cancelled; /* set after a cancel has returned */
    uint64_t members;   /* spawners that have ended */
} game;

static stress_rng fork_rng(game *g) {
    return (stress_rng){.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
}

static belay_status never_runs(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    stress_check(false, "a task spawned after the cancel ran its body");
    return BELAY_OK;
}

/* Has begun before it saw the cancel; waits must be refused, at the latest by the cancel. */
static belay_status sleep_for_ever(belay_task *self, void *arg) {
    (void)arg;
    stress_equal(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED, "sleep without end");
    stress_check(belay_canceled(self), "woken, and not cancelled");
    stress_equal(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED, "the second sleep");
    return BELAY_ECANCELED;
}

static belay_status run_late(belay_task *self, void *arg) {
    game *g = arg;
    if (stress_is_set(&g->cancelled)) {
        stress_equal(belay_yield(self), BELAY_ECANCELED, "yield in a cancelled scope");
        stress_equal(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED, "sleep there");
    }
    return BELAY_OK;
}

static belay_status open_and_sleep(belay_task *self, void *arg) {
    belay_scope inner;
    stress_equal(belay_scope_open(self, NULL, &inner), BELAY_OK, "scope_open");
    for (int i = 0; i < 3; i++) {
        stress_equal(stress_spawn(self, inner, sleep_for_ever, arg, NULL, NULL), BELAY_OK, "spawn");
    }
    belay_status status = belay_scope_close(self, inner);
    stress_either(status, BELAY_ECANCELED, BELAY_OK, "close of the inner scope");
    return BELAY_ECANCELED;
}

static belay_status return_at_once(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static void spawn_one(belay_task *self, game *g, stress_rng *rng) {
    static belay_body *const bodies[] = {return_at_once, sleep_for_ever, run_late, open_and_sleep};
    bool after = stress_is_set(&g->cancelled);
    stress_how how = {0};
    belay_body *body = bodies[stress_below(rng, 4)];
    if (after && stress_chance(rng, 50)) {
        body = never_runs;
    } else if (stress_chance(rng, 30)) {
        how.flags = BELAY_TASK_RUN_CANCELED;
    }
    if (stress_chance(rng, 15)) {
        how.start_at =
            stress_chance(rng, 50) ? BELAY_NEVER - 1 : belay_after(stress_below(rng, 60000));
    }
    bool with_handle = stress_chance(rng, 40);
    belay_task_handle task;
    belay_status status = stress_spawn(self, g->scope, body, g, &how, with_handle ? &task : NULL);
    stress_equal(status, BELAY_OK, "spawn");
    if (with_handle) {
        if (stress_chance(rng, 50)) {
            status = belay_task_cancel(task, 7, "one by one");
            stress_either(status, BELAY_OK, BELAY_EALREADY, "task_cancel");
        }
        stress_equal(belay_task_release(task), BELAY_OK, "release");
    }
}

static belay_status spawner(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = fork_rng(g);
    for (int i = 0; i < BATCH; i++) {
        spawn_one(self, g, &rng);
        if (stress_chance(&rng, 30)) {
            (void)belay_yield(self);
        }
    }
    (void)stress_add(&g->members, 1);
    return BELAY_OK;
}

/* Runs outside the scope; the first to cancel wins. */
static belay_status canceller(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = fork_rng(g);
    if (stress_chance(&rng, 50)) {
        (void)belay_sleep_until(self, belay_after(stress_below(&rng, 100000)));
    } else {
        stress_burn(stress_below(&rng, 30000));
    }
    belay_status status = belay_scope_cancel(g->scope, BELAY_ECANCELED, "the test");
    stress_either(status, BELAY_OK, BELAY_EALREADY, "scope_cancel");
    stress_set(&g->cancelled);
    return BELAY_OK;
}

static void play(stress_driver *d) {
    game g = {.seeds = stress_random(&d->rng)};
    belay_scope root = belay_executor_root(d->executor);
    stress_equal(belay_scope_open_root(d->executor, NULL, &g.scope), BELAY_OK, "scope_open_root");
    belay_task_handle cancel;
    bool early = stress_chance(&d->rng, 50);
    if (early) {
        stress_equal(stress_spawn(NULL, root, canceller, &g, NULL, &cancel), BELAY_OK, "spawn");
    }
    for (int i = 0; i < SPAWNERS; i++) {
        stress_how how = {.flags = BELAY_TASK_RUN_CANCELED};
        stress_equal(stress_spawn(NULL, g.scope, spawner, &g, &how, NULL), BELAY_OK, "spawn");
    }
    stress_rng rng = fork_rng(&g);
    for (int i = 0; i < BATCH; i++) {
        spawn_one(NULL, &g, &rng);
    }
    if (!early) {
        stress_equal(stress_spawn(NULL, root, canceller, &g, NULL, &cancel), BELAY_OK, "spawn");
    }
    stress_equal(belay_join(NULL, cancel, NULL), BELAY_OK, "join");
    stress_equal(belay_task_release(cancel), BELAY_OK, "release");
    belay_status status = belay_scope_close(NULL, g.scope);
    stress_either(status, BELAY_OK, BELAY_ECANCELED, "close");
    stress_equal((int64_t)g.members, SPAWNERS, "spawners that ended before the close");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "spawn-cancel", .drivers = 3, .round = play};
    return stress_main(argc, argv, &plan);
}

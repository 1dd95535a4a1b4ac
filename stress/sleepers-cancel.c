/* Cancelling many: every suspended task is found, also those that are just lying down or waking up.
 *
 * Some thousand tasks of one scope, and of scopes nested in it, suspend on several workers (so that the scope's list
 * is split), sleep without end or briefly, wait for one another, and defer their starts, while the scope, and some of
 * them one by one, are cancelled. A part of the tasks goes on waiting in spite of it.
 *
 * Would catch: a task that is linked behind the canceller's back and sleeps on (a hang); one that is woken twice, by
 * its timer and the cancel; a list torn by widening; a told task that is told again, or whose second wait is not
 * refused; an unlink against the walk. */
#include "common/stress.h"

#include <stdlib.h>

enum { SLEEPERS = 1500, GROUPS = 6, HANDLES = 64 };

typedef struct game {
    belay_scope scope;
    uint64_t seeds;
    uint64_t refused; /* tasks that heard of the cancel in a wait */
    uint64_t ended;
    uint32_t sleepers;
} game;

static stress_rng own_rng(game *g) {
    return (stress_rng){.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
}

static void sleep_once(belay_task *self, game *g, stress_rng *rng) {
    bool briefly = stress_chance(rng, 40);
    belay_time until = briefly ? belay_after(stress_below(rng, 3000000)) : BELAY_NEVER;
    belay_status status = belay_sleep_until(self, until);
    if (status == BELAY_OK) {
        stress_check(briefly && belay_now() >= until, "woke without a cause");
    } else {
        stress_equal(status, BELAY_ECANCELED, "sleep");
        stress_check(belay_canceled(self), "refused, and not cancelled");
        (void)stress_add(&g->refused, 1);
    }
}

static belay_status sleeper(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = own_rng(g);
    sleep_once(self, g, &rng);
    for (int i = 0; belay_canceled(self) && i < 3 && stress_chance(&rng, 30); i++) {
        stress_equal(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED,
                     "a wait once cancelled");
        stress_equal(belay_yield(self), BELAY_ECANCELED, "a yield once cancelled");
    }
    (void)stress_add(&g->ended, 1);
    return belay_canceled(self) ? BELAY_ECANCELED : BELAY_OK;
}

static void spawn_sleepers(belay_task *self, game *g, belay_scope scope, uint32_t n) {
    stress_rng rng = own_rng(g);
    for (uint32_t i = 0; i < n; i++) {
        stress_how how = {.flags = BELAY_TASK_RUN_CANCELED};
        if (stress_chance(&rng, 10)) {
            how.start_at = belay_after(stress_below(&rng, 2000000));
        }
        stress_equal(stress_spawn(self, scope, sleeper, g, &how, NULL), BELAY_OK, "spawn");
    }
}

/* A scope of its own below the game's, or the game's. */
static belay_status group(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = own_rng(g);
    uint32_t n = g->sleepers / GROUPS;
    if (stress_chance(&rng, 50)) {
        spawn_sleepers(self, g, g->scope, n);
        return BELAY_OK;
    }
    belay_scope scope;
    stress_equal(belay_scope_open(self, NULL, &scope), BELAY_OK, "scope_open");
    spawn_sleepers(self, g, scope, n);
    belay_status status = belay_scope_close(self, scope);
    stress_either(status, BELAY_ECANCELED, BELAY_OK, "close of a group");
    return BELAY_OK;
}

static void cancel_some(stress_rng *rng, const belay_task_handle *tasks) {
    for (int i = 0; i < HANDLES; i++) {
        if (stress_chance(rng, 30)) {
            belay_status status = belay_task_cancel(tasks[i], 4, "one by one");
            stress_either(status, BELAY_OK, BELAY_EALREADY, "task_cancel");
        }
    }
}

static void release_all(const belay_task_handle *tasks) {
    for (int i = 0; i < HANDLES; i++) {
        belay_outcome outcome;
        stress_equal(belay_join(NULL, tasks[i], &outcome), BELAY_OK, "join");
        stress_check(outcome.kind == BELAY_OUTCOME_VALUE || outcome.kind == BELAY_OUTCOME_CANCELED,
                     "outcome");
        stress_equal(belay_task_release(tasks[i]), BELAY_OK, "release");
    }
}

static void play(stress_driver *d) {
    game g = {.seeds = stress_random(&d->rng),
              .sleepers = GROUPS * (1 + stress_below(&d->rng, SLEEPERS / GROUPS))};
    belay_task_handle tasks[HANDLES];
    stress_how how = {.flags = BELAY_TASK_RUN_CANCELED};
    stress_equal(belay_scope_open_root(d->executor, NULL, &g.scope), BELAY_OK, "scope_open_root");
    for (int i = 0; i < HANDLES; i++) {
        stress_equal(stress_spawn(NULL, g.scope, sleeper, &g, &how, &tasks[i]), BELAY_OK, "spawn");
    }
    for (int i = 0; i < GROUPS; i++) {
        stress_equal(stress_spawn(NULL, g.scope, group, &g, &how, NULL), BELAY_OK, "spawn");
    }
    stress_burn(stress_below(&d->rng, 4000000));
    cancel_some(&d->rng, tasks);
    stress_equal(belay_scope_cancel(g.scope, BELAY_ECANCELED, "the test"), BELAY_OK,
                 "scope_cancel");
    release_all(tasks);
    stress_equal(belay_scope_close(NULL, g.scope), BELAY_ECANCELED, "close");
    stress_equal((int64_t)g.ended, HANDLES + (int64_t)g.sleepers, "sleepers that ended");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "sleepers-cancel", .drivers = 2, .round = play};
    return stress_main(argc, argv, &plan);
}

/* Deadlines against everything else that ends a wait: one of them wins, and none comes early.
 *
 * Scopes whose deadline falls about when their tasks end, is moved by other threads, or falls while the scope
 * closes; sleeps, timed joins and deferred starts with deadlines in the past, now and soon, against cancels;
 * workers that compute, so that the monitor fires for them.
 *
 * Would catch: a timer that fires into a waiter that has gone, or a scope that was freed (disarm against fire);
 * a wait that ends twice; a deadline that is lost when the worker parks (a hang); a sleep or ETIMEDOUT before its
 * time; a deferred start that runs early, or is lost between its timer and a cancel. */
#include "common/stress.h"

enum { MEMBERS = 5, SOON = 300000, HANG = 10 };

typedef struct game {
    belay_scope scope;
    belay_time deadline; /* the earliest the scope ever has; constant */
    uint64_t seeds;
    uint64_t started; /* deferred tasks that ran */
} game;

static stress_rng own_rng(game *g) {
    return (stress_rng){.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
}

static belay_time soon(stress_rng *rng) {
    return stress_chance(rng, 10) ? 1 : belay_after(stress_below(rng, SOON));
}

static belay_status sleeper(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = own_rng(g);
    belay_time until = stress_chance(&rng, 30) ? belay_after(HANG * BELAY_SECOND) : soon(&rng);
    belay_status status = belay_sleep_until(self, until);
    if (status == BELAY_OK) {
        stress_check(belay_now() >= until, "slept for too short");
    } else {
        stress_equal(status, BELAY_ECANCELED, "sleep");
        stress_check(belay_canceled(self), "refused, and not cancelled");
        stress_check(belay_now() >= g->deadline, "the deadline came early");
    }
    return status;
}

static belay_status burner(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = own_rng(g);
    stress_burn(stress_below(&rng, SOON));
    return belay_checkpoint(self);
}

static belay_status deferred(belay_task *self, void *arg) {
    (void)self;
    (void)stress_add(&((game *)arg)->started, 1);
    return BELAY_OK;
}

static void join_timed(belay_task *self, stress_rng *rng, belay_task_handle task) {
    belay_time limit = soon(rng);
    belay_status status = belay_join_until(self, task, limit, NULL);
    stress_check(status == BELAY_OK || status == BELAY_ETIMEDOUT ||
                     (status == BELAY_ECANCELED && self != NULL),
                 "timed join");
    stress_check(status != BELAY_ETIMEDOUT || belay_now() >= limit, "timed out early");
}

/* Not before its time, unless the cancel (which skips it) came first. */
static void spawn_deferred(belay_task *self, game *g, stress_rng *rng) {
    stress_how how = {.start_at = soon(rng)};
    belay_task_handle task;
    stress_equal(stress_spawn(self, g->scope, deferred, g, &how, &task), BELAY_OK, "spawn_at");
    join_timed(self, rng, task);
    belay_outcome outcome;
    if (belay_join_until(self, task, 0, &outcome) == BELAY_OK) {
        stress_check(outcome.kind == BELAY_OUTCOME_SKIPPED || belay_now() >= how.start_at,
                     "started early");
    }
    stress_equal(belay_task_release(task), BELAY_OK, "release");
}

/* The scope's deadline goes back and forth, never to before `deadline`. */
static belay_status mover(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = own_rng(g);
    for (int i = 0; i < 4; i++) {
        belay_time later = g->deadline + stress_below(&rng, SOON);
        belay_status status = belay_scope_set_deadline(g->scope, later);
        stress_either(status, BELAY_OK, BELAY_EALREADY, "set_deadline");
        (void)belay_yield(self);
    }
    return BELAY_OK;
}

static void fill(belay_task *self, game *g) {
    static belay_body *const bodies[] = {sleeper, sleeper, burner, mover};
    stress_rng rng = own_rng(g);
    for (int i = 0; i < MEMBERS; i++) {
        stress_equal(stress_spawn(self, g->scope, bodies[stress_below(&rng, 4)], g, NULL, NULL),
                     BELAY_OK, "spawn");
    }
    spawn_deferred(self, g, &rng);
    belay_time start = belay_now();
    belay_status status = belay_scope_close(self, g->scope);
    belay_time end = belay_now();
    stress_either(status, BELAY_OK, BELAY_ETIMEDOUT, "close");
    stress_check(status == BELAY_OK || end >= g->deadline, "timed out early");
    stress_check(end - start < HANG / 2 * BELAY_SECOND, "the deadline did not come");
}

static belay_status play_inside(belay_task *self, void *arg) {
    game *g = arg;
    belay_scope_options options = {.deadline = g->deadline};
    stress_equal(belay_scope_open(self, &options, &g->scope), BELAY_OK, "scope_open");
    fill(self, g);
    return BELAY_OK;
}

static void play(stress_driver *d) {
    game g = {.seeds = stress_random(&d->rng)};
    g.deadline = stress_chance(&d->rng, 10) ? 1 : belay_after(stress_below(&d->rng, SOON));
    if (stress_chance(&d->rng, 50)) {
        stress_run(d->executor, play_inside, &g);
    } else {
        belay_scope_options options = {.deadline = g.deadline};
        stress_equal(belay_scope_open_root(d->executor, &options, &g.scope), BELAY_OK, "open_root");
        fill(NULL, &g);
    }
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "deadline-finish", .drivers = 3, .round = play};
    return stress_main(argc, argv, &plan);
}

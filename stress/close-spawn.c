/* Closing against spawning: what was accepted has ended when close returns, what comes later is refused.
 *
 * Members spawn siblings while the scope closes, a foreign thread and tasks from outside spawn into it, seal it
 * or wait on it, and the close itself is timed and repeated. The scope is opened by a task (then its count has a
 * home worker, and tasks of it end on others) or from outside. Every accepted task counts itself in and out in
 * memory of the round, which is gone after the round.
 *
 * Would catch: a close that returns while a task lives; a biased count that loses or gains one when the bias is
 * taken off against the home worker; the last completer touching a scope that its closer has freed; a watcher
 * that is never woken, or for a moment before its call; an outsider accepted after the close; a refused spawn that
 * keeps the argument. */
#include "common/stress.h"

enum { MEMBERS = 6, OUTSIDERS = 2, TRIES = 30 };

typedef struct game {
    belay_scope scope;
    belay_executor *executor;
    uint64_t seeds;
    uint64_t accepted;
    uint64_t ended;
    uint64_t ended_at_close;
    uint64_t closed;
    uint32_t seal;
    uint32_t timed;
} game;

static stress_rng own_rng(game *g) {
    return (stress_rng){.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
}

static belay_status member(belay_task *self, void *arg);

static belay_status spawn_member(belay_task *self, game *g, bool plain) {
    belay_status status = plain ? belay_spawn(self, g->scope, member, g, NULL, NULL)
                                : stress_spawn(self, g->scope, member, g, NULL, NULL);
    if (status == BELAY_OK) {
        (void)stress_add(&g->accepted, 1);
        stress_accepted(plain ? 1 : 0);
    }
    return status;
}

static belay_status member(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = own_rng(g);
    if (stress_chance(&rng, 20)) {
        (void)belay_yield(self);
    } else if (stress_chance(&rng, 10)) {
        (void)belay_sleep_until(self, belay_after(stress_below(&rng, 40000)));
    }
    uint32_t siblings =
        stress_below(&rng, 100) < 45 ? 2 : 0; /* below one on average: it dies out */
    for (uint32_t i = 0; i < siblings; i++) {
        belay_status status = spawn_member(self, g, stress_chance(&rng, 50));
        stress_check(status == BELAY_OK || (status == BELAY_ESHUTDOWN && g->seal != 0),
                     "a member's spawn");
    }
    (void)stress_add(&g->ended, 1);
    return BELAY_OK;
}

static belay_status end_later(belay_task *self, void *arg) {
    (void)self;
    stress_burn(3000);
    (void)stress_add(&((game *)arg)->ended, 1);
    return BELAY_OK;
}

/* What was spawned before the wait has ended when the wait says that the scope was empty. */
static void wait_for_own(belay_task *self, game *g, belay_time limit) {
    belay_task_handle own;
    if (stress_spawn(self, g->scope, end_later, g, NULL, &own) != BELAY_OK) {
        return;
    }
    (void)stress_add(&g->accepted, 1);
    belay_status status = belay_scope_wait_until(self, g->scope, limit);
    if (status == BELAY_OK || status == BELAY_ESTALE) {
        stress_equal(belay_join_until(self, own, 0, NULL), BELAY_OK, "join after scope_wait");
    } else {
        stress_equal(status, BELAY_ETIMEDOUT, "scope_wait");
    }
    stress_equal(belay_task_release(own), BELAY_OK, "release");
}

/* Lives outside the scope and may come too late. The game must outlive it: the round joins it. */
static belay_status outsider(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = own_rng(g);
    for (int i = 0; i < TRIES; i++) {
        bool late = stress_is_set(&g->closed);
        belay_status status = spawn_member(self, g, false);
        stress_check(status == BELAY_OK || status == BELAY_ESHUTDOWN || status == BELAY_ESTALE,
                     "an outsider's spawn");
        stress_check(!late || status == BELAY_ESTALE, "a spawn after the close");
        if (g->seal != 0 && stress_chance(&rng, 10)) {
            (void)belay_scope_seal(g->scope);
        }
        if (stress_chance(&rng, 20)) {
            wait_for_own(self, g, belay_after(stress_below(&rng, 20000)));
        }
        if (stress_chance(&rng, 30)) {
            /* Holds the scope for a moment: what brings the count to zero may be this. */
            uint64_t count;
            stress_either(belay_scope_count(g->scope, &count), BELAY_OK, BELAY_ESTALE,
                          "scope_count");
        }
    }
    return BELAY_OK;
}

static void close_scope(belay_task *self, game *g, stress_rng *rng) {
    belay_status status = BELAY_EBUSY;
    while (g->timed != 0 && status == BELAY_EBUSY) {
        status = belay_scope_close_until(self, g->scope, belay_after(stress_below(rng, 15000)));
    }
    if (g->timed == 0) {
        status = belay_scope_close(self, g->scope);
    }
    stress_equal(status, BELAY_OK, "close");
    g->ended_at_close = stress_get(&g->ended);
    stress_set(&g->closed);
    stress_equal(belay_scope_close(self, g->scope), BELAY_ESTALE, "a second close");
}

static void start_outsiders(belay_task *self, game *g, belay_task_handle *out) {
    for (int i = 0; i < OUTSIDERS; i++) {
        stress_equal(
            stress_spawn(self, belay_executor_root(g->executor), outsider, g, NULL, &out[i]),
            BELAY_OK, "spawn");
    }
}

static void join_outsiders(belay_task *self, const belay_task_handle *outsiders) {
    for (int i = 0; i < OUTSIDERS; i++) {
        stress_equal(belay_join(self, outsiders[i], NULL), BELAY_OK, "join");
        stress_equal(belay_task_release(outsiders[i]), BELAY_OK, "release");
    }
}

/* self NULL: from outside. */
static void play_one(belay_task *self, game *g) {
    stress_rng rng = own_rng(g);
    belay_task_handle outsiders[OUTSIDERS];
    start_outsiders(self, g, outsiders);
    for (int i = 0; i < MEMBERS; i++) {
        belay_status status = spawn_member(self, g, stress_chance(&rng, 50));
        stress_check(status == BELAY_OK || (status == BELAY_ESHUTDOWN && g->seal != 0), "spawn");
    }
    stress_burn(stress_below(&rng, 10000));
    close_scope(self, g, &rng);
    join_outsiders(self, outsiders); /* one may have booked its last spawn only after the close */
    stress_equal((int64_t)g->ended_at_close, (int64_t)g->accepted,
                 "tasks that had ended at the close");
}

static belay_status play_inside(belay_task *self, void *arg) {
    game *g = arg;
    stress_equal(belay_scope_open(self, NULL, &g->scope), BELAY_OK, "scope_open");
    play_one(self, g);
    return BELAY_OK;
}

static void play(stress_driver *d) {
    game g = {.executor = d->executor, .seeds = stress_random(&d->rng)};
    g.seal = stress_chance(&d->rng, 30);
    g.timed = stress_chance(&d->rng, 40);
    if (stress_chance(&d->rng, 60)) {
        stress_run(d->executor, play_inside, &g);
    } else {
        stress_equal(belay_scope_open_root(d->executor, NULL, &g.scope), BELAY_OK,
                     "scope_open_root");
        play_one(NULL, &g);
    }
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "close-spawn", .drivers = 3, .round = play};
    return stress_main(argc, argv, &plan);
}

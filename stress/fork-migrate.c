/* Fork-join against everything that moves a fiber: every forked call runs once, and its result comes back.
 *
 * A random tree of forked calls, in the typed and the generic form, whose calls compute for long (so that thieves
 * publish by force what the owner hides), sleep, yield, join and open scopes between fork and sync (so that the
 * fiber suspends with forks pending, is robbed meanwhile, and goes on elsewhere), fork beyond the deque's capacity,
 * and return without syncing. A part of the rounds is cancelled on the way: then a stolen call must hear of it.
 *
 * Would catch: a slot that thief and owner both run, or neither; a result read before it is written; a thief that
 * forces against a sync; a stolen fork whose end is not noticed by its suspended owner (a hang); a deque handed
 * on while somebody looks at it; a cancel that does not reach a stolen call that sleeps. */
#include "common/stress.h"

enum { MOST_DEPTH = 7, DEPTH_OF_DEQUE = 16, WIDE = 60, LONG_LEAVES = 100 };

typedef struct game {
    uint64_t seeds;
    uint64_t calls; /* made, and not forked in vain */
    uint64_t cancelled;
    uint32_t may_cancel;
    uint32_t sleepy; /* percent of calls that wait */
} game;

typedef struct call {
    game *game;
    uint64_t seed;
    uint32_t depth;
} call;

static uint64_t count_tree(belay_task *self, call c);
BELAY_FORKABLE(count_tree, uint64_t, call)

static belay_status count_by_pointer(belay_task *self, void *arg) {
    call *c = arg;
    return (belay_status)count_tree(self, *c);
}

static belay_status answer(belay_task *self, void *arg) {
    (void)self;
    *(uint32_t *)arg += 1;
    return BELAY_OK;
}

static void check_wait(const game *g, belay_status status, const char *what) {
    stress_either(status, BELAY_OK, g->may_cancel != 0 ? BELAY_ECANCELED : BELAY_OK, what);
}

/* A child task in a scope of its own, opened with forks pending. */
static void open_scope(belay_task *self, const game *g) {
    uint32_t answers = 0;
    belay_scope scope;
    stress_equal(belay_scope_open(self, NULL, &scope), BELAY_OK, "scope_open");
    stress_equal(belay_spawn(self, scope, answer, &answers, NULL, NULL), BELAY_OK, "spawn");
    stress_accepted(1);
    check_wait(g, belay_scope_close(self, scope), "close");
    stress_check(answers == 1 || (answers == 0 && g->may_cancel != 0), "the child of the scope");
}

static void wait_somehow(belay_task *self, const game *g, stress_rng *rng) {
    if (!stress_chance(rng, g->sleepy)) {
        if (stress_chance(rng, 3)) {
            stress_burn(stress_below(rng, 200000));
        }
        return;
    }
    switch (stress_below(rng, 3)) {
    case 0:
        check_wait(g, belay_sleep_until(self, belay_after(stress_below(rng, 50000))), "sleep");
        break;
    case 1:
        check_wait(g, belay_yield(self), "yield");
        break;
    default:
        open_scope(self, g);
    }
}

/* Many calls before the first sync: beyond the deque they run at the fork. */
static uint64_t count_wide(belay_task *self, call c, stress_rng *rng) {
    uint32_t n = 1 + stress_below(rng, WIDE);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        count_tree_fork(self, (call){c.game, stress_random(rng), 0});
        if (i % 16 == 7) {
            wait_somehow(self, c.game, rng);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        sum += count_tree_sync(self);
    }
    return sum;
}

static uint64_t count_two(belay_task *self, call c, stress_rng *rng) {
    call left = {c.game, stress_random(rng), c.depth - 1};
    call right = {c.game, stress_random(rng), c.depth - 1};
    bool generic = stress_chance(rng, 40);
    if (generic) {
        stress_equal(belay_fork(self, count_by_pointer, &left), BELAY_OK, "fork");
    } else {
        count_tree_fork(self, left);
    }
    wait_somehow(self, c.game, rng);
    uint64_t sum = count_tree(self, right);
    wait_somehow(self, c.game, rng);
    return sum + (generic ? (uint64_t)belay_sync(self) : count_tree_sync(self));
}

static uint64_t count_tree(belay_task *self, call c) {
    stress_rng rng = {.state = c.seed};
    (void)stress_add(&c.game->calls, 1);
    stress_check(self == belay_self(), "self of a forked call");
    if (c.depth == 0) {
        wait_somehow(self, c.game, &rng);
        return 1;
    }
    uint64_t sum = stress_chance(&rng, 10) ? count_wide(self, c, &rng) : count_two(self, c, &rng);
    return sum + 1;
}

/* A call that only a cancel ends: if it was stolen the cancel has to find it. */
static uint64_t sleep_for_ever(belay_task *self, call c) {
    stress_equal(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED, "sleep without end");
    (void)stress_add(&c.game->cancelled, 1);
    return 1;
}
BELAY_FORKABLE(sleep_for_ever, uint64_t, call)

/* Long leaves that end about when a thief loses its patience with the owner, and publishes for it. */
static belay_status long_leaves(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = {.state = g->seeds};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < LONG_LEAVES; i++) {
        count_tree_fork(self, (call){g, stress_random(&rng), 0});
        stress_burn(40000 + stress_below(&rng, 30000));
        sum += count_tree_sync(self);
    }
    stress_equal((int64_t)sum, (int64_t)stress_get(&g->calls), "calls that came back");
    return BELAY_OK;
}

static belay_status root(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = {.state = g->seeds};
    call first = {g, stress_random(&rng), 1 + stress_below(&rng, MOST_DEPTH)};
    bool one_for_ever = g->may_cancel != 0 && stress_chance(&rng, 50);
    if (one_for_ever) {
        sleep_for_ever_fork(self, first);
    }
    uint64_t sum = count_tree(self, first);
    stress_equal((int64_t)sum, (int64_t)stress_get(&g->calls), "calls that came back");
    if (one_for_ever && stress_chance(&rng, 50)) {
        stress_equal((int64_t)sleep_for_ever_sync(self), 1, "a forked call that sleeps");
    }
    if (stress_chance(&rng, 50)) { /* not synced: the library does it */
        count_tree_fork(self, first);
    }
    return BELAY_OK;
}

static void play(stress_driver *d) {
    game g = {.seeds = stress_random(&d->rng)};
    g.may_cancel = stress_chance(&d->rng, 40);
    g.sleepy = stress_chance(&d->rng, 50) ? stress_below(&d->rng, 30) : 0;
    belay_task_handle task;
    belay_body *body = stress_chance(&d->rng, 5) ? long_leaves : root;
    stress_equal(stress_spawn(NULL, belay_executor_root(d->executor), body, &g,
                              &(stress_how){.flags = BELAY_TASK_RUN_CANCELED}, &task),
                 BELAY_OK, "spawn");
    if (g.may_cancel != 0) {
        stress_burn(stress_below(&d->rng, 300000));
        belay_status status = belay_task_cancel(task, 3, "enough");
        stress_either(status, BELAY_OK, BELAY_EALREADY, "task_cancel");
    }
    belay_outcome outcome;
    stress_equal(belay_join(NULL, task, &outcome), BELAY_OK, "join");
    stress_equal(outcome.status, BELAY_OK, "outcome of the root task");
    stress_equal(belay_task_release(task), BELAY_OK, "release");
}

static void configure(belay_config *config, stress_rng *rng) {
    if (stress_chance(rng, 70)) {
        config->fork_depth = DEPTH_OF_DEQUE;
    }
}

int main(int argc, char **argv) {
    static const stress_plan plan = {
        .name = "fork-migrate", .drivers = 2, .configure = configure, .round = play};
    return stress_main(argc, argv, &plan);
}

/* Block hints: whatever blocks inside one, what would free it runs.
 *
 * Tasks block their workers inside hints, on pipes that only other tasks of the same executor feed; often more of
 * them than there are workers. Among them: short hints, nested ones, hints ended by a wait or by the task's end,
 * tasks that sleep, fork and spawn inside, tasks pinned to workers, and cancels. At most as many block at once as
 * there are workers and spares, less one.
 *
 * Would catch: a place that nobody serves, a wake lost between a spare that leaves and a task that was just made
 * runnable (a hang), a task lost in the queue of a spare that has left (the books), a timer that nobody fires. */
#include "common/stress.h"

#include <errno.h>
#include <unistd.h>

enum { TASKS = 24, DRIVERS = 2 };

typedef struct game {
    int ends[2];
    belay_scope scope;
    uint32_t readers; /* still allowed to block */
    uint64_t seeds;
} game;

static void read_byte(game *g) {
    char byte;
    ssize_t n;
    do {
        n = read(g->ends[0], &byte, 1);
    } while (n < 0 && errno == EINTR);
    stress_equal(n, 1, "read");
}

static belay_status feed(belay_task *self, void *arg) {
    (void)self;
    const game *g = arg;
    ssize_t n;
    do {
        n = write(g->ends[1], "x", 1);
    } while (n < 0 && errno == EINTR);
    stress_equal(n, 1, "write");
    return BELAY_OK;
}

static uint64_t leaf(belay_task *self, uint64_t n) {
    (void)self;
    return n + 1;
}
BELAY_FORKABLE(leaf, uint64_t, uint64_t)

static void end_hint(belay_task *self) {
    stress_either(belay_block_end(self), BELAY_OK, BELAY_EALREADY, "end");
}

/* Blocks until one of the feeders, which run even if cancelled, has run. */
static belay_status block(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = {.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
    bool nest = stress_chance(&rng, 30);
    bool fork = stress_chance(&rng, 30);
    if (fork) {
        leaf_fork(self, 1);
    }
    stress_equal(belay_block_begin(self), BELAY_OK, "begin");
    if (nest) {
        stress_equal(belay_block_begin(self), BELAY_OK, "begin");
        stress_equal(belay_block_end(self), BELAY_OK, "end");
    }
    read_byte(g);
    if (fork) {
        stress_equal((int64_t)leaf_sync(self), 2, "a forked call");
    }
    if (stress_chance(&rng, 80)) {
        end_hint(self);
    } /* else the task's end does it */
    return BELAY_OK;
}

/* Hints around next to nothing, and waits in between. */
static belay_status dabble(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = {.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
    for (uint32_t i = stress_below(&rng, 6); i > 0; i--) {
        stress_equal(belay_block_begin(self), BELAY_OK, "begin");
        switch (stress_below(&rng, 4)) {
        case 0:
            (void)belay_sleep_until(self, belay_after(stress_below(&rng, 100000)));
            break;
        case 1:
            (void)belay_yield(self);
            break;
        case 2:
            stress_burn(stress_below(&rng, 60000));
            break;
        default:
            break;
        }
        end_hint(self);
    }
    return BELAY_OK;
}

static void spawn_one(stress_driver *d, game *g) {
    stress_how how = {.pin = stress_chance(&d->rng, 10)
                                 ? BELAY_PIN((int32_t)stress_below(&d->rng, d->workers))
                                 : 0};
    stress_equal(stress_spawn(NULL, g->scope, dabble, g, &how, NULL), BELAY_OK, "spawn");
    if (g->readers != 0 && stress_chance(&d->rng, 50)) {
        g->readers--;
        stress_how always = {.flags = BELAY_TASK_RUN_CANCELED};
        stress_equal(stress_spawn(NULL, g->scope, block, g, &always, NULL), BELAY_OK, "spawn");
        stress_equal(stress_spawn(NULL, g->scope, feed, g, &always, NULL), BELAY_OK, "spawn");
    }
}

static void play(stress_driver *d) {
    game g = {.seeds = stress_random(&d->rng)};
    belay_scope_options options = {.policy = BELAY_SUPERVISE};
    stress_equal(pipe(g.ends), 0, "pipe");
    stress_equal(belay_scope_open_root(d->executor, &options, &g.scope), BELAY_OK, "open_root");
    g.readers = d->index == 0 ? d->workers : d->workers - 1;
    for (int i = 0; i < TASKS; i++) {
        spawn_one(d, &g);
    }
    if (stress_chance(&d->rng, 20)) {
        stress_burn(stress_below(&d->rng, 100000));
        stress_equal(belay_scope_cancel(g.scope, BELAY_OK, "enough"), BELAY_OK, "cancel");
    }
    stress_equal(belay_scope_close(NULL, g.scope), BELAY_OK, "close");
    close(g.ends[0]);
    close(g.ends[1]);
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "block-hint", .drivers = DRIVERS, .round = play};
    return stress_main(argc, argv, &plan);
}

/* Pinned tasks: they run, and resume, on the worker they were spawned for, and nowhere else.
 *
 * Tasks pinned to every worker, spawned from foreign threads, from other workers and from the worker itself, that
 * yield, sleep, join an unpinned task, fork, and are cancelled, among unpinned tasks that thieves move about. Each
 * counts in a cell of its worker without atomic read-modify-write: only tasks of one worker write it, one at a time.
 *
 * Would catch: a pinned task that a thief takes, or that resumes where its waker is; a wake of a parked worker that
 * is lost, or spent on another worker (a hang); a pinned list that loses its end. */
#include "common/stress.h"

enum { MOST_WORKERS = 64, TASKS = 12, STEPS = 4 };

typedef struct cell {
    _Alignas(64) uint64_t count;
} cell;

static cell cells[MOST_WORKERS];
static uint64_t steps_made;

typedef struct game {
    belay_scope scope;
    belay_executor *executor;
    uint64_t seeds;
    uint64_t cancelled;
} game;

typedef struct pinned {
    game *game;
    int32_t worker; /* -1: found out by the task, which is pinned to where it was spawned */
} pinned;

static belay_status do_nothing(belay_task *self, void *arg) {
    (void)arg;
    return belay_yield(self) == BELAY_ECANCELED ? BELAY_ECANCELED : BELAY_OK;
}

static uint64_t leaf(belay_task *self, uint64_t n) {
    (void)self;
    return n + 1;
}
BELAY_FORKABLE(leaf, uint64_t, uint64_t)

static void join_unpinned(belay_task *self, game *g) {
    belay_task_handle task;
    stress_equal(stress_spawn(self, g->scope, do_nothing, NULL, NULL, &task), BELAY_OK, "spawn");
    (void)belay_join(self, task, NULL);
    stress_equal(belay_task_release(task), BELAY_OK, "release");
}

static void step(belay_task *self, game *g, stress_rng *rng) {
    switch (stress_below(rng, 4)) {
    case 0:
        (void)belay_yield(self);
        break;
    case 1:
        (void)belay_sleep_until(self, belay_after(stress_below(rng, 50000)));
        break;
    case 2:
        join_unpinned(self, g);
        break;
    default:
        leaf_fork(self, 1);
        stress_burn(stress_below(rng, 60000));
        stress_equal((int64_t)leaf_sync(self), 2, "a forked call");
    }
}

static void here(int32_t worker) {
    stress_equal(belay_worker_index(), worker, "worker of a pinned task");
    stress_put(&cells[worker].count, stress_get(&cells[worker].count) + 1);
    (void)stress_add(&steps_made, 1);
}

static belay_status run_pinned(belay_task *self, void *arg) {
    pinned *p = arg;
    game *g = p->game;
    stress_rng rng = {.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
    int32_t worker = p->worker;
    for (int i = 0; i < STEPS; i++) {
        here(worker);
        step(self, g, &rng);
    }
    here(worker);
    return BELAY_OK;
}

/* From a task, which may be on any worker: pinned there, or to a given one. */
static belay_status spawner(belay_task *self, void *arg) {
    pinned *p = arg;
    bool stay = p->worker < 0;
    if (stay) {
        p->worker = belay_worker_index(); /* no wait between here and the spawn */
    }
    stress_how how = {.pin = stay ? BELAY_PIN_HERE : BELAY_PIN(p->worker)};
    stress_equal(stress_spawn(self, p->game->scope, run_pinned, p, &how, NULL), BELAY_OK, "spawn");
    return BELAY_OK;
}

static void play(stress_driver *d) {
    game g = {.executor = d->executor, .seeds = stress_random(&d->rng)};
    pinned tasks[TASKS];
    belay_scope_options options = {.policy = BELAY_SUPERVISE};
    stress_equal(belay_scope_open_root(d->executor, &options, &g.scope), BELAY_OK, "open_root");
    for (int i = 0; i < TASKS; i++) {
        int32_t worker = (int32_t)stress_below(&d->rng, d->workers);
        tasks[i] = (pinned){&g, worker};
        if (stress_chance(&d->rng, 40)) {
            tasks[i].worker = stress_chance(&d->rng, 50) ? -1 : worker;
            stress_equal(stress_spawn(NULL, g.scope, spawner, &tasks[i], NULL, NULL), BELAY_OK,
                         "spawn");
        } else {
            stress_how how = {.pin = BELAY_PIN(worker),
                              .start_at = stress_chance(&d->rng, 20) ? belay_after(20000) : 0};
            stress_equal(stress_spawn(NULL, g.scope, run_pinned, &tasks[i], &how, NULL), BELAY_OK,
                         "spawn");
        }
    }
    if (stress_chance(&d->rng, 20)) {
        stress_burn(stress_below(&d->rng, 100000));
        stress_equal(belay_scope_cancel(g.scope, BELAY_OK, "enough"), BELAY_OK, "cancel");
    }
    stress_equal(belay_scope_close(NULL, g.scope), BELAY_OK, "close");
}

static void check_cells(stress_driver *d) {
    static uint64_t finished;
    if (stress_add(&finished, 1) != 2) {
        return; /* the last of three drivers */
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < d->workers; i++) {
        sum += stress_get(&cells[i].count);
    }
    stress_equal((int64_t)sum, (int64_t)stress_get(&steps_made), "steps counted by worker");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {
        .name = "pinned", .drivers = 3, .round = play, .finish = check_cells};
    return stress_main(argc, argv, &plan);
}

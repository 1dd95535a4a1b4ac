/* Fork-join: each forked call runs exactly once and its result reaches its sync, whether nobody
 * stole it, or a thief asked for it, or took it by force from a busy owner, or its owner slept
 * meanwhile. */
#include "owner/forks.h"
#include "scenario.h"

static tally ran;
static tally ready;
static atomic_u32 over;
static belay_task_handle target;

static void reset(void) {
    tally_reset(&ran);
    tally_reset(&ready);
    store_relaxed(&over, 0u); /* relaxed: outside a run */
}

static uint64_t square(belay_task *self, uint64_t n);
BELAY_FORKABLE(square, uint64_t, uint64_t)
static uint64_t square(belay_task *self, uint64_t n) {
    (void)self;
    tally_add(&ran, 1);
    return n * n;
}

static uint64_t fib(belay_task *self, uint64_t n);
BELAY_FORKABLE(fib, uint64_t, uint64_t)
static uint64_t fib(belay_task *self, uint64_t n) {
    if (n < 2) {
        return n;
    }
    fib_fork(self, n - 1);
    uint64_t b = fib(self, n - 2);
    return fib_sync(self) + b;
}

static belay_status run_fib(belay_task *self, void *arg) {
    (void)arg;
    sim_check(fib(self, 5) == 5, "another result");
    return BELAY_OK;
}

static void tree(void) {
    belay_executor *ex = world_open();
    world_run(ex, run_fib, NULL);
    world_close(ex);
}

static void two_trees(void) {
    belay_executor *ex = world_open();
    sim_check(world_spawn(NULL, belay_executor_root(ex), run_fib, NULL, NULL) == BELAY_OK,
              "refused");
    world_run(ex, run_fib, NULL);
    world_close(ex);
}

/* ---- by force -------------------------------------------------------------------------------- */

enum { ROUNDS = 4, FORKS = 3 };

/* Forks some, works, syncs them. */
static belay_status own(belay_task *self, void *arg) {
    (void)arg;
    tally_add(&ready, 1);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < FORKS; i++) {
            square_fork(self, round * 10 + i);
        }
        for (uint64_t i = FORKS; i-- > 0;) {
            sim_check(square_sync(self) == (round * 10 + i) * (round * 10 + i), "another result");
        }
    }
    store_release(&over, 1u); /* pairs with the load in rob */
    return BELAY_OK;
}

/* A thief that always has the patience of one that has waited for long. */
static belay_status rob(belay_task *self, void *arg) {
    (void)arg;
    while (load_acquire(&over) == 0) { /* pairs with the store in own */
        worker *w = worker_current();
        runnable *r = upcall_steal_fork(w, &w->sched->workers[0], true);
        if (r != NULL) {
            worker_push(w, r);
        }
        (void)belay_yield(self);
        port_cpu_relax();
    }
    return BELAY_OK;
}

static void force(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    belay_task_options on_first = {.pin = BELAY_PIN(0)};
    belay_task_options on_second = {.pin = BELAY_PIN(1)};
    sim_check(world_spawn_with(NULL, root, rob, NULL, on_second, NULL) == BELAY_OK, "refused");
    sim_check(world_spawn_with(NULL, root, own, NULL, on_first, NULL) == BELAY_OK, "refused");
    world_close(ex);
    sim_check(tally_read(&ran) == ROUNDS * FORKS, "not each call ran once");
}

/* Two thieves force the same deque. One may be late, and find that the owner has taken its mark away and the other has
 * put a mark there meanwhile: it must not publish what it has read before. */
static void two_force(void) {
    belay_config config;
    world_config(&config);
    config.workers = 3;
    belay_executor *ex = world_open_with(&config);
    belay_scope root = belay_executor_root(ex);
    for (uint32_t i = 3; i-- > 0;) {
        belay_task_options pinned = {.pin = BELAY_PIN(i)};
        sim_check(world_spawn_with(NULL, root, i == 0 ? own : rob, NULL, pinned, NULL) == BELAY_OK,
                  "refused");
    }
    world_close(ex);
    sim_check(tally_read(&ran) == ROUNDS * FORKS, "not each call ran once");
}

/* ---- suspended with forks, and too many of them ---------------------------------------------- */

static belay_status sleep_between(belay_task *self, void *arg) {
    (void)arg;
    for (uint64_t i = 0; i < FORKS; i++) {
        square_fork(self, i);
        (void)(sim_choose(2) == 0 ? belay_yield(self)
                                  : belay_sleep_until(self, belay_after(10000)));
    }
    for (uint64_t i = FORKS; i-- > 0;) {
        sim_check(square_sync(self) == i * i, "another result");
        (void)belay_yield(self);
    }
    return BELAY_OK;
}

static void suspended(void) {
    belay_executor *ex = world_open();
    sim_check(world_spawn(NULL, belay_executor_root(ex), sleep_between, NULL, NULL) == BELAY_OK,
              "refused");
    world_run(ex, sleep_between, NULL);
    world_close(ex);
    sim_check(tally_read(&ran) == 2 * FORKS, "not each call ran once");
}

enum { DEEP = 19 }; /* more than fork_depth */

static belay_status fork_deep(belay_task *self, void *arg) {
    (void)arg;
    for (uint64_t i = 0; i < DEEP; i++) {
        square_fork(self, i);
    }
    for (uint64_t i = DEEP; i-- > 0;) {
        sim_check(square_sync(self) == i * i, "another result");
    }
    return BELAY_OK;
}

static void overflow(void) {
    belay_executor *ex = world_open();
    world_run(ex, fork_deep, NULL);
    world_close(ex);
    sim_check(tally_read(&ran) == DEEP, "not each call ran once");
}

/* What the body leaves unsynced is synced when it returns. */
static belay_status forget(belay_task *self, void *arg) {
    (void)arg;
    for (uint64_t i = 0; i < FORKS; i++) {
        square_fork(self, i);
    }
    return BELAY_OK;
}

static void forgotten(void) {
    belay_executor *ex = world_open();
    world_run(ex, forget, NULL);
    world_close(ex);
    sim_check(tally_read(&ran) == FORKS, "not each call ran once");
}

/* ---- cancelled ------------------------------------------------------------------------------- */

static belay_status sleep_on(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

/* The forks sleep until the owner is cancelled, those that were stolen on stacks of their own. */
static belay_status fork_sleepers(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 2; i++) {
        sim_check(belay_fork(self, sleep_on, NULL) == BELAY_OK, "not forked");
    }
    for (int i = 0; i < 2; i++) {
        sim_check(belay_sync(self) == BELAY_ECANCELED, "woke without a cancel");
    }
    return BELAY_ECANCELED;
}

static void canceled(void) {
    belay_executor *ex = world_open();
    sim_check(world_spawn(NULL, belay_executor_root(ex), fork_sleepers, NULL, &target) == BELAY_OK,
              "refused");
    belay_sleep_until(NULL, belay_after((int64_t)sim_choose(3) * 10000));
    sim_check(belay_task_cancel(target, BELAY_ECANCELED, NULL) == BELAY_OK, "not cancelled");
    belay_outcome out;
    sim_check(belay_join(NULL, target, &out) == BELAY_OK, "not joined");
    sim_check(out.kind == BELAY_OUTCOME_CANCELED || out.kind == BELAY_OUTCOME_SKIPPED,
              "another end");
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    world_close(ex);
}

/* The same through a scope around them. */
static belay_status fork_in_scope(belay_task *self, void *arg) {
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    *(belay_scope *)arg = s;
    tally_add(&ready, 1);
    (void)fork_sleepers(self, NULL);
    belay_status status = belay_scope_close(self, s);
    sim_check(status == BELAY_ECANCELED, "not cancelled");
    return BELAY_OK;
}

static void canceled_by_scope(void) {
    static belay_scope place;
    belay_executor *ex = world_open();
    sim_check(world_spawn(NULL, belay_executor_root(ex), fork_in_scope, &place, NULL) == BELAY_OK,
              "refused");
    tally_wait(&ready, 1);
    sim_check(belay_scope_cancel(place, BELAY_ECANCELED, NULL) == BELAY_OK, "not cancelled");
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"tree", reset, tree, 4},
    {"two_trees", reset, two_trees, 4},
    {"force", reset, force, 2},
    {"suspended", reset, suspended, 2},
    {"overflow", reset, overflow, 4},
    {"forgotten", reset, forgotten, 4},
    {"two_force", reset, two_force, 2},
    {"canceled", reset, canceled, 2},
    {"canceled_by_scope", reset, canceled_by_scope, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("forks", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

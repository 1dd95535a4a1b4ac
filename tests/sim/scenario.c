/* See scenario.h. */
#include "scenario.h"

#include "sched/block.h"

#include <stdlib.h>
#include <string.h>

/* ---- a small executor ------------------------------------------------------------------------ */

/* Blocks that the executor has not given back. Plain: only library code runs meanwhile, and the
 * simulator switches at its own steps only. */
static int64_t outstanding;

static uint32_t accepted; /* spawns of world_spawn; plain, as above */
static uint32_t dropped;  /* their arguments */

static void *allocate(size_t size, size_t alignment, void *arg) {
    (void)arg;
    void *memory = port_heap_allocate(size, alignment);
    outstanding += memory != NULL;
    return memory;
}

static void release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)arg;
    outstanding--;
    port_heap_release(memory, size, alignment);
}

static void keep_silent(belay_log_level level, const char *line, void *arg) {
    (void)level;
    (void)line;
    (void)arg;
}

void world_config(belay_config *config) {
    belay_config_init(config, sizeof *config);
    config->workers = 2;
    config->stack_size = 64 * 1024;
    config->fork_depth = 16;
    config->max_tasks = 1024;
    config->max_scopes = 1024; /* a thread takes a batch of 64 at once */
    config->spin = sim_choose(2) == 0 ? 0 : 1000;
    config->ignore_env = 1;
    config->allocate = allocate;
    config->release = release;
    config->log = keep_silent;
}

belay_executor *world_open_with(const belay_config *config) {
    outstanding = 0;
    accepted = 0;
    dropped = 0;
    belay_executor *executor;
    sim_check(belay_executor_create(config, &executor) == BELAY_OK, "the executor was not created");
    return executor;
}

belay_executor *world_open(void) {
    belay_config config;
    world_config(&config);
    return world_open_with(&config);
}

void world_check_empty(void) {
    sim_check(outstanding == 0, "the executor kept memory");
}

void world_close(belay_executor *executor) {
    sim_check(belay_executor_shutdown(executor, BELAY_NEVER, BELAY_NEVER) == BELAY_OK,
              "the shutdown failed");
    belay_stats s;
    sim_check(belay_executor_stats(executor, &s, sizeof s) == BELAY_OK, "no statistics");
    sim_check(s.spawned == s.value + s.error + s.canceled + s.skipped,
              "not one outcome for each task");
    sim_check(accepted == dropped, "not one end of the argument for each task");
    sim_check(belay_executor_destroy(executor) == BELAY_OK, "the executor was not destroyed");
    world_check_empty();
}

static void drop(void *arg) {
    (void)arg;
    dropped++;
}

belay_status world_spawn_with(belay_task *self, belay_scope where, belay_body *body, void *arg,
                              belay_task_options o, belay_task_handle *out) {
    o.arg_drop = drop;
    accepted++;
    belay_status status = belay_spawn(self, where, body, arg, &o, out);
    accepted -= status != BELAY_OK;
    return status;
}

belay_status world_spawn(belay_task *self, belay_scope where, belay_body *body, void *arg,
                         belay_task_handle *out) {
    return world_spawn_with(self, where, body, arg, (belay_task_options){0}, out);
}

void world_run(belay_executor *executor, belay_body *body, void *arg) {
    sim_check(belay_executor_run(executor, body, arg, NULL) == BELAY_OK, "the task was not run");
}

port_thread world_thread(void (*entry)(void *arg), void *arg, const char *name) {
    port_thread thread;
    sim_check(port_thread_start(&thread, entry, arg, name), "no thread");
    return thread;
}

/* ---- a scheduler without tasks --------------------------------------------------------------- */

static bench *current; /* one at a time: worker threads find it here */

static bool no_timer(worker *w) {
    (void)w;
    return false;
}

static int64_t no_deadline(worker *w) {
    (void)w;
    return PORT_NEVER;
}

static void not_watched(sched *s, bool armed) {
    (void)s;
    (void)armed;
}

static bool hire(worker *w);

static const driver timeless = {
    .poll = no_timer, .deadline = no_deadline, .busy = not_watched, .hire = hire};

void bench_open(bench *b, uint32_t workers, void (*run)(worker *w, runnable *r)) {
    bench_open_with(b, workers, 0, run);
}

void bench_open_with(bench *b, uint32_t workers, uint32_t spares,
                     void (*run)(worker *w, runnable *r)) {
    b->executor = port_heap_allocate(sizeof *b->executor, 64);
    sim_check(b->executor != NULL, "no memory");
    memset(b->executor, 0, sizeof *b->executor);
    b->run = run;
    b->poor = false;
    b->threads = 0;
    b->sched = &b->executor->sched;
    b->executor->fibers.sched = b->sched;
    list_init(&b->executor->forks_suspended);
    int64_t spin = sim_choose(2) == 0 ? 0 : 500;
    bool symmetric = !port_membarrier_init();
    sim_check(
        sched_init(b->sched, workers, spares, symmetric, spin, &timeless, allocator_default()),
        "no scheduler");
    current = b;
}

static void loop(worker *w) {
    for (runnable *r = worker_next(w); r != NULL; r = worker_next(w)) {
        owner_add(&w->turn, 1u);
        current->run(w, r);
    }
}

static void bench_main(void *arg) {
    port_current_set(arg);
    loop(arg);
    port_current_set(NULL);
}

static void spare_main(void *arg) {
    port_current_set(arg);
    while (block_await(arg)) {
        loop(arg);
    }
    port_current_set(NULL);
}

static bool hire(worker *w) {
    return !current->poor && port_thread_start(&w->thread, spare_main, w, "spare");
}

void bench_start(bench *b, uint32_t threads) {
    for (; b->threads < threads; b->threads++) {
        b->thread[b->threads] = world_thread(bench_main, &b->sched->workers[b->threads], "worker");
    }
}

void bench_close(bench *b) {
    sched_stop(b->sched);
    for (uint32_t i = 0; i < b->threads; i++) {
        port_thread_join(&b->thread[i]);
    }
    for (uint32_t i = b->sched->count; i < sched_live(b->sched); i++) {
        port_thread_join(&b->sched->workers[i].thread);
    }
    sched_fini(b->sched);
    port_heap_release(b->executor, sizeof *b->executor, 64);
}

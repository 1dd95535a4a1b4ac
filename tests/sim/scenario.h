/* What the scenarios share: how they announce themselves, and the small worlds that they run in.
 *
 * A scenario is one function, run under many seeds by scenarios_main.c inside the simulator. It
 * checks with sim_check and simply returns when all is well; a lost wakeup, a livelock, a broken
 * CHECK and a fault are found by the simulator. Every third pair of seeds is without membarrier, so
 * that both fence modes are explored by each scenario.
 *
 * A scenario must do the same under the same decisions: no clocks but the port's, nothing that depends
 * on addresses, no memory from malloc that is shared.
 *
 * White-box scenarios put a scheduler, or less, together by hand and run thousands of schedules a
 * second. Whole-executor scenarios create a small executor, and destroy it again. Shared state lies
 * in static memory; the runner clears nothing, so a scenario's `reset` does, outside the run. */
#ifndef BELAY_TESTS_SIM_SCENARIO_H
#define BELAY_TESTS_SIM_SCENARIO_H

#include <belay/belay.h>

#include "owner/scope.h"
#include "port/sim/sim.h"

typedef struct scenario {
    const char *name;
    void (*reset)(void); /* outside the simulation, before each run; may be NULL */
    void (*run)(void);   /* as virtual thread 0 */
    uint32_t share;      /* one schedule for so many seeds asked for; 0 counts as 1 */
} scenario;

/* From a constructor of the scenario's file, whose name without .c is the group's. */
void scenarios_add(const char *group, const scenario *first, size_t count);
/* Those that are small enough for every schedule: searched up to so many preemptions, at least 1. They also run
 * under seeds, like others. */
void scenarios_add_exhaustive(const char *group, const scenario *first, size_t count,
                              uint32_t preemptions);

/* ---- a small executor ------------------------------------------------------------------------ */

/* Two workers, small stacks, few slots, and an allocator that counts. What a scenario wants
 * otherwise it changes before the create. */
void world_config(belay_config *config);
/* Creates with that configuration. */
belay_executor *world_open(void);
belay_executor *world_open_with(const belay_config *config);
/* Checks that every task spawned had one outcome and one call of its destructor, destroys, and
 * checks that all memory came back. */
void world_close(belay_executor *executor);
/* The second half alone, for who destroys by itself. */
void world_check_empty(void);

/* Spawns with an argument that must be destroyed exactly once if the spawn was accepted, which
 * world_close checks over all of them. */
belay_status world_spawn(belay_task *self, belay_scope where, belay_body *body, void *arg,
                         belay_task_handle *out);
/* The same with options; their arg_drop is set here. */
belay_status world_spawn_with(belay_task *self, belay_scope where, belay_body *body, void *arg,
                              belay_task_options o, belay_task_handle *out);

/* Runs the body as a task and waits for its end, from a foreign thread. */
void world_run(belay_executor *executor, belay_body *body, void *arg);

/* A virtual thread. */
port_thread world_thread(void (*entry)(void *arg), void *arg, const char *name);

/* ---- a scheduler without tasks --------------------------------------------------------------- */

/* An executor's data of which only the scheduler is made: what runs are bare runnables, handed to
 * `run`. Worker threads are started by bench_start, those of index below `threads`. */
typedef struct bench {
    belay_executor *executor;
    sched *sched;
    void (*run)(worker *w, runnable *r);
    port_thread thread[4];
    uint32_t threads;
    bool poor; /* no spare finds a thread */
} bench;

void bench_open(bench *b, uint32_t workers, void (*run)(worker *w, runnable *r));
/* The same with so many spares for block hints. */
void bench_open_with(bench *b, uint32_t workers, uint32_t spares,
                     void (*run)(worker *w, runnable *r));
void bench_start(bench *b, uint32_t threads);
/* Stops, joins and frees. */
void bench_close(bench *b);

/* ---- counting and waiting -------------------------------------------------------------------- */

/* A count that virtual threads raise, and wait for without the library. */
typedef struct tally {
    atomic_u32 count;
} tally;

static inline void tally_reset(tally *t) {
    store_relaxed(&t->count, 0u); /* relaxed: outside a run */
}
static inline uint32_t tally_read(const tally *t) {
    return load_acquire(&t->count); /* pairs with tally_add */
}
static inline void tally_add(tally *t, uint32_t n) {
    fetch_add_seq_cst(&t->count, n); /* seq_cst: publishes what was counted, to tally_wait */
    port_futex_wake(&t->count.value, UINT32_MAX);
}
/* Sleeps until the count is at least n. */
static inline void tally_wait(const tally *t, uint32_t n) {
    for (uint32_t now = tally_read(t); now < n; now = tally_read(t)) {
        port_futex_wait(&t->count.value, now, PORT_NEVER);
    }
}

#endif

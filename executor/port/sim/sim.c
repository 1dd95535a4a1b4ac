/* A run from beginning to end. */
#include "port/sim/sim.h"

#include <stdio.h>
#include <string.h>

#include "port/sim/sim_internal.h"

enum { DEFAULT_STEPS = 200000, DEFAULT_CPUS = 2 };

sim_world sim;

bool sim_active(void) {
    return sim.active;
}

static void config_take(const sim_config *config) {
    sim.config = *config;
    if (sim.config.cpus == 0) {
        sim.config.cpus = DEFAULT_CPUS;
    }
    if (sim.config.step_limit == 0) {
        sim.config.step_limit = DEFAULT_STEPS;
    }
    if (sim.config.thread_limit == 0 || sim.config.thread_limit > SIM_THREADS_MAX) {
        sim.config.thread_limit = SIM_THREADS_MAX;
    }
    if (sim.config.log_events > SIM_LOG_MAX) {
        sim.config.log_events = SIM_LOG_MAX;
    }
}

static void world_reset(const sim_config *config) {
    config_take(config);
    memset(&sim.result, 0, sizeof sim.result);
    sim.result.seed = config->seed;
    sim.membarrier = false;
    (void)sim_arena_open(); /* without it there is no thread, which sim_run reports */
    sim_schedule_reset();
    sim_decide_reset();
    sim_threads_reset();
    sim_pages_reset();
    sim_heap_reset();
    sim_fds_reset();
    sim_log_reset();
}

/* All threads have ended; those that nobody joined still hold their place. Thread 0 is joined by
 * the caller of sim_run. */
static void check_joined(void) {
    if (sim.result.ok && (sim.used & ~UINT64_C(1)) != 0) {
        sim.result.ok = false;
        snprintf(sim.result.failure, sizeof sim.result.failure, "thread never joined: %s",
                 sim.threads[__builtin_ctzll(sim.used & ~UINT64_C(1))].name);
    }
}

sim_result sim_run(const sim_config *config, void (*scenario)(void *arg), void *arg) {
    world_reset(config);
    sim_thread *first = sim_thread_create(scenario, arg, "scenario");
    if (first == NULL) {
        snprintf(sim.result.failure, sizeof sim.result.failure, "no memory for the simulator");
        return sim.result;
    }
    sim_faults_catch();
    sim.result.ok = true;
    sim.active = true;
    sim.current = &sim.host;
    sim_switch(first, false);
    sim.active = false;
    check_joined();
    if (!sim.result.ok && sim.config.log_events != 0) {
        sim_log_print();
    }
    return sim.result;
}

/* PCT wants to know how long a run is: the first one tells, under a seed that is always the same, so
 * that a seed means the same schedule whichever seeds were run before it. */
static uint64_t steps_measure(const sim_config *config, void (*reset)(void *arg),
                              void (*scenario)(void *arg), void *arg) {
    sim_config one = *config;
    one.seed = 1;
    one.scheduler = SIM_RANDOM;
    one.log_events = 0;
    if (reset != NULL) {
        reset(arg);
    }
    sim_result result = sim_run(&one, scenario, arg);
    return result.ok ? result.steps : 0;
}

sim_result sim_explore(const sim_config *config, uint64_t count, void (*reset)(void *arg),
                       void (*scenario)(void *arg), void *arg) {
    sim_config one = *config;
    sim_result result = {.ok = true, .seed = config->seed};
    if (one.pct_steps == 0) {
        one.pct_steps = steps_measure(config, reset, scenario, arg);
    }
    for (uint64_t i = 0; i < count && result.ok; i++) {
        one.seed = config->seed + i;
        if (reset != NULL) {
            reset(arg);
        }
        result = sim_run(&one, scenario, arg);
    }
    return result;
}

_Noreturn void sim_fail(const char *text) {
    if (!sim.active) {
        port_panic(text);
    }
    sim.result.ok = false;
    snprintf(sim.result.failure, sizeof sim.result.failure, "%s", text);
    sim_switch(&sim.host, true);
    __builtin_unreachable();
}

uint64_t sim_choose(uint64_t bound) {
    return sim_decide_number(SIM_CHOICE, bound);
}

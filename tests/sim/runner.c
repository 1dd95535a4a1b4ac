/* The scenarios and their single runs. */
#include "runner.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MOST = 512, EXECUTORS = 4 };

static named_scenario all[MOST];
static size_t count;
static const named_scenario *chosen[MOST];

void scenarios_add_exhaustive(const char *group, const scenario *first, size_t n,
                              uint32_t preemptions) {
    for (size_t i = 0; i < n && count < MOST; i++) {
        named_scenario *s = &all[count++];
        snprintf(s->name, sizeof s->name, "%s/%s", group, first[i].name);
        s->group = group;
        s->what = &first[i];
        s->preemptions = preemptions;
    }
}

void scenarios_add(const char *group, const scenario *first, size_t n) {
    scenarios_add_exhaustive(group, first, n, 0);
}

static bool wanted(const request *r, const named_scenario *s) {
    for (int i = 0; i < r->name_count; i++) {
        const char *name = r->names[i];
        if (strcmp(name, s->group) == 0 || strcmp(name, s->what->name) == 0 ||
            strcmp(name, s->name) == 0) {
            return true;
        }
    }
    return r->name_count == 0;
}

size_t runner_wanted(const request *r, const named_scenario ***out) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (wanted(r, &all[i])) {
            chosen[n++] = &all[i];
        }
    }
    *out = chosen;
    return n;
}

const named_scenario *runner_find(const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

/* The table of executors outlives a run, so its entries must not be pages of the run. */
__attribute__((constructor)) static void make_executors(void) {
    belay_executor *made[EXECUTORS];
    for (int i = 0; i < EXECUTORS; i++) {
        made[i] = executor_claim();
    }
    for (int i = 0; i < EXECUTORS; i++) {
        executor_unclaim(made[i]);
    }
}

static void enter(void *arg) {
    ((const scenario *)arg)->run();
}

static void reset(void *arg) {
    const scenario *s = arg;
    if (s->reset != NULL) {
        s->reset();
    }
}

sim_result runner_run(const sim_config *config, const named_scenario *s) {
    reset((void *)(uintptr_t)s->what);
    return sim_run(config, enter, (void *)(uintptr_t)s->what);
}

sim_result runner_search(const sim_config *config, sim_search *search, const named_scenario *s) {
    return sim_exhaust(config, search, reset, enter, (void *)(uintptr_t)s->what);
}

sim_config runner_config(const request *r, uint64_t seed, uint64_t pct_steps) {
    return (sim_config){.seed = seed,
                        .scheduler = r->scheduler,
                        .pct_steps = pct_steps,
                        .no_membarrier = seed / 2 % 3 == 2};
}

/* Always the same one, so that a seed means the same whichever others are run. */
sim_result runner_measure(const named_scenario *s) {
    sim_config config = {.seed = 0, .scheduler = SIM_RANDOM};
    return runner_run(&config, s);
}

uint64_t runner_count(const request *r, const named_scenario *s) {
    uint64_t n = r->seeds / (s->what->share > 1 && r->mutant == NULL ? s->what->share : 1);
    return n != 0 ? n : 1;
}

double runner_seconds(bool of_cpu) {
    struct timespec now;
    clock_gettime(of_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Runs the scenarios: sim_scenarios [--seeds N] [--seed S] [--scheduler random|pct] [--log
 * EVENTS] [NAME...]. A name is a group's, a scenario's, or "group/scenario"; without one all
 * run.
 *
 * Each scenario runs under the seeds S .. S+N-1 (those with a share, under fewer). The first
 * failure ends the program: it prints the last steps and the seed, and the same seed replays it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mutant.h"
#include "scenario.h"

enum { GROUPS_MAX = 64, EXECUTORS = 4 };

typedef struct group {
    const char *name;
    const scenario *first;
    size_t count;
} group;

typedef struct request {
    uint64_t seeds;
    sim_config config;
    char **names;
    int name_count;
    bool mutant; /* a fault is planted: every scenario runs under all seeds */
} request;

static group groups[GROUPS_MAX];
static size_t group_count;

void scenarios_add(const char *name, const scenario *first, size_t count) {
    if (group_count < GROUPS_MAX) {
        groups[group_count++] = (group){name, first, count};
    }
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool wanted(const request *r, const group *g, const scenario *s) {
    char full[128];
    snprintf(full, sizeof full, "%s/%s", g->name, s->name);
    for (int i = 0; i < r->name_count; i++) {
        if (strcmp(r->names[i], g->name) == 0 || strcmp(r->names[i], s->name) == 0 ||
            strcmp(r->names[i], full) == 0) {
            return true;
        }
    }
    return r->name_count == 0;
}

static void enter(void *arg) {
    ((const scenario *)arg)->run();
}

/* The table of executors outlives a run, so its entries must not be pages of the run. */
static void make_executors(void) {
    belay_executor *made[EXECUTORS];
    for (int i = 0; i < EXECUTORS; i++) {
        made[i] = executor_claim();
    }
    for (int i = 0; i < EXECUTORS; i++) {
        executor_unclaim(made[i]);
    }
}

static sim_result run_one(const request *r, const scenario *s, uint64_t seed) {
    sim_config config = r->config;
    config.seed = seed;
    config.no_membarrier = seed / 2 % 3 == 2;
    if (s->reset != NULL) {
        s->reset();
    }
    return sim_run(&config, enter, (void *)(uintptr_t)s);
}

/* False: a schedule failed. */
static bool run_scenario(const request *r, const group *g, const scenario *s, uint64_t *total) {
    uint64_t count = r->seeds / (s->share > 1 && !r->mutant ? s->share : 1);
    count = count != 0 ? count : 1;
    uint64_t steps = 0;
    double begin = seconds();
    for (uint64_t i = 0; i < count; i++) {
        sim_result result = run_one(r, s, r->config.seed + i);
        steps += result.steps;
        if (!result.ok) {
            printf("FAILED %s/%s: %s\n  again: sim_scenarios --seed %llu --seeds 1 %s/%s\n",
                   g->name, s->name, result.failure, (unsigned long long)result.seed, g->name,
                   s->name);
            return false;
        }
    }
    double took = seconds() - begin;
    printf("%-14s %-28s %8llu schedules %7.0f steps each %8.0f/s\n", g->name, s->name,
           (unsigned long long)count, (double)steps / (double)count, (double)count / took);
    fflush(stdout);
    *total += count;
    return true;
}

static int run_all(const request *r) {
    uint64_t total = 0;
    double begin = seconds();
    for (size_t i = 0; i < group_count; i++) {
        for (size_t k = 0; k < groups[i].count; k++) {
            const scenario *s = &groups[i].first[k];
            if (wanted(r, &groups[i], s) && !run_scenario(r, &groups[i], s, &total)) {
                return 1;
            }
        }
    }
    printf("%llu schedules in %.1f s, no failure\n", (unsigned long long)total, seconds() - begin);
    return total != 0 ? 0 : 2;
}

static bool take_scheduler(request *r, const char *name) {
    r->config.scheduler = strcmp(name, "random") == 0 ? SIM_RANDOM : SIM_PCT;
    return r->config.scheduler == SIM_RANDOM || strcmp(name, "pct") == 0;
}

#if defined(BELAY_MUTANTS)
#define MUTANT_NAME(name, protocol, file, what, scenario, seeds) #name,
static bool take_mutant(request *r, const char *name) {
    static const char *const names[] = {"none", MUTANTS(MUTANT_NAME)};
    for (int i = 1; i < MUTANT_COUNT && !r->mutant; i++) {
        if (strcmp(names[i], name) == 0) {
            mutant_selected = i;
            r->mutant = true;
        }
    }
    return r->mutant;
}
#else
static bool take_mutant(request *r, const char *name) {
    (void)r;
    (void)name;
    return false;
}
#endif

static bool parse(request *r, int count, char **args) {
    int i = 1;
    for (; i + 1 < count && strncmp(args[i], "--", 2) == 0; i += 2) {
        uint64_t number = strtoull(args[i + 1], NULL, 10);
        if (strcmp(args[i], "--seeds") == 0) {
            r->seeds = number;
        } else if (strcmp(args[i], "--seed") == 0) {
            r->config.seed = number;
        } else if (strcmp(args[i], "--log") == 0) {
            r->config.log_events = (uint32_t)number;
        } else if (strcmp(args[i], "--mutant") == 0) {
            if (!take_mutant(r, args[i + 1])) {
                return false;
            }
        } else if (strcmp(args[i], "--scheduler") != 0 || !take_scheduler(r, args[i + 1])) {
            return false;
        }
    }
    r->names = args + i;
    r->name_count = count - i;
    return i >= count || strncmp(args[i], "--", 2) != 0;
}

int main(int count, char **args) {
    request r = {.seeds = 2000, .config = {.seed = 1, .log_events = 200}};
    if (!parse(&r, count, args)) {
        fprintf(stderr,
                "usage: %s [--seeds N] [--seed S] [--scheduler random|pct] [--log EVENTS] "
                "[NAME...]\n",
                args[0]);
        return 2;
    }
    make_executors();
    return run_all(&r);
}

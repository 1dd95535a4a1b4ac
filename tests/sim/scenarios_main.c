/* Runs the scenarios.
 *
 *     sim_scenarios [--seeds N] [--seed S] [--scheduler random|pct|mixed|exhaustive] [--jobs N]
 *                   [--log EVENTS] [--preemptions N] [--most N] [NAME...]
 *     sim_scenarios --replay FILE
 *     sim_scenarios --check N [NAME...]      N seeds are run four times, and must be the same runs
 *     sim_scenarios --list 1 [NAME...]
 *
 * A name is a group's, a scenario's, or "group/scenario"; without one all run. Each scenario runs
 * under the seeds S .. S+N-1 (those with a share, under fewer), several processes at a time. The first
 * failure ends the program. It is run again in a process of its own, which prints the last steps and
 * writes its decisions to a file; its seed, too, repeats it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mutant.h"
#include "runner.h"

typedef struct command {
    request request;
    bool exhaustive;
    const char *replay;
    uint64_t check;
    uint64_t hashes;
    uint64_t names;
    const char *explain;
} command;

static bool take_scheduler(command *c, const char *name) {
    static const struct {
        const char *name;
        sim_scheduler scheduler;
        bool exhaustive;
    } known[] = {{"random", SIM_RANDOM, false},
                 {"pct", SIM_PCT, false},
                 {"mixed", SIM_MIXED, false},
                 {"exhaustive", SIM_MIXED, true}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) == 0) {
            c->request.scheduler = known[i].scheduler;
            c->exhaustive = known[i].exhaustive;
            return true;
        }
    }
    return false;
}

#if defined(BELAY_MUTANTS)
#define MUTANT_NAME(name, protocol, file, what, scenario, seeds) #name,
static bool take_mutant(request *r, const char *name) {
    static const char *const names[] = {"none", MUTANTS(MUTANT_NAME)};
    for (int i = 1; i < MUTANT_COUNT && r->mutant == NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            mutant_selected = i;
            r->mutant = name;
            r->jobs = 1; /* mutants_main.c runs several at a time */
        }
    }
    return r->mutant != NULL;
}
#else
static bool take_mutant(request *r, const char *name) {
    (void)r;
    (void)name;
    return false;
}
#endif

static bool take_option(command *c, const char *name, const char *value) {
    request *r = &c->request;
    uint64_t number = strtoull(value, NULL, 10);
    if (strcmp(name, "--scheduler") == 0) {
        return take_scheduler(c, value);
    }
    if (strcmp(name, "--mutant") == 0) {
        return take_mutant(r, value);
    }
    if (strcmp(name, "--replay") == 0) {
        c->replay = value;
    } else if (strcmp(name, "--explain") == 0) {
        c->explain = value;
    } else if (strcmp(name, "--seeds") == 0) {
        r->seeds = number;
    } else if (strcmp(name, "--seed") == 0) {
        r->seed = number;
    } else if (strcmp(name, "--jobs") == 0) {
        r->jobs = (uint32_t)number;
    } else if (strcmp(name, "--log") == 0) {
        r->log_events = (uint32_t)number;
    } else if (strcmp(name, "--preemptions") == 0) {
        r->preemptions = (uint32_t)number;
    } else if (strcmp(name, "--most") == 0) {
        r->most = number;
    } else if (strcmp(name, "--check") == 0) {
        c->check = number;
    } else if (strcmp(name, "--hashes") == 0) {
        c->hashes = number;
    } else if (strcmp(name, "--list") == 0) {
        c->names = number;
    } else {
        return false;
    }
    return true;
}

static bool parse(command *c, int count, char **args) {
    int i = 1;
    for (; i + 1 < count && strncmp(args[i], "--", 2) == 0; i += 2) {
        if (!take_option(c, args[i], args[i + 1])) {
            return false;
        }
    }
    c->request.names = args + i;
    c->request.name_count = count - i;
    return i >= count || strncmp(args[i], "--", 2) != 0;
}

/* What runner_again asks for. */
static int explain(const request *r, uint64_t seed) {
    const named_scenario *s = runner_find(r->names[0]);
    if (s == NULL) {
        return 2;
    }
    uint64_t steps = r->scheduler == SIM_RANDOM ? 0 : runner_measure(s).steps;
    sim_config config = runner_config(r, seed, steps);
    config.record = true;
    config.log_events = r->log_events;
    sim_result result = runner_run(&config, s);
    fflush(stderr);
    if (result.ok) {
        printf("  alone it passes: what earlier runs left behind matters\n");
        return 1;
    }
    printf("  again: sim_scenarios --replay %s\n", runner_save(r, s, &config, &result));
    return 0;
}

static int print_list(const request *r) {
    const named_scenario **found;
    size_t count = runner_wanted(r, &found);
    for (size_t i = 0; i < count; i++) {
        printf("%s%s\n", found[i]->name, found[i]->preemptions != 0 ? " (exhaustive)" : "");
    }
    return count != 0 ? 0 : 2;
}

static int run(command *c) {
    request *r = &c->request;
    if (c->explain != NULL) {
        return explain(r, strtoull(c->explain, NULL, 10));
    }
    if (c->replay != NULL) {
        return runner_replay(r, c->replay);
    }
    if (c->check != 0) {
        r->seeds = c->check;
        return runner_check(r);
    }
    return c->hashes != 0  ? runner_hashes(r)
           : c->names != 0 ? print_list(r)
           : c->exhaustive ? runner_exhaustive(r)
                           : runner_seeds(r);
}

int main(int count, char **args) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    command c = {.request = {.seed = 1,
                             .seeds = 2000,
                             .log_events = 200,
                             .jobs = cpus > 64  ? 64
                                     : cpus > 0 ? (uint32_t)cpus
                                                : 1}};
    if (!parse(&c, count, args)) {
        fprintf(stderr,
                "usage: %s [--seeds N] [--seed S] [--scheduler random|pct|mixed|exhaustive] "
                "[--jobs N] [--log EVENTS] [--preemptions N] [--most N] [NAME...]\n"
                "       %s --replay FILE | --check N [NAME...] | --list 1 [NAME...]\n",
                args[0], args[0]);
        return 2;
    }
    char directory[512];
    ssize_t length = readlink("/proc/self/exe", directory, sizeof directory - 1);
    directory[length > 0 ? length : 0] = 0;
    char *slash = strrchr(directory, '/');
    strcpy(slash != NULL ? slash : directory, slash != NULL ? "" : ".");
    c.request.directory = directory;
    c.request.jobs = c.request.jobs < 1 ? 1 : c.request.jobs > 64 ? 64 : c.request.jobs;
    return run(&c);
}

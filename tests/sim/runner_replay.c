/* Texts of runs: a line with the scenario, one with the configuration and the expected hash, and then
 * the decisions. A text may be edited, and shortened: what is missing happens by itself. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 4 << 20 };

static char text[TEXT_MAX];

const char *runner_save(const request *r, const named_scenario *s, const sim_config *config,
                        const sim_result *result) {
    static char file[512];
    int n = snprintf(file, sizeof file, "%s/%s.replay", r->directory, s->name);
    for (char *slash = file + strlen(r->directory) + 1; slash < file + n; slash++) {
        *slash = *slash == '/' ? '.' : *slash;
    }
    FILE *out = fopen(file, "w");
    if (out == NULL || sim_decisions(text, sizeof text) >= sizeof text) {
        return "(not written)";
    }
    fprintf(out, "belay-sim 1 %s\nseed %llu membarrier %d steps %llu hash %016llx\n%s\n", s->name,
            (unsigned long long)config->seed, !config->no_membarrier,
            (unsigned long long)result->steps, (unsigned long long)result->hash, text);
    fclose(out);
    return file;
}

/* Where the decisions begin; NULL: not such a text. */
static const char *head_parse(sim_config *config, uint64_t *hash, const named_scenario **s) {
    char name[80];
    unsigned long long seed;
    unsigned long long expected;
    int membarrier;
    int length = 0;
    if (sscanf(text, "belay-sim 1 %79s seed %llu membarrier %d steps %*u hash %llx%n", name, &seed,
               &membarrier, &expected, &length) != 4) {
        return NULL;
    }
    *config = (sim_config){.seed = seed, .no_membarrier = membarrier == 0, .scheduler = SIM_REPLAY};
    *hash = expected;
    *s = runner_find(name);
    return *s != NULL ? text + length : NULL;
}

int runner_replay(const request *r, const char *file) {
    FILE *in = fopen(file, "r");
    if (in == NULL) {
        fprintf(stderr, "sim_scenarios: %s cannot be read\n", file);
        return 2;
    }
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    fclose(in);
    sim_config config;
    uint64_t hash;
    const named_scenario *s;
    const char *decisions = head_parse(&config, &hash, &s);
    if (decisions == NULL) {
        fprintf(stderr, "sim_scenarios: %s is not the text of a run of a scenario here\n", file);
        return 2;
    }
    config.decisions = decisions;
    config.log_events = r->log_events;
    sim_result result = runner_run(&config, s);
    bool same = result.hash == hash && result.drift == 0;
    printf("%s %s: %s; %s\n", file, s->name, result.ok ? "passed" : result.failure,
           same ? "the same steps" : "other steps");
    if (result.drift != 0) {
        printf("%llu decisions did not fit\n", (unsigned long long)result.drift);
    }
    return same ? 0 : 3;
}

void runner_again(const request *r, const named_scenario *s, uint64_t seed) {
    if (r->log_events == 0) {
        return;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char number[32];
        char events[16];
        snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
        snprintf(events, sizeof events, "%u", (unsigned)r->log_events);
        const char *scheduler = r->scheduler == SIM_RANDOM ? "random"
                                : r->scheduler == SIM_PCT  ? "pct"
                                                           : "mixed";
        execl("/proc/self/exe", "sim_scenarios", "--explain", number, "--log", events,
              "--scheduler", scheduler, r->mutant != NULL ? "--mutant" : s->name, r->mutant,
              s->name, (char *)NULL);
        _exit(127);
    }
    if (child > 0) {
        waitpid(child, NULL, 0);
    }
}

/* Runs scenarios: what the runner's files share. */
#ifndef BELAY_TESTS_SIM_RUNNER_H
#define BELAY_TESTS_SIM_RUNNER_H

#include "scenario.h"

typedef struct named_scenario {
    char name[80]; /* group/scenario */
    const char *group;
    const scenario *what;
    uint32_t preemptions; /* 0: too large for every schedule */
} named_scenario;

typedef struct request {
    uint64_t seed;
    uint64_t seeds;
    sim_scheduler scheduler;
    uint32_t log_events;
    uint32_t jobs;
    uint32_t preemptions;  /* search; 0: what the scenario says */
    uint64_t most;         /* search: schedules; 0: no limit */
    const char *directory; /* of this program, where the texts of failed runs go */
    const char *mutant;    /* a fault is planted: every scenario runs under all seeds */
    char **names;
    int name_count;
} request;

/* ---- scenarios (runner.c) ------------------------------------------------------------------------ */

/* All that are asked for, in the order in which they were linked. */
size_t runner_wanted(const request *r, const named_scenario ***out);
const named_scenario *runner_find(const char *name);

/* A run that tells how long runs are, for PCT: seed 0 of the random scheduler. */
sim_result runner_measure(const named_scenario *s);
/* The configuration that the seed stands for. */
sim_config runner_config(const request *r, uint64_t seed, uint64_t pct_steps);
sim_result runner_run(const sim_config *config, const named_scenario *s);
sim_result runner_search(const sim_config *config, sim_search *search, const named_scenario *s);
uint64_t runner_count(const request *r, const named_scenario *s);
double runner_seconds(bool of_cpu);

/* ---- texts of runs (runner_replay.c) ----------------------------------------------------------- */

/* Writes the decisions of the last run. Returns the file's name. */
const char *runner_save(const request *r, const named_scenario *s, const sim_config *config,
                        const sim_result *result);
/* Runs what is in the file. Returns the exit status: 0 if it was the same run, whether it failed or not. */
int runner_replay(const request *r, const char *file);
/* The failed seed once more, in a process of its own: the log, and the text. Not without a log. */
void runner_again(const request *r, const named_scenario *s, uint64_t seed);

/* ---- ways to run (runner_jobs.c, runner_check.c) ------------------------------------------------- */

int runner_seeds(const request *r);
int runner_exhaustive(const request *r);
/* Each seed again, in this process, in another, and from its decisions: the same steps each time. */
int runner_check(const request *r);
/* For the other process. */
int runner_hashes(const request *r);

#endif

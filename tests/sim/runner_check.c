/* Every schedule of the small scenarios, and the check that runs can be repeated. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 20 };

/* ---- every schedule ---------------------------------------------------------------------------- */

static bool search_one(const request *r, const named_scenario *s, uint64_t *total) {
    sim_search search = {.preemptions = r->preemptions != 0 ? r->preemptions : s->preemptions,
                         .most = r->most};
    sim_config config = {.record = true, .no_spurious = true};
    double begin = runner_seconds(true);
    sim_result result = runner_search(&config, &search, s);
    double took = runner_seconds(true) - begin;
    *total += search.schedules;
    if (!result.ok) {
        printf("FAILED %s, %u preemptions, schedule %llu: %s\n", s->name, (unsigned)search.reached,
               (unsigned long long)search.schedules, result.failure);
        const char *file = runner_save(r, s, &config, &result);
        printf("  again: sim_scenarios --replay %s\n", file);
        return false;
    }
    printf("%-40s %9llu schedules, %s%u preemptions, %.2f s\n", s->name,
           (unsigned long long)search.schedules,
           search.unbounded  ? "complete, with up to "
           : search.complete ? "all with up to "
                             : "STOPPED in those with ",
           (unsigned)search.reached, took);
    fflush(stdout);
    return search.complete || r->most != 0;
}

int runner_exhaustive(const request *r) {
    const named_scenario **chosen;
    size_t count = runner_wanted(r, &chosen);
    uint64_t total = 0;
    size_t searched = 0;
    bool ok = true;
    double begin = runner_seconds(false);
    for (size_t i = 0; i < count && ok; i++) {
        if (chosen[i]->preemptions != 0 || r->preemptions != 0) {
            ok = search_one(r, chosen[i], &total);
            searched++;
        }
    }
    printf("%llu schedules of %zu scenarios, every one, %.1f s: %s\n", (unsigned long long)total,
           searched, runner_seconds(false) - begin, ok ? "no failure" : "a failure");
    return !ok ? 1 : searched != 0 ? 0 : 2;
}

/* ---- repeating -------------------------------------------------------------------------------- */

static char text[TEXT_MAX];

static bool same(const sim_result *a, const sim_result *b) {
    return a->ok == b->ok && a->hash == b->hash && a->steps == b->steps && a->clock == b->clock &&
           a->switches == b->switches && a->drains == b->drains;
}

static sim_result run_seed(const request *r, const named_scenario *s, uint64_t seed,
                           uint64_t steps) {
    sim_config config = runner_config(r, seed, steps);
    return runner_run(&config, s);
}

static bool repeat(const request *r, const named_scenario *s, uint64_t seed, uint64_t steps,
                   const sim_result *first) {
    sim_config config = runner_config(r, seed, steps);
    config.record = true;
    sim_result second = runner_run(&config, s);
    if (!same(first, &second)) {
        printf("FAILED %s: seed %llu is not the same run the second time\n", s->name,
               (unsigned long long)seed);
        return false;
    }
    if (sim_decisions(text, sizeof text) >= sizeof text) {
        return true; /* too long to be kept */
    }
    config.record = false;
    config.scheduler = SIM_REPLAY;
    config.decisions = text;
    sim_result third = runner_run(&config, s);
    if (!same(first, &third) || third.drift != 0) {
        printf("FAILED %s: seed %llu is not the same run from its decisions (%llu did not fit)\n",
               s->name, (unsigned long long)seed, (unsigned long long)third.drift);
        return false;
    }
    return true;
}

/* Runs all, in the order of the other process, and hands each result to `visit`. */
static bool each_run(const request *r,
                     bool (*visit)(const request *r, const named_scenario *s, uint64_t seed,
                                   uint64_t steps, const sim_result *result, FILE *other),
                     FILE *other) {
    const named_scenario **chosen;
    size_t count = runner_wanted(r, &chosen);
    for (size_t i = 0; i < count; i++) {
        uint64_t steps = runner_measure(chosen[i]).steps;
        for (uint64_t k = 0; k < r->seeds; k++) {
            sim_result result = run_seed(r, chosen[i], r->seed + k, steps);
            if (!visit(r, chosen[i], r->seed + k, steps, &result, other)) {
                return false;
            }
        }
    }
    return count != 0;
}

static bool print_hash(const request *r, const named_scenario *s, uint64_t seed, uint64_t steps,
                       const sim_result *result, FILE *other) {
    (void)r;
    (void)steps;
    (void)other;
    printf("%s %llu %016llx\n", s->name, (unsigned long long)seed,
           (unsigned long long)result->hash);
    return true;
}

int runner_hashes(const request *r) {
    return each_run(r, print_hash, NULL) ? 0 : 2;
}

static bool compare(const request *r, const named_scenario *s, uint64_t seed, uint64_t steps,
                    const sim_result *result, FILE *other) {
    char line[160];
    char expected[160];
    snprintf(expected, sizeof expected, "%s %llu %016llx\n", s->name, (unsigned long long)seed,
             (unsigned long long)result->hash);
    if (fgets(line, sizeof line, other) == NULL || strcmp(line, expected) != 0) {
        printf("FAILED another process runs %s here %s", line, expected);
        return false;
    }
    return repeat(r, s, seed, steps, result);
}

int runner_check(const request *r) {
    char command[256];
    snprintf(command, sizeof command, "/proc/%ld/exe --hashes 1 --seeds %llu --seed %llu",
             (long)getpid(), (unsigned long long)r->seeds, (unsigned long long)r->seed);
    char all[4096];
    size_t length = (size_t)snprintf(all, sizeof all, "%s", command);
    for (int i = 0; i < r->name_count && length < sizeof all; i++) {
        length += (size_t)snprintf(all + length, sizeof all - length, " %s", r->names[i]);
    }
    FILE *other = popen(all, "r");
    if (other == NULL) {
        return 2;
    }
    bool ok = each_run(r, compare, other);
    pclose(other);
    printf("%llu seeds of each scenario, four times: %s\n", (unsigned long long)r->seeds,
           ok ? "the same steps" : "other steps");
    return ok ? 0 : 1;
}

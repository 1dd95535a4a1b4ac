/* fault_sweep [--full] [--kind NAME] [--at K] [--seed S] [SCENARIO...]: see sweep.h.
 *
 * A point is a call of one kind in one scenario: it is refused alone, and together with all that follow. The first
 * failure ends the program, with what repeats it. */
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const kind_names[FAULT_KINDS] = {"heap",    "pages",       "guards",
                                                    "threads", "descriptors", "any"};

/* Runs of each point, and in a full sweep: on the simulated port each under another schedule. */
static const uint64_t repeats[2] = {FAULT_REPEATS};

typedef struct request {
    bool full;
    int kind;    /* -1: all */
    uint64_t at; /* 0: all points */
    uint64_t seed;
    char **names;
    int name_count;
} request;

typedef struct sums {
    uint64_t points;
    uint64_t runs;
} sums;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool wanted(const request *r, const char *name) {
    for (int i = 0; i < r->name_count; i++) {
        if (strcmp(r->names[i], name) == 0) {
            return true;
        }
    }
    return r->name_count == 0;
}

static void give_up(const fault_scenario *s, const fault_plan *plan, uint64_t seed,
                    const char *why) {
    printf("FAILED %s: %s %llu%s refused: %s\n  again: fault_sweep --kind %s --at %llu --seed %llu "
           "%s\n",
           s->name, kind_names[plan->kind], (unsigned long long)plan->number,
           plan->rest ? " and all later" : "", why, kind_names[plan->kind],
           (unsigned long long)plan->number, (unsigned long long)seed, s->name);
    (void)fflush(stdout);
    _Exit(1); /* threads, and what they use, may be anywhere */
}

/* All schedules of one point, in both forms. True: some run came to the refusal. */
static bool sweep_point(const request *r, const fault_scenario *s, fault_plan plan, sums *sum) {
    bool struck = false;
    uint64_t seeds = repeats[r->full];
    for (int rest = 0; rest < 2; rest++) {
        plan.rest = rest != 0;
        for (uint64_t i = 0; i < seeds; i++) {
            const char *why = fault_run_once(s, &plan, r->seed + i);
            if (why != NULL) {
                give_up(s, &plan, r->seed + i, why);
            }
            struck = fault_struck() || struck;
            sum->runs++;
        }
    }
    return struck;
}

/* The first point is 0: nothing is refused, and everything must succeed. */
static sums sweep_kind(const request *r, const fault_scenario *s, fault_kind kind) {
    sums sum = {0};
    double begin = seconds();
    fault_plan plan = {.kind = kind, .number = r->at};
    bool more = sweep_point(r, s, plan, &sum) || r->at == 0;
    while (more && r->at == 0) {
        plan.number++;
        more = sweep_point(r, s, plan, &sum);
        sum.points += more;
    }
    double took = seconds() - begin;
    printf("%-10s %-10s %-12s %5llu points %7llu runs %7.2f s\n", fault_port_name(), s->name,
           kind_names[kind], (unsigned long long)sum.points, (unsigned long long)sum.runs, took);
    (void)fflush(stdout);
    return sum;
}

static int sweep_all(const request *r) {
    sums total[FAULT_KINDS] = {{0}};
    double begin = seconds();
    uint64_t runs = 0;
    for (size_t i = 0; i < fault_scenario_count; i++) {
        for (int kind = 0; kind < FAULT_KINDS && wanted(r, fault_scenarios[i].name); kind++) {
            if ((r->kind < 0 || r->kind == kind) && fault_port_has((fault_kind)kind)) {
                sums s = sweep_kind(r, &fault_scenarios[i], (fault_kind)kind);
                total[kind].points += s.points;
                total[kind].runs += s.runs;
                runs += s.runs;
            }
        }
    }
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        printf("%-12s %6llu points %8llu runs\n", kind_names[kind],
               (unsigned long long)total[kind].points, (unsigned long long)total[kind].runs);
    }
    printf("%llu runs in %.1f s, no failure\n", (unsigned long long)runs, seconds() - begin);
    return runs != 0 ? 0 : 2;
}

static int kind_of(const char *name) {
    for (int i = 0; i < FAULT_KINDS; i++) {
        if (strcmp(kind_names[i], name) == 0) {
            return i;
        }
    }
    return FAULT_KINDS;
}

static bool parse(request *r, int count, char **args) {
    int i = 1;
    for (; i < count && strncmp(args[i], "--", 2) == 0; i++) {
        const char *value = i + 1 < count ? args[i + 1] : "";
        if (strcmp(args[i], "--full") == 0) {
            r->full = true;
            continue;
        }
        if (strcmp(args[i], "--kind") == 0) {
            r->kind = kind_of(value);
        } else if (strcmp(args[i], "--at") == 0) {
            r->at = strtoull(value, NULL, 10);
        } else if (strcmp(args[i], "--seed") == 0) {
            r->seed = strtoull(value, NULL, 10);
        } else {
            return false;
        }
        i++;
    }
    r->names = args + i;
    r->name_count = count - i;
    return i <= count && r->kind < FAULT_KINDS;
}

int main(int count, char **args) {
    request r = {.kind = -1, .seed = 1};
    if (!parse(&r, count, args)) {
        fprintf(stderr,
                "usage: %s [--full] [--kind heap|pages|guards|threads|descriptors|any] [--at K] "
                "[--seed S] [SCENARIO...]\n",
                args[0]);
        return 2;
    }
    fault_port_open();
    return sweep_all(&r);
}

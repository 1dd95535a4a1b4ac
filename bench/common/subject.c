/* The harness in a subject's process: finds the workload, repeats it, prints its figures. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double samples[BENCH_FIGURES][BENCH_REPS_MAX];

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_of(const double *sorted, int n) {
    return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

/* One object a line, keys in this order: `bench` reads it back with scanf. */
static void print_figure(const bench_subject *subject, const bench_workload *workload, int figure,
                         int workers, int reps) {
    double *value = samples[figure];
    qsort(value, (size_t)reps, sizeof(*value), by_value);
    printf("{\"workload\": \"%s%s\", \"subject\": \"%s\", \"workers\": %d, \"unit\": \"%s\", "
           "\"median\": %.6g, \"min\": %.6g, \"max\": %.6g, \"reps\": %d}\n",
           workload->name, workload->figures[figure].suffix, subject->name, workers,
           workload->figures[figure].unit, median_of(value, reps), value[0], value[reps - 1], reps);
}

static void repeat(const bench_workload *workload, int workers, int reps) {
    for (int rep = workload->reps == 1 ? 0 : -1; rep < reps; rep++) {
        bench_run run = {.workers = workers, .warm_up = rep < 0};
        workload->rep(&run);
        for (int figure = 0; figure < BENCH_FIGURES && rep >= 0; figure++) {
            samples[figure][rep] = run.value[figure];
        }
    }
}

static const bench_workload *find(const bench_subject *subject, const char *name) {
    for (size_t i = 0; i < subject->count; i++) {
        if (strcmp(subject->workloads[i].name, name) == 0) {
            return &subject->workloads[i];
        }
    }
    return NULL;
}

static int repetitions(const bench_workload *workload, int asked) {
    int usual = workload->reps ? workload->reps : BENCH_REPS;
    int reps = asked > 0 ? asked : usual;
    return reps < BENCH_REPS_MAX ? reps : BENCH_REPS_MAX;
}

static void measure(const bench_subject *subject, const bench_workload *workload, int workers,
                    int reps) {
    alarm(BENCH_LIMIT_S);
    if (subject->start) {
        subject->start(workers);
    }
    repeat(workload, workers, reps);
    if (subject->stop) {
        subject->stop();
    }
    for (int i = 0; i < BENCH_FIGURES && workload->figures[i].unit; i++) {
        print_figure(subject, workload, i, workers, reps);
    }
    fflush(stdout);
}

int bench_subject_main(const bench_subject *subject, int argc, char **argv) {
    if (argc != 5 || strcmp(argv[1], "--child") != 0) {
        fprintf(stderr, "usage: %s --child WORKLOAD WORKERS REPS\n", argv[0]);
        return 2;
    }
    const bench_workload *workload = find(subject, argv[2]);
    int workers = atoi(argv[3]);
    if (!workload || (subject->workers_max && workers > subject->workers_max)) {
        return BENCH_SKIP;
    }
    measure(subject, workload, workers, repetitions(workload, atoi(argv[4])));
    return 0;
}

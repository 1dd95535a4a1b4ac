/* The programs that are measured, each run of a workload in a process of its own. */
#ifndef BELAY_BENCH_CHILD_H
#define BELAY_BENCH_CHILD_H

#include "results.h"

enum { PROGRAMS_MAX = 32 };

typedef struct programs {
    char *path[PROGRAMS_MAX]; /* [0]: this program, whose child is belay */
    size_t count;
} programs;

/* This program, and the executables named peer-* beside it, sorted. */
void programs_find(programs *found);
void programs_free(programs *found);

/* The subject's short name: "belay", or what follows "peer-". */
const char *program_name(const programs *found, size_t index);

/* Runs one workload and adds what it reports. True also if the subject does not have the workload;
 * false after saying why. */
bool program_run(const char *path, const char *workload, int workers, int reps, results *all);

#endif

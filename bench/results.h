/* The figures that the children reported, in the order in which they came. */
#ifndef BELAY_BENCH_RESULTS_H
#define BELAY_BENCH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct result {
    char workload[48];
    char subject[32];
    char unit[24];
    int workers;
    int reps;
    double median, min, max;
} result;

enum { RESULTS_MAX = 4096 };

typedef struct results {
    result item[RESULTS_MAX];
    size_t count;
} results;

/* Reads one line that a child printed, and adds it. False: not an object of the known form, or full. */
bool results_add_line(results *all, const char *line);

/* Prints the figures from index `first` on: a table for each workload, a line for each subject, a
 * column for each number of workers, and how many times belay's figure each figure is. */
void results_print(const results *all, size_t first);

/* Writes all as a JSON array. False: the file could not be written. */
bool results_write(const results *all, const char *path);

#endif

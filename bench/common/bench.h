/* What the benchmark's programs share: the shape of a workload, the harness that repeats it, clocks.
 *
 * A subject is one thing that is measured: belay, or a peer. Each has a program of its own, and each
 * run of a workload is a process of its own, so that no subject inherits another's memory or threads.
 * The program `bench` starts them all, itself included, in turns, with
 *
 *     PROGRAM --child WORKLOAD WORKERS REPS
 *
 * and reads one JSON object a line from their standard output. A subject that does not have the
 * workload exits with BENCH_SKIP; one whose result is wrong says so and exits with BENCH_WRONG.
 *
 * A workload is a function that does the work once and leaves its figures in run->value. The harness
 * calls it once unmeasured, then `reps` times, and reports median, least and greatest of each figure.
 *
 * This header is C11 and C++17; peers in other languages print the same objects by themselves. */
#ifndef BELAY_BENCH_COMMON_BENCH_H
#define BELAY_BENCH_COMMON_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BENCH_FIGURES = 4, /* most figures that a workload reports */
    BENCH_REPS = 7,    /* unless the workload or the command line says otherwise */
    BENCH_REPS_MAX = 1000,
    BENCH_LIMIT_S = 300, /* a child that runs longer hangs, and is ended by SIGALRM */
    BENCH_WRONG = 3,     /* exit status: a result was wrong */
    BENCH_SKIP = 77      /* exit status: no such workload here, or not with so many workers */
};

typedef struct bench_run {
    int workers;
    bool warm_up;                /* this repetition is not counted */
    double value[BENCH_FIGURES]; /* what the repetition measured, in the order of `figures` */
} bench_run;

typedef struct bench_figure {
    const char *suffix; /* of the workload's name: "-p99", or "" */
    const char *unit;   /* NULL ends the list */
} bench_figure;

typedef struct bench_workload {
    const char *name;
    void (*rep)(bench_run *run);
    int reps; /* 0: BENCH_REPS, after a warm-up; 1: no warm-up, the workload repeats inside */
    bench_figure figures[BENCH_FIGURES];
} bench_workload;

typedef struct bench_subject {
    const char *name;
    int workers_max;            /* 0: no limit */
    void (*start)(int workers); /* before the first repetition; may be NULL */
    void (*stop)(void);         /* after the last; may be NULL */
    const bench_workload *workloads;
    size_t count;
} bench_subject;

/* The whole main() of a subject: runs one workload as the arguments say. Returns the exit status. */
int bench_subject_main(const bench_subject *subject, int argc, char **argv);

/* Ends the process with BENCH_WRONG and a message unless ok. */
void bench_require(bool ok, const char *what);

/* Clocks, memory and naps. */
double bench_seconds(void);      /* monotonic */
double bench_cpu_seconds(void);  /* used by all threads of the process, user and system */
double bench_memory_bytes(void); /* resident pages and page tables of the process */
void bench_nap(int64_t microseconds);

/* Runs body(arg) on `threads` new threads and waits for all of them. */
void bench_on_threads(int threads, void (*body)(void *arg), void *arg);

/* A count of finished tasks that is cheap to raise: each thread has a word of its own. The total is
 * exact once the tasks have ended. bench_count_wait naps until the total has grown to `target`. */
void bench_count(void);
int64_t bench_count_total(void);
void bench_count_wait(int64_t target);

/* Workloads whose only difference between subjects is how one task is handed over. */

/* `total` tasks from `threads` foreign threads: push(n, arg) hands over n tasks, each of which calls
 * bench_count. Nanoseconds a task, until the last has run. */
void bench_external(bench_run *run, int threads, void (*push)(int64_t n, void *arg), void *arg);

/* The time from submit(arg), which hands over one task to a pool that sleeps, to that task's call of
 * bench_wake_stamp. p50, p99, p99.9 in microseconds. */
void bench_wake(bench_run *run, void (*submit)(void *arg), void *arg);
void bench_wake_stamp(void);

/* CPU milliseconds that the idle process uses in five seconds. */
void bench_idle(bench_run *run);

#ifdef __cplusplus
}
#endif
#endif

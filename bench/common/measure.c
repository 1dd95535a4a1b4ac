/* Clocks, memory, threads, the count of finished tasks, and the workloads that need no more. */
#include "bench.h"

#include "base/atomic.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void bench_require(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "bench: wrong result: %s\n", what);
        _exit(BENCH_WRONG); /* other threads may still be at work: no destructors */
    }
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

double bench_seconds(void) {
    return (double)now_ns() * 1e-9;
}

double bench_cpu_seconds(void) {
    struct timespec used;
    /* the same sum as getrusage's, without its rounding to ticks */
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

double bench_memory_bytes(void) {
    char line[256];
    double sum = 0;
    FILE *status = fopen("/proc/self/status", "r");
    bench_require(status != NULL, "/proc/self/status is missing");
    while (fgets(line, sizeof(line), status)) {
        long kib;
        if (sscanf(line, "VmRSS: %ld", &kib) == 1 || sscanf(line, "VmPTE: %ld", &kib) == 1) {
            sum += (double)kib * 1024;
        }
    }
    fclose(status);
    return sum;
}

void bench_nap(int64_t microseconds) {
    struct timespec span = {.tv_sec = microseconds / 1000000,
                            .tv_nsec = microseconds % 1000000 * 1000};
    nanosleep(&span, NULL);
}

typedef struct thread_start {
    void (*body)(void *arg);
    void *arg;
} thread_start;

static void *thread_main(void *start) {
    thread_start *call = start;
    call->body(call->arg);
    return NULL;
}

void bench_on_threads(int threads, void (*body)(void *arg), void *arg) {
    pthread_t id[16];
    thread_start start = {body, arg};
    bench_require(threads <= 16, "too many threads");
    for (int i = 0; i < threads; i++) {
        bench_require(pthread_create(&id[i], NULL, thread_main, &start) == 0, "no thread");
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
    }
}

/* One cache line a thread; a thread takes the next one at its first count and keeps it. */
enum { COUNTERS = 1024 };

typedef struct counter {
    ATOMIC(int64_t) count; /* written by its thread only */
    char line[64 - sizeof(int64_t)];
} counter;

static counter counters[COUNTERS];
static ATOMIC(int) counters_used;
static __thread counter *own_counter;

void bench_count(void) {
    if (!own_counter) {
        int index = fetch_add_relaxed(&counters_used, 1);
        bench_require(index < COUNTERS, "too many threads count");
        own_counter = &counters[index];
    }
    owner_add(&own_counter->count, 1);
}

int64_t bench_count_total(void) {
    int64_t sum = 0;
    for (int i = 0; i < COUNTERS; i++) {
        sum += load_relaxed(&counters[i].count);
    }
    return sum;
}

void bench_count_wait(int64_t target) {
    while (bench_count_total() < target) {
        bench_nap(50);
    }
    bench_require(bench_count_total() == target, "more tasks ran than were handed over");
}

typedef struct external_share {
    int64_t n;
    void (*push)(int64_t n, void *arg);
    void *arg;
} external_share;

static void push_share(void *arg) {
    external_share *share = arg;
    share->push(share->n, share->arg);
}

void bench_external(bench_run *run, int threads, void (*push)(int64_t n, void *arg), void *arg) {
    const int64_t total = 1000000;
    external_share share = {total / threads, push, arg};
    int64_t before = bench_count_total();
    double start = bench_seconds();
    bench_on_threads(threads, push_share, &share);
    bench_count_wait(before + total);
    run->value[0] = (bench_seconds() - start) * 1e9 / (double)total;
}

static ATOMIC(int64_t) wake_time; /* 0 until the task has run */

void bench_wake_stamp(void) {
    /* release, paired with the acquire in wake_once: a subject may reuse the task after it */
    store_release(&wake_time, now_ns());
}

/* Microseconds from handing over to running. Napping first lets the pool fall asleep. */
static double wake_once(void (*submit)(void *arg), void *arg) {
    int64_t stamp;
    bench_nap(100);
    store_relaxed(&wake_time, 0); /* relaxed is enough: handing over the task orders it */
    int64_t start = now_ns();
    submit(arg);
    /* pairs with bench_wake_stamp */
    while ((stamp = load_acquire(&wake_time)) == 0) {
        bench_nap(20);
    }
    return (double)(stamp - start) * 1e-3;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

void bench_wake(bench_run *run, void (*submit)(void *arg), void *arg) {
    enum { SAMPLES = 20000, UNCOUNTED = 200 };
    double *sample = calloc(SAMPLES, sizeof(*sample));
    bench_require(sample != NULL, "no memory");
    /* Only this thread's: the pool's threads exist already and keep the system's 50 us. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    for (int i = -UNCOUNTED; i < SAMPLES; i++) {
        double microseconds = wake_once(submit, arg);
        sample[i < 0 ? 0 : i] = microseconds;
    }
    qsort(sample, SAMPLES, sizeof(*sample), by_value);
    run->value[0] = sample[SAMPLES / 2];
    run->value[1] = sample[SAMPLES / 100 * 99];
    run->value[2] = sample[SAMPLES / 1000 * 999];
    free(sample);
}

void bench_idle(bench_run *run) {
    bench_nap(500000);
    double before = bench_cpu_seconds();
    bench_nap(5000000);
    run->value[0] = (bench_cpu_seconds() - before) * 1e3;
}

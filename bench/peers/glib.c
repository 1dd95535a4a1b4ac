/* GLib's thread pool: one queue under a mutex; tasks are pointers, so nothing is allocated. */
#include "common/bench.h"

#include <glib.h>

enum { TASKS = 1000000 };

static GThreadPool *pool;

/* What a task does is its pointer, which must not be NULL. */
#define COUNT GINT_TO_POINTER(1)
#define STAMP GINT_TO_POINTER(2)
#define SPAWN GINT_TO_POINTER(3)

static void push(int64_t n, void *arg) {
    (void)arg;
    for (int64_t i = 0; i < n; i++) {
        g_thread_pool_push(pool, COUNT, NULL);
    }
}

static void run_task(gpointer task, gpointer data) {
    (void)data;
    if (task == COUNT) {
        bench_count();
    } else if (task == STAMP) {
        bench_wake_stamp();
    } else {
        push(TASKS, NULL);
    }
}

/* Exclusive: its threads exist from the start, and wait for this pool only. */
static void start(int workers) {
    pool = g_thread_pool_new(run_task, NULL, workers, TRUE, NULL);
    bench_require(pool != NULL, "no pool");
}

static void stop(void) {
    g_thread_pool_free(pool, FALSE, TRUE);
}

static void rep_flat(bench_run *run) {
    int64_t before = bench_count_total();
    double start_s = bench_seconds();
    g_thread_pool_push(pool, SPAWN, NULL);
    bench_count_wait(before + TASKS);
    run->value[0] = (bench_seconds() - start_s) * 1e9 / TASKS;
}

static void rep_external_1(bench_run *run) {
    bench_external(run, 1, push, NULL);
}

static void rep_external_4(bench_run *run) {
    bench_external(run, 4, push, NULL);
}

static void submit(void *arg) {
    (void)arg;
    g_thread_pool_push(pool, STAMP, NULL);
}

static void rep_wake(bench_run *run) {
    bench_wake(run, submit, NULL);
}

static const bench_workload workloads[] = {
    {"flat-spawn", rep_flat, 0, {{"", "ns/task"}}},
    {"external-1", rep_external_1, 0, {{"", "ns/task"}}},
    {"external-4", rep_external_4, 0, {{"", "ns/task"}}},
    {"wake", rep_wake, 1, {{"-p50", "us"}, {"-p99", "us"}, {"-p99.9", "us"}}},
    {"idle", bench_idle, 1, {{"", "ms CPU/5s"}}},
};

int main(int argc, char **argv) {
    const bench_subject subject = {
        "GThreadPool", 0, start, stop, workloads, sizeof(workloads) / sizeof(workloads[0])};
    return bench_subject_main(&subject, argc, argv);
}

/* belay as a subject: the list of its workloads, and its executor. */
#include "belay.h"

#include <stdio.h>

static belay_executor *executor;

belay_executor *subject_executor(void) {
    return executor;
}

void require_ok(belay_status status, const char *what) {
    if (status != BELAY_OK) {
        fprintf(stderr, "bench: %s: %s\n", what, belay_status_text(status));
    }
    bench_require(status == BELAY_OK, what);
}

void run_in_task(belay_body *body, void *arg) {
    belay_outcome outcome = {0};
    require_ok(belay_executor_run(executor, body, arg, &outcome), "run");
    bench_require(outcome.kind == BELAY_OUTCOME_VALUE, "the task did not end with a value");
}

uint64_t tasks_ended_well(const belay_executor *counted) {
    belay_stats stats;
    require_ok(belay_executor_stats(counted, &stats, sizeof(stats)), "stats");
    return stats.value;
}

belay_executor *executor_with_room(int workers, int64_t tasks) {
    belay_executor *created = NULL;
    belay_config config;
    belay_config_init(&config, sizeof(config));
    config.workers = workers;
    config.max_tasks = tasks + 1024;
    config.max_stacks = tasks + 1024;
    require_ok(belay_executor_create(&config, &created), "create");
    return created;
}

static void start(int workers) {
    enum { TASKS = 1 << 21 };
    executor = executor_with_room(workers, TASKS);
}

static void stop(void) {
    require_ok(belay_executor_destroy(executor), "destroy");
}

static const bench_workload workloads[] = {
    {"fib", rep_fib, 0, {{"", "ns/fork"}}},
    {"fib-generic", rep_fib_generic, 0, {{"", "ns/fork"}}},
    {"nqueens", rep_queens, 0, {{"", "ms"}}},
    {"uts", rep_uts, 0, {{"", "ms"}}},
    {"skynet-fork", rep_sky_fork, 0, {{"", "ms"}}},
    {"skynet-spawn", rep_sky_spawn, 0, {{"", "ms"}}},
    {"flat-fork", rep_flat_fork, 0, {{"", "ns/fork"}}},
    {"flat-spawn", rep_flat_spawn, 0, {{"", "ns/task"}}},
    {"external-1", rep_external_1, 0, {{"", "ns/task"}}},
    {"external-4", rep_external_4, 0, {{"", "ns/task"}}},
    {"yield-2", rep_yield_2, 0, {{"", "ns/yield"}}},
    {"yield-1000", rep_yield_1000, 0, {{"", "ns/yield"}}},
    {"mutex", rep_mutex, 0, {{"", "ns/lock+unlock"}}},
    {"channel", rep_channel, 0, {{"", "ns/trip"}}},
    {"channel-buffered", rep_channel_buffered, 0, {{"", "ns/trip"}}},
    {"wake", rep_wake, 1, {{"-p50", "us"}, {"-p99", "us"}, {"-p99.9", "us"}}},
    {"sleepers", rep_sleepers, 3, {{"-spawn", "s"}, {"-memory", "bytes/task"}, {"-wake", "ms"}}},
    {"sleepers-cancel", rep_sleepers_cancel, 3, {{"", "ms"}}},
    {"sleepers-deferred",
     rep_sleepers_deferred,
     3,
     {{"-spawn", "s"}, {"-memory", "bytes/task"}, {"-cancel", "ms"}}},
    {"idle", bench_idle, 1, {{"", "ms CPU/5s"}}},
};

const bench_subject belay_subject = {
    .name = "belay",
    .start = start,
    .stop = stop,
    .workloads = workloads,
    .count = sizeof(workloads) / sizeof(workloads[0]),
};

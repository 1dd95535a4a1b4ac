/* A million tasks that sleep at once: to begin, to hold, to wake, to cancel.
 *
 * Each repetition has an executor of its own, so that every stack's first page is touched anew and
 * the memory found is the tasks'. A task spawns the sleepers, as a program would; the main thread
 * watches. The scope belongs to nobody in particular, and the main thread closes it. */
#include "belay.h"

enum { SLEEPERS = 1000000 };

typedef struct sleepers {
    belay_executor *executor;
    belay_scope scope;
    belay_time until;
    int64_t asleep_target; /* bench_count_total() when all of them sleep */
    double started;
    double memory_before;
} sleepers;

static belay_status sleeper(belay_task *self, void *arg) {
    const sleepers *group = arg;
    bench_count();
    return belay_sleep_until(self, group->until);
}

static belay_status spawn_sleepers(belay_task *self, void *arg) {
    const sleepers *group = arg;
    belay_status status = BELAY_OK;
    for (int i = 0; i < SLEEPERS && status == BELAY_OK; i++) {
        status = belay_spawn(self, group->scope, sleeper, arg, NULL, NULL);
    }
    return status;
}

/* Counts for the sleepers, which never begin. */
static belay_status spawn_deferred(belay_task *self, void *arg) {
    const sleepers *group = arg;
    belay_status status = BELAY_OK;
    for (int i = 0; i < SLEEPERS && status == BELAY_OK; i++) {
        status = belay_spawn_at(self, group->scope, group->until, sleeper, arg, NULL, NULL);
        bench_count();
    }
    return status;
}

/* Returns when all sleep; the seconds that took. */
static double begin(sleepers *group, int workers, belay_body *spawner, int64_t sleep_ns) {
    group->memory_before = bench_memory_bytes();
    group->executor = executor_with_room(workers, SLEEPERS);
    group->asleep_target = bench_count_total() + SLEEPERS;
    require_ok(belay_scope_open_root(group->executor, NULL, &group->scope), "open");
    group->until = belay_after(sleep_ns);
    group->started = bench_seconds();
    require_ok(belay_spawn(NULL, group->scope, spawner, group, NULL, NULL), "spawn");
    bench_count_wait(group->asleep_target);
    return bench_seconds() - group->started;
}

static double bytes_each(const sleepers *group) {
    return (bench_memory_bytes() - group->memory_before) / SLEEPERS;
}

static void end(sleepers *group) {
    require_ok(belay_executor_destroy(group->executor), "destroy");
}

/* Milliseconds from the cancel until all have been joined. */
static double cancel(const sleepers *group) {
    double start = bench_seconds();
    require_ok(belay_scope_cancel(group->scope, BELAY_OK, "enough"), "cancel");
    require_ok(belay_scope_close(NULL, group->scope), "close");
    return (bench_seconds() - start) * 1e3;
}

static void require_canceled(const sleepers *group, bool began) {
    belay_stats stats;
    require_ok(belay_executor_stats(group->executor, &stats, sizeof(stats)), "stats");
    bench_require((began ? stats.canceled : stats.skipped) == SLEEPERS,
                  "sleepers: not every one was cancelled");
    bench_require(stats.alive == 0, "sleepers: some are still alive");
}

/* The warm-up finds out how long spawning takes; later the alarm rings soon after all sleep. */
void rep_sleepers(bench_run *run) {
    static double spawn_seconds = 6;
    sleepers group;
    int64_t sleep_ns = (int64_t)((1.5 * spawn_seconds + 0.5) * 1e9);
    run->value[0] = begin(&group, run->workers, spawn_sleepers, sleep_ns);
    run->value[1] = bytes_each(&group);
    bench_require(belay_now() < group.until, "sleepers: woke before all slept");
    spawn_seconds = run->value[0];
    require_ok(belay_scope_close(NULL, group.scope), "close");
    run->value[2] = (double)(belay_now() - group.until) * 1e-6;
    bench_require(tasks_ended_well(group.executor) == SLEEPERS + 1, "sleepers: some did not wake");
    end(&group);
}

void rep_sleepers_cancel(bench_run *run) {
    sleepers group;
    begin(&group, run->workers, spawn_sleepers, 3600 * BELAY_SECOND);
    /* The last of them have been counted and are about to sleep. */
    bench_nap(100000);
    run->value[0] = cancel(&group);
    require_canceled(&group, true);
    end(&group);
}

void rep_sleepers_deferred(bench_run *run) {
    sleepers group;
    run->value[0] = begin(&group, run->workers, spawn_deferred, 3600 * BELAY_SECOND);
    run->value[1] = bytes_each(&group);
    run->value[2] = cancel(&group);
    require_canceled(&group, false);
    end(&group);
}

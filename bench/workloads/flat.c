/* A million tasks that do nothing: forked, spawned from inside, and spawned by foreign threads. */
#include "belay.h"

enum { TASKS = 1000000, FORKS_AT_ONCE = 1000 };

/* Returns what it was given, so that the results of stolen calls are checked too. */
static int64_t echo(belay_task *self, int64_t number) {
    (void)self;
    return number;
}
BELAY_FORKABLE(echo, int64_t, int64_t)

/* A thousand at a time: more forks than that at once is no program's business. */
static belay_status fork_body(belay_task *self, void *arg) {
    int64_t *sum = arg;
    for (int64_t done = 0; done < TASKS; done += FORKS_AT_ONCE) {
        for (int64_t i = 0; i < FORKS_AT_ONCE; i++) {
            echo_fork(self, done + i);
        }
        for (int64_t i = 0; i < FORKS_AT_ONCE; i++) {
            *sum += echo_sync(self);
        }
    }
    return BELAY_OK;
}

void rep_flat_fork(bench_run *run) {
    int64_t sum = 0;
    double start = bench_seconds();
    run_in_task(fork_body, &sum);
    run->value[0] = (bench_seconds() - start) * 1e9 / TASKS;
    bench_require(sum == INT64_C(499999500000), "flat-fork");
}

static belay_status nothing(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static belay_status spawn_body(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    belay_status status = belay_scope_open(self, NULL, &scope);
    for (int i = 0; i < TASKS && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, nothing, NULL, NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    return status != BELAY_OK ? status : closed;
}

void rep_flat_spawn(bench_run *run) {
    uint64_t before = tasks_ended_well(subject_executor());
    double start = bench_seconds();
    run_in_task(spawn_body, NULL);
    run->value[0] = (bench_seconds() - start) * 1e9 / TASKS;
    uint64_t ended = tasks_ended_well(subject_executor()) - before;
    bench_require(ended == TASKS + 1, "flat-spawn: not every task ran once");
}

static belay_status count(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    bench_count();
    return BELAY_OK;
}

static void push(int64_t n, void *arg) {
    belay_scope *scope = arg;
    for (int64_t i = 0; i < n; i++) {
        require_ok(belay_spawn(NULL, *scope, count, NULL, NULL, NULL), "spawn");
    }
}

static void external(bench_run *run, int threads) {
    belay_scope scope;
    require_ok(belay_scope_open_root(subject_executor(), NULL, &scope), "open");
    bench_external(run, threads, push, &scope);
    require_ok(belay_scope_close(NULL, scope), "close");
}

void rep_external_1(bench_run *run) {
    external(run, 1);
}

void rep_external_4(bench_run *run) {
    external(run, 4);
}

/* How long a task from outside takes to begin when every worker is parked. */
#include "belay.h"

static belay_status stamp(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    bench_wake_stamp();
    return BELAY_OK;
}

static void submit(void *arg) {
    belay_scope *scope = arg;
    require_ok(belay_spawn(NULL, *scope, stamp, NULL, NULL, NULL), "spawn");
}

static uint64_t parks(void) {
    belay_stats stats;
    require_ok(belay_executor_stats(subject_executor(), &stats, sizeof(stats)), "stats");
    return stats.parks;
}

void rep_wake(bench_run *run) {
    belay_scope scope;
    uint64_t before = parks();
    require_ok(belay_scope_open_root(subject_executor(), NULL, &scope), "open");
    bench_wake(run, submit, &scope);
    require_ok(belay_scope_close(NULL, scope), "close");
    bench_require(parks() - before > 19000, "wake: the workers were not parked");
}

/* Tasks that give way to each other and do nothing else. */
#include "belay.h"

enum { YIELDS = 4000000, TASKS_MAX = 1000 };

typedef struct yielder {
    int64_t yields; /* to make */
    int64_t made;
} yielder;

static belay_status yield_task(belay_task *self, void *arg) {
    yielder *own = arg;
    while (own->made < own->yields) {
        belay_status status = belay_yield(self);
        if (status != BELAY_OK) {
            return status;
        }
        own->made++;
    }
    return BELAY_OK;
}

typedef struct yield_group {
    int tasks;
    yielder member[TASKS_MAX];
} yield_group;

static belay_status group_task(belay_task *self, void *arg) {
    yield_group *group = arg;
    belay_scope scope;
    belay_status status = belay_scope_open(self, NULL, &scope);
    for (int i = 0; i < group->tasks && status == BELAY_OK; i++) {
        group->member[i] = (yielder){YIELDS / group->tasks, 0};
        status = belay_spawn(self, scope, yield_task, &group->member[i], NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    return status != BELAY_OK ? status : closed;
}

static void yield_among(bench_run *run, int tasks) {
    static yield_group group;
    int64_t made = 0;
    group.tasks = tasks;
    double start = bench_seconds();
    run_in_task(group_task, &group);
    run->value[0] = (bench_seconds() - start) * 1e9 / YIELDS;
    for (int i = 0; i < tasks; i++) {
        made += group.member[i].made;
    }
    bench_require(made == YIELDS, "yield");
}

void rep_yield_2(bench_run *run) {
    yield_among(run, 2);
}

void rep_yield_1000(bench_run *run) {
    yield_among(run, 1000);
}

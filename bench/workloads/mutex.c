/* Eight tasks that lock and unlock one mutex and do next to nothing under it. */
#include "belay.h"

enum { MUTEX_TASKS = 8, MUTEX_LOCKS = 4000000 };

typedef struct contest {
    belay_mutex mutex;
    int64_t count; /* plain, under the mutex */
} contest;

static belay_status mutex_task(belay_task *self, void *arg) {
    contest *own = arg;
    for (int i = 0; i < MUTEX_LOCKS / MUTEX_TASKS; i++) {
        belay_status status = belay_mutex_lock(self, &own->mutex);
        if (status != BELAY_OK) {
            return status;
        }
        own->count++;
        (void)belay_mutex_unlock(self, &own->mutex);
    }
    return BELAY_OK;
}

static belay_status mutex_crowd(belay_task *self, void *arg) {
    belay_scope scope;
    belay_status status = belay_scope_open(self, NULL, &scope);
    for (int i = 0; i < MUTEX_TASKS && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, mutex_task, arg, NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    return status != BELAY_OK ? status : closed;
}

void rep_mutex(bench_run *run) {
    contest own = {.mutex = BELAY_MUTEX_INIT};
    double start = bench_seconds();
    run_in_task(mutex_crowd, &own);
    run->value[0] = (bench_seconds() - start) * 1e9 / MUTEX_LOCKS;
    bench_require(own.count == MUTEX_LOCKS, "mutex");
    bench_require(belay_mutex_fini(&own.mutex) == BELAY_OK, "mutex at the end");
}

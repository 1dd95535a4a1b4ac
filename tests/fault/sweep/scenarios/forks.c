/* Forked calls: more than the deque takes, stolen ones, across waits. */
#include "scenarios.h"

enum { MANY = 60 };

static long twice(belay_task *self, long n);
BELAY_FORKABLE(twice, long, long)

static long twice(belay_task *self, long n) {
    if (n % 7 == 0) {
        (void)belay_sleep_until(self, belay_after(5 * BELAY_MICROSECOND));
    }
    return 2 * n;
}

/* A lost call gives zero, and has the task cancelled. */
static belay_status fork_typed(belay_task *self, void *arg) {
    uint32_t lost = 0;
    (void)arg;
    for (long i = 1; i <= MANY; i++) {
        twice_fork(self, i);
    }
    for (long i = MANY; i >= 1; i--) {
        long got = twice_sync(self);
        CHECKED(got == 2 * i || got == 0);
        lost += got == 0;
    }
    CHECKED(lost == 0 || (fault_struck() && belay_canceled(self)));
    return BELAY_OK;
}

static belay_status give_back(belay_task *self, void *arg) {
    (void)self;
    (void)__atomic_add_fetch((uint32_t *)arg, 1, __ATOMIC_RELAXED);
    return 5;
}

static belay_status fork_generic(belay_task *self, void *arg) {
    uint32_t ran = 0;
    uint32_t told = 0;
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        MAY(belay_fork(self, give_back, &ran), BELAY_OK);
    }
    for (int i = 0; i < MANY; i++) {
        told += MAY(belay_sync(self), 5, BELAY_ENOMEM) == 5;
    }
    CHECKED(told == __atomic_load_n(&ran, __ATOMIC_RELAXED));
    return BELAY_OK;
}

static belay_status fork_deeper(belay_task *self, void *arg) {
    intptr_t depth = (intptr_t)arg;
    if (depth == 0) {
        return belay_yield(self);
    }
    MAY(belay_fork(self, fork_deeper, (void *)(depth - 1)), BELAY_OK);
    (void)fork_deeper(self, (void *)(depth - 1));
    (void)belay_sync(self);
    return BELAY_OK;
}

void scenario_forks(void) {
    belay_executor *ex = fault_executor();
    belay_task_handle tasks[3] = {{0}};
    static belay_body *const bodies[3] = {fork_typed, fork_generic, fork_deeper};
    for (int i = 0; ex != NULL && i < 3; i++) {
        (void)fault_spawn(NULL, belay_executor_root(ex), bodies[i], (void *)(intptr_t)3, NULL,
                          &tasks[i]);
    }
    for (int i = 0; i < 3; i++) {
        fault_join(NULL, tasks[i]);
    }
    fault_executor_end(ex);
}

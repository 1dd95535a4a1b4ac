/* Mutex and semaphore: the hand-off against cancel, deadline and death.
 *
 * A crowd of tasks and a foreign thread take a mutex and permits of a semaphore, keep them for a moment, sometimes
 * across a yield, and give them back. Some have deadlines around the time of the hand-off, some are cancelled, some end
 * with the mutex held. A plain word under the mutex counts; at the end it must agree with what everybody says to have
 * counted, all permits must be there, and both objects must be free.
 *
 * Would catch: two owners at once; a mutex handed to a waiter that was cancelled, and lost; a permit lost with a
 * cancelled or late waiter, or made; a small request left asleep behind a cancelled large one; a death not told, or
 * told twice; a waiter that starves (the watchdog). */
#include "common/stress.h"

enum { TAKERS = 8, ROUNDS = 40, PERIOD = 20000, PERMITS = 3 };

typedef struct arena {
    belay_mutex mutex;
    belay_semaphore permits;
    uint64_t seeds;
    uint64_t inside;  /* under the mutex; atomic, to be seen if it fails */
    uint64_t plain;   /* plain, under the mutex */
    uint64_t counted; /* how often plain was raised */
    uint64_t taken;   /* permits in use */
    uint64_t deaths, told;
} arena;

static void enter(arena *a, belay_status status) {
    stress_check(stress_add(&a->inside, 1) == 0, "two own the mutex");
    a->plain++;
    (void)stress_add(&a->counted, 1);
    (void)stress_add(&a->told, status == BELAY_EOWNERDEAD);
}

static belay_time some_deadline(stress_rng *rng) {
    return stress_chance(rng, 50) ? BELAY_NEVER : belay_after(stress_below(rng, PERIOD));
}

static bool refused(belay_status status) {
    return status == BELAY_ECANCELED || status == BELAY_ETIMEDOUT;
}

/* True: the task should end now, with the mutex held. */
static bool lock_once(belay_task *self, arena *a, stress_rng *rng, bool may_die) {
    belay_status status = belay_mutex_lock_until(self, &a->mutex, some_deadline(rng));
    if (refused(status)) {
        return false;
    }
    stress_either(status, BELAY_OK, BELAY_EOWNERDEAD, "lock");
    enter(a, status);
    if (self != NULL && stress_chance(rng, 20)) {
        (void)belay_yield(self);
    }
    stress_equal((int64_t)stress_add(&a->inside, -UINT64_C(1)), 1, "owners");
    if (may_die && stress_chance(rng, 2)) {
        (void)stress_add(&a->deaths, 1);
        return true;
    }
    stress_equal(belay_mutex_unlock(self, &a->mutex), BELAY_OK, "unlock");
    return false;
}

static void acquire_once(belay_task *self, arena *a, stress_rng *rng) {
    uint32_t n = 1 + stress_below(rng, PERMITS);
    belay_status status = belay_semaphore_acquire_until(self, &a->permits, n, some_deadline(rng));
    if (refused(status)) {
        return;
    }
    stress_equal(status, BELAY_OK, "acquire");
    stress_check(stress_add(&a->taken, n) + n <= PERMITS, "more permits than there are");
    if (self != NULL && stress_chance(rng, 20)) {
        (void)belay_yield(self);
    }
    (void)stress_add(&a->taken, -(uint64_t)n);
    stress_equal(belay_semaphore_release(&a->permits, n), BELAY_OK, "release");
}

static void take_all(belay_task *self, arena *a, bool may_die) {
    stress_rng rng = {.state = stress_add(&a->seeds, UINT64_C(0x9e3779b97f4a7c15))};
    for (int i = 0; i < ROUNDS; i++) {
        acquire_once(self, a, &rng);
        if (lock_once(self, a, &rng, may_die)) {
            return;
        }
    }
}

static belay_status taker(belay_task *self, void *arg) {
    take_all(self, arg, true);
    return BELAY_OK;
}

static void play(stress_driver *d) {
    arena a = {.mutex = BELAY_MUTEX_INIT, .seeds = stress_random(&d->rng)};
    belay_task_handle tasks[TAKERS];
    belay_scope_options options = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    stress_equal(belay_semaphore_init(&a.permits, PERMITS), BELAY_OK, "init");
    stress_equal(belay_scope_open_root(d->executor, &options, &scope), BELAY_OK, "scope_open_root");
    for (int i = 0; i < TAKERS; i++) {
        stress_equal(stress_spawn(NULL, scope, taker, &a, NULL, &tasks[i]), BELAY_OK, "spawn");
    }
    for (int i = 0; i < TAKERS; i++) {
        if (stress_chance(&d->rng, 30)) {
            stress_burn(stress_below(&d->rng, PERIOD));
            (void)belay_task_cancel(tasks[i], BELAY_ECANCELED, "some");
        }
    }
    take_all(NULL, &a, false);
    for (int i = 0; i < TAKERS; i++) {
        stress_equal(belay_join(NULL, tasks[i], NULL), BELAY_OK, "join");
        stress_equal(belay_task_release(tasks[i]), BELAY_OK, "release");
    }
    stress_equal(belay_scope_close(NULL, scope), BELAY_OK, "close");
    belay_status last = belay_mutex_try_lock(NULL, &a.mutex);
    stress_either(last, BELAY_OK, BELAY_EOWNERDEAD, "the mutex at the end");
    stress_equal((int64_t)(a.told + (last == BELAY_EOWNERDEAD)), (int64_t)a.deaths, "deaths told");
    stress_equal((int64_t)a.plain, (int64_t)a.counted, "what was counted under the mutex");
    stress_equal(belay_mutex_unlock(NULL, &a.mutex), BELAY_OK, "unlock");
    stress_equal(belay_semaphore_permits(&a.permits), PERMITS, "permits at the end");
    stress_equal(belay_mutex_fini(&a.mutex), BELAY_OK, "fini of the mutex");
    stress_equal(belay_semaphore_fini(&a.permits), BELAY_OK, "fini of the semaphore");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "lock-handoff", .drivers = 2, .round = play};
    return stress_main(argc, argv, &plan);
}

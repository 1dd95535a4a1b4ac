/* Waking: work that is made visible is found, however the workers are just going to sleep.
 *
 * Every round hands over one piece of work at a time, so that the workers park, or are about to, before
 * each: a foreign thread spawns and joins; a task spawns and joins; two tasks of two drivers meet in a
 * scope; and, where there are more workers, a task spawns and then holds its worker without a yield point until
 * another worker has run its child, and as many tasks as there are workers wait for one another like that. No timer is
 * armed and no watchdog configured: with one worker nothing looks a second time, and then one driver plays alone, so
 * that nobody else's push makes good a wakeup that was lost. (With several workers the monitor does, after some
 * milliseconds; there the simulator's scenarios are the stricter test.)
 *
 * Would catch: a wakeup lost between an injected push and a parking worker's last look, or between the end of a task
 * and a foreign thread that joins; a worker that is counted as searching and is not; work that only a parked worker
 * could take and that neither its owner nor the monitor tells it of. Each shows as a hang, which the watchdog
 * reports. */
#include "common/stress.h"

#include <sched.h>
#include <time.h>

enum { PING_PONGS = 50, TASK_DRIVERS = 2 };

typedef struct hand_over {
    uint64_t arrived;
    uint64_t met;
    uint32_t workers;
    stress_rng rng;
} hand_over;

static belay_status arrive(belay_task *self, void *arg) {
    (void)self;
    stress_set(&((hand_over *)arg)->arrived);
    return BELAY_OK;
}

static belay_status do_nothing(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static void spawn_and_join(belay_task *self, belay_scope scope) {
    belay_task_handle child;
    stress_equal(belay_spawn(self, scope, do_nothing, NULL, NULL, &child), BELAY_OK, "spawn");
    stress_accepted(1);
    stress_equal(belay_join(self, child, NULL), BELAY_OK, "join");
    stress_equal(belay_task_release(child), BELAY_OK, "release");
}

static belay_status ping_pong(belay_task *self, void *arg) {
    hand_over *h = arg;
    for (uint32_t i = 0; i < PING_PONGS; i++) {
        spawn_and_join(self, belay_scope_current(self));
        stress_burn(stress_below(&h->rng, 3000));
    }
    return BELAY_OK;
}

/* The child can only run elsewhere. */
static belay_status hold_worker(belay_task *self, void *arg) {
    hand_over *h = arg;
    stress_burn(stress_below(&h->rng, 20000)); /* the others park meanwhile, or not quite */
    stress_equal(belay_spawn(self, belay_scope_current(self), arrive, h, NULL, NULL), BELAY_OK,
                 "spawn");
    stress_accepted(1);
    belay_time limit = belay_after(20 * BELAY_SECOND);
    while (!stress_is_set(&h->arrived)) {
        stress_check(belay_now() < limit, "a parked worker was not woken for a queued task");
    }
    return BELAY_OK;
}

/* Each needs a worker of its own, until all have one. */
static belay_status meet(belay_task *self, void *arg) {
    hand_over *h = arg;
    (void)self;
    (void)stress_add(&h->met, 1);
    belay_time limit = belay_after(20 * BELAY_SECOND);
    while (stress_get(&h->met) < h->workers) {
        stress_check(belay_now() < limit, "a worker slept while a task was queued");
        (void)sched_yield();
    }
    return BELAY_OK;
}

static belay_status meet_all(belay_task *self, void *arg) {
    hand_over *h = arg;
    belay_scope scope;
    stress_equal(belay_scope_open(self, NULL, &scope), BELAY_OK, "scope_open");
    for (uint32_t i = 0; i < h->workers; i++) {
        stress_equal(belay_spawn(self, scope, meet, h, NULL, NULL), BELAY_OK, "spawn");
    }
    stress_accepted(h->workers);
    return belay_scope_close(self, scope);
}

static belay_status close_over_one(belay_task *self, void *arg) {
    hand_over *h = arg;
    belay_scope scope;
    stress_equal(belay_scope_open(self, NULL, &scope), BELAY_OK, "scope_open");
    stress_equal(belay_spawn(self, scope, arrive, h, NULL, NULL), BELAY_OK, "spawn");
    stress_accepted(1);
    stress_equal(belay_scope_close(self, scope), BELAY_OK, "scope_close");
    stress_check(stress_is_set(&h->arrived), "close returned before the task had run");
    return BELAY_OK;
}

/* Rounds alone with one worker, without a wait of a task, which would start the monitor. The others only wait for the
 * end: their rounds would count as progress. */
static void wait_for_end(void) {
    while (!stress_over()) {
        struct timespec pause = {.tv_nsec = 20000000};
        (void)nanosleep(&pause, NULL);
    }
}

static void play_alone(stress_driver *d) {
    if (d->index != 0) {
        wait_for_end();
        return;
    }
    stress_burn(stress_below(&d->rng, stress_chance(&d->rng, 70) ? 2000 : 60000));
    spawn_and_join(NULL, belay_executor_root(d->executor));
}

static void play_together(stress_driver *d) {
    hand_over h = {.rng = {stress_random(&d->rng)}, .workers = d->workers};
    stress_burn(stress_below(&d->rng, 30000));
    if (d->index == 0 && stress_chance(&d->rng, 20)) {
        stress_run(d->executor, meet_all, &h);
    } else if (d->index == 0 && d->workers > TASK_DRIVERS) {
        stress_run(d->executor, hold_worker,
                   &h); /* a worker is left even if every task driver has one */
    } else if (d->index <= TASK_DRIVERS) {
        stress_run(d->executor, stress_chance(&d->rng, 50) ? ping_pong : close_over_one, &h);
    } else {
        spawn_and_join(NULL, belay_executor_root(d->executor));
    }
}

static void play(stress_driver *d) {
    if (d->workers == 1) {
        play_alone(d);
    } else {
        play_together(d);
    }
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "wake", .drivers = 4, .round = play};
    return stress_main(argc, argv, &plan);
}

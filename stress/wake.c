/* Waking: work that is made visible is found, however the workers are just going to sleep.
 *
 * Every round hands over one piece of work at a time, so that the workers park, or are about to, before
 * each: a foreign thread spawns and joins; a task spawns and joins; two tasks of two drivers meet in a
 * scope; and, where there is more than one worker, a task spawns and then holds its worker without a
 * yield point until another worker has run its child. No timer is armed and no watchdog configured, so the
 * monitor thread, whose second look would hide a lost wakeup, never starts.
 *
 * Would catch: a wakeup lost between a push (fast or injected) and a parking worker's last look, a missing
 * half of the fence pair, a searcher that leaves without a successor, a wake spent on a worker that had left
 * by itself, a lost wake of a foreign thread that joins. Each shows as a hang, which the watchdog reports. */
#include "common/stress.h"

enum { PING_PONGS = 50, TASK_DRIVERS = 2 };

typedef struct hand_over {
    uint64_t arrived;
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

static void play(stress_driver *d) {
    hand_over h = {.rng = {stress_random(&d->rng)}};
    stress_burn(stress_below(&d->rng, 30000));
    if (d->index == 0 && d->workers > TASK_DRIVERS) {
        stress_run(d->executor, hold_worker, &h); /* a worker is left even if every task driver has one */
    } else if (d->index <= TASK_DRIVERS) {
        stress_run(d->executor, stress_chance(&d->rng, 50) ? ping_pong : close_over_one, &h);
    } else {
        spawn_and_join(NULL, belay_executor_root(d->executor));
    }
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "wake", .drivers = 4, .round = play};
    return stress_main(argc, argv, &plan);
}

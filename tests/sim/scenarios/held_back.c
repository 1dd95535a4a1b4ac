/* Who waits behind somebody who gives up: nobody else comes to let him in. And latches. */
#include <belay/latch.h>

#include "scenario.h"

static belay_semaphore semaphore;
static belay_rwlock rwlock;
static belay_latch latch;
static belay_task_handle first;  /* gives up */
static belay_task_handle second; /* waits behind it */
static tally waiting;
static tally through; /* the second is in */

static void reset(void) {
    tally_reset(&waiting);
    tally_reset(&through);
    (void)belay_semaphore_init(&semaphore, 1);
    (void)belay_rwlock_init(&rwlock);
    (void)belay_latch_init(&latch, 2);
}

static bool gave_up(belay_status status) {
    return status == BELAY_ECANCELED || status == BELAY_ETIMEDOUT;
}

static belay_time soon(void) {
    return sim_choose(2) == 0 ? BELAY_NEVER : belay_after((int64_t)sim_choose(3) * 10000);
}

static void behind(belay_body *gives_up, belay_body *waits) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    sim_check(world_spawn(NULL, root, gives_up, NULL, &first) == BELAY_OK, "refused");
    sim_check(world_spawn(NULL, root, waits, NULL, &second) == BELAY_OK, "refused");
    belay_sleep_until(NULL, belay_after((int64_t)sim_choose(3) * 10000));
    belay_status status = belay_task_cancel(first, BELAY_ECANCELED, NULL);
    sim_check(status == BELAY_OK || status == BELAY_EALREADY, "not cancelled");
    sim_check(belay_join(NULL, second, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(first) == BELAY_OK, "not released");
    sim_check(belay_task_release(second) == BELAY_OK, "not released");
    world_close(ex);
}

/* Asks for more permits than there will be. */
static belay_status acquire_two(belay_task *self, void *arg) {
    (void)arg;
    sim_check(gave_up(belay_semaphore_acquire_until(self, &semaphore, 2, soon())), "another end");
    return BELAY_OK;
}

static belay_status acquire_one(belay_task *self, void *arg) {
    (void)arg;
    sim_check(belay_semaphore_acquire(self, &semaphore, 1) == BELAY_OK, "not acquired");
    return BELAY_OK;
}

static void semaphore_held_back(void) {
    behind(acquire_two, acquire_one);
    sim_check(belay_semaphore_permits(&semaphore) == 0, "permits were lost or made");
    sim_check(belay_semaphore_fini(&semaphore) == BELAY_OK, "somebody is left");
}

static belay_status write_it(belay_task *self, void *arg) {
    (void)arg;
    sim_check(gave_up(belay_rwlock_write_until(self, &rwlock, soon())), "another end");
    return BELAY_OK;
}

static belay_status read_it(belay_task *self, void *arg) {
    (void)arg;
    sim_check(belay_rwlock_read(self, &rwlock) == BELAY_OK, "not locked");
    sim_check(belay_rwlock_read_unlock(self, &rwlock) == BELAY_OK, "not unlocked");
    return BELAY_OK;
}

/* A reader is inside all the time. */
static void rwlock_held_back(void) {
    sim_check(belay_rwlock_read(NULL, &rwlock) == BELAY_OK, "not locked");
    behind(write_it, read_it);
    sim_check(belay_rwlock_read_unlock(NULL, &rwlock) == BELAY_OK, "not unlocked");
    sim_check(belay_rwlock_fini(&rwlock) == BELAY_OK, "somebody is left");
}

/* ---- latches --------------------------------------------------------------------------------- */

static belay_status await_latch(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_latch_wait_until(self, &latch, soon());
    sim_check(status == BELAY_OK || status == BELAY_ETIMEDOUT, "another end");
    sim_check(status != BELAY_OK || tally_read(&through) == 2, "open too early");
    return BELAY_OK;
}

static belay_status lower_latch(belay_task *self, void *arg) {
    (void)arg;
    tally_add(&through, 1);
    belay_status status = belay_latch_count_down_and_wait_until(self, &latch, soon());
    sim_check(status == BELAY_OK || status == BELAY_ETIMEDOUT, "another end");
    sim_check(status != BELAY_OK || tally_read(&through) == 2, "open too early");
    return BELAY_OK;
}

static void latch_opened(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    sim_check(world_spawn(NULL, root, await_latch, NULL, NULL) == BELAY_OK, "refused");
    sim_check(world_spawn(NULL, root, lower_latch, NULL, NULL) == BELAY_OK, "refused");
    (void)lower_latch(NULL, NULL);
    sim_check(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER) == BELAY_OK, "not drained");
    world_close(ex);
    sim_check(belay_latch_try_wait(&latch) == BELAY_OK, "not open");
    sim_check(belay_latch_fini(&latch) == BELAY_OK, "somebody is left");
}

static const scenario list_of_scenarios[] = {
    {"semaphore_held_back", reset, semaphore_held_back, 2},
    {"rwlock_held_back", reset, rwlock_held_back, 2},
    {"latch_opened", reset, latch_opened, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("held_back", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

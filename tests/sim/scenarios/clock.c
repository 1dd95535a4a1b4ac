/* The clock leaps by hours, as after the machine was suspended, at any moment, and the coarse clock is behind for a
 * while: nobody wakes early, nobody is forgotten, and what is late is late once. */
#include "scenario.h"

#include <belay/observe.h>
#include <belay/shield.h>
#include <belay/ticker.h>

#define HOUR (3600 * BELAY_SECOND)

enum { LEAPS = 4, LIVES = 8 };

static tally leapt;
static tally ended;

static void reset(void) {
    tally_reset(&leapt);
    tally_reset(&ended);
}

/* Until all have ended. */
static void leap(void *arg) {
    const uint32_t all = (uint32_t)(uintptr_t)arg;
    for (int i = 0; tally_read(&ended) < all; i++) {
        sim_clock_leap((1 + (int64_t)sim_choose(4)) * HOUR / (i < LEAPS ? 1 : 60));
        tally_add(&leapt, 1);
        port_thread_yield();
    }
}

static void end_one(void) {
    tally_add(&ended, 1);
}

static belay_status sleep_long(belay_task *self, void *arg) {
    (void)arg;
    belay_time until = belay_after((1 + (int64_t)sim_choose(6)) * HOUR / 2);
    sim_check(belay_sleep_until(self, until) == BELAY_OK, "another end");
    sim_check(belay_now() >= until, "too early");
    end_one();
    return BELAY_OK;
}

static belay_status in_time(belay_task *self, void *arg) {
    (void)arg;
    const belay_scope_options o = {.deadline = belay_after(HOUR)};
    belay_scope s;
    sim_check(belay_scope_open(self, &o, &s) == BELAY_OK, "no scope");
    sim_check(belay_sleep_until(self, BELAY_NEVER) == BELAY_ECANCELED, "another end");
    sim_check(belay_now() >= o.deadline, "too early");
    sim_check(belay_scope_close(self, s) == BELAY_ETIMEDOUT, "another end");
    end_one();
    return BELAY_OK;
}

/* Each tick is told once or counted. */
static belay_status tick(belay_task *self, void *arg) {
    (void)arg;
    belay_ticker t;
    belay_time begin = belay_now();
    uint64_t ticks = 0, missed = 0;
    sim_check(belay_ticker_init(&t, HOUR / 4, BELAY_TICK_SKIP) == BELAY_OK, "no ticker");
    for (int i = 0; i < 3; i++) {
        sim_check(belay_ticker_wait(self, &t, &missed) == BELAY_OK, "another end");
        ticks += 1 + missed;
        sim_check(belay_now() - begin >= (int64_t)ticks * (HOUR / 4), "a tick too early");
        sim_check(belay_now() - begin < (int64_t)(ticks + 1) * (HOUR / 4) + 5 * HOUR,
                  "ticks are lost");
    }
    end_one();
    return BELAY_OK;
}

static belay_status start_late(belay_task *self, void *arg) {
    (void)self;
    sim_check(belay_now() >= *(const belay_time *)arg, "too early");
    end_one();
    return BELAY_OK;
}

static void look(belay_executor *ex, belay_time begin) {
    belay_task_info infos[LIVES];
    size_t count = 0;
    sim_check(belay_snapshot(ex, infos, LIVES, &count) == BELAY_OK, "no snapshot");
    for (size_t i = 0; i < count && i < LIVES; i++) {
        sim_check(infos[i].age >= 0 && infos[i].age <= belay_now() - begin + 20 * BELAY_MILLISECOND,
                  "a task is older than the executor");
    }
}

static void leaps(void) {
    static belay_time late;
    belay_time begin = belay_now();
    belay_executor *ex = world_open();
    port_thread leaper = world_thread(leap, (void *)(uintptr_t)5, "leaper");
    belay_task_handle task;
    late = belay_after(2 * HOUR);
    sim_check(world_spawn(NULL, belay_executor_root(ex), sleep_long, NULL, NULL) == BELAY_OK,
              "refused");
    sim_check(world_spawn(NULL, belay_executor_root(ex), in_time, NULL, NULL) == BELAY_OK,
              "refused");
    sim_check(world_spawn(NULL, belay_executor_root(ex), tick, NULL, NULL) == BELAY_OK, "refused");
    sim_check(world_spawn_with(NULL, belay_executor_root(ex), start_late, &late,
                               (belay_task_options){.start_at = late}, NULL) == BELAY_OK,
              "refused");
    sim_check(world_spawn(NULL, belay_executor_root(ex), sleep_long, NULL, &task) == BELAY_OK,
              "refused");
    look(ex, begin);
    belay_status status = belay_join_until(NULL, task, belay_after(HOUR), NULL);
    sim_check(status == BELAY_OK || status == BELAY_ETIMEDOUT, "another end");
    look(ex, begin);
    sim_check(belay_task_release(task) == BELAY_OK, "not released");
    port_thread_join(&leaper);
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"leaps", reset, leaps, 4},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("clock", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

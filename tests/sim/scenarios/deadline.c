/* Deadlines against everything that may end first: a scope's against its close, a sleep's against a
 * cancel, a start time's against a cancel; and the wheel itself, disarming against firing. */
#include "scenario.h"

enum { TIMERS = 6, TICK = 1 << WHEEL_TICK_BITS };

static belay_scope place;
static tally ready;
static tally ran;

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&ran);
}

/* ---- a scope's deadline ---------------------------------------------------------------------- */

static belay_status nap(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_sleep_until(self, belay_after((int64_t)sim_choose(3) * 20000));
    tally_add(&ran, 1);
    return status;
}

static belay_status scope_with_deadline(belay_task *self, void *arg) {
    (void)arg;
    belay_scope_options o = {.deadline = belay_after(20000)};
    belay_scope s;
    sim_check(belay_scope_open(self, &o, &s) == BELAY_OK, "no scope");
    place = s;
    tally_add(&ready, 1);
    for (int i = 0; i < 2; i++) {
        sim_check(world_spawn(self, s, nap, NULL, NULL) == BELAY_OK, "refused");
    }
    belay_status status = belay_scope_close(self, s);
    sim_check(status == BELAY_OK || status == BELAY_ETIMEDOUT, "another end");
    if (sim_choose(2) ==
        0) { /* a deadline that was left behind would come now, and meet the slot's next scope */
        sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
        sim_check(belay_sleep_until(self, belay_after(30000)) == BELAY_OK, "another's deadline");
        sim_check(belay_scope_close(self, s) == BELAY_OK, "another's deadline");
    }
    return BELAY_OK;
}

static void scope_ends(void) {
    belay_executor *ex = world_open();
    world_run(ex, scope_with_deadline, NULL);
    world_close(ex);
}

/* Somebody changes it meanwhile. */
static void change(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    for (int i = 0; i < 3; i++) {
        belay_time at = i == 1 ? BELAY_NEVER : belay_after(10000);
        belay_status status = belay_scope_set_deadline(place, at);
        sim_check(status == BELAY_OK || status == BELAY_EALREADY || status == BELAY_ESTALE,
                  "another refusal");
    }
}

static void scope_changed(void) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(change, NULL, "changer");
    world_run(ex, scope_with_deadline, NULL);
    port_thread_join(&thread);
    world_close(ex);
}

/* Only the deadline ends it: a timer that is lost is a sleep without end. */
static belay_status sleep_on(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

static belay_status scope_needs_deadline(belay_task *self, void *arg) {
    (void)arg;
    belay_scope_options o = {.deadline = belay_after(20000)};
    belay_scope s;
    sim_check(belay_scope_open(self, &o, &s) == BELAY_OK, "no scope");
    sim_check(world_spawn(self, s, sleep_on, NULL, NULL) == BELAY_OK, "refused");
    belay_status status = belay_scope_close(self, s);
    sim_check(status == BELAY_ETIMEDOUT || status == BELAY_OK, "another end");
    return BELAY_OK;
}

static void scope_needs(void) {
    belay_executor *ex = world_open();
    world_run(ex, scope_needs_deadline, NULL);
    world_close(ex);
}

/* Armed by a foreign thread on a parked worker's wheel. */
static void scope_foreign(void) {
    belay_executor *ex = world_open();
    belay_scope_options o = {.deadline = belay_after(20000)};
    sim_check(belay_scope_open_root(ex, &o, &place) == BELAY_OK, "no scope");
    sim_check(world_spawn(NULL, place, sleep_on, NULL, NULL) == BELAY_OK, "refused");
    belay_status status = belay_scope_close(NULL, place);
    sim_check(status == BELAY_ETIMEDOUT || status == BELAY_OK, "another end");
    world_close(ex);
}

/* ---- sleeping -------------------------------------------------------------------------------- */

static belay_status sleep_exactly(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 2; i++) {
        belay_time until = belay_after((int64_t)sim_choose(3) * 20000);
        belay_status status = belay_sleep_until(self, until);
        if (status == BELAY_ECANCELED) {
            return status;
        }
        sim_check(status == BELAY_OK && belay_now() >= until, "woke too early");
    }
    tally_add(&ran, 1);
    return BELAY_OK;
}

static void sleepers(void) {
    belay_executor *ex = world_open();
    for (int i = 0; i < 3; i++) {
        sim_check(world_spawn(NULL, belay_executor_root(ex), sleep_exactly, NULL, NULL) == BELAY_OK,
                  "refused");
    }
    world_close(ex);
    sim_check(tally_read(&ran) == 3, "not all woke");
}

static void sleeper_canceled(void) {
    belay_executor *ex = world_open();
    belay_task_handle task;
    sim_check(world_spawn(NULL, belay_executor_root(ex), sleep_exactly, NULL, &task) == BELAY_OK,
              "refused");
    belay_sleep_until(NULL, belay_after((int64_t)sim_choose(3) * 10000));
    belay_status status = belay_task_cancel(task, BELAY_ECANCELED, NULL);
    sim_check(status == BELAY_OK || status == BELAY_EALREADY, "not cancelled");
    sim_check(belay_task_release(task) == BELAY_OK, "not released");
    world_close(ex);
}

/* ---- deferred starts ------------------------------------------------------------------------- */

static belay_status note(belay_task *self, void *arg) {
    (void)self;
    sim_check(belay_now() >= *(belay_time *)arg, "started too early");
    tally_add(&ran, 1);
    return BELAY_OK;
}

static belay_status spawn_later(belay_task *self, belay_scope where, belay_time *when,
                                belay_task_handle *out) {
    belay_task_options o = {.start_at = *when};
    return world_spawn_with(self, where, note, when, o, out);
}

static void start_alone(void) {
    static belay_time when;
    belay_executor *ex = world_open();
    when = belay_after((int64_t)sim_choose(3) * 10000);
    sim_check(spawn_later(NULL, belay_executor_root(ex), &when, NULL) == BELAY_OK, "refused");
    world_close(ex);
    sim_check(tally_read(&ran) == 1, "not started");
}

static void start_canceled(void) {
    static belay_time when;
    belay_executor *ex = world_open();
    belay_task_handle task;
    bool never = sim_choose(3) == 0;
    when = never ? belay_after(BELAY_SECOND * 1000) : belay_after(20000);
    sim_check(spawn_later(NULL, belay_executor_root(ex), &when, &task) == BELAY_OK, "refused");
    belay_sleep_until(NULL, belay_after((int64_t)sim_choose(3) * 10000));
    belay_status status = belay_task_cancel(task, BELAY_ECANCELED, NULL);
    belay_outcome out;
    sim_check(belay_join(NULL, task, &out) == BELAY_OK, "not joined");
    sim_check(out.kind == BELAY_OUTCOME_SKIPPED || tally_read(&ran) == 1,
              "neither run nor skipped");
    sim_check(out.kind != BELAY_OUTCOME_SKIPPED || tally_read(&ran) == 0, "run and skipped");
    sim_check(status == BELAY_OK || out.kind == BELAY_OUTCOME_VALUE, "another end");
    sim_check(belay_task_release(task) == BELAY_OK, "not released");
    world_close(ex);
}

static void cancel_place(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    (void)belay_scope_cancel(place, BELAY_ECANCELED, NULL);
}

static belay_status start_in_scope(belay_task *self, void *arg) {
    (void)arg;
    static belay_time when;
    belay_scope s;
    sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
    place = s;
    tally_add(&ready, 1);
    when = belay_after(BELAY_SECOND * 1000);
    for (int i = 0; i < 2; i++) {
        sim_check(spawn_later(self, s, &when, NULL) == BELAY_OK, "refused");
    }
    (void)belay_scope_close(self, s);
    return BELAY_OK;
}

/* Starts so far ahead that only the cancel ends the scope in reasonable time. */
static void start_scope_canceled(void) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(cancel_place, NULL, "canceller");
    world_run(ex, start_in_scope, NULL);
    port_thread_join(&thread);
    world_close(ex);
}

/* ---- the wheel alone ------------------------------------------------------------------------- */

typedef struct shot {
    timer timer; /* first */
    atomic_u32 fired;
} shot;

static bench world;
static wheel wheels;
static shot shots[TIMERS];
static atomic_u32 closed;

static runnable *fire(timer *t, due *d) {
    (void)d;
    fetch_add_seq_cst(&((shot *)(void *)t)->fired, 1u); /* seq_cst: a check compares it */
    return NULL;
}

static void reset_wheel(void) {
    for (int i = 0; i < TIMERS; i++) {
        store_relaxed(&shots[i].fired, 0u); /* relaxed, both: outside a run */
    }
    store_relaxed(&closed, 0u);
}

/* With a clock of its own, so that something falls due while the other disarms. */
static void poll(void *arg) {
    int64_t now = *(int64_t *)arg;
    while (load_acquire(&closed) == 0) { /* pairs with the store in disarm_fire */
        (void)wheel_poll(&wheels, now);
        now += TICK;
        port_thread_yield();
    }
}

static void never_run(worker *w, runnable *r) {
    (void)w;
    (void)r;
    sim_fail("no worker thread runs here");
}

/* A timer that was disarmed never fires; one that was not has fired when disarming says so. */
static void disarm_fire(void) {
    bench_open(&world, 1, never_run);
    wheel_init(&wheels, world.sched, 0);
    int64_t now = port_clock_now();
    port_thread thread = world_thread(poll, &now, "poller");
    for (int i = 0; i < TIMERS; i++) {
        shots[i].timer.fire = fire;
        list_init(&shots[i].timer.link);
        timer_arm(&wheels, &shots[i].timer, now + (int64_t)sim_choose(8) * TICK);
    }
    for (int i = TIMERS; i-- > 1;) {
        uint32_t expected = timer_disarm(&shots[i].timer) ? 0 : 1;
        sim_check(load_seq_cst(&shots[i].fired) == expected, "disarmed and fired, or neither");
    }
    while (load_seq_cst(&shots[0].fired) == 0) { /* it was left: it must fire */
        port_thread_yield();
    }
    store_release(&closed, 1u); /* pairs with the load in poll */
    port_thread_join(&thread);
    for (int i = 0; i < TIMERS; i++) {
        sim_check(load_seq_cst(&shots[i].fired) <= 1, "fired twice");
    }
    bench_close(&world);
}

static const scenario list_of_scenarios[] = {
    {"scope_ends", reset, scope_ends, 2},
    {"scope_changed", reset, scope_changed, 2},
    {"scope_needs", reset, scope_needs, 2},
    {"scope_foreign", reset, scope_foreign, 2},
    {"sleepers", reset, sleepers, 2},
    {"sleeper_canceled", reset, sleeper_canceled, 2},
    {"start_alone", reset, start_alone, 2},
    {"start_canceled", reset, start_canceled, 2},
    {"start_scope_canceled", reset, start_scope_canceled, 2},
    {"disarm_fire", reset_wheel, disarm_fire, 1},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("deadline", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

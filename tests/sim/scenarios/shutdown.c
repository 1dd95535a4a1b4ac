/* The end of an executor against foreign threads that still use it, and its start without room. */
#include "scenario.h"

static belay_executor *shared;
static belay_scope root;
static belay_task_handle target;
static tally ran;
static tally accepted;

static void reset(void) {
    tally_reset(&ran);
    tally_reset(&accepted);
}

static belay_status note(belay_task *self, void *arg) {
    (void)arg;
    if (sim_choose(2) == 0) {
        (void)belay_sleep_until(self, belay_after(20000));
    }
    tally_add(&ran, 1);
    return BELAY_OK;
}

static bool over(belay_status status) {
    return status == BELAY_ESHUTDOWN || status == BELAY_ESTALE;
}

/* By the caller, or by the shutdown in its place. */
static bool is_closed(belay_status status) {
    return status == BELAY_OK || status == BELAY_ECANCELED || status == BELAY_ESTALE ||
           status == BELAY_EALREADY;
}

static void spawn_guest(void *arg) {
    (void)arg;
    for (int i = 0; i < 3; i++) {
        bool plain = sim_choose(2) == 0; /* the quick way in */
        belay_status status = plain ? belay_spawn(NULL, root, note, NULL, NULL, NULL)
                                    : world_spawn(NULL, root, note, NULL, NULL);
        sim_check(status == BELAY_OK || over(status), "another refusal");
        if (status == BELAY_OK) {
            tally_add(&accepted, 1);
        }
    }
}

static void handle_guest(void *arg) {
    (void)arg;
    for (int i = 0; i < 3; i++) {
        belay_status status =
            i == 1 ? belay_task_cancel(target, BELAY_ECANCELED, NULL) : belay_task_retain(target);
        sim_check(status == BELAY_OK || status == BELAY_EALREADY || over(status),
                  "another refusal");
        uint64_t count;
        status = belay_scope_count(root, &count);
        sim_check(status == BELAY_OK || over(status), "another refusal");
    }
}

static void scope_guest(void *arg) {
    (void)arg;
    for (int i = 0; i < 2; i++) {
        belay_scope s;
        belay_status status = belay_scope_open_root(shared, NULL, &s);
        sim_check(status == BELAY_OK || over(status), "another refusal");
        if (status == BELAY_OK) {
            status = world_spawn(NULL, s, note, NULL, NULL);
            sim_check(status == BELAY_OK || over(status), "another refusal");
            status = belay_scope_close(NULL, s); /* the clock may leap: destroy has lost patience */
            sim_check(is_closed(status), "not closed");
        }
    }
}

static void begin(void) {
    shared = world_open();
    root = belay_executor_root(shared);
    sim_check(world_spawn(NULL, root, note, NULL, &target) == BELAY_OK, "refused");
}

static void destroy_beside(void (*guest)(void *arg)) {
    begin();
    port_thread thread = world_thread(guest, NULL, "guest");
    sim_check(belay_executor_destroy(shared) == BELAY_OK, "not destroyed");
    world_check_empty();
    sim_check(belay_task_retain(target) == BELAY_ESTALE, "not stale");
    port_thread_join(&thread);
    world_check_empty();
}

static void spawn_destroy(void) {
    destroy_beside(spawn_guest);
}

static void handle_destroy(void) {
    destroy_beside(handle_guest);
}

static void scope_destroy(void) {
    destroy_beside(scope_guest);
}

/* ---- shutting down --------------------------------------------------------------------------- */

static belay_status sleep_on(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

static void shut_guest(void *arg) {
    (void)arg;
    belay_status status = belay_executor_shutdown(shared, belay_after(10000), BELAY_NEVER);
    sim_check(status == BELAY_OK || status == BELAY_ESTALE, "not shut down");
}

/* Two shut down at once; a sleeper must be cancelled. */
static void shutdown_twice(void) {
    begin();
    sim_check(world_spawn(NULL, root, sleep_on, NULL, NULL) == BELAY_OK, "refused");
    port_thread thread = world_thread(shut_guest, NULL, "guest");
    belay_status status = belay_executor_shutdown(shared, 0, belay_after(10000));
    sim_check(status == BELAY_OK || status == BELAY_EBUSY, "not shut down");
    port_thread_join(&thread);
    sim_check(world_spawn(NULL, root, note, NULL, NULL) == BELAY_ESHUTDOWN,
              "accepts after the end");
    world_close(shared);
}

static tally destroyed;

static void destroyer(void *arg) {
    (void)arg;
    belay_status status = belay_executor_destroy(shared);
    sim_check(status == BELAY_OK || status == BELAY_EALREADY, "another refusal");
    tally_add(&destroyed, status == BELAY_OK);
}

/* One of two that destroy does it. */
static void destroy_twice(void) {
    begin();
    tally_reset(&destroyed);
    sim_check(world_spawn(NULL, root, sleep_on, NULL, NULL) == BELAY_OK, "refused");
    port_thread one = world_thread(destroyer, NULL, "one");
    port_thread two = world_thread(destroyer, NULL, "two");
    port_thread_join(&one);
    port_thread_join(&two);
    sim_check(tally_read(&destroyed) == 1, "not destroyed once");
    world_check_empty();
}

/* The entry in the table is used again while a guest of the last life looks at it. */
static void next_life(void) {
    begin();
    port_thread thread = world_thread(handle_guest, NULL, "guest");
    sim_check(belay_executor_destroy(shared) == BELAY_OK, "not destroyed");
    belay_executor *again = world_open();
    belay_task_handle next;
    sim_check(world_spawn(NULL, belay_executor_root(again), note, NULL, &next) == BELAY_OK,
              "refused");
    sim_check(next.slot == target.slot, "another slot: this test is void");
    sim_check(belay_task_retain(target) == BELAY_ESTALE, "not stale");
    sim_check(belay_task_release(next) == BELAY_OK, "not released");
    port_thread_join(&thread);
    world_close(again);
}

/* Two executors; a task of one spawns into the other. */
static belay_status spawn_abroad(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 2; i++) {
        belay_task_handle task;
        sim_check(world_spawn(self, root, note, NULL, &task) == BELAY_OK, "refused");
        sim_check(belay_join(self, task, NULL) == BELAY_OK, "not joined");
        sim_check(belay_task_release(task) == BELAY_OK, "not released");
    }
    return BELAY_OK;
}

static void abroad(void) {
    begin();
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    belay_config config;
    world_config(&config);
    config.workers = 1;
    config.allocate = NULL; /* the counts are the first one's */
    config.release = NULL;
    belay_executor *other;
    sim_check(belay_executor_create(&config, &other) == BELAY_OK, "not created");
    world_run(other, spawn_abroad, NULL);
    sim_check(belay_executor_destroy(other) == BELAY_OK, "not destroyed");
    world_close(shared);
}

/* A scope that its opener closes late, about when destroy closes it in its place, or never. */
static belay_scope left;

static void nap(int64_t nanoseconds) {
    static const uint32_t never;
    port_futex_wait(&never, 0, belay_after(nanoseconds));
}

static void late_closer(void *arg) {
    (void)arg;
    nap(500 * BELAY_MILLISECOND - 1000 + (int64_t)sim_choose(3) * 1000);
    if (sim_choose(3) == 0) {
        (void)world_spawn(NULL, left, note, NULL, NULL);
    }
    belay_status status = sim_choose(4) != 0 ? belay_scope_close(NULL, left) : BELAY_ESTALE;
    sim_check(is_closed(status), "another refusal");
}

static void leftover(void) {
    begin();
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    sim_check(belay_scope_open_root(shared, NULL, &left) == BELAY_OK, "not opened");
    if (sim_choose(2) == 0) {
        (void)world_spawn(NULL, left, note, NULL, NULL);
    }
    port_thread one = world_thread(late_closer, NULL, "one");
    port_thread two = world_thread(late_closer, NULL, "two");
    sim_check(belay_executor_destroy(shared) == BELAY_OK, "not destroyed");
    world_check_empty();
    port_thread_join(&one);
    port_thread_join(&two);
    world_check_empty();
}

/* An object that a thread uses while the executor is destroyed: it is there until the release. */
static belay_owner object;
static tally freed;

static void on_drained(void *arg) {
    (void)arg;
    tally_add(&freed, 1);
}

static void holder(void *arg) {
    (void)arg;
    nap(500 * BELAY_MILLISECOND - 1000 + (int64_t)sim_choose(3) * 1000);
    sim_check(tally_read(&freed) == 0, "freed in use");
    if (sim_choose(2) == 0) {
        belay_status status = world_spawn(NULL, belay_owner_scope(object), note, NULL, NULL);
        sim_check(status == BELAY_OK || over(status), "another refusal");
    }
    sim_check(belay_owner_release(object) == BELAY_OK, "lost a reference");
    sim_check(tally_read(&freed) <= 1, "freed twice");
}

static void held_object(void) {
    tally_reset(&freed);
    belay_owner_options o = {.drained = on_drained};
    begin();
    sim_check(belay_task_release(target) == BELAY_OK, "not released");
    sim_check(belay_owner_create(shared, &o, &object) == BELAY_OK, "no owner");
    port_thread one = world_thread(holder, NULL, "one");
    sim_check(belay_executor_destroy(shared) == BELAY_OK, "not destroyed");
    sim_check(tally_read(&freed) == 1, "not freed");
    port_thread_join(&one);
    world_check_empty();
}

static const scenario list_of_scenarios[] = {
    {"spawn_destroy", reset, spawn_destroy, 2}, {"handle_destroy", reset, handle_destroy, 2},
    {"scope_destroy", reset, scope_destroy, 2}, {"shutdown_twice", reset, shutdown_twice, 2},
    {"next_life", reset, next_life, 4},         {"abroad", reset, abroad, 4},
    {"held_object", reset, held_object, 2},     {"leftover", reset, leftover, 2},
    {"destroy_twice", reset, destroy_twice, 4},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("shutdown", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

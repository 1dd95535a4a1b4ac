/* Parking against making work visible: whatever is pushed is run, however the workers fall asleep.
 * The bare scheduler has no timer and no monitor, so nothing repairs a lost wakeup. */
#include "scenario.h"

enum { ITEMS = 3 };

typedef struct item {
    runnable run; /* first: a runnable is an item */
    uint32_t children;
} item;

static bench world;
static item items[8];
static tally ran;
static tally child_ran;

static void reset(void) {
    tally_reset(&ran);
    tally_reset(&child_ran);
}

static void run_simple(worker *w, runnable *r) {
    (void)w;
    (void)r;
    tally_add(&ran, 1);
}

static void inject_some(void *arg) {
    item *first = arg;
    for (uint32_t i = 0; i < ITEMS; i++) {
        sched_inject(world.sched, &first[i].run);
    }
}

static void inject(void) {
    bench_open(&world, 2, run_simple);
    bench_start(&world, 2);
    inject_some(items);
    tally_wait(&ran, ITEMS);
    bench_close(&world);
}

static void inject_twice(void) {
    bench_open(&world, 2, run_simple);
    bench_start(&world, 2);
    port_thread other = world_thread(inject_some, &items[ITEMS], "foreign");
    inject_some(items);
    tally_wait(&ran, 2 * ITEMS);
    port_thread_join(&other);
    bench_close(&world);
}

/* One at a time: the workers park in between. */
static void inject_slowly(void) {
    bench_open(&world, 2, run_simple);
    bench_start(&world, 2);
    for (uint32_t i = 0; i < ITEMS; i++) {
        sched_inject(world.sched, &items[i].run);
        tally_wait(&ran, i + 1);
    }
    bench_close(&world);
}

/* The parent holds its worker until the child has run: the other worker must come for it. */
static void run_parent(worker *w, runnable *r) {
    if (((item *)(void *)r)->children != 0) {
        worker_push(w, &items[1].run);
        tally_wait(&child_ran, 1);
        tally_add(&ran, 1);
    } else {
        tally_add(&child_ran, 1);
    }
}

static void push(void) {
    items[0].children = 1;
    items[1].children = 0;
    bench_open(&world, 2, run_parent);
    bench_start(&world, 2);
    sched_inject(world.sched, &items[0].run);
    tally_wait(&ran, 1);
    bench_close(&world);
}

/* The same with a third worker, which may be the one that searches. */
static void push_among_three(void) {
    items[0].children = 1;
    items[1].children = 0;
    bench_open(&world, 3, run_parent);
    bench_start(&world, 3);
    sched_inject(world.sched, &items[0].run);
    tally_wait(&ran, 1);
    bench_close(&world);
}

/* Each of two must be run at the same time as the other, so both workers must wake. */
static void run_meeting(worker *w, runnable *r) {
    (void)w;
    (void)r;
    tally_add(&ran, 1);
    tally_wait(&ran, 2);
}

static void wake_both(void) {
    bench_open(&world, 2, run_meeting);
    bench_start(&world, 2);
    sched_inject(world.sched, &items[0].run);
    sched_inject(world.sched, &items[1].run);
    tally_wait(&ran, 2);
    bench_close(&world);
}

/* A pinned runnable wakes its own worker, from outside and from the other one. */
static void run_pinned(worker *w, runnable *r) {
    if (r == &items[0].run) {
        sim_check(w->index == 0, "ran on another worker");
        sched_submit_pinned(world.sched, 1, &items[1].run);
    } else {
        sim_check(w->index == 1, "ran on another worker");
        tally_add(&ran, 1);
    }
}

static void pinned(void) {
    bench_open(&world, 2, run_pinned);
    bench_start(&world, 2);
    sched_submit_pinned(world.sched, 0, &items[0].run);
    tally_wait(&ran, 1);
    bench_close(&world);
}

/* Stopping against parking. */
static void stop(void) {
    bench_open(&world, 2, run_simple);
    bench_start(&world, 2);
    bench_close(&world);
}

static const scenario list_of_scenarios[] = {
    {"inject", reset, inject, 1},
    {"inject_twice", reset, inject_twice, 1},
    {"inject_slowly", reset, inject_slowly, 1},
    {"push", reset, push, 1},
    {"push_among_three", reset, push_among_three, 1},
    {"wake_both", reset, wake_both, 1},
    {"pinned", reset, pinned, 1},
    {"stop", reset, stop, 1},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("park_push", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

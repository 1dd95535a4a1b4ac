/* The fork deque alone: its owner forks and syncs, two thieves with the patience of those that have
 * waited for long publish on its behalf and take. No worker loop runs, so that there are many schedules. */
#include <string.h>

#include "owner/forks.h"
#include "scenario.h"

enum { SLOTS = 8, ITEMS = 24, TRIES = 20 };

typedef struct place {
    fork_deque deque;
    belay_fork_slot slot[SLOTS];
} place;

static bench world;
static scope node;
static belay_task task;
static fiber ground;
static place own;
static atomic_u32 ran[ITEMS];

static void reset(void) {
    memset(&node, 0, sizeof node);
    memset(&task, 0, sizeof task);
    memset(&ground, 0, sizeof ground);
    memset(&own, 0, sizeof own);
    for (uint32_t i = 0; i < ITEMS; i++) {
        store_relaxed(&ran[i], 0u); /* relaxed: outside a run */
    }
}

static void never_run(worker *w, runnable *r) {
    (void)w;
    (void)r;
    sim_fail("no worker thread runs here");
}

/* Each call runs once, by its owner or by the thief that has its slot. */
static void run_item(const belay_fork_slot *slot) {
    uint64_t item = slot->data[0];
    sim_check(item < ITEMS, "not a call");
    sim_check(fetch_add_relaxed(&ran[item], 1u) == 0, "ran twice"); /* relaxed: a counter */
}

static void nothing(belay_task *self, belay_fork_slot *slot) {
    (void)self;
    (void)slot;
}

static void push(uint64_t item) {
    belay_fork_slot *slot = belay_fork_begin_(&task);
    slot->run = nothing;
    slot->data[0] = item;
    belay_fork_end_(&task, slot);
}

static void pop(void) {
    bool here;
    const belay_fork_slot *slot = belay_sync_(&task, &here);
    if (here) {
        run_item(slot);
    }
}

/* What fork_steal does, in steps: publishes if nothing is public, and takes the oldest. */
static void rob(const worker *w) {
    uint64_t ends = load_acquire(&own.deque.ends); /* pairs with every change of ends */
    uint32_t head = load_relaxed(&own.deque.head); /* relaxed: read again with the mark */
    if (fork_forcing(ends)) {
        return;
    }
    if (fork_tail(ends) >= fork_split(ends)) {
        fork_force f;
        ends = head > fork_split(ends) && fork_force_begin(w, &own.deque, ends, head, &f)
                   ? fork_force_end(&own.deque, &f)
                   : 0;
    }
    uint32_t tail = fork_tail(ends);
    if (tail < fork_split(ends) &&
        cas_acq_rel(&own.deque.ends, &ends, fork_ends(tail + 1, fork_split(ends)))) {
        belay_fork_slot *slot = fork_slot(&own.deque, tail);
        run_item(slot);
        store_release(fork_state_of(slot), FORK_DONE); /* pairs with wait_stolen */
    }
}

static void thief(void *arg) {
    worker *w = arg;
    port_current_set(w);
    for (int i = 0; i < TRIES; i++) {
        rob(w);
        port_thread_yield();
    }
    port_current_set(NULL);
}

static void two_thieves(void) {
    bench_open(&world, 3, never_run);
    if (world.sched->symmetric) { /* then nothing is published by force */
        bench_close(&world);
        return;
    }
    worker *w = &world.sched->workers[0];
    node.executor = world.executor;
    store_relaxed(&task.scope, &node); /* relaxed, all: not shared yet */
    store_relaxed(&task.fork, &own.deque);
    store_relaxed(&w->fiber, &ground);
    own.deque.capacity = SLOTS;
    port_thread thread[2];
    for (uint32_t i = 0; i < 2; i++) {
        thread[i] = world_thread(thief, &world.sched->workers[i + 1], "thief");
    }
    port_current_set(w);
    for (uint64_t i = 0; i < ITEMS; i += 2) {
        push(i);
        push(i + 1);
        pop();
        pop();
    }
    for (uint32_t i = 0; i < 2; i++) {
        port_thread_join(&thread[i]);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        sim_check(load_relaxed(&ran[i]) == 1, "never run"); /* relaxed: all threads were joined */
    }
    port_current_set(NULL);
    bench_close(&world);
}

static const scenario list_of_scenarios[] = {{"two_thieves", reset, two_thieves, 1}};

__attribute__((constructor)) static void add(void) {
    scenarios_add("fork_deque", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

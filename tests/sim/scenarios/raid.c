/* The private area against a raider: what the owner has claimed or was handed is had exactly once,
 * by the owner or by the one who raids it. */
#include "scenario.h"

#include "sched/private.h"

enum { ITEMS = 12 };

static bench world;
static runnable items[ITEMS];
static atomic_u32 had[ITEMS];
static atomic_u32 closed;
static atomic_u32 in_use; /* 0, or 1 + the item whose stack the owner is on */

static void reset(void) {
    for (uint32_t i = 0; i < ITEMS; i++) {
        store_relaxed(&had[i], 0u); /* relaxed, both: outside a run */
    }
    store_relaxed(&closed, 0u);
    store_relaxed(&in_use, 0u);
}

static void take(const runnable *r) {
    uint32_t number = (uint32_t)(r - items);
    sim_check(number < ITEMS, "not an item");
    sim_check(fetch_add_relaxed(&had[number], 1u) == 0, "had twice"); /* relaxed: a counter */
}

static void never_run(worker *w, runnable *r) {
    (void)w;
    (void)r;
    sim_fail("no worker thread runs here");
}

static void raid(void *arg) {
    (void)arg;
    port_current_set(&world.sched->workers[1]);
    for (bool last = false; !last;) {
        last = load_acquire(&closed) != 0; /* pairs with the store in end */
        runnable *got[RUNQ_CLAIM];
        uint32_t n = worker_raid(&world.sched->workers[0], got);
        for (uint32_t i = 0; i < n; i++) {
            /* relaxed: the section's end, which the raider has waited for, comes after the store */
            sim_check(load_relaxed(&in_use) != (uint32_t)(got[i] - items) + 1, "had while in use");
            take(got[i]);
        }
    }
    port_current_set(NULL);
}

static worker *begin(uint32_t raiders, port_thread *thread) {
    bench_open(&world, 2, never_run);
    for (uint32_t i = 0; i < raiders; i++) {
        thread[i] = world_thread(raid, NULL, "raider");
    }
    port_current_set(&world.sched->workers[0]);
    return &world.sched->workers[0];
}

static void end(worker *w, uint32_t raiders, port_thread *thread) {
    for (runnable *r = worker_poll(w); r != NULL; r = worker_poll(w)) {
        take(r);
    }
    store_release(&closed, 1u); /* pairs with the load in raid */
    for (uint32_t i = 0; i < raiders; i++) {
        port_thread_join(&thread[i]);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        sim_check(load_relaxed(&had[i]) == 1, "lost"); /* relaxed: all threads were joined */
    }
    port_current_set(NULL);
    bench_close(&world);
}

/* Pushes, claims and takes; raiders raid what is claimed. */
static void batch(uint32_t raiders) {
    port_thread thread[2];
    worker *w = begin(raiders, thread);
    for (uint32_t i = 0; i < ITEMS; i += 4) {
        for (uint32_t k = 0; k < 4; k++) {
            worker_push(w, &items[i + k]);
        }
        runnable *r = worker_poll(w);
        if (r != NULL) {
            take(r);
        }
    }
    end(w, raiders, thread);
}

static void batch_one(void) {
    batch(1);
}

static void batch_two(void) {
    batch(2);
}

/* The hand-off slot, filled again before it was emptied. */
static void handoff(void) {
    port_thread thread[1];
    worker *w = begin(1, thread);
    for (uint32_t i = 0; i < ITEMS; i++) {
        worker_handoff(w, &items[i]);
        if (i % 3 == 2) {
            runnable *r = worker_poll(w);
            if (r != NULL) {
                take(r);
            }
        }
    }
    end(w, 1, thread);
}

/* Tasks that give way in turn: none is had by a raider while its stack is still in use. */
static void swap(void) {
    port_thread thread[1];
    worker *w = begin(1, thread);
    for (uint32_t i = 1; i < ITEMS; i++) {
        worker_requeue(w, &items[i]);
    }
    runnable *running = &items[0];
    for (uint32_t i = 0; i < 2 * ITEMS; i++) {
        store_relaxed(&in_use, (uint32_t)(running - items) +
                                   1); /* relaxed, both: looked at by the raider only */
        runnable *next =
            private_swap(w, running); /* after it has the item, which is later than the section */
        if (next != NULL) {
            store_relaxed(&in_use, 0u);
            private_swapped(w);
            running = next;
        }
    }
    store_relaxed(&in_use, 0u);
    worker_requeue(w, running);
    end(w, 1, thread);
}

static const scenario list_of_scenarios[] = {
    {"batch_one", reset, batch_one, 1},
    {"batch_two", reset, batch_two, 1},
    {"handoff", reset, handoff, 1},
    {"swap", reset, swap, 1},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("raid", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

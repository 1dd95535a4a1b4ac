/* The run queue: the owner pushes and claims, thieves steal half; each item is had exactly once,
 * also while the ring grows. */
#include "scenario.h"

enum { ITEMS = 24, SMALL = 4 };

static runq queue;
static runnable items[ITEMS];
static atomic_u32 had[ITEMS];
static atomic_u32 closed;

static void reset(void) {
    for (uint32_t i = 0; i < ITEMS; i++) {
        store_relaxed(&had[i], 0u); /* relaxed, both: outside a run */
    }
    store_relaxed(&closed, 0u);
}

static void take(runnable *const *got, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = (uint32_t)(got[i] - items);
        sim_check(number < ITEMS, "not an item");
        sim_check(fetch_add_relaxed(&had[number], 1u) == 0, "had twice"); /* relaxed: a counter */
    }
}

/* A ring so small that a few pushes make it grow. */
static void open_queue(void) {
    sim_check(runq_init(&queue, allocator_default()), "no memory");
    runq_ring *ring = load_relaxed(&queue.ring); /* relaxed: not shared yet */
    ring->capacity = SMALL;
}

static void close_queue(void) {
    for (uint32_t i = 0; i < ITEMS; i++) {
        sim_check(load_relaxed(&had[i]) == 1, "lost"); /* relaxed: all threads were joined */
    }
    runq_fini(&queue);
}

static void steal(void *arg) {
    (void)arg;
    runnable *got[RUNQ_STEAL];
    for (;;) {
        bool last = load_acquire(&closed) != 0; /* pairs with the store in own */
        uint32_t n = runq_steal(&queue, got);
        take(got, n);
        if (last && runq_size(&queue) == 0) {
            return;
        }
    }
}

/* Pushes in bursts, claims in between. */
static void own(uint32_t burst) {
    runnable *got[RUNQ_CLAIM];
    for (uint32_t i = 0; i < ITEMS; i++) {
        sim_check(runq_push(&queue, &items[i]), "full");
        if (i % burst == burst - 1) {
            take(got, runq_claim(&queue, got));
        }
    }
    for (uint32_t n = 1; n != 0;) {
        n = runq_claim(&queue, got);
        take(got, n);
    }
    store_release(&closed, 1u); /* pairs with the load in steal */
}

static void rob(uint32_t thieves, uint32_t burst) {
    port_thread thread[2];
    open_queue();
    for (uint32_t i = 0; i < thieves; i++) {
        thread[i] = world_thread(steal, NULL, "thief");
    }
    own(burst);
    for (uint32_t i = 0; i < thieves; i++) {
        port_thread_join(&thread[i]);
    }
    close_queue();
}

static void one_thief(void) {
    rob(1, 3);
}

static void two_thieves(void) {
    rob(2, 3);
}

/* Bursts beyond the ring's size, so that it grows under the thief. */
static void growing(void) {
    rob(1, 9);
}

static const scenario list_of_scenarios[] = {
    {"one_thief", reset, one_thief, 1},
    {"two_thieves", reset, two_thieves, 1},
    {"growing", reset, growing, 1},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("steal_pop", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

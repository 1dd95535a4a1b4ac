/* Who looks late: at a wait that is over while the record waits again, and at the shard of a task that is just
 * ending. Records by themselves, so that there are many schedules. */
#include <string.h>

#include "scenario.h"

enum { LIVES = 3 };

static bench world;
static belay_task task;
static belay_task tasks[LIVES];
static anchor places[LIVES];
static scope node;
static atomic_u32 over;

static void reset(void) {
    memset(&task, 0, sizeof task);
    memset(tasks, 0, sizeof tasks);
    memset(places, 0, sizeof places);
    memset(&node, 0, sizeof node);
    store_relaxed(&over, 0u); /* relaxed: outside a run */
}

/* ---- waits ------------------------------------------------------------------------------------ */

static atomic_u32 first; /* the word of the first wait; 0: it is not there yet */

static void reset_wait(void) {
    reset();
    store_relaxed(&first, 0u); /* relaxed: outside a run */
}

/* Ends the first wait, and waits again: nobody else may end that. */
static void wait_again(void *arg) {
    (void)arg;
    while (load_acquire(&first) == 0) { /* pairs with the store in wait_by_number */
        port_thread_yield();
    }
    bool parked;
    if (!wait_claim(&task.wait, WAIT_OK, &parked)) {
        return; /* taken back in time */
    }
    for (int i = 0; i < LIVES; i++) {
        wait_started(&task);
        (void)wait_park_unstarted(&task);
        port_thread_yield();
        sim_check(wait_claim(&task.wait, WAIT_OK, &parked) && parked, "another has ended it");
    }
}

static void wait_by_number(void) {
    port_thread thread = world_thread(wait_again, NULL, "other");
    uint32_t word = wait_park_unstarted(&task);
    store_release(&first, word); /* pairs with the load in wait_again */
    (void)wait_take_back(&task, word, WAIT_CANCELED);
    port_thread_join(&thread);
}

/* ---- shards ----------------------------------------------------------------------------------- */

static void never_run(worker *w, runnable *r) {
    (void)w;
    (void)r;
    sim_fail("no worker thread runs here");
}

/* A canceller, who holds the record: the task may end, but the record stays as it is. */
static void look(void *arg) {
    (void)arg;
    for (int i = 0; i < LIVES; i++) {
        while (!state_has(&tasks[i], STATE_LINKED) &&
               load_acquire(&over) == 0) { /* pairs with right_shard */
            port_thread_yield();
        }
        shard *h = shard_lock_of(&tasks[i]);
        if (h != NULL) {
            sim_check(h == &node.own, "another shard");
            sim_check(state_has(&tasks[i], STATE_LINKED), "it is not linked any more");
            lock_release(&h->lock);
        }
    }
}

static void right_shard(void) {
    bench_open(&world, 1, never_run);
    node.executor = world.executor;
    shard_init(&node);
    port_thread thread = world_thread(look, NULL, "canceller");
    for (int i = 0; i < LIVES; i++) {
        store_relaxed(&tasks[i].scope, &node); /* relaxed: published by linking */
        shard_link(&tasks[i], &places[i]);
        port_thread_yield();
        shard_unlink(&tasks[i]);
    }
    store_release(&over, 1u); /* pairs with the load in look */
    port_thread_join(&thread);
    bench_close(&world);
}

static const scenario list_of_scenarios[] = {
    {"wait_by_number", reset_wait, wait_by_number, 1},
    {"right_shard", reset, right_shard, 1},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("late", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

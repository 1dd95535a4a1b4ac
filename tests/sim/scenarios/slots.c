/* Slots: batches that travel between threads through the pool, and numbers that are used up. */
#include <string.h>

#include "scenario.h"

enum { SLOT_BYTES = 64, FLIGHT = 2 * SLAB_BATCH + 8, ROUNDS = 4 };

static slab pool;
static slab_cache caches[2];
static atomic_u32 owned[8 * SLAB_BATCH];
static void *flight[FLIGHT]; /* from the maker to the breaker: plain, under the tallies */
static tally full;
static tally empty;

static void reset(void) {
    memset(caches, 0, sizeof caches);
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        store_relaxed(&owned[i], 0u); /* relaxed: outside a run */
    }
    tally_reset(&full);
    tally_reset(&empty);
}

static uint32_t number_of(void *slot) {
    return *(uint32_t *)((char *)slot + 16);
}

static void *take(slab_cache *cache) {
    void *slot = slab_take(&pool, cache);
    sim_check(slot != NULL, "a slot was lost");
    sim_check(exchange_acq_rel(&owned[number_of(slot)], 1u) == 0, "a slot was had twice");
    return slot;
}

static void give(slab_cache *cache, void *slot) {
    sim_check(exchange_acq_rel(&owned[number_of(slot)], 0u) == 1, "not ours");
    slab_give(&pool, cache, slot);
}

/* Gives back what the other has taken, and takes some itself. */
static void breaker(void *arg) {
    (void)arg;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        tally_wait(&full, round + 1);
        void *own = take(&caches[1]);
        for (uint32_t i = 0; i < FLIGHT; i++) {
            give(&caches[1], flight[i]);
        }
        give(&caches[1], own);
        tally_add(&empty, 1);
    }
}

static void batches(void) {
    /* As many as are used at a time, and what the two caches may keep. */
    sim_check(slab_init(&pool, SLOT_BYTES, 0, 16, 5 * SLAB_BATCH), "no slab");
    port_thread thread = world_thread(breaker, NULL, "breaker");
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < FLIGHT; i++) {
            flight[i] = take(&caches[0]);
        }
        tally_add(&full, 1);
        void *own = take(&caches[0]);
        tally_wait(&empty, round + 1);
        give(&caches[0], own);
    }
    port_thread_join(&thread);
    slab_fini(&pool);
}

/* ---- generations that are used up ------------------------------------------------------------ */

static belay_scope stale;

/* The task's worker gives the slot of a scope that it has closed to the next that it opens, unless
 * its generations are used up. */
static belay_status use_up(belay_task *self, void *arg) {
    (void)arg;
    belay_executor *ex = belay_task_executor(self);
    belay_scope next;
    sim_check(belay_scope_open(self, NULL, &stale) == BELAY_OK, "no scope");
    sim_check(belay_scope_close(self, stale) == BELAY_OK, "not closed");
    scope *s = slab_at(&ex->scopes, stale.slot);
    uint64_t word = load_relaxed(&s->word); /* relaxed: nobody else knows the slot */
    store_relaxed(&s->word, word | UINT64_C(0xffffffff) << 32);
    sim_check(belay_scope_open(self, NULL, &next) == BELAY_OK, "no scope");
    sim_check(next.slot == stale.slot, "another slot: this test is void");
    sim_check(belay_scope_close(self, next) == BELAY_OK, "not closed");
    sim_check(belay_scope_open(self, NULL, &next) == BELAY_OK, "no scope");
    sim_check(belay_scope_cancel(stale, BELAY_ECANCELED, NULL) == BELAY_ESTALE,
              "a handle of the first life fits again");
    sim_check(next.slot != stale.slot, "a slot was used again after its last generation");
    sim_check(belay_scope_close(self, next) == BELAY_OK, "not closed");
    return BELAY_OK;
}

static void used_up(void) {
    belay_executor *ex = world_open();
    world_run(ex, use_up, NULL);
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"batches", reset, batches, 4},
    {"used_up", NULL, used_up, 4},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("slots", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

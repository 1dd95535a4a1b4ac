/* The sum of what workers and foreign threads have counted. Reads, never steers. */
#include <string.h>

#include <belay/observe.h>

#include "owner/scope.h"

static uint64_t sum(const belay_executor *ex, counter c) {
    uint64_t total = load_relaxed(&ex->sched.foreign.value[c]); /* relaxed: counters */
    for (uint32_t i = 0; i < FOREIGN_SHARDS; i++) {
        total += load_relaxed(&ex->foreign[i].count.value[c]);
        total += c == COUNT_SPAWNED ? load_relaxed(&ex->foreign[i].spawned) : 0;
    }
    for (uint32_t i = 0; i < sched_live(&ex->sched); i++) {
        total += load_relaxed(&ex->sched.workers[i].count.value[c]);
    }
    return total;
}

static uint64_t scopes_open(const belay_executor *ex) {
    uint64_t n = 0;
    for (uint32_t i = 1; i <= slab_made(&ex->scopes); i++) {
        n += count_is_open(slab_at(&ex->scopes, i));
    }
    return n;
}

static void read_all(const belay_executor *ex, belay_stats *s) {
    stack_pool_counts stacks;
    stack_pool_read(ex->fibers.stacks, &stacks);
    /* Endings before beginnings: so that `alive` is never below zero. */
    s->value = sum(ex, COUNT_VALUE);
    s->error = sum(ex, COUNT_ERROR);
    s->canceled = sum(ex, COUNT_CANCELED);
    s->skipped = sum(ex, COUNT_SKIPPED);
    s->spawned = sum(ex, COUNT_SPAWNED);
    uint64_t ended = s->value + s->error + s->canceled + s->skipped;
    s->alive = s->spawned > ended ? s->spawned - ended : 0;
    s->args_dropped = sum(ex, COUNT_DROPPED);
    s->suspensions = sum(ex, COUNT_SUSPENSIONS);
    s->yields = sum(ex, COUNT_YIELDS);
    s->steals = sum(ex, COUNT_STEALS);
    s->stolen_tasks = sum(ex, COUNT_STOLEN_TASKS);
    s->stolen_forks = sum(ex, COUNT_STOLEN_FORKS);
    s->injected = sum(ex, COUNT_INJECTED);
    s->parks = sum(ex, COUNT_PARKS);
    s->wakes = sum(ex, COUNT_WAKES);
    s->timers_fired = sum(ex, COUNT_TIMERS);
    s->stalls = load_relaxed(&ex->monitor.stalls); /* relaxed: a counter */
    s->ignored_cancels = sum(ex, COUNT_IGNORED_CANCELS);
    s->scopes_open = scopes_open(ex);
    s->stacks = stacks.mapped;
    s->stacks_peak = stacks.peak;
    s->memory_peak = (uint64_t)slab_made(&ex->tasks) * sizeof(belay_task) +
                     (uint64_t)slab_made(&ex->scopes) * sizeof(scope) +
                     stacks.peak * port_page_size();
    s->block_hints = sum(ex, COUNT_BLOCK_HINTS);
    s->block_unserved = sum(ex, COUNT_BLOCK_UNSERVED);
}

belay_status belay_executor_stats(const belay_executor *executor, belay_stats *out, size_t size) {
    belay_executor *ex = (belay_executor *)(uintptr_t)executor;
    if (ex == NULL || out == NULL || size == 0) {
        return BELAY_EINVAL;
    }
    if (worker_in(ex) == NULL && !guest_enter(ex)) {
        return BELAY_EINVAL;
    }
    belay_stats all = {0};
    read_all(ex, &all);
    registry_done(ex);
    memset(out, 0, size);
    memcpy(out, &all, size < sizeof all ? size : sizeof all);
    return BELAY_OK;
}

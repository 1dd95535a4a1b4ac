/* Who runs next, and what else happens at a step.
 *
 * Both schedulers are driven by one generator. The seed also varies how often each kind of event
 * happens, by powers of two, because a bug may need many switches, or few, or stores that stay
 * delayed for long. A thread that waits for others by spinning is held back under both, so that a
 * spin loop cannot starve the thread it waits for. */
#include <stdio.h>

#include "port/sim/sim_internal.h"

enum {
    RATE_ONE = 1 << 20,
    STEP_NANOSECONDS = 20,
    CLOCK_START = 1000000000,
    PCT_CHANGES_MAX = 8,
    PCT_ALONE_MAX = 2000 /* steps; then it falls back, as if it had yielded */
};

#define PRIORITY_LOW_START (UINT64_C(1) << 32)

/* xorshift64*, G. Marsaglia and S. Vigna. */
uint64_t sim_random(void) {
    sim.random ^= sim.random >> 12;
    sim.random ^= sim.random << 25;
    sim.random ^= sim.random >> 27;
    return sim.random * UINT64_C(0x2545F4914F6CDD1D);
}

uint32_t sim_below(uint32_t bound) {
    return (uint32_t)((sim_random() >> 32) * bound >> 32);
}

/* Neighbouring seeds must differ in every bit: one round of splitmix64. */
static uint64_t seed_spread(uint64_t seed) {
    uint64_t z = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) | 1;
}

static void rates_choose(void) {
    sim.switch_rate = (uint32_t)RATE_ONE >> (1 + sim_below(6));
    sim.drain_rate = (uint32_t)RATE_ONE >> (1 + sim_below(10));
    sim.odd_rate = sim_below(2) == 0 ? 0 : (uint32_t)RATE_ONE >> (6 + sim_below(5));
    sim.spurious_rate = sim_below(2) == 0 ? 0 : (uint32_t)RATE_ONE >> (1 + sim_below(5));
    if (sim.config.no_spurious) {
        sim.spurious_rate = 0;
    }
}

static void change_next(void) {
    sim.next_change = UINT64_MAX;
    if (sim.pct && sim.changes_left != 0) {
        sim.changes_left--;
        sim.next_change = sim.result.steps + 1 + sim_below((uint32_t)(2 * sim.change_gap));
    }
}

static void pct_choose(void) {
    sim.pct = sim.config.scheduler == SIM_PCT ||
              (sim.config.scheduler == SIM_MIXED && sim.config.seed % 2 == 0);
    sim.changes_left = 1 + sim_below(PCT_CHANGES_MAX);
    sim.change_gap = (UINT64_C(16) << sim_below(10)) / sim.changes_left + 1;
    sim.next_priority = PRIORITY_LOW_START;
    change_next();
}

void sim_schedule_reset(void) {
    sim.random = seed_spread(sim.config.seed);
    sim.ready = 0;
    sim.sleeping = 0;
    sim.buffered = 0;
    sim.next_deadline = PORT_NEVER;
    sim.result.clock = CLOCK_START;
    sim.result.hash = UINT64_C(0xcbf29ce484222325);
    rates_choose();
    pct_choose();
}

sim_thread *sim_any(uint64_t mask) {
    for (uint32_t skip = sim_below((uint32_t)__builtin_popcountll(mask)); skip > 0; skip--) {
        mask &= mask - 1;
    }
    return &sim.threads[__builtin_ctzll(mask)];
}

static sim_thread *highest(uint64_t mask) {
    sim_thread *best = &sim.threads[__builtin_ctzll(mask)];
    for (mask &= mask - 1; mask != 0; mask &= mask - 1) {
        sim_thread *other = &sim.threads[__builtin_ctzll(mask)];
        best = other->priority > best->priority ? other : best;
    }
    return best;
}

static sim_thread *choose(uint64_t mask) {
    return sim.pct ? highest(mask) : sim_any(mask);
}

static void fall_back(sim_thread *thread) {
    thread->priority = sim.next_priority--;
    thread->alone = 0;
}

static void continue_with(sim_thread *next) {
    if (next != sim.current) {
        next->alone = 0;
        sim.result.switches++;
        sim_switch(next, false);
    }
}

static void count_step(sim_op op, const volatile void *address, uint64_t value) {
    sim.result.steps++;
    sim.result.clock += STEP_NANOSECONDS;
    sim.result.hash =
        (sim.result.hash ^ (sim.current->number * (uint64_t)SIM_OP_COUNT + op)) * 0x100000001b3;
    if (sim.config.log_events != 0) {
        sim_log_event(op, address, value);
    }
    if (sim.result.steps > sim.config.step_limit) {
        sim_fail("livelock: too many steps");
    }
}

static void drain_by_chance(void) {
    if (sim.buffered != 0) {
        sim.result.drains++;
        sim_drain_one(sim_any(sim.buffered));
    }
}

/* A sleeper wakes for no reason, or everybody else was so slow that the next deadline has come. */
static void odd_event(void) {
    if (sim.sleeping == 0) {
        return;
    }
    if (!sim.config.no_spurious && sim_below(2) == 0) {
        sim_wake_spuriously();
    } else {
        sim_leap();
    }
}

static void switch_by_priority(void) {
    if (sim.result.steps >= sim.next_change) {
        fall_back(sim.current);
        change_next();
    } else if (++sim.current->alone > PCT_ALONE_MAX) {
        fall_back(sim.current);
    }
    continue_with(highest(sim.ready));
}

void sim_point(sim_op op, const volatile void *address, uint64_t value) {
    if (!sim.active) {
        return;
    }
    count_step(op, address, value);
    uint64_t random = sim_random();
    if (sim_hit(random, sim.drain_rate)) {
        drain_by_chance();
    }
    if (sim_hit(random >> 20, sim.odd_rate)) {
        odd_event();
    }
    sim_wake_due();
    if (sim.pct) {
        switch_by_priority();
    } else if (sim_hit(random >> 40, sim.switch_rate)) {
        continue_with(sim_any(sim.ready));
    }
}

void sim_point_give_way(sim_op op, int64_t nanoseconds) {
    if (!sim.active) {
        return;
    }
    count_step(op, NULL, 0);
    sim.result.clock += nanoseconds;
    drain_by_chance();
    fall_back(sim.current);
    uint64_t others = sim.ready & ~sim_bit(sim.current);
    if (others == 0 && sim_below(4) == 0) {
        sim_leap();
    }
    sim_wake_due();
    others = sim.ready & ~sim_bit(sim.current);
    if (others != 0 && sim_below(8) != 0) {
        continue_with(choose(others));
    }
}

/* Somebody must be ready, or become so by a deadline. */
static sim_thread *next_after_block(void) {
    while (sim.ready == 0) {
        if (!sim_leap()) {
            sim_fail("lost wakeup: every thread is blocked and there is no deadline");
        }
    }
    return choose(sim.ready);
}

void sim_block(void) {
    sim_drain(sim.current);
    sim.ready &= ~sim_bit(sim.current);
    continue_with(next_after_block());
}

void sim_leave(void) {
    sim.ready &= ~sim_bit(sim.current);
    bool nobody = sim.ready == 0;
    for (uint32_t i = 0; nobody && i < SIM_THREADS_MAX; i++) {
        sim_state state = sim.threads[i].state;
        nobody = state == SIM_UNUSED || state == SIM_ENDED;
    }
    sim.result.switches++;
    sim_switch(nobody ? &sim.host : next_after_block(), true);
    __builtin_unreachable();
}

void sim_make_ready(sim_thread *thread) {
    sim.sleeping &= ~sim_bit(thread);
    sim.ready |= sim_bit(thread);
    thread->state = SIM_READY;
}

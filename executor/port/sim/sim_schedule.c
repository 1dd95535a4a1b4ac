/* Who runs next, and what else happens at a step, by chance.
 *
 * Both schedulers are driven by one generator. The seed also varies how often each kind of event
 * happens, by powers of two, because a bug may need many switches, or few, or stores that stay
 * delayed for long. When the next event of each kind comes is drawn in advance, so that a step at
 * which nothing happens costs no random number. A thread that waits for others by spinning is held
 * back under both, so that a spin loop cannot starve the thread it waits for.
 *
 * PCT is the paper's: d - 1 change points, uniform over the k steps of a run; priorities are random
 * at first, and a thread that is running at the i-th change point gets the i-th of d - 1 low ones, in
 * random order. k is what the configuration says (sim_explore and the runner measure it), else a
 * guess. Two things are not the paper's: who spins falls below everybody, and so does who has been
 * running alone for long, because it may be spinning without saying so. And stores land by chance,
 * not by priority. */
#include <stdio.h>

#include "port/sim/sim_internal.h"

enum {
    CLOCK_START = 1000000000,
    PCT_ALONE_MAX = 2000 /* steps; then it falls back, as if it had yielded */
};

/* Priorities from low to high: who gave way, who was running at a change point, all others. */
#define PRIORITY_YIELDED (UINT64_C(1) << 60)
#define PRIORITY_CHANGED (UINT64_C(1) << 61)
#define PRIORITY_INITIAL (UINT64_C(1) << 62)

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

/* Steps until something that happens at each with probability 2^-shift: geometric, but for the
 * logarithm, which is exact at powers of two and a straight line in between. */
static uint64_t gap(uint32_t shift) {
    uint64_t random = sim_random() | 1;
    uint32_t zeros = (uint32_t)__builtin_clzll(random);
    uint64_t fraction = zeros < 44 ? (random << zeros << 1) >> 44 : 0; /* 20 bits */
    uint64_t log = ((zeros + UINT64_C(1)) << 20) - fraction;           /* -log2, 20 bits */
    uint64_t scale = ((UINT64_C(2) << shift) - 1) * 355; /* the mean times ln 2, 10 bits */
    return 1 + (log * scale >> 30);
}

static void rates_choose(void) {
    sim.switch_shift = 1 + sim_below(6);
    sim.drain_shift = 1 + sim_below(10);
    sim.odd = sim_below(2) != 0;
    sim.odd_shift = 6 + sim_below(5);
    sim.early_rate = sim_below(2) == 0 ? 0 : (UINT32_C(1) << 20) >> (1 + sim_below(5));
    if (sim.config.no_spurious) {
        sim.early_rate = 0;
    }
    sim.fencing = sim_below(4) == 0;
    sim.next_switch = gap(sim.switch_shift);
    sim.next_drain = gap(sim.drain_shift);
    sim.next_odd = sim.odd ? gap(sim.odd_shift) : UINT64_MAX;
}

static void changes_choose(void) {
    uint32_t most = sizeof sim.change / sizeof sim.change[0];
    uint32_t wanted = sim.config.pct_depth != 0 ? sim.config.pct_depth - 1 : sim_below(most);
    uint64_t steps =
        sim.config.pct_steps != 0 ? sim.config.pct_steps : UINT64_C(16) << sim_below(10);
    sim.changes = wanted < most ? wanted : most;
    sim.changed = 0;
    for (uint32_t i = 0; i < sim.changes; i++) {
        uint64_t step = 1 + sim_below((uint32_t)steps);
        uint32_t k = i;
        for (; k > 0 && sim.change[k - 1] > step; k--) {
            sim.change[k] = sim.change[k - 1];
        }
        sim.change[k] = step;
    }
}

static sim_mode mode_of(sim_scheduler scheduler) {
    return scheduler == SIM_REPLAY  ? SIM_MODE_REPLAY
           : scheduler == SIM_BYTES ? SIM_MODE_BYTES
                                    : SIM_MODE_CHANCE;
}

void sim_schedule_reset(void) {
    if (sim.mode != SIM_MODE_SEARCH) {
        sim.mode = mode_of(sim.config.scheduler);
    }
    sim.random = seed_spread(sim.config.seed);
    sim.ready = 0;
    sim.sleeping = 0;
    sim.buffered = 0;
    sim.yielded = 0;
    sim.awaiting = NULL;
    sim.next_event = 0;
    sim.next_deadline = PORT_NEVER;
    sim.result.clock = CLOCK_START;
    sim.coarse_until = 0;
    sim.result.hash = UINT64_C(0xcbf29ce484222325);
    rates_choose();
    sim.pct = sim.mode == SIM_MODE_CHANCE &&
              (sim.config.scheduler == SIM_PCT ||
               (sim.config.scheduler == SIM_MIXED && sim.config.seed % 2 == 0));
    changes_choose();
    sim.next_priority = PRIORITY_YIELDED;
}

uint64_t sim_priority_new(void) {
    return PRIORITY_INITIAL + sim_random() / 4;
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

static void fall_back(sim_thread *thread) {
    thread->priority = sim.next_priority--;
    thread->since = sim.result.steps;
}

void sim_continue_with(sim_thread *next) {
    if (next != sim.current) {
        next->since = sim.result.steps;
        sim.yielded &= ~sim_bit(next);
        sim.result.switches++;
        sim_switch(next, false);
    }
}

/* ---- what happens by chance ------------------------------------------------------------------- */

static void drain_by_chance(sim_op op) {
    if (sim.buffered != 0) {
        sim_thread *thread = sim_any(sim.buffered);
        sim.result.drains++;
        sim_decided(SIM_DRAIN, op, thread->number);
        sim_drain_one(thread);
    }
}

/* A sleeper wakes for no reason, or everybody else was so slow that the next deadline has come. */
static void odd_event(sim_op op) {
    if (sim.sleeping == 0) {
        return;
    }
    if (!sim.config.no_spurious && sim_below(2) == 0) {
        sim_thread *thread = sim_any(sim.sleeping);
        sim.result.spurious++;
        sim_decided(SIM_ROUSE, op, thread->number);
        sim_make_ready(thread);
    } else if (sim_leap()) {
        sim_decided(SIM_LEAP, op, 0);
    }
}

/* The step at which the next of the drawn events comes, when `next` runs until then. */
static void next_event_find(const sim_thread *next) {
    uint64_t at = sim.config.step_limit;
    at = sim.next_drain < at ? sim.next_drain : at;
    at = sim.next_odd < at ? sim.next_odd : at;
    if (!sim.pct) {
        at = sim.next_switch < at ? sim.next_switch : at;
    } else {
        uint64_t alone = next->since + PCT_ALONE_MAX;
        at = alone < at ? alone : at;
        at = sim.changed < sim.changes && sim.change[sim.changed] < at ? sim.change[sim.changed]
                                                                       : at;
    }
    sim.next_event = sim.config.log_events == 0 ? at : 0;
}

static sim_thread *next_by_priority(void) {
    sim_thread *self = sim.current;
    if (sim.changed < sim.changes && sim.result.steps >= sim.change[sim.changed]) {
        while (sim.changed < sim.changes && sim.result.steps >= sim.change[sim.changed]) {
            sim.changed++;
        }
        self->priority = PRIORITY_CHANGED + sim_random() / 16;
        self->since = sim.result.steps;
    } else if (sim.result.steps - self->since >= PCT_ALONE_MAX) {
        fall_back(self);
    }
    return highest(sim.ready);
}

static sim_thread *next_by_chance(void) {
    if (sim.result.steps < sim.next_switch) {
        return sim.current;
    }
    sim.next_switch = sim.result.steps + gap(sim.switch_shift);
    return sim_any(sim.ready);
}

static void chance_step(sim_op op) {
    if (sim.result.steps >= sim.next_drain) {
        sim.next_drain = sim.result.steps + gap(sim.drain_shift);
        drain_by_chance(op);
    }
    if (sim.result.steps >= sim.next_odd) {
        sim.next_odd = sim.result.steps + gap(sim.odd_shift);
        odd_event(op);
    }
    sim_wake_due();
    sim_thread *next = sim.pct ? next_by_priority() : next_by_chance();
    next_event_find(next);
    if (next != sim.current) {
        sim_decided(SIM_SWITCH, op, next->number);
        sim_continue_with(next);
    }
}

/* ---- steps ------------------------------------------------------------------------------------- */

static void look(sim_op op, const volatile void *address, uint64_t value, const void *caller) {
    if (sim.config.log_events != 0) {
        sim_log_event(op, address, value, caller);
    }
    if (sim.result.steps > sim.config.step_limit) {
        sim_fail("livelock: too many steps");
    }
}

void sim_happen(sim_op op, const volatile void *address, uint64_t value, const void *caller) {
    look(op, address, value, caller);
    if (sim.mode == SIM_MODE_CHANCE) {
        chance_step(op);
    } else if (sim.mode == SIM_MODE_SEARCH) {
        sim_wake_due();
        sim_search_step(op, address);
    } else {
        sim_wake_due();
        sim_script_step(op);
    }
}

static void give_way_by_chance(sim_op op) {
    drain_by_chance(op);
    fall_back(sim.current);
    bool alone = (sim.ready & ~sim_bit(sim.current)) == 0;
    if (alone && sim_below(4) == 0 && sim_leap()) {
        sim_decided(SIM_LEAP, op, 0);
    }
    sim_wake_due();
    uint64_t others = sim.ready & ~sim_bit(sim.current);
    if (others != 0) {
        sim_thread *next = sim_below(8) == 0 ? sim.current
                           : sim.pct         ? highest(others)
                                             : sim_any(others);
        sim_decided(SIM_NEXT, op, next->number);
        next_event_find(next);
        sim_continue_with(next);
    }
}

void sim_point_give_way(sim_op op, int64_t nanoseconds, const void *caller) {
    if (!sim.active) {
        return;
    }
    sim_count_step(op, NULL);
    sim.result.clock += nanoseconds;
    look(op, NULL, 0, caller);
    if (sim.mode == SIM_MODE_CHANCE) {
        give_way_by_chance(op);
        return;
    }
    sim_wake_due();
    if (sim.mode == SIM_MODE_SEARCH) {
        sim_search_give_way(op);
        return;
    }
    sim_script_step(op);
    if ((sim.ready & ~sim_bit(sim.current)) != 0) {
        sim_continue_with(sim_decide_thread(SIM_NEXT, sim.ready));
    }
}

/* Somebody must be ready, or become so by a deadline. */
static sim_thread *next_after_block(void) {
    while (sim.ready == 0) {
        if (!sim_leap()) {
            if (sim.awaiting == NULL) {
                sim_fail("lost wakeup: every thread is blocked and there is no deadline");
            }
            sim_make_ready(sim.awaiting);
        }
    }
    sim_thread *next = sim.mode == SIM_MODE_CHANCE && sim.pct
                           ? highest(sim.ready)
                           : sim_decide_thread(SIM_NEXT, sim.ready);
    if (sim.mode == SIM_MODE_CHANCE) {
        if (sim.pct) {
            sim_decided(SIM_NEXT, SIM_OP_END, next->number);
        }
        next_event_find(next);
    }
    return next;
}

void sim_block(void) {
    sim_drain(sim.current);
    sim.ready &= ~sim_bit(sim.current);
    sim_thread *next = next_after_block();
    if (next != sim.current) {
        sim_continue_with(next);
    }
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
    if (sim.pct) {
        sim.next_event = 0; /* it may be the highest now */
    }
}

/* ---- places ------------------------------------------------------------------------------------- */

void sim_pass(void) {
    if (!sim.active || ++sim.result.passes != sim.awaited || sim.awaiting == NULL) {
        return;
    }
    sim_thread *waiter = sim.awaiting;
    sim_make_ready(waiter);
    sim_continue_with(waiter);
}

bool sim_await_pass(uint64_t k) {
    sim_check(sim.awaiting == NULL, "two threads wait for a place");
    if (sim.result.passes >= k) {
        return true;
    }
    sim.awaiting = sim.current;
    sim.awaited = k;
    sim.current->state = SIM_AWAITING;
    sim_block();
    sim.awaiting = NULL;
    return sim.result.passes >= k;
}

/* Futexes and the virtual clock.
 *
 * The clock moves a little at each step, and jumps to the earliest deadline when nobody can run, or
 * by chance: a deadline may come at any moment relative to what others have done. */
#include "port/sim/sim_internal.h"

enum { COARSE_NANOSECONDS = 4000000 };

static void next_deadline_find(void) {
    sim.next_deadline = PORT_NEVER;
    for (uint64_t mask = sim.sleeping; mask != 0; mask &= mask - 1) {
        int64_t deadline = sim.threads[__builtin_ctzll(mask)].deadline;
        sim.next_deadline = deadline < sim.next_deadline ? deadline : sim.next_deadline;
    }
}

void sim_wake_due(void) {
    if (sim.result.clock < sim.next_deadline) {
        return;
    }
    for (uint64_t mask = sim.sleeping; mask != 0; mask &= mask - 1) {
        sim_thread *sleeper = &sim.threads[__builtin_ctzll(mask)];
        if (sleeper->deadline <= sim.result.clock) {
            sim_make_ready(sleeper);
        }
    }
    next_deadline_find();
}

bool sim_leap(void) {
    next_deadline_find();
    if (sim.next_deadline == PORT_NEVER) {
        return false;
    }
    if (sim.next_deadline > sim.result.clock) {
        sim.result.clock = sim.next_deadline;
        sim.result.leaps++;
    }
    sim_wake_due();
    return true;
}

static void sleep_on(const uint32_t *word, int64_t deadline) {
    sim_thread *self = sim.current;
    self->futex = (uintptr_t)word;
    self->deadline = deadline;
    self->state = SIM_SLEEPING;
    sim.sleeping |= sim_bit(self);
    if (deadline < sim.next_deadline) {
        sim.next_deadline = deadline;
    }
    sim_block();
}

void port_futex_wait(const uint32_t *word, uint32_t expected, int64_t deadline) {
    sim_point(SIM_OP_WAIT, word, expected);
    if (!sim.active) {
        return;
    }
    sim_drain(sim.current); /* the kernel's lock is a full fence */
    if ((uint32_t)sim_read(word, sizeof *word) != expected || deadline <= sim.result.clock) {
        return;
    }
    if (sim_decide_chance(SIM_EARLY, sim.early_rate)) {
        sim.result.spurious++;
        return;
    }
    sleep_on(word, deadline);
}

static uint64_t sleepers_on(const uint32_t *word) {
    uint64_t found = 0;
    for (uint64_t mask = sim.sleeping; mask != 0; mask &= mask - 1) {
        const sim_thread *sleeper = &sim.threads[__builtin_ctzll(mask)];
        if (sleeper->futex == (uintptr_t)word) {
            found |= sim_bit(sleeper);
        }
    }
    return found;
}

void port_futex_wake(const uint32_t *word, uint32_t count) {
    sim_point(SIM_OP_WAKE, word, count);
    if (!sim.active) {
        return;
    }
    sim_drain(sim.current);
    uint64_t found = sleepers_on(word);
    for (; found != 0 && count > 0; count--) {
        sim_thread *sleeper = sim_decide_thread(SIM_WAKE, found);
        found &= ~sim_bit(sleeper);
        sim_make_ready(sleeper);
    }
}

int64_t port_clock_now(void) {
    sim_point(SIM_OP_CLOCK, NULL, 0);
    return sim.result.clock;
}

static int64_t coarse_of(int64_t now) {
    return now - now % COARSE_NANOSECONDS;
}

int64_t port_clock_coarse(void) {
    sim_point(SIM_OP_CLOCK, NULL, 0);
    bool behind = sim.result.clock < sim.coarse_until;
    return behind ? sim.coarse_behind : coarse_of(sim.result.clock);
}

void sim_clock_leap(int64_t nanoseconds) {
    sim_point(SIM_OP_CLOCK, NULL, (uint64_t)nanoseconds);
    if (sim.result.clock >= sim.coarse_until) {
        sim.coarse_behind = coarse_of(sim.result.clock);
    }
    sim.result.clock += nanoseconds;
    sim.coarse_until = sim.result.clock + COARSE_NANOSECONDS;
    sim_wake_due();
}

/* Virtual threads: start, end, join, and what port.h tells a thread about itself.
 *
 * A virtual thread keeps its place, and so its number, until it is joined. Its own stack belongs to
 * the place and is used again by the next thread there. */
#include <stdio.h>
#include <string.h>

#include "port/sim/sim_internal.h"

/* port_current_get() outside a run. */
static void *outside_current;

void sim_threads_reset(void) {
    for (uint64_t mask = sim.used; mask != 0; mask &= mask - 1) {
        memset(&sim.threads[__builtin_ctzll(mask)], 0, sizeof(sim_thread));
    }
    sim.used = 0;
    sim.current = NULL;
}

static void thread_end(sim_thread *self) {
    sim_point(SIM_OP_END, NULL, 0);
    sim_drain(self);
    self->state = SIM_ENDED;
    if (self->joiner != NULL) {
        sim_make_ready(self->joiner);
    }
    sim_leave();
}

static void thread_main(void *arg) {
    sim_thread *self = arg;
    sim_switched();
    self->entry(self->arg);
    thread_end(self);
}

static void thread_prepare(sim_thread *thread) {
    char *low = sim_thread_stack(thread);
    sim_stack_reissue(low, SIM_THREAD_STACK);
    thread->stack_low = low;
    thread->stack_size = SIM_THREAD_STACK;
    thread->sp = port_context_make(low + SIM_THREAD_STACK, thread_main, thread);
}

sim_thread *sim_thread_create(void (*entry)(void *arg), void *arg, const char *name) {
    uint64_t unused = ~sim.used;
    if (!sim_arena_open() || (uint32_t)__builtin_popcountll(sim.used) >= sim.config.thread_limit) {
        return NULL;
    }
    uint32_t number = (uint32_t)__builtin_ctzll(unused);
    sim_thread *thread = &sim.threads[number];
    *thread = (sim_thread){.number = number, .entry = entry, .arg = arg};
    snprintf(thread->name, sizeof thread->name, "%s", name);
    thread->priority = sim_priority_new();
    sim.used |= sim_bit(thread);
    thread_prepare(thread);
    sim_make_ready(thread);
    return thread;
}

bool port_thread_start(port_thread *out, void (*entry)(void *arg), void *arg, const char *name) {
    sim_point(SIM_OP_START, NULL, 0);
    if (!sim.active) {
        return false;
    }
    sim_drain(sim.current);
    if (sim_refuse(++sim.result.thread_starts, sim.config.fail_thread_start)) {
        return false;
    }
    sim_thread *thread = sim_thread_create(entry, arg, name != NULL ? name : "");
    if (thread == NULL) {
        return false;
    }
    out->id = (uintptr_t)thread;
    return true;
}

void port_thread_join(port_thread *thread) {
    sim_thread *target = (sim_thread *)thread->id;
    sim_point(SIM_OP_JOIN, NULL, target->number);
    sim_check(target != sim.current, "thread joins itself");
    sim_check(target->state != SIM_UNUSED && target->joiner == NULL, "thread joined twice");
    target->joiner = sim.current;
    while (target->state != SIM_ENDED) {
        sim.current->state = SIM_JOINING;
        sim_block();
    }
    target->state = SIM_UNUSED;
    sim.used &= ~sim_bit(target);
}

void port_thread_yield(void) {
    sim_point_give_way(SIM_OP_YIELD, 1000, __builtin_return_address(0));
}

void port_cpu_relax(void) {
    sim_point_give_way(SIM_OP_RELAX, 100, __builtin_return_address(0));
}

uint32_t port_thread_hash(void) {
    return sim.active ? sim.current->number : 0;
}

void port_callbacks_add(int32_t n) {
    if (sim.active) {
        sim.current->callbacks += (uint32_t)n;
    }
}

uint32_t port_callbacks(void) {
    return sim.active ? sim.current->callbacks : 0;
}

void *port_current_get(void) {
    return sim.active ? sim.current->current : outside_current;
}

void port_current_set(void *current) {
    if (sim.active) {
        sim.current->current = current;
    } else {
        outside_current = current;
    }
}

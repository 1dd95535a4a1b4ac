/* The event log: the last steps of a run, for reading a failure. */
#include <stdio.h>

#include "port/sim/sim_internal.h"

typedef struct event {
    uint64_t step;
    const volatile void *address;
    uint64_t value;
    uint32_t thread;
    sim_op op;
} event;

typedef struct label {
    const volatile void *address;
    const char *name;
} label;

static event events[SIM_LOG_MAX];
static label labels[SIM_LABELS_MAX];
static uint32_t label_count;

static const char *const op_names[SIM_OP_COUNT] = {
    "load", "store", "rmw",   "fence-light", "fence-full", "fence-all", "wait",  "wake",    "start",
    "join", "end",   "yield", "relax",       "clock",      "map",       "unmap", "discard", "file",
};

static const char *const state_names[] = {"unused", "ready", "sleeping", "joining", "ended"};

void sim_log_reset(void) {
    label_count = 0;
}

void sim_label(const volatile void *address, const char *name) {
    if (label_count < SIM_LABELS_MAX) {
        labels[label_count++] = (label){.address = address, .name = name};
    }
}

void sim_log_event(sim_op op, const volatile void *address, uint64_t value) {
    events[sim.result.steps % sim.config.log_events] = (event){.step = sim.result.steps,
                                                               .address = address,
                                                               .value = value,
                                                               .thread = sim.current->number,
                                                               .op = op};
}

static void address_print(const volatile void *address) {
    for (uint32_t i = 0; i < label_count; i++) {
        if (labels[i].address == address) {
            fprintf(stderr, " %-18s", labels[i].name);
            return;
        }
    }
    fprintf(stderr, " %-18p", (const void *)address);
}

static void event_print(const event *e) {
    fprintf(stderr, "%8llu  thread %-2u  %-11s", (unsigned long long)e->step, (unsigned)e->thread,
            op_names[e->op]);
    if (e->address != NULL) {
        address_print(e->address);
    }
    if (e->op != SIM_OP_LOAD) {
        fprintf(stderr, " %#llx", (unsigned long long)e->value);
    }
    fputc('\n', stderr);
}

static void thread_print(const sim_thread *thread) {
    fprintf(stderr, "  thread %-2u %-15s %s, %u delayed stores", (unsigned)thread->number,
            thread->name, state_names[thread->state], (unsigned)thread->buffer.count);
    if (thread->state == SIM_SLEEPING) {
        fprintf(stderr, ", on");
        address_print((const volatile void *)thread->futex);
    }
    fputc('\n', stderr);
}

void sim_log_print(void) {
    uint64_t last = sim.result.steps;
    uint64_t count = last < sim.config.log_events ? last : sim.config.log_events;
    for (uint64_t step = last - count + 1; step <= last; step++) {
        event_print(&events[step % sim.config.log_events]);
    }
    for (uint64_t mask = sim.used; mask != 0; mask &= mask - 1) {
        thread_print(&sim.threads[__builtin_ctzll(mask)]);
    }
    fprintf(stderr, "sim: seed %llu failed at step %llu, hash %016llx: %s\n",
            (unsigned long long)sim.result.seed, (unsigned long long)last,
            (unsigned long long)sim.result.hash, sim.result.failure);
}

/* The event log: the last steps of a run, for reading a failure. */
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "port/sim/sim_internal.h"

typedef struct event {
    uint64_t step;
    const volatile void *address;
    uint64_t value;
    const void *caller;
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

static const struct {
    const char *name;
    char letter; /* in the text of a run's decisions */
} ops[SIM_OP_COUNT] = {
    [SIM_OP_LOAD] = {"load", 'l'},
    [SIM_OP_STORE] = {"store", 's'},
    [SIM_OP_RMW] = {"rmw", 'm'},
    [SIM_OP_FENCE_LIGHT] = {"fence-light", 'i'},
    [SIM_OP_FENCE_FULL] = {"fence-full", 'f'},
    [SIM_OP_FENCE_ALL] = {"fence-all", 'a'},
    [SIM_OP_WAIT] = {"wait", 'w'},
    [SIM_OP_WAKE] = {"wake", 'k'},
    [SIM_OP_START] = {"start", 't'},
    [SIM_OP_JOIN] = {"join", 'j'},
    [SIM_OP_END] = {"end", 'e'},
    [SIM_OP_YIELD] = {"yield", 'y'},
    [SIM_OP_RELAX] = {"relax", 'x'},
    [SIM_OP_CLOCK] = {"clock", 'c'},
    [SIM_OP_MAP] = {"map", 'p'},
    [SIM_OP_UNMAP] = {"unmap", 'u'},
    [SIM_OP_DISCARD] = {"discard", 'd'},
    [SIM_OP_FILE] = {"file", 'o'},
};

char sim_op_letter(sim_op op) {
    return ops[op].letter;
}

static const char *const state_names[] = {"unused",  "ready",    "sleeping",
                                          "joining", "awaiting", "ended"};

void sim_log_reset(void) {
    label_count = 0;
}

void sim_label(const volatile void *address, const char *name) {
    if (label_count < SIM_LABELS_MAX) {
        labels[label_count++] = (label){.address = address, .name = name};
    }
}

void sim_log_event(sim_op op, const volatile void *address, uint64_t value, const void *caller) {
    events[sim.result.steps % sim.config.log_events] = (event){.step = sim.result.steps,
                                                               .address = address,
                                                               .value = value,
                                                               .caller = caller,
                                                               .thread = sim.current->number,
                                                               .op = op};
}

static void address_print(const volatile void *address) {
    for (uint32_t i = 0; i < label_count; i++) {
        if (labels[i].address == address) {
            fprintf(stderr, " %-14s", labels[i].name);
            return;
        }
    }
    fprintf(stderr, " %-14p", (const void *)address);
}

static void event_print(const event *e, const char *place) {
    fprintf(stderr, "%8llu  %2u %-15s %-11s", (unsigned long long)e->step, (unsigned)e->thread,
            sim.threads[e->thread].name, ops[e->op].name);
    if (e->address != NULL) {
        address_print(e->address);
    } else {
        fprintf(stderr, " %-14s", "");
    }
    char value[24] = "";
    if (e->op != SIM_OP_LOAD) {
        snprintf(value, sizeof value, "%#llx", (unsigned long long)e->value);
    }
    fprintf(stderr, " %-18s %s\n", value, place);
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

/* The first object is the program. */
static int program_at(struct dl_phdr_info *info, size_t size, void *out) {
    (void)size;
    *(uintptr_t *)out = info->dlpi_addr;
    return 1;
}

/* Asks addr2line, where there is one, for "function at file:line" of each event. NULL: nobody to ask. */
static FILE *places_open(uint64_t first, uint64_t last) {
    static char command[64 + SIM_LOG_MAX * 12];
    int n = snprintf(command, sizeof command, "addr2line -psf -e /proc/%ld/exe 2>/dev/null",
                     (long)getpid());
    uintptr_t base = 0;
    dl_iterate_phdr(program_at, &base);
    for (uint64_t step = first; step <= last; step++) {
        uintptr_t caller = (uintptr_t)events[step % sim.config.log_events].caller;
        uintptr_t place = caller - base - 1; /* within the call */
        n += snprintf(command + n, sizeof command - (size_t)n, " %x", (unsigned)place);
    }
    return popen(command, "r");
}

void sim_log_print(void) {
    uint64_t last = sim.result.steps;
    uint64_t count = last < sim.config.log_events ? last : sim.config.log_events;
    FILE *places = places_open(last - count + 1, last);
    for (uint64_t step = last - count + 1; step <= last; step++) {
        char place[160] = "";
        if (places != NULL && fgets(place, sizeof place, places) != NULL) {
            place[strcspn(place, "\n")] = 0;
        }
        event_print(&events[step % sim.config.log_events], place);
    }
    if (places != NULL) {
        pclose(places);
    }
    for (uint64_t mask = sim.used; mask != 0; mask &= mask - 1) {
        thread_print(&sim.threads[__builtin_ctzll(mask)]);
    }
    fprintf(stderr, "sim: seed %llu failed at step %llu, hash %016llx: %s\n",
            (unsigned long long)sim.result.seed, (unsigned long long)last,
            (unsigned long long)sim.result.hash, sim.result.failure);
}

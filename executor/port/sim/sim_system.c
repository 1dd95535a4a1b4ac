/* The rest of the port: what the system tells, and the last resort. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/sim/sim_internal.h"

uint32_t port_cpu_count(void) {
    return sim.config.cpus != 0 ? sim.config.cpus : 1;
}

/* Virtual threads end by returning. */
void port_thread_guard(void (*left)(void *arg), void *arg) {
    (void)left;
    (void)arg;
}

uint64_t port_random_seed(void) {
    return sim.active ? sim_decide_number(SIM_SEED, UINT64_MAX) : 1;
}

void port_fork_watch(void) {
}

atomic_u32 port_fork_flag;

void port_forked_clear(void) {
}

_Noreturn void port_panic(const char *message) {
    if (sim.active) {
        sim_fail(message);
    }
    port_log_stderr(message);
    abort();
}

void port_log_stderr(const char *line) {
    fprintf(stderr, "%s\n", line);
}

const char *port_env_get(const char *name) {
    size_t length = strlen(name);
    const char *const *entry = sim.config.environment;
    for (; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') {
            return *entry + length + 1;
        }
    }
    return NULL;
}

void port_env_each(const char *prefix, void (*visit)(const char *entry, void *arg), void *arg) {
    const char *const *entry = sim.config.environment;
    for (; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, prefix, strlen(prefix)) == 0) {
            visit(*entry, arg);
        }
    }
}

/* No descriptors here. */
int port_notify_open(void) {
    return -1;
}

void port_notify_raise(int fd) {
    (void)fd;
}

void port_notify_close(int fd) {
    (void)fd;
}

/* The sweep on the simulated port: the contract of port.h itself is intercepted. Each k-th call is exact, and each
 * point is tried under several schedules. */
#include "sweep.h"

#include <stdio.h>
#include <string.h>

#include "owner/registry.h"
#include "port/sim/sim.h"

static int64_t mapped; /* bytes; plain: the simulator switches at its own steps only */

/* ---- intercepted --------------------------------------------------------------------------------------------- */

void *__real_port_heap_allocate(size_t size, size_t alignment);
void *__wrap_port_heap_allocate(size_t size, size_t alignment);
void *__wrap_port_heap_allocate(size_t size, size_t alignment) {
    return fault_strikes(FAULT_HEAP) ? NULL : __real_port_heap_allocate(size, alignment);
}

void *__real_port_pages_map(size_t size, size_t alignment);
void *__wrap_port_pages_map(size_t size, size_t alignment);
void *__wrap_port_pages_map(size_t size, size_t alignment) {
    void *pages = fault_strikes(FAULT_PAGES) ? NULL : __real_port_pages_map(size, alignment);
    mapped += pages != NULL ? (int64_t)size : 0;
    return pages;
}

void __real_port_pages_unmap(void *pages, size_t size);
void __wrap_port_pages_unmap(void *pages, size_t size);
void __wrap_port_pages_unmap(void *pages, size_t size) {
    mapped -= (int64_t)size;
    __real_port_pages_unmap(pages, size);
}

bool __real_port_thread_start(port_thread *out, void (*entry)(void *arg), void *arg,
                              const char *name);
bool __wrap_port_thread_start(port_thread *out, void (*entry)(void *arg), void *arg,
                              const char *name);
bool __wrap_port_thread_start(port_thread *out, void (*entry)(void *arg), void *arg,
                              const char *name) {
    return !fault_strikes(FAULT_THREADS) && __real_port_thread_start(out, entry, arg, name);
}

bool __real_port_poller_open(port_poller *poller);
bool __wrap_port_poller_open(port_poller *poller);
bool __wrap_port_poller_open(port_poller *poller) {
    return !fault_strikes(FAULT_FDS) && __real_port_poller_open(poller);
}

bool __real_port_bell_open(port_bell *bell);
bool __wrap_port_bell_open(port_bell *bell);
bool __wrap_port_bell_open(port_bell *bell) {
    return !fault_strikes(FAULT_FDS) && __real_port_bell_open(bell);
}

port_watch __real_port_poller_arm(port_poller *poller, int fd, uint64_t key, uint32_t interest);
port_watch __wrap_port_poller_arm(port_poller *poller, int fd, uint64_t key, uint32_t interest);
port_watch __wrap_port_poller_arm(port_poller *poller, int fd, uint64_t key, uint32_t interest) {
    return fault_strikes(FAULT_FDS) ? PORT_WATCH_FAILED
                                    : __real_port_poller_arm(poller, fd, key, interest);
}

/* ---- descriptors of scenarios --------------------------------------------------------------------------------- */

static int next_fd;

int fault_fd_open(void) {
    sim_fd_open(next_fd);
    return next_fd++;
}

void fault_fd_ready(int fd) {
    sim_fd_set(fd, PORT_FD_READ);
}

void fault_fd_close(int fd) {
    MAY(belay_fd_close(fd), BELAY_OK);
}

/* ---- runs ------------------------------------------------------------------------------------------------------ */

static char failure[512];

void fault_fail(const char *text) {
    sim_fail(text);
}

static void enter(void *arg) {
    int64_t before = mapped;
    fault_run_enter(arg);
    CHECKED(mapped == before);
}

const char *fault_run_once(const fault_scenario *scenario, const fault_plan *plan, uint64_t seed) {
    sim_config config = {.seed = seed, .no_membarrier = seed / 2 % 3 == 2, .step_limit = 2000000};
    next_fd = 0;
    fault_run_begin(plan);
    sim_result result = sim_run(&config, enter, (void *)(uintptr_t)scenario);
    const char *told = fault_run_end();
    if (result.ok && told == NULL) {
        return NULL;
    }
    snprintf(failure, sizeof failure, "%s; seed %llu", result.ok ? told : result.failure,
             (unsigned long long)seed);
    return failure;
}

bool fault_port_has(fault_kind kind) {
    return kind != FAULT_GUARDS;
}

const char *fault_port_name(void) {
    return "simulated";
}

/* The table of executors outlives a run, so its entries must not be pages of the run. */
void fault_port_open(void) {
    belay_executor *made[4];
    for (int i = 0; i < 4; i++) {
        made[i] = executor_claim();
    }
    for (int i = 0; i < 4; i++) {
        executor_unclaim(made[i]);
    }
}

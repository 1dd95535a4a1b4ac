/* How many processors the process may use. */
#define _GNU_SOURCE 1

#include "port/linux/cpus.h"

#include <sched.h>
#include <unistd.h>

#include "port/linux/cgroup.h"
#include "port/port.h"

/* Sixteen times what one cpu_set_t holds: the kernel refuses a mask smaller than its own. */
static uint32_t cpus_allowed(void) {
    cpu_set_t sets[16];
    if (sched_getaffinity(0, sizeof sets, sets) == 0) {
        return (uint32_t)CPU_COUNT_S(sizeof sets, sets);
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

uint32_t cpus_capped(uint32_t allowed, uint64_t quota) {
    uint64_t whole = quota == CGROUP_UNLIMITED ? allowed : quota / 1000 + (quota % 1000 >= 500);
    uint64_t cpus = whole < allowed ? whole : allowed;
    return cpus > 0 ? (uint32_t)cpus : 1;
}

uint32_t port_cpu_count(void) {
    return cpus_capped(cpus_allowed(), cgroup_cpu_quota(""));
}

/* The clock and the seed for schedulers. */
#define _GNU_SOURCE 1

#include <sys/random.h>
#include <time.h>

#include "port/port.h"

static int64_t clock_read(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t port_clock_now(void) {
    return clock_read(CLOCK_MONOTONIC);
}

int64_t port_clock_coarse(void) {
    return clock_read(CLOCK_MONOTONIC_COARSE);
}

uint64_t port_random_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        /* No secret is needed, only different numbers: time, and where the stack was placed. */
        seed = (uint64_t)port_clock_now() * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)&seed;
    }
    return seed;
}

/* A seam for tests of port/linux/cpus.c. */
#ifndef BELAY_PORT_LINUX_CPUS_H
#define BELAY_PORT_LINUX_CPUS_H

#include <stdint.h>

/* `allowed` processors under a quota in thousandths of a processor (port/linux/cgroup.h): rounded
 * to the nearest, at least 1. */
uint32_t cpus_capped(uint32_t allowed, uint64_t quota);

#endif

/* The processor quota that control groups put on this process. */
#ifndef BELAY_PORT_LINUX_CGROUP_H
#define BELAY_PORT_LINUX_CGROUP_H

#include <stdint.h>

#define CGROUP_UNLIMITED UINT64_MAX

/* Thousandths of a processor: the smallest quota of versions 1 and 2 and of all ancestors. Every
 * file is looked up below `root`, which is "" except in tests. CGROUP_UNLIMITED when there is none,
 * or when the files are missing or unreadable. */
uint64_t cgroup_cpu_quota(const char *root);

#endif

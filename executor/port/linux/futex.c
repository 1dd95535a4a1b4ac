/* Parking on the Linux futex, private to the process.
 *
 * FUTEX_WAIT_BITSET and not FUTEX_WAIT, because its time limit is a point on CLOCK_MONOTONIC and
 * not a duration: the same clock as port_clock_now(). Every reason to return early (a signal, a
 * word that has changed, the deadline) is one to the caller, who looks at its own condition
 * again. */
#define _GNU_SOURCE 1

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "port/port.h"

enum { NANOSECONDS = 1000000000 };

void port_futex_wait(const uint32_t *word, uint32_t expected, int64_t deadline) {
    struct timespec until = {0};
    if (deadline != PORT_NEVER) {
        int64_t point = deadline > 0 ? deadline : 0; /* the kernel refuses negative ones */
        until.tv_sec = point / NANOSECONDS;
        until.tv_nsec = point % NANOSECONDS;
    }
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
            deadline == PORT_NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void port_futex_wake(const uint32_t *word, uint32_t count) {
    uint32_t most = count < INT32_MAX ? count : INT32_MAX; /* the kernel takes a signed number */
    syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, most, NULL, NULL, 0);
}

/* The heavy half of the fence pair: membarrier, limited to this process (PRIVATE_EXPEDITED), which
 * interrupts exactly those processors that run one of our threads. */
#define _GNU_SOURCE 1

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "port/port.h"

static bool membarrier(int command) {
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

/* The kernel keeps the registration per address space; a second one is cheap and harmless. The
 * trial tells real support from an emulator or filter that accepts the registration only. */
bool port_membarrier_init(void) {
    return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
           membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

void port_fence_heavy(bool symmetric) {
    if (symmetric) {
        port_fence_full();
        return;
    }
    /* Going on without the fence would be a lost wakeup some day; nobody could find that. */
    if (!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
        port_panic("belay: membarrier is refused now, although it was accepted before");
    }
}

/* Opening files when descriptors are scarce. treesum itself keeps below the limit (see
 * treesum.c), so this is for what it does not govern: the system's limit, and inherited
 * descriptors. */
#include "patience.h"

#include "system.h"

#include <errno.h>
#include <stdbool.h>

#define PAUSE (5 * BELAY_MILLISECOND)
#define PATIENCE (5 * BELAY_SECOND)

static bool is_scarcity(int error) {
    return error == EMFILE || error == ENFILE;
}

belay_status open_patiently(belay_task *self, const char *path, int flags, int *fd) {
    belay_status status = system_open(path, flags, fd);
    belay_time deadline = is_scarcity(status) ? belay_after(PATIENCE) : 0;
    while (is_scarcity(status) && belay_now() < deadline) {
        status = belay_sleep_until(self, belay_after(PAUSE));
        if (status == BELAY_OK) {
            status = system_open(path, flags, fd);
        }
    }
    return status;
}

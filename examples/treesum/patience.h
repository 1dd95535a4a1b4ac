/* Opening files when descriptors are scarce. */
#ifndef BELAY_TREESUM_PATIENCE_H
#define BELAY_TREESUM_PATIENCE_H

#include <belay/belay.h>

/* Opens a path of any length; while the process or the system has no descriptor left, sleeps and
 * tries again, for some seconds: other tasks close theirs meanwhile. 0, an error number, or
 * BELAY_ECANCELED. */
belay_status open_patiently(belay_task *self, const char *path, int flags, int *fd);

#endif

/* File tasks: each hashes one file. */
#ifndef BELAY_TREESUM_HASH_H
#define BELAY_TREESUM_HASH_H

#include "treesum.h"

/* Spawns a task for each file of a list, waiting for room when enough are in flight. Waits.
 * BELAY_OK, or BELAY_ECANCELED: the rest of the list stays unsettled. */
belay_status hash_files(belay_task *self, struct treesum *run, struct file *files);

#endif

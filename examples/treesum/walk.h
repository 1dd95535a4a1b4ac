/* Directory tasks: each reads one directory and starts tasks for what it finds. */
#ifndef BELAY_TREESUM_WALK_H
#define BELAY_TREESUM_WALK_H

#include "system.h"
#include "treesum.h"

/* Enters what was found in `parent`: a file into the ledger and at the head of *files, a
 * directory into the frontier; other kinds are not for treesum. What it has no memory for it
 * reports. */
void walk_add(struct treesum *run, const char *parent, const struct entry *found,
              struct file **files);

/* Starts tasks for directories of the frontier, up to its limit. */
void walk_more(belay_task *self, struct treesum *run);

#endif

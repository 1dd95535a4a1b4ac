/* One run of treesum: what its tasks share, and the task that owns them all.
 *
 *     run task                   opens both scopes, starts the roots, closes both
 *       scope "files"            cap: files in flight; deadline: --timeout
 *         file tasks             hash.c
 *         scope "directories"    no cap: see frontier.h
 *           directory tasks      walk.c; each spawns into "files", waiting for room there
 *
 * Directory tasks make file tasks and never the other way round. So "directories" lies inside
 * "files" and is closed first: once it is, no file task can come, and closing "files" ends the
 * run. Cancelling "files", by its deadline or through the run task, cancels both. Failures of
 * single files are theirs alone: both scopes supervise. */
#ifndef BELAY_TREESUM_TREESUM_H
#define BELAY_TREESUM_TREESUM_H

#include "frontier.h"
#include "hasher.h"
#include "ledger.h"
#include "options.h"
#include "output.h"

#include <belay/belay.h>

/* Fields are constant while tasks run, or guard themselves. */
struct treesum {
    const struct options *options;
    const struct output *output;
    belay_time deadline; /* 0: none */
    uint32_t jobs;
    belay_scope files;
    belay_scope directories;
    struct frontier frontier;
    struct ledger ledger;
    struct hashers hashers;
};

/* Prepares a run. False: no memory, or no SHA-256 in libcrypto; nothing remains. */
bool treesum_init(struct treesum *run, const struct options *options, const struct output *output,
                  uint32_t workers);

/* Frees what a run has gathered. Only when no task is left. */
void treesum_fini(struct treesum *run);

/* The run task; its argument is a struct treesum. BELAY_OK: every file was settled, though some
 * may have failed. BELAY_ETIMEDOUT, BELAY_ECANCELED: stopped before that. Others: it could not
 * start. */
belay_status treesum_body(belay_task *self, void *arg);

/* Reports what could not be read or started, and counts it; status is an error number, or
 * belay's. */
void treesum_fail(struct treesum *run, const char *path, belay_status status);

#endif

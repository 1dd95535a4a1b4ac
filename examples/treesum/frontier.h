/* The frontier: directories that were found and not walked yet.
 *
 * Why not a scope with a cap, as for files? A directory task that waits for room for its
 * subdirectories occupies room itself, and once such tasks have all of it, nobody moves. So
 * directory tasks never wait for one another: they leave their subdirectories here, and whoever
 * finds fewer than `limit` directories being walked takes the next. The youngest goes first,
 * which walks the tree depth first and keeps the frontier short. */
#ifndef BELAY_TREESUM_FRONTIER_H
#define BELAY_TREESUM_FRONTIER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct treesum;

/* A directory to walk. Owned by the frontier, and once taken by its task, whose destructor frees
 * it. */
struct directory {
    struct treesum *run;
    struct directory *next;
    char path[];
};

struct frontier {
    pthread_mutex_t lock; /* guards all below; never held across a call that waits */
    struct directory *youngest;
    size_t walking; /* directories taken and not left */
    size_t limit;   /* constant */
};

void frontier_init(struct frontier *frontier, size_t limit);
void frontier_fini(struct frontier *frontier);

/* Adds parent/name, to be walked in `run`. False: no memory. */
bool frontier_add(struct frontier *frontier, struct treesum *run, const char *parent,
                  const char *name);

/* The next directory to walk, now the caller's; NULL if there is none, or enough are being
 * walked. Each one taken is followed by one frontier_leave. */
struct directory *frontier_take(struct frontier *frontier);
void frontier_leave(struct frontier *frontier);

#endif

/* The frontier: a stack of directories, and a count of those being walked. */
#include "frontier.h"

#include "path.h"

#include <assert.h>
#include <stdlib.h>

void frontier_init(struct frontier *frontier, size_t limit) {
    pthread_mutex_init(&frontier->lock, NULL);
    frontier->youngest = NULL;
    frontier->walking = 0;
    frontier->limit = limit;
}

/* A cancelled run leaves directories behind. */
void frontier_fini(struct frontier *frontier) {
    while (frontier->youngest != NULL) {
        struct directory *rest = frontier->youngest->next;
        free(frontier->youngest);
        frontier->youngest = rest;
    }
    pthread_mutex_destroy(&frontier->lock);
}

bool frontier_add(struct frontier *frontier, struct treesum *run, const char *parent,
                  const char *name) {
    struct directory *added = malloc(sizeof(*added) + path_join_size(parent, name));
    if (added == NULL) {
        return false;
    }
    added->run = run;
    path_join(added->path, parent, name);
    pthread_mutex_lock(&frontier->lock);
    added->next = frontier->youngest;
    frontier->youngest = added;
    pthread_mutex_unlock(&frontier->lock);
    return true;
}

struct directory *frontier_take(struct frontier *frontier) {
    struct directory *taken = NULL;
    pthread_mutex_lock(&frontier->lock);
    if (frontier->youngest != NULL && frontier->walking < frontier->limit) {
        taken = frontier->youngest;
        frontier->youngest = taken->next;
        frontier->walking++;
    }
    pthread_mutex_unlock(&frontier->lock);
    return taken;
}

void frontier_leave(struct frontier *frontier) {
    pthread_mutex_lock(&frontier->lock);
    assert(frontier->walking > 0);
    frontier->walking--;
    pthread_mutex_unlock(&frontier->lock);
}

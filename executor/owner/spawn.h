/* What the ways of spawning share; see owner/spawn.c. */
#ifndef BELAY_OWNER_SPAWN_H
#define BELAY_OWNER_SPAWN_H

#include "owner/scope.h"

/* A call to spawn. */
typedef struct request {
    belay_task *self;
    belay_body *body;
    void *arg;
    const belay_task_options *options;
    belay_task_handle *out;
    const char *site;
    bool may_wait;
    arm *starter; /* belay_start's, which waits from the first moment */
} request;

belay_status spawn_into(belay_executor *ex, scope *s, uint32_t generation, const request *r);
/* owner/service.c: spawns a service of the scope. */
belay_status service_spawn(belay_executor *ex, scope *s, uint32_t generation, const request *r);

#endif

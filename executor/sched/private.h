/* See sched/private.c. */
#ifndef BELAY_SCHED_PRIVATE_H
#define BELAY_SCHED_PRIVATE_H

#include "sched/worker.h"

/* The next runnable of the hand-off slot, the batch or the own queue. Owner only. NULL: none. */
runnable *private_take(worker *w);

#endif

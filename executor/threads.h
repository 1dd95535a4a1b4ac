/* The threads of an executor that run tasks, and what the scheduler asks of the floors above it. */
#ifndef BELAY_THREADS_H
#define BELAY_THREADS_H

#include "owner/scope.h"

extern const driver executor_driver;

/* Before any executor is created: says which task it is that an exception leaves. */
void threads_watch(void);
/* Starts the workers. *started: how many there are, also after a failure. */
belay_status threads_start(belay_executor *ex, uint32_t *started);
/* Starts the thread of a spare worker. False: there is none to be had. On a worker's thread. */
bool threads_hire(worker *w);
/* Stops and joins all of them; so many workers were started. */
void threads_stop(belay_executor *ex, uint32_t started);

#endif

/* What the ways of joining share; see owner/join.c. */
#ifndef BELAY_OWNER_JOINS_H
#define BELAY_OWNER_JOINS_H

#include <belay/join.h>

#include "owner/scope.h"

/* Waits until the task is done. The task's lock is held at the call and at the return. drain: cancel does not end it.
 * WAIT_OK: it is done, whatever else came. */
wait_word joins_wait(belay_task *self, belay_task *t, lock *l, int64_t deadline, bool drain);
/* Under the task's lock, of a task that is done: the outcome, and the result if it is still there. */
void joins_read(belay_task *t, belay_outcome *out);
/* Would the caller wait for itself: is it the task, a stolen fork of it, or in a scope that the task has opened? */
bool joins_itself(const belay_task *self, const belay_task *t);
/* self is cancelled: books the refusal and says so. Also if nothing is to be waited for: a cancel is
 * level-triggered. */
bool joins_refused(belay_task *self);

#endif

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

/* owner/join.c, under the task's lock: who waits for its end; at the end all are woken. */
void joiner_add(belay_task *t, arm *a);
void joiner_remove(belay_task *t, arm *a);
bool joiner_linked(const belay_task *t, const arm *a);
/* Returns the arm of the task's done callbacks, if it has any: the caller's, for notices_run. */
arm *joiners_wake(belay_task *t);
/* What an arm among the joiners is, beside one who waits for the end. */
enum { MARK_STARTER = 1, MARK_NOTICES = 2 };
/* owner/notice.c. Under the task's lock: are there calls to make? */
bool notices_wanted(const arm *a);
/* Makes them; under no lock, before the task leaves its scope. */
void notices_run(belay_executor *ex, belay_task *t, arm *a);
/* The record's last reference is gone, or it never had one: frees it. */
void task_reap(belay_executor *ex, belay_task *t);

#endif

/* Wait cycles; see owner/cycle.c. */
#ifndef BELAY_OWNER_CYCLE_H
#define BELAY_OWNER_CYCLE_H

#include "owner/scope.h"

/* Reports a cycle of suspended tasks that begins and ends with t. False: there is none. Any thread inside the
 * executor. */
bool cycle_report(belay_executor *ex, belay_task *t);
/* Upcall: does the running task hold the lock with this word? flow/held.c */
bool upcall_holds(const void *lock_word);

#endif

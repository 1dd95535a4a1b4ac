/* A source: something that select can wait for. One table of functions for each kind of clause; select.c lists them by
 * belay_clause_kind.
 *
 * Select asks each clause whether it can take effect (poll). If none can, it arms its waiter, links an arm into every
 * object (link), waits, and takes the arms out (unlink). Whoever makes an object ready claims the waiter for the arm of
 * its choice with arm_claim, under the object's lock, as it would for a plain wait; so each object is locked alone, one
 * at a time, and only one clause takes effect. See docs/protocols/select.md.
 *
 * The arm, and what else the source needs until `end`, lie in the clause's `reserved` words: clause_arm() is at their
 * beginning, and clause_space() says what is left after it. */
#ifndef BELAY_FLOW_SOURCE_H
#define BELAY_FLOW_SOURCE_H

#include <belay/select.h>

#include "task/wait.h"

typedef struct source {
    /* Checks the clause's arguments and takes what references it needs. Not BELAY_OK: a mistake, the whole select fails
     * with it, and end is not called. NULL: nothing to do. */
    belay_status (*begin)(belay_task *self, belay_clause *c);
    /* Takes effect now if it can, and sets c->status (any status: a closed channel is ready, with BELAY_EPIPE). The
     * waiter is not armed and not linked. Takes the object's lock. */
    bool (*poll)(belay_clause *c);
    /* Links clause_arm(c), which is initialised, unless the clause could take effect now: then nothing is linked or
     * changed, and the answer is true. Decided under the object's lock. An object that only this waiter's other arms
     * could make ready is not ready: arm_live and arm.waiter tell. */
    bool (*link)(belay_clause *c);
    /* Takes the arm out if it is still linked, under the object's lock, which it takes in any case. After a link that
     * answered false. */
    void (*unlink)(belay_clause *c);
    /* The wait was claimed for this clause, and all arms were unlinked: sets c->status. NULL: it is BELAY_OK. */
    void (*fired)(belay_clause *c);
    /* Gives back what begin took; after all else. NULL: nothing. */
    void (*end)(belay_clause *c);
} source;

static inline arm *clause_arm(belay_clause *c) {
    return (arm *)(void *)c->reserved;
}
/* What is left of the reserved words after the arm and before select's own, the last. */
static inline void *clause_space(belay_clause *c) {
    return clause_arm(c) + 1;
}
enum { CLAUSE_SPACE = sizeof(((belay_clause *)0)->reserved) - sizeof(arm) - sizeof(uint64_t) };

extern const source channel_send_source; /* flow/send.c */
extern const source channel_recv_source; /* flow/recv.c */
extern const source join_source;         /* flow/join_source.c */
extern const source time_source;         /* flow/select.c */
extern const source token_source;        /* flow/token_source.c */
extern const source event_source;        /* flow/event.c */

#endif

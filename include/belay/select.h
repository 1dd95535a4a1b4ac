/* Select: waits for the first of several things, and does exactly that one.
 *
 *     belay_clause clauses[] = {belay_on_recv(jobs, &job), belay_on_time(belay_after(BELAY_SECOND))};
 *     size_t which;
 *     if (belay_select(self, clauses, 2, 0, &which) == BELAY_OK && which == 0 && clauses[0].status == BELAY_OK) ...
 *
 * A clause that is not chosen has no effect at all: its item stays with the sender, its receiver's memory is untouched,
 * its task's result is not taken. The same object may stand in several clauses. A select that sends to and receives
 * from the same channel never takes its own item without storing it: at a rendezvous it waits for another party; at a
 * buffered channel its send is ready while there is room, and an item that it has sent is then there for anybody.
 *
 * The clauses are the caller's memory. The call writes to them until it returns; they may then be used again as they
 * are.
 *
 * After T. Hoare, "Communicating Sequential Processes", 1978; one claim decides, as in J. Reppy, C. Russo, Y. Xiao,
 * "Parallel Concurrent ML", ICFP 2009. */
#ifndef BELAY_SELECT_H
#define BELAY_SELECT_H

#include <belay/cancel.h>
#include <belay/task.h>
#include <belay/time.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct belay_channel;
struct belay_lease;

typedef enum belay_clause_kind {
    BELAY_CLAUSE_NONE = 0, /* never ready: a clause that is switched off */
    BELAY_CLAUSE_TIME = 1,
    BELAY_CLAUSE_JOIN = 2,
    BELAY_CLAUSE_SEND = 3,
    BELAY_CLAUSE_RECV = 4,
    BELAY_CLAUSE_EVENT = 5,
    BELAY_CLAUSE_TOKEN = 6
} belay_clause_kind;

typedef struct belay_clause {
    uint32_t kind;       /* belay_clause_kind */
    belay_status status; /* written for the chosen clause: what the operation would have returned */
    void *object;        /* a channel, an event ... */
    union {
        const void *send;       /* the item to send */
        void *recv;             /* room for the item received */
        belay_outcome *outcome; /* of a join; may be NULL */
    } item;
    struct belay_lease *lease; /* of a receive in acknowledged mode */
    belay_task_handle task;    /* to join */
    belay_time time;           /* a timer's */
    uint64_t reserved[10];     /* the library's, during the call */
} belay_clause;

/* Ready from that time on. 0 is always ready: as the last clause it stands for "else". */
static inline belay_clause belay_on_time(belay_time time) {
    belay_clause c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CLAUSE_TIME;
    c.time = time;
    return c;
}

/* Ready when the task has ended: status and outcome as of belay_join, whose mistakes (BELAY_ESTALE, BELAY_EDEADLK) make
 * it ready too. The handle must keep its reference until the select returns. outcome may be NULL. */
static inline belay_clause belay_on_join(belay_task_handle task, belay_outcome *outcome) {
    belay_clause c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CLAUSE_JOIN;
    c.task = task;
    c.item.outcome = outcome;
    return c;
}

/* Ready when belay_channel_send would not wait; status as of that. */
static inline belay_clause belay_on_send(struct belay_channel *channel, const void *item) {
    belay_clause c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CLAUSE_SEND;
    c.object = channel;
    c.item.send = item;
    return c;
}

/* Ready when belay_channel_recv would not wait; status as of that. */
static inline belay_clause belay_on_recv(struct belay_channel *channel, void *item) {
    belay_clause c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CLAUSE_RECV;
    c.object = channel;
    c.item.recv = item;
    return c;
}

/* The same for a channel in acknowledged mode. */
static inline belay_clause belay_on_lease(struct belay_channel *channel, void *item,
                                          struct belay_lease *lease) {
    belay_clause c = belay_on_recv(channel, item);
    c.lease = lease;
    return c;
}

/* Ready when the token is cancelled at least to this level; its status is BELAY_ESTALE if it is gone without. */
static inline belay_clause belay_on_token(belay_token token, belay_cancel_level level) {
    belay_clause c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CLAUSE_TOKEN;
    c.task.slot = token.slot;
    c.task.executor = token.executor;
    c.task.generation = token.generation;
    c.time = level;
    return c;
}

/* Flags of select. */
enum {
    BELAY_SELECT_FAIR =
        1u /* of several ready clauses any with the same chance; else the first in the order given */
};

/* Waits until a clause is ready, and does it. Without a clause it waits to be cancelled. Waits: a schedule point and a
 * cancel point. From tasks and foreign threads.
 *   BELAY_OK         the clause *index was chosen, and clauses[*index].status says how it ended
 *   BELAY_ECANCELED  the caller is cancelled; no clause had an effect
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form); no clause had an effect
 *   BELAY_EINVAL     clauses or index NULL, an unknown kind or flag, a NULL where the clause needs one, or nothing that
 *                    could ever wake a foreign thread
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child
 * For every status but BELAY_OK *index is not written. */
BELAY_API belay_status belay_select(belay_task *self, belay_clause *clauses, size_t count,
                                    uint32_t flags, size_t *index);
BELAY_API belay_status belay_select_until(belay_task *self, belay_clause *clauses, size_t count,
                                          uint32_t flags, belay_time deadline, size_t *index);

/* The same if a clause is ready now; BELAY_EAGAIN if none is. Does not wait, and is no cancel point. Any thread, any
 * context. BELAY_OK, BELAY_EAGAIN, BELAY_EINVAL, BELAY_ECHILD. */
BELAY_API belay_status belay_try_select(belay_clause *clauses, size_t count, uint32_t flags,
                                        size_t *index);

#ifdef __cplusplus
}
#endif
#endif

/* Readiness of file descriptors, of one executor. docs/protocols/fd.md holds the states and the arguments.
 *
 * A table by descriptor number says who waits for what; the port's poller says what is ready. Both are made when the
 * first waiter links, so that an executor that never waits for a descriptor has neither. This floor knows no tasks:
 * waking is the node's function. */
#ifndef BELAY_EVENT_FD_H
#define BELAY_EVENT_FD_H

#include "base/list.h"
#include "base/lock.h"
#include "sched/sched.h"

enum { FD_LOCKS = 64, FD_CHUNK = 1024, FD_CHUNKS = 4096, FD_EVENTS = 64 };

/* One who waits. On the waiter's stack; linked from fd_link to fd_unlink. */
typedef struct fd_node {
    list link;         /* under the slot's lock */
    int fd;            /* constant while linked, like the next two */
    uint32_t interest; /* PORT_FD_... */
    void (*wake)(
        struct fd_node *
            n); /* called once at most, under the slot's lock, when `ready` is set and the node is out */
    /* Under the slot's lock: PORT_FD_...; PORT_FD_BAD: closed, or another file by now. */
    uint32_t ready;
} fd_node;

typedef struct fd_slot {
    list waiters;      /* all under the slot's lock */
    uint32_t sequence; /* counts armings; what an event carries to be believed */
    uint32_t armed;    /* what the poller watches for; 0: it does not */
} fd_slot;

typedef struct fd_chunk {
    fd_slot slot[FD_CHUNK];
} fd_chunk;

/* Who uses the poller. */
typedef enum fd_role { FD_FREE, FD_POLLING, FD_ASLEEP } fd_role;

typedef struct fd_table {
    sched *sched; /* constant, both */
    const allocator *alloc;
    ATOMIC(uint32_t) open;       /* set once, when the rest is there */
    ATOMIC(uint32_t) linked;     /* nodes linked, about: whether to poll at all */
    lock grow;                   /* guards opening and new chunks */
    port_poller poller;          /* constant once open */
    ATOMIC(fd_chunk *) * chunks; /* constant once open; an entry is written once, under `grow` */
    list sibling;                /* in the list of all tables, under its lock */
    lock locks[FD_LOCKS];
    _Alignas(64) ATOMIC(uint32_t) role; /* changed by who takes and leaves it */
    port_event events[FD_EVENTS];       /* the role's holder's */
    uint32_t fetched;                   /* the role's holder's: of these, to be delivered */
} fd_table;

/* In a forked child: forgets the parent's tables and threads. */
void fd_lose_all(void);
void fd_init(fd_table *t, sched *s, const allocator *alloc);
/* No worker runs any more, and nobody waits. */
void fd_fini(fd_table *t);

typedef enum fd_linked {
    FD_LINKED,  /* n->wake may be called from now on; the caller must fd_unlink */
    FD_ALWAYS,  /* never blocks: not linked */
    FD_CLOSED,  /* no open descriptor: not linked */
    FD_NOMEM,   /* no memory, or the number is too large: not linked */
    FD_NOPOLLER /* no descriptor for the poller, or a limit of the system: not linked */
} fd_linked;

/* Waits for n->fd. On a worker of the executor. */
fd_linked fd_link(fd_table *t, fd_node *n);
/* However the wait has ended. After it n->ready may be read. */
void fd_unlink(fd_table *t, fd_node *n);

/* Wakes all who wait for the number, in every executor of the process, with PORT_FD_BAD, and closes it: no link falls
 * between. False: it was not open. Any thread. */
bool fd_close(int fd);

/* The same for a thread that polls for itself: n->wake must end that. From link to unlink the number is not closed by
 * fd_close without a wake. */
void fd_link_foreign(fd_node *n);
void fd_unlink_foreign(fd_node *n);

/* Does anybody wait? Who links looks again, on its worker, before that parks. */
static inline bool fd_wanted(const fd_table *t) {
    return load_acquire(&t->linked) != 0; /* pairs with fd_link: the table is open */
}

/* ---- event/fd_poll.c ---------------------------------------------------------------------------------------- */

/* Fetches without blocking, and wakes. True if something was fetched. */
bool fd_poll(fd_table *t);
/* The parked worker sleeps here, unless its event count has moved from `seen`. False: it has not slept. After true:
 * fd_arrived, soon. */
bool fd_sleep(fd_table *t, worker *w, uint32_t seen, int64_t deadline);
void fd_arrived(fd_table *t);
/* From the monitor, now and then: fetches if nobody else does. True: nobody needs to look again before a worker was
 * active. */
bool fd_look_after(fd_table *t);

/* Wakes whom the event concerns. event/fd.c */
void fd_deliver(fd_table *t, const port_event *e);

#endif

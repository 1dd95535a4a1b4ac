/* Registrations: a call that a program has put down for later, in the list of a scope or a task, and may take back.
 *
 * A cell is a type-stable slot. All of it but the generation and the stripe is guarded by one lock of the executor,
 * chosen by the stripe: the number of the object in whose list the cell is. So whoever has a handle finds the lock in
 * the cell itself, takes it, and looks again whether the cell is still the same; the object need not be touched, and
 * may be gone.
 *
 *     FREE -> ARMED       cell_arm, by who registers
 *     ARMED -> RUNNING    cells_run, by who makes the calls; taken out of the list; called under no lock
 *     ARMED -> FREE       removed, or dropped with its object
 *     RUNNING -> FREE     the call, and that of the drop hook, has returned; removers that waited for it are woken
 * Each step to FREE raises the generation (handles become stale). The drop hook is called exactly once: before the step
 * from RUNNING, after that from ARMED.
 *
 * A removal that finds the cell RUNNING waits until the call has returned, except from inside the call itself. A call
 * cannot wait, so it stays on one thread: "inside" is a question of the thread. After std::stop_callback (P. McKenney,
 * L. Baker, N. Josuttis et al., P0660). */
#ifndef BELAY_OWNER_CELL_H
#define BELAY_OWNER_CELL_H

#include "owner/registry.h"

typedef enum cell_state { CELL_FREE = 0, CELL_ARMED, CELL_RUNNING } cell_state;

/* What a cell is for: handles of one kind do not remove cells of another. */
typedef enum cell_kind { CELL_ON_CANCEL = 1, CELL_ON_DONE, CELL_RESOURCE, CELL_DEFER } cell_kind;

typedef struct cell {
    list link;                   /* in the object's list while ARMED */
    ATOMIC(uint64_t) generation; /* written under the lock; never 0 while ARMED or RUNNING */
    ATOMIC(uint32_t) stripe;     /* constant from arm to FREE */
    uint32_t number;             /* the slot's, constant */
    uint8_t state;               /* cell_state */
    uint8_t kind;                /* cell_kind */
    uint32_t runner;             /* RUNNING: the thread that makes the call */
    void (*function)(void);      /* of the kind's type */
    void *arg;
    belay_drop *drop;   /* NULL, or called with arg once the registration has ended */
    list removers;      /* RUNNING: arms of those who wait for its end */
    belay_scope target; /* of a link between tokens: the scope to cancel */
    const char *site;   /* of a deferred call */
    struct cell *below; /* of a task's deferred call: the one deferred before */
    slab_link free;
} cell;

uint32_t cell_bytes(void);

/* A free cell. NULL: no memory. */
cell *cell_new(belay_executor *ex, cell_kind kind, void (*function)(void), void *arg,
               belay_drop *drop);
/* Not needed after all: back to the slab, nothing is called. */
void cell_discard(belay_executor *ex, cell *c);

/* The lock of a stripe. */
static inline lock *cell_lock(belay_executor *ex, uint32_t stripe) {
    return &ex->task_locks[stripe % TASK_LOCKS];
}
/* Under the stripe's lock: puts the cell at the end of the object's list, and gives its handle. */
belay_registration cell_arm(belay_executor *ex, cell *c, uint32_t stripe, list *to);

/* Makes one call; the cell is RUNNING, no lock is held. */
typedef void cell_call(cell *c, void *context);
/* Somebody who makes the calls of a list: on its stack, linked in the executor under the stripe's lock. It lets a
 * call that registers another of the same object find the list which is gone through already, so that the new one
 * follows it instead of being made inside of it: the stack stays flat, however often a call registers itself again. */
typedef struct cell_round {
    const void *of; /* whose calls they are; constant, all three */
    list *cells;
    uint32_t thread;
    struct cell_round *below; /* another one, of any thread and object of the stripe */
} cell_round;
/* Makes the calls of all cells in the list, first in first out; also of those that are added meanwhile. The object
 * stays until this returns. */
void cells_run(belay_executor *ex, uint32_t stripe, list *cells, const void *of, cell_call *call,
               void *context);
/* Under the stripe's lock: the list of that object whose calls this thread is making. NULL: it is not inside such a
 * call. */
list *cells_running_here(belay_executor *ex, uint32_t stripe, const void *of);
/* Takes them all out without a call. */
void cells_drop(belay_executor *ex, uint32_t stripe, list *cells);

/* Under the stripe's lock: the last one of the list, its registration ended. NULL: none. Then, without the lock,
 * cell_end. */
cell *cell_pop_last(list *cells);
/* The cell is the caller's: frees it and calls its drop hook. */
void cell_end(belay_executor *ex, cell *c);
/* Removes without calling the drop hook; its arg goes to *arg (which may be NULL). BELAY_OK, BELAY_ESTALE,
 * BELAY_EALREADY. */
belay_status cell_take(cell_kind kind, belay_registration r, void **arg);

/* Removes by handle. wait: while it runs elsewhere, wait for its end (drains). BELAY_OK: it will not run and has not;
 * BELAY_EALREADY: it runs, or ran while we waited; BELAY_ESTALE: it was gone; BELAY_ECONTEXT: would have to wait and
 * may not. */
belay_status cell_remove(belay_task *self, cell_kind kind, belay_registration r, bool wait);

#endif

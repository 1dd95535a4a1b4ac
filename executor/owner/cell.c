/* See owner/cell.h. */
#include "owner/cell.h"
#include "base/mutant.h"

uint32_t cell_bytes(void) {
    return (uint32_t)((sizeof(cell) + 15) & ~(size_t)15);
}

cell *cell_new(belay_executor *ex, cell_kind kind, void (*function)(void), void *arg,
               belay_drop *drop) {
    cell *c = slot_take(ex, worker_in(ex), SLOT_CELL);
    if (c != NULL) {
        c->state = CELL_FREE;
        c->kind = (uint8_t)kind;
        c->function = function;
        c->arg = arg;
        c->drop = drop;
        list_init(&c->link);
        list_init(&c->removers);
    }
    return c;
}

void cell_discard(belay_executor *ex, cell *c) {
    slot_give(ex, worker_in(ex), SLOT_CELL, c);
}

belay_registration cell_arm(belay_executor *ex, cell *c, uint32_t stripe, list *to) {
    CHECK(c->state == CELL_FREE);
    store_relaxed(&c->stripe,
                  stripe); /* relaxed: who reads it takes the lock and looks at the generation */
    store_relaxed(&c->generation, load_relaxed(&c->generation) + 1); /* relaxed: under the lock */
    c->state = CELL_ARMED;
    list_append(to, &c->link);
    return (belay_registration){.slot = c->number,
                                .executor = ex->number,
                                .generation = handle_generation(ex, load_relaxed(&c->generation))};
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

/* Under the lock: ends the registration. The cell is the caller's until it is discarded. */
static void retire(cell *c) {
    list_remove(&c->link);
    c->state = CELL_FREE;
    store_relaxed(&c->generation, load_relaxed(&c->generation) + 1); /* relaxed: under the lock */
    while (!list_empty(&c->removers)) {
        list *node = c->removers.next;
        list_remove(node);
        (void)arm_wake(arm_of(node));
    }
}

/* Retired, under no lock. */
void cell_end(belay_executor *ex, cell *c) {
    belay_drop *drop = c->drop;
    void *arg = c->arg;
    cell_discard(ex, c);
    if (drop != NULL) {
        call_drop(drop, arg);
    }
}

static void run(belay_executor *ex, lock *l, cell *c, cell_call *call, void *context) {
    callback_enter();
    call(c, context);
    if (c->drop != NULL) {
        c->drop(c->arg);
    }
    callback_leave();
    lock_take(l);
    retire(c);
    lock_release(l);
    cell_discard(ex, c);
}

static cell_round **rounds_of(belay_executor *ex, uint32_t stripe) {
    return &ex->cell_rounds[stripe % TASK_LOCKS];
}

/* Under the lock. Rounds of other threads may lie between. */
static void round_leave(cell_round **at, const cell_round *r) {
    while (*at != r) {
        at = &(*at)->below;
    }
    *at = r->below;
}

list *cells_running_here(belay_executor *ex, uint32_t stripe, const void *of) {
    uint32_t thread = port_thread_hash();
    for (cell_round *r = *rounds_of(ex, stripe); r != NULL; r = r->below) {
        if (r->of == of && r->thread == thread) {
            return r->cells;
        }
    }
    return NULL;
}

void cells_run(belay_executor *ex, uint32_t stripe, list *cells, const void *of, cell_call *call,
               void *context) {
    lock *l = cell_lock(ex, stripe);
    cell_round **rounds = rounds_of(ex, stripe);
    lock_take(l);
    cell_round here = {.of = of, .cells = cells, .thread = port_thread_hash(), .below = *rounds};
    *rounds = &here;
    while (!list_empty(cells)) {
        cell *c = list_entry(cells->next, cell, link);
        list_remove(&c->link);
        c->state = CELL_RUNNING;
        c->runner = here.thread;
        lock_release(l);
        run(ex, l, c, call, context);
        lock_take(l);
    }
    round_leave(rounds, &here);
    lock_release(l);
}

void cells_drop(belay_executor *ex, uint32_t stripe, list *cells) {
    lock *l = cell_lock(ex, stripe);
    lock_take(l);
    while (!list_empty(cells)) {
        cell *c = list_entry(cells->next, cell, link);
        retire(c);
        lock_release(l);
        cell_end(ex, c);
        lock_take(l);
    }
    lock_release(l);
}

cell *cell_pop_last(list *cells) {
    if (list_empty(cells)) {
        return NULL;
    }
    cell *c = list_entry(cells->prev, cell, link);
    retire(c);
    return c;
}

/* ---- by handle --------------------------------------------------------------------------------------------------- */

/* The cell, with its stripe's lock held. NULL: stale. */
static cell *find(belay_executor *ex, cell_kind kind, uint64_t generation, uint32_t slot,
                  lock **l) {
    cell *c = slab_at(&ex->cells, slot);
    if (c == NULL) {
        return NULL;
    }
    uint64_t wanted = generation & SLOT_GENERATION;
    for (;;) {
        uint32_t stripe = load_relaxed(&c->stripe); /* relaxed: looked at again under the lock */
        *l = cell_lock(ex, stripe);
        lock_take(*l);
        if (load_relaxed(&c->stripe) == stripe) {
            break;
        }
        lock_release(*l);
    }
    if ((load_relaxed(&c->generation) & SLOT_GENERATION) == wanted && c->state != CELL_FREE &&
        c->kind == kind) {
        return c;
    }
    lock_release(*l);
    return NULL;
}

/* The lock is held at the call and released. The generation tells whether it is still that registration. */
static belay_status await_end(belay_task *self, cell *c, lock *l) {
    uint64_t generation =
        load_relaxed(&c->generation); /* relaxed, here and below: under the lock */
    while (load_relaxed(&c->generation) == generation) {
        waiter w;
        waiter_init(&w, self, true);
        list_append(&c->removers, &w.arm.link);
        lock_release(l);
        (void)waiter_block(&w, PORT_NEVER, WAIT_FOR_CALLBACK);
        lock_take(l);
        list_remove(&w.arm.link);
    }
    lock_release(l);
    return BELAY_EALREADY;
}

static belay_status remove_running(belay_task *self, cell *c, lock *l, bool wait) {
    belay_status status = BELAY_EALREADY;
    bool inside = c->runner == port_thread_hash();
    if (wait && !inside && !MUTANT(removal_no_wait)) {
        status = check_waiter(self);
        if (status == BELAY_OK) {
            return await_end(self, c, l);
        }
    }
    lock_release(l);
    return status;
}

static belay_status remove_from(belay_executor *ex, belay_task *self, cell_kind kind,
                                belay_registration r, bool wait) {
    lock *l;
    cell *c = find(ex, kind, r.generation, r.slot, &l);
    if (c == NULL) {
        return BELAY_ESTALE;
    }
    if (c->state == CELL_RUNNING) {
        return remove_running(self, c, l, wait);
    }
    retire(c);
    lock_release(l);
    cell_end(ex, c);
    return BELAY_OK;
}

belay_status cell_remove(belay_task *self, cell_kind kind, belay_registration r, bool wait) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex = registry_open(r.executor, r.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    belay_status status = remove_from(ex, self, kind, r, wait);
    registry_done(ex);
    return status;
}

belay_status cell_take(cell_kind kind, belay_registration r, void **arg) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex = registry_open(r.executor, r.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    lock *l;
    cell *c = find(ex, kind, r.generation, r.slot, &l);
    belay_status status = c == NULL                  ? BELAY_ESTALE
                          : c->state == CELL_RUNNING ? BELAY_EALREADY
                                                     : BELAY_OK;
    if (status == BELAY_OK && !MUTANT(resource_twice)) {
        retire(c);
    }
    if (c != NULL) {
        lock_release(l);
    }
    if (status == BELAY_OK) {
        if (arg != NULL) {
            *arg = c->arg;
        }
        cell_discard(ex, c);
    }
    registry_done(ex);
    return status;
}

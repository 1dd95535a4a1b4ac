/* A phase-fair lock for readers and writers. All of it happens under the line's lock; `line.waiting` holds the writers.
 *
 * Invariants: a writer inside excludes everybody. Readers wait only while a writer is inside or waits; writers wait
 * only while somebody is inside. `inside` of the line counts both kinds of places. */
#include <belay/rwlock.h>

#include "flow/held.h"
#include "base/mutant.h"
#include "flow/line.h"

typedef struct rwlock {
    held held; /* word: the writer inside. barges is not used */
    line line;
    list readers_waiting;
    uint32_t readers; /* inside */
    bool dead;        /* a writer ended without unlocking, and no writer has come since */
} rwlock;

_Static_assert(sizeof(rwlock) == sizeof(belay_rwlock), "layout");

static rwlock *in(belay_rwlock *l) {
    return (rwlock *)(void *)l;
}

static void enter(rwlock *l) {
    line_take(&l->line);
    line_ready(&l->readers_waiting);
}

static uint64_t writer_of(const rwlock *l) {
    return load_relaxed(&l->held.word); /* relaxed: under the lock */
}

static void set_writer(rwlock *l, uint64_t id) {
    store_relaxed(&l->held.word, id); /* relaxed: under the lock */
}

/* ---- serving ----------------------------------------------------------------------------------------------------- */

static void admit_readers(rwlock *l) {
    bool parked;
    for (place *p = line_claim(&l->readers_waiting, &parked); p != NULL;
         p = line_claim(&l->readers_waiting, &parked)) {
        l->readers++;
        line_resume(p, parked);
    }
}

static void admit_writer(rwlock *l) {
    bool parked;
    place *p = line_claim(&l->line.waiting, &parked);
    if (p != NULL) {
        set_writer(l, p->id);
        line_resume(p, parked);
    }
}

/* Somebody has left, or has stopped waiting. after_writer: then the readers come first. */
static void serve(rwlock *l, bool after_writer) {
    if (writer_of(l) != 0) {
        return;
    }
    if (after_writer) {
        admit_readers(l);
    }
    if (l->readers == 0) {
        admit_writer(l);
    }
    if (writer_of(l) == 0 && list_empty(&l->line.waiting)) {
        admit_readers(l);
    }
}

/* ---- taking ------------------------------------------------------------------------------------------------------ */

static bool take_now(rwlock *l, const caller *c, bool write) {
    if (writer_of(l) != 0 || (write && l->readers != 0) || !list_empty(&l->line.waiting)) {
        return false;
    }
    if (write) {
        set_writer(l, c->id);
    } else {
        l->readers++;
    }
    return true;
}

/* The caller is inside. Under the lock. */
static belay_status arrive(rwlock *l, const caller *c, bool write) {
    bool dead = l->dead;
    if (write) {
        held_push(c, &l->held);
        l->dead = false;
    }
    return dead ? BELAY_EOWNERDEAD : BELAY_OK;
}

typedef struct request {
    belay_task *self;
    belay_time deadline;
    bool write;
    bool may_wait;
} request;

static wait_word queue_up(rwlock *l, const caller *c, const request *r) {
    wait_how how = {
        .self = r->self, .deadline = r->deadline, .kind = WAIT_FOR_RWLOCK, .lock = &l->held};
    place p = {.id = c->id};
    wait_word result =
        line_wait(&l->line, r->write ? &l->line.waiting : &l->readers_waiting, &p, &how);
    if (result != WAIT_OK) {
        if (!MUTANT(rwlock_not_served)) {
            serve(l, false); /* those whom it held back */
        }
    }
    return result;
}

static belay_status take(rwlock *l, const caller *c, const request *r) {
    belay_status status = BELAY_OK;
    wait_word result = WAIT_OK;
    enter(l);
    if (!take_now(l, c, r->write)) {
        if (!r->may_wait) {
            status = BELAY_EAGAIN;
        } else {
            result = queue_up(l, c, r);
        }
    }
    if (status == BELAY_OK && result == WAIT_OK) {
        status = arrive(l, c, r->write);
    }
    line_release(&l->line);
    return result == WAIT_OK ? status : flow_gave_up(r->self, result);
}

/* A cancelled caller that also is the writer has made a mistake first. */
static belay_status lock_until(belay_rwlock *rw, const request *r) {
    caller c;
    belay_status status = rw == NULL    ? BELAY_EINVAL
                          : r->may_wait ? caller_check(r->self, &c)
                                        : caller_find(r->self, &c);
    if (status != BELAY_OK) {
        return status;
    }
    if (writer_of(in(rw)) == c.id) { /* relaxed there: if it is ours, it stays so */
        return BELAY_EDEADLK;
    }
    if (r->may_wait) {
        status = flow_begin(r->self);
    }
    return status != BELAY_OK ? status : take(in(rw), &c, r);
}

belay_status belay_rwlock_read_until(belay_task *self, belay_rwlock *rw, belay_time deadline) {
    return lock_until(rw, &(request){self, deadline, false, true});
}
belay_status belay_rwlock_read(belay_task *self, belay_rwlock *rw) {
    return lock_until(rw, &(request){self, BELAY_NEVER, false, true});
}
belay_status belay_rwlock_try_read(belay_task *self, belay_rwlock *rw) {
    return lock_until(rw, &(request){self, 0, false, false});
}
belay_status belay_rwlock_write_until(belay_task *self, belay_rwlock *rw, belay_time deadline) {
    return lock_until(rw, &(request){self, deadline, true, true});
}
belay_status belay_rwlock_write(belay_task *self, belay_rwlock *rw) {
    return lock_until(rw, &(request){self, BELAY_NEVER, true, true});
}
belay_status belay_rwlock_try_write(belay_task *self, belay_rwlock *rw) {
    return lock_until(rw, &(request){self, 0, true, false});
}

/* ---- leaving ----------------------------------------------------------------------------------------------------- */

belay_status belay_rwlock_read_unlock(belay_task *self, belay_rwlock *rw) {
    caller c;
    belay_status status = rw == NULL ? BELAY_EINVAL : caller_find(self, &c);
    if (status != BELAY_OK) {
        return status;
    }
    rwlock *l = in(rw);
    enter(l);
    bool inside = l->readers != 0;
    if (inside) {
        l->readers--;
        serve(l, false);
    }
    line_release(&l->line);
    return inside ? BELAY_OK : BELAY_EINVAL;
}

static void leave_writing(rwlock *l, bool dead) {
    enter(l);
    set_writer(l, 0);
    l->dead |= dead;
    serve(l, true);
    line_release(&l->line);
}

void rwlock_abandon(held *h) {
    leave_writing((rwlock *)(void *)h, true);
}

belay_status belay_rwlock_write_unlock(belay_task *self, belay_rwlock *rw) {
    caller c;
    belay_status status = rw == NULL ? BELAY_EINVAL : caller_find(self, &c);
    if (status != BELAY_OK) {
        return status;
    }
    rwlock *l = in(rw);
    if (writer_of(l) != c.id) { /* relaxed there: if it is ours, it stays so */
        return BELAY_EINVAL;
    }
    held_remove(&c, &l->held);
    leave_writing(l, false);
    return BELAY_OK;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

belay_status belay_rwlock_init(belay_rwlock *rw) {
    if (rw == NULL) {
        return BELAY_EINVAL;
    }
    *rw = (belay_rwlock){{0}};
    in(rw)->held.kind = HELD_RWLOCK;
    return BELAY_OK;
}

belay_status belay_rwlock_fini(belay_rwlock *rw) {
    if (rw == NULL) {
        return BELAY_EINVAL;
    }
    rwlock *l = in(rw);
    enter(l);
    bool busy = l->line.inside != 0 || l->readers != 0 || writer_of(l) != 0;
    line_release(&l->line);
    return busy ? BELAY_EBUSY : BELAY_OK;
}

/* A fair mutex: first come first served, but for a bounded number of barge-ins while the next owner is on its way.
 *
 * States and arguments: docs/protocols/locks.md. `word` names the owner; it changes from 0 to an owner and back without
 * a lock, and in every other case under the line's lock, except that anybody may take a mutex that is free. */
#include "flow/mutex.h"
#include "base/mutant.h"

/* How often the mutex may change hands while its heir is on the way; and how long a lock spins before it queues. */
enum { BARGES = 64, SPINS = 40 };

static inline bool is_free(uint64_t word) {
    return owner_in(word) == 0;
}

/* Takes a mutex that is free, whatever its flags. */
static bool take_free(mutex_state *m, const caller *c, belay_status *status) {
    uint64_t word = load_relaxed(&m->held.word); /* relaxed: the swap decides */
    while (is_free(word)) {
        uint64_t owned = (word & OWN_SLOW) | c->id;
        /* acquire: pairs with the release of the last owner */
        if (cas_acquire(&m->held.word, &word, owned)) {
            *status = (word & OWN_DEAD) != 0 ? BELAY_EOWNERDEAD : BELAY_OK;
            return true;
        }
    }
    return false;
}

/* Under the lock: takes it if it is free; else sees to it that its owner looks at the line. */
static bool take_or_mark(mutex_state *m, const caller *c, belay_status *status) {
    for (;;) {
        if (take_free(m, c, status)) {
            return true;
        }
        uint64_t word = load_relaxed(&m->held.word); /* relaxed: the swap decides */
        /* relaxed: the flag sends the owner to the lock that we hold */
        if (!is_free(word) && ((word & OWN_SLOW) != 0 || MUTANT(mutex_not_marked) ||
                               cas_relaxed(&m->held.word, &word, word | (uint64_t)OWN_SLOW))) {
            return false;
        }
    }
}

/* Under the lock, by the owner: nobody waits any more, so unlock may be quick. */
static void settle(mutex_state *m, uint64_t id) {
    bool slow = m->heir != NULL || !list_empty(&m->line.waiting);
    /* relaxed: an owned word changes only under the lock, or by its owner */
    store_relaxed(&m->held.word, id | (slow ? OWN_SLOW : 0u));
}

/* ---- unlocking --------------------------------------------------------------------------------------------------- */

/* The place is the owner from now on. */
static void make_owner(mutex_state *m, place *p, uint64_t dead) {
    p->owner = true;
    m->heir = NULL;
    store_release(&m->held.word, p->id | OWN_SLOW | dead); /* pairs with take_free; settled by p */
}

/* An unlock with somebody in the line. Under the lock. */
static void pass_on(mutex_state *m, uint64_t dead) {
    bool parked;
    if (m->heir != NULL) {
        if (++m->held.barges > BARGES) {
            make_owner(m, m->heir, dead);
            return;
        }
        store_release(&m->held.word, OWN_SLOW | dead); /* pairs with take_free */
        return;
    }
    place *p = line_claim(&m->line.waiting, &parked);
    if (p == NULL) {
        store_release(&m->held.word, dead); /* pairs with take_free */
        return;
    }
    if (p->direct) {
        make_owner(m, p, dead);
    } else {
        m->heir = p;
        m->held.barges = 0;
        store_release(&m->held.word, OWN_SLOW | dead); /* pairs with take_free */
    }
    line_resume(p, parked);
}

static void release_slow(mutex_state *m, uint64_t dead) {
    line_take(&m->line);
    pass_on(m, dead);
    line_release(&m->line);
}

void mutex_release(mutex_state *m, const caller *c) {
    held_remove(c, &m->held);
    uint64_t word = c->id;
    if (unlikely(
            !cas_release(&m->held.word, &word, 0u))) { /* pairs with the next owner's acquire */
        release_slow(m, 0u);
    }
}

void mutex_abandon(held *h) {
    release_slow((mutex_state *)(void *)h, OWN_DEAD);
}

belay_status belay_mutex_unlock(belay_task *self, belay_mutex *mutex) {
    caller c;
    belay_status status = mutex == NULL ? BELAY_EINVAL : caller_find(self, &c);
    if (unlikely(status != BELAY_OK)) {
        return status;
    }
    if (unlikely(!mutex_owned(mutex_in(mutex), &c))) {
        return BELAY_EINVAL;
    }
    mutex_release(mutex_in(mutex), &c);
    return BELAY_OK;
}

/* ---- locking ----------------------------------------------------------------------------------------------------- */

/* A little patience: the owner may be just leaving. */
static bool spin(mutex_state *m, const caller *c, belay_status *status) {
    for (int i = 0; i < SPINS; i++) {
        if (take_free(m, c, status)) {
            return true;
        }
        port_cpu_relax();
    }
    return false;
}

/* Under the lock, served: the place owns the mutex, or is the heir, which takes it if it still is free. */
static bool inherit(mutex_state *m, const place *p, const caller *c, belay_status *status) {
    if (p->owner) {
        bool dead =
            (load_relaxed(&m->held.word) & OWN_DEAD) != 0; /* relaxed: ours, under the lock */
        *status = dead ? BELAY_EOWNERDEAD : BELAY_OK;
        return true;
    }
    CHECK(m->heir == p);
    m->heir = NULL;
    return take_or_mark(m, c, status);
}

/* Under the lock, which is held at the return. */
static belay_status queue_up(mutex_state *m, const caller *c, wait_how *how) {
    belay_status status = BELAY_OK;
    place p = {.id = c->id};
    bool mine = take_or_mark(m, c, &status);
    while (!mine) {
        wait_word result = line_wait(&m->line, &m->line.waiting, &p, how);
        if (result != WAIT_OK) {
            return result == WAIT_CANCELED ? BELAY_ECANCELED : BELAY_ETIMEDOUT;
        }
        /* acquire of the last owner's writes: through the lock */
        mine = inherit(m, &p, c, &status);
        p.direct = how->first = true; /* next time nobody barges in */
    }
    settle(m, c->id);
    return status;
}

belay_status mutex_acquire(mutex_state *m, const caller *c, belay_task *self, int64_t deadline,
                           bool drain) {
    wait_how how = {.self = self,
                    .deadline = deadline,
                    .kind = WAIT_FOR_MUTEX,
                    .drain = drain,
                    .lock = &m->held};
    belay_status status = BELAY_OK;
    if (!spin(m, c, &status)) {
        line_take(&m->line);
        status = queue_up(m, c, &how);
        line_release(&m->line);
    }
    if (status == BELAY_OK || status == BELAY_EOWNERDEAD) {
        held_push(c, &m->held);
    }
    return status;
}

static bool take_at_once(mutex_state *m, const caller *c) {
    uint64_t nobody = 0;
    /* acquire: pairs with the release of the last owner */
    if (likely(cas_acquire(&m->held.word, &nobody, c->id))) {
        held_push(c, &m->held);
        return true;
    }
    return false;
}

belay_status belay_mutex_lock_until(belay_task *self, belay_mutex *mutex, belay_time deadline) {
    caller c;
    belay_status status = mutex == NULL ? BELAY_EINVAL : caller_check(self, &c);
    if (unlikely(status != BELAY_OK)) {
        return status;
    }
    if (likely(self == NULL || !task_canceled(self))) {
        if (likely(take_at_once(mutex_in(mutex), &c))) {
            return BELAY_OK;
        }
        status = mutex_owned(mutex_in(mutex), &c)
                     ? BELAY_EDEADLK
                     : mutex_acquire(mutex_in(mutex), &c, self, deadline, false);
    } else {
        status = mutex_owned(mutex_in(mutex), &c) ? BELAY_EDEADLK : BELAY_ECANCELED;
    }
    if (unlikely(status == BELAY_ECANCELED || status == BELAY_ETIMEDOUT)) {
        return flow_gave_up(self, status == BELAY_ECANCELED ? WAIT_CANCELED : WAIT_TIMEDOUT);
    }
    return status;
}

belay_status belay_mutex_lock(belay_task *self, belay_mutex *mutex) {
    return belay_mutex_lock_until(self, mutex, BELAY_NEVER);
}

belay_status belay_mutex_try_lock(belay_task *self, belay_mutex *mutex) {
    caller c;
    belay_status status = mutex == NULL ? BELAY_EINVAL : caller_find(self, &c);
    if (status != BELAY_OK || take_at_once(mutex_in(mutex), &c)) {
        return status;
    }
    if (mutex_owned(mutex_in(mutex), &c)) {
        return BELAY_EDEADLK;
    }
    if (!take_free(mutex_in(mutex), &c, &status)) {
        return BELAY_EAGAIN;
    }
    held_push(&c, &mutex_in(mutex)->held);
    return status;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

belay_status belay_mutex_init(belay_mutex *mutex) {
    if (mutex == NULL) {
        return BELAY_EINVAL;
    }
    *mutex = (belay_mutex)BELAY_MUTEX_INIT;
    return BELAY_OK;
}

belay_status belay_mutex_fini(belay_mutex *mutex) {
    if (mutex == NULL) {
        return BELAY_EINVAL;
    }
    /* relaxed: whoever still works on it holds the lock, or is the caller's mistake */
    belay_status status = line_fini(&mutex_in(mutex)->line);
    return is_free(load_relaxed(&mutex_in(mutex)->held.word)) ? status : BELAY_EBUSY;
}

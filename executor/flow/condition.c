/* Conditions. The object is a list of places and nothing else; its lock is one of a static table, by address, so that
 * who was woken never touches the object again: it may be gone. See docs/protocols/locks.md. */
#include "flow/condition.h"
#include "base/mutant.h"

#include <belay/condition.h>

#include "flow/mutex.h"

enum { TABLE = 64 };

typedef struct condition_state {
    list waiting; /* under the lock of the table */
} condition_state;

_Static_assert(sizeof(condition_state) == sizeof(belay_condition), "layout");

static struct {
    _Alignas(64) line line; /* its lock only; `inside` is not looked at */
} table[TABLE];

void condition_lose_all(void) {
    for (int i = 0; i < TABLE; i++) {
        lock_init(&table[i].line.lock);
    }
}

static condition_state *in(belay_condition *c) {
    return (condition_state *)(void *)c;
}

/* Fibonacci hashing: D. Knuth, "The Art of Computer Programming", 6.4. */
static line *line_of(const condition_state *c) {
    return &table[(uintptr_t)c * UINT64_C(0x9e3779b97f4a7c15) >> 58].line;
}
_Static_assert(TABLE == 1 << (64 - 58), "the hash's highest bits");

static line *enter(condition_state *c) {
    line *l = line_of(c);
    line_take(l);
    line_ready(&c->waiting);
    return l;
}

/* Puts a place into the line, then unlocks the mutex, then waits: a signal by the mutex's next owner finds the
 * place. */
static wait_word unlock_and_wait(condition_state *c, mutex_state *m, const caller *who,
                                 const wait_how *how) {
    waiter w;
    if (MUTANT(condition_unlocks_first)) {
        mutex_release(m, who);
    }
    line *l = enter(c);
    waiter_init(&w, how->self, false);
    list_append(&c->waiting, &w.arm.link);
    line_release(l);
    if (!MUTANT(condition_unlocks_first)) {
        mutex_release(m, who);
    }
    wait_word result = waiter_block(&w, how->deadline, how->kind);
    line_take(l); /* not the object: it may be gone, unless we still are in its list */
    list_remove(&w.arm.link);
    line_release(l);
    return result;
}

static belay_status wait_checked(belay_task *self, condition_state *c, mutex_state *m,
                                 const caller *who, belay_time deadline) {
    wait_how how = {.self = self, .deadline = deadline, .kind = WAIT_FOR_CONDITION};
    wait_word result = unlock_and_wait(c, m, who, &how);
    belay_status locked = mutex_acquire(m, who, self, BELAY_NEVER, true);
    CHECK(locked == BELAY_OK || locked == BELAY_EOWNERDEAD);
    if (locked == BELAY_EOWNERDEAD) {
        return locked;
    }
    /* A refused wait may give way to others, here with the mutex held: the price of knowing who ignores cancels. */
    return result == WAIT_OK ? BELAY_OK : flow_gave_up(self, result);
}

belay_status belay_condition_wait_until(belay_task *self, belay_condition *condition,
                                        belay_mutex *mutex, belay_time deadline) {
    caller c;
    belay_status status =
        condition == NULL || mutex == NULL ? BELAY_EINVAL : caller_check(self, &c);
    if (status == BELAY_OK && !mutex_owned(mutex_in(mutex), &c)) {
        status = BELAY_EINVAL;
    }
    if (status == BELAY_OK) {
        status = flow_begin(self);
    }
    return status != BELAY_OK ? status
                              : wait_checked(self, in(condition), mutex_in(mutex), &c, deadline);
}

belay_status belay_condition_wait(belay_task *self, belay_condition *condition,
                                  belay_mutex *mutex) {
    return belay_condition_wait_until(self, condition, mutex, BELAY_NEVER);
}

belay_status belay_condition_signal(belay_condition *condition) {
    if (condition == NULL || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    line *l = enter(in(condition));
    (void)line_wake(&in(condition)->waiting);
    line_release(l);
    return BELAY_OK;
}

belay_status belay_condition_broadcast(belay_condition *condition) {
    if (condition == NULL || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    line *l = enter(in(condition));
    line_wake_all(&in(condition)->waiting);
    line_release(l);
    return BELAY_OK;
}

belay_status belay_condition_init(belay_condition *condition) {
    if (condition == NULL) {
        return BELAY_EINVAL;
    }
    *condition = (belay_condition){{0}};
    return BELAY_OK;
}

belay_status belay_condition_fini(belay_condition *condition) {
    if (condition == NULL) {
        return BELAY_EINVAL;
    }
    line *l = enter(in(condition));
    bool busy = !list_empty(&in(condition)->waiting);
    line_release(l);
    return busy ? BELAY_EBUSY : BELAY_OK;
}

/* A four-byte lock for short sections: spins a little, then sleeps on a futex.
 *
 * States (U. Drepper, "Futexes Are Tricky", mutex 2): 0 free, 1 held, 2 held and somebody may sleep.
 * Only the lock's functions touch the word. Uncontended: one locked instruction to take, one to
 * release. Not recursive, not fair. No user code ever runs under one, and nothing that waits. */
#ifndef BELAY_BASE_LOCK_H
#define BELAY_BASE_LOCK_H

#include "base/atomic.h"

typedef struct lock {
    ATOMIC(uint32_t) word;
} lock;

void lock_contended(lock *l);
void lock_wake(lock *l);

static inline void lock_init(lock *l) {
    init_plain(&l->word, 0);
}

static inline bool lock_try(lock *l) {
    uint32_t free = 0;
    /* pairs with the release in lock_release: sees what the last holder wrote */
    return cas_acquire(&l->word, &free, 1);
}

static inline void lock_take(lock *l) {
    if (__builtin_expect(!lock_try(l), 0)) {
        lock_contended(l);
    }
}

static inline void lock_release(lock *l) {
    /* pairs with the acquire in lock_try and lock_contended */
    if (__builtin_expect(exchange_release(&l->word, 0) == 2, 0)) {
        lock_wake(l);
    }
}

#endif

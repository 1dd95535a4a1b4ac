/* A lock for the shortest sections, which costs one locked instruction where base/lock.h costs two: it is released by a
 * plain store. So nobody is woken: who finds it held spins, then gives way, then naps.
 *
 * For sections of a few dozen instructions that are entered in pairs on a hot path. Not recursive, not fair. No user
 * code ever runs under one, and nothing that waits. */
#ifndef BELAY_BASE_SPIN_H
#define BELAY_BASE_SPIN_H

#include "base/atomic.h"

typedef struct spin {
    ATOMIC(uint32_t) word; /* 0 free, 1 held; only the functions here touch it */
} spin;

void spin_contended(spin *l);

static inline void spin_init(spin *l) {
    init_plain(&l->word, 0);
}

static inline bool spin_try(spin *l) {
    uint32_t free = 0;
    /* pairs with the release in spin_release: sees what the last holder wrote */
    return cas_acquire(&l->word, &free, 1);
}

static inline void spin_take(spin *l) {
    if (__builtin_expect(!spin_try(l), 0)) {
        spin_contended(l);
    }
}

static inline void spin_release(spin *l) {
    store_release(&l->word, 0); /* pairs with the acquire in spin_try */
}

#endif

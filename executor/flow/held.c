/* See flow/held.h. */
#include "flow/held.h"

#include "owner/cycle.h"

/* Called for the rare task that ends with locks held; on its own fiber. */
void upcall_abandon(fiber *f) {
    caller c = {.fiber = f};
    for (held *h = load_relaxed(&f->held.to); h != NULL; h = load_relaxed(&f->held.to)) {
        /* relaxed: the owner's */
        held_remove(&c, h);
        if (h->kind == HELD_MUTEX) {
            mutex_abandon(h);
        } else {
            rwlock_abandon(h);
        }
    }
}

bool upcall_holds(const void *lock_word) {
    const fiber *f = load_relaxed(&worker_current()->fiber); /* relaxed: own words, all */
    const held *h = load_relaxed(&f->held.to);
    while (h != NULL && (const void *)&h->word != lock_word) {
        h = load_relaxed(&h->next.to);
    }
    return h != NULL;
}

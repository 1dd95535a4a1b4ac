/* See flow/held.h. */
#include "flow/held.h"

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

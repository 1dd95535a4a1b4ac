/* The slow half of base/lock.h. */
#include "base/lock.h"

#include "port/port.h"

enum { SPINS = 64 };

void lock_contended(lock *l) {
    for (int i = 0; i < SPINS; i++) {
        port_cpu_relax();
        if (load_relaxed(&l->word) == 0 &&
            lock_try(l)) { /* relaxed: only a hint, lock_try decides */
            return;
        }
    }
    /* From here on we hold it as 2, "somebody may sleep": perhaps one wake too many, never one too few.
     * acquire: pairs with the release in lock_release */
    while (exchange_acquire(&l->word, 2) != 0) {
        port_futex_wait(&l->word.value, 2, PORT_NEVER);
    }
}

void lock_wake(lock *l) {
    port_futex_wake(&l->word.value, 1);
}

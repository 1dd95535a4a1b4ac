/* The slow half of base/spin.h. */
#include "base/spin.h"

#include "port/port.h"

enum { SPINS = 128, YIELDS = 32, NAP = 50000 };

static void wait_a_little(spin *l, uint32_t round) {
    if (round < SPINS) {
        port_cpu_relax();
    } else if (round < SPINS + YIELDS) {
        port_thread_yield(); /* the holder may have been put aside by the system */
    } else {
        port_futex_wait(&l->word.value, 1, port_clock_now() + NAP);
    }
}

void spin_contended(spin *l) {
    for (uint32_t round = 0;; round++) {
        wait_a_little(l, round);
        if (load_relaxed(&l->word) == 0 && spin_try(l)) { /* relaxed: a hint, spin_try decides */
            return;
        }
    }
}

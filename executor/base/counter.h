/* What workers and foreign threads count. Each worker owns a row and adds without a locked instruction; foreign
 * threads share rows with atomic adds. observe/ sums the rows. */
#ifndef BELAY_BASE_COUNTER_H
#define BELAY_BASE_COUNTER_H

#include "base/atomic.h"

typedef enum counter {
    COUNT_SPAWNED,
    COUNT_VALUE,
    COUNT_ERROR,
    COUNT_CANCELED,
    COUNT_SKIPPED,
    COUNT_DROPPED,
    COUNT_SUSPENSIONS,
    COUNT_YIELDS,
    COUNT_STEALS,
    COUNT_STOLEN_TASKS,
    COUNT_STOLEN_FORKS,
    COUNT_INJECTED,
    COUNT_PARKS,
    COUNT_WAKES,
    COUNT_TIMERS,
    COUNT_IGNORED_CANCELS,
    COUNT_BLOCK_HINTS,
    COUNT_BLOCK_UNSERVED,
    COUNTERS
} counter;

typedef struct counter_row {
    ATOMIC(uint64_t) value[COUNTERS];
} counter_row;

/* Only the row's owner. */
static inline void count_own(counter_row *row, counter c, uint64_t n) {
    owner_add(&row->value[c], n);
}

/* Any thread, on a shared row. */
static inline void count_shared(counter_row *row, counter c, uint64_t n) {
    fetch_add_relaxed(&row->value[c], n); /* relaxed: a counter */
}

#endif

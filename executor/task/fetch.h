/* Fetching what will soon be resumed into the cache.
 *
 * Where many slept, each record and each stack is cold: resuming one waits for memory a dozen times in a row, and each
 * return to a frame for one more. So the one after the next is fetched while this one runs, and its record before that.
 *
 * What is looked at may not be ours any more: somebody may raid the batch at this moment, and the task may run already,
 * end, and its record serve another. A record is always readable, its `home` is an atomic, and fetching is harmless
 * whatever the address; nothing is read through it. */
#ifndef BELAY_TASK_FETCH_H
#define BELAY_TASK_FETCH_H

#include "sched/private.h"
#include "task/task.h"

/* The wait's frames lie below the fiber, and below them what the next stack's first calls will use. */
enum { FETCH_LINE = 64, FETCH_BELOW = 14 * FETCH_LINE, FETCH_ABOVE = 3 * FETCH_LINE };

/* Fetches what resuming t will touch: the fiber, and the frames of a wait right below it. */
static inline void fetch_task(const belay_task *t) {
    const char *home = (const char *)load_relaxed(&t->home); /* relaxed: a hint */
    if (home != NULL) {
        for (const char *line = home - FETCH_BELOW; line < home + FETCH_ABOVE; line += FETCH_LINE) {
            __builtin_prefetch(line, 1);
        }
    }
}

/* Before the next of the batch is resumed. */
static inline void fetch_ahead(const worker *w) {
    runnable *soon = private_ahead(w, 2);
    if (soon != NULL) {
        fetch_task(task_of(soon));
        runnable *later = private_ahead(w, 4);
        if (later != NULL) {
            __builtin_prefetch(task_of(later), 1);
            __builtin_prefetch(&task_of(later)->home, 1);
        }
    }
}

#endif

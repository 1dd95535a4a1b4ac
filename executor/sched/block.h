/* Block hints: spare workers that run in the place of those whose tasks block in the system. docs/protocols/block.md
 * holds the parts, the steps and the argument.
 *
 * A place is a configured worker's part of the parallelism, with its timer wheel; `server` in that worker's record
 * says who has it. `place` (a spare's), `server`, `hinted` and `serving` are written under sched.block_lock. */
#ifndef BELAY_SCHED_BLOCK_H
#define BELAY_SCHED_BLOCK_H

#include "sched/sched.h"

enum { BLOCK_NOBODY = UINT32_MAX };

/* worker.upkeep: what the next slow pick has to see to. */
enum {
    UPKEEP_HINT = 1, /* the running task is inside a hint */
    UPKEEP_SPARE = 2 /* constant: a spare, which must look whether it still has its place */
};

/* The running task is going to block in the system, and: it is not any more. The end also comes by itself, when the
 * worker picks again. On the worker's thread. */
void block_begin(worker *w);
void block_end(worker *w);
static inline bool block_hinted(const worker *w) {
    return (load_relaxed(&w->upkeep) & UPKEEP_HINT) != 0; /* relaxed: own word */
}
/* Does the worker's task block, or has it ended or waited since it said so? A hint. Any thread. */
static inline bool block_says(const worker *w) {
    return load_relaxed(&w->blocked_turn) == load_relaxed(&w->turn) + 1; /* relaxed: a hint */
}

/* Has it lost its place, so that it must leave service? Its own thread only. */
bool block_surplus(const worker *w);
static inline bool block_must_leave(const worker *w) {
    return unlikely((load_relaxed(&w->upkeep) & UPKEEP_SPARE) != 0) && /* relaxed: own word */
           block_surplus(w);
}

/* Wakes who serves the place of this number, for its wheel. Any thread. */
void block_wake_server(sched *s, uint32_t place);
/* Does the calling thread's worker serve it? */
bool block_serves(const worker *w, uint32_t place);

/* The life of a spare's thread, which is outside of the worker loop: hands over what it has queued, and waits until
 * it has a place. False: the executor stops. Waits. */
bool block_await(worker *w);
/* It has a place and cannot serve it, for want of a stack: nobody does now. Waits until it is called again. */
void block_decline(worker *w);

#endif

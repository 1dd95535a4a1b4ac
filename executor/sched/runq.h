/* A worker's run queue: first in first out, one producer, many consumers.
 *
 * A ring that grows. Indices only rise. The owner pushes at `tail` with a release store and no locked
 * instruction. Everybody takes at `head` with one compare-and-swap for a whole run of entries: the owner up to
 * RUNQ_CLAIM, a thief half. There is one contended word and no store-then-load pattern, so no fence.
 *
 * Why taking is right: entries [h, h+n) are read first and belong to the taker only if head still is h at the
 * swap. Until then the owner cannot have overwritten them, because it overwrites index i only after it has seen
 * head above i minus the capacity. Indices do not wrap (64 bits), so there is no ABA. A ring that was outgrown
 * stays readable until runq_fini: a thief that still reads it finds the same entries below the old tail, and it
 * loads the ring after the tail, so it never looks for a newer entry in an older ring.
 *
 * The single-word consumer side is as in tokio's and Go's local queues; growing as in Chase and Lev, "Dynamic
 * circular work-stealing deque", SPAA 2005. */
#ifndef BELAY_SCHED_RUNQ_H
#define BELAY_SCHED_RUNQ_H

#include "base/check.h"
#include "mem/alloc.h"
#include "sched/runnable.h"
#include "port/port.h"

enum { RUNQ_CLAIM = 32, RUNQ_STEAL = 64, RUNQ_START = 256 };

typedef struct runq_ring {
    uint64_t capacity; /* a power of two */
    struct runq_ring *older;
    ATOMIC(runnable *) slot[];
} runq_ring;

typedef struct runq {
    ATOMIC(uint64_t) tail;      /* written by the owner */
    ATOMIC(runq_ring *) ring;   /* written by the owner */
    ATOMIC(uint64_t) head_seen; /* the owner's last look at head */
    const allocator *alloc;
    _Alignas(64) ATOMIC(uint64_t) head; /* written by takers */
} runq;

bool runq_init(runq *q, const allocator *alloc);
/* Nobody takes any more. */
void runq_fini(runq *q);

/* Owner only: the ring seems to be full. */
bool runq_push_full(runq *q, runnable *r);
/* Owner only. False: the ring is full and there is no memory for a larger one; nothing was pushed. */
static inline bool runq_push(runq *q, runnable *r) {
    uint64_t tail = load_relaxed(&q->tail); /* relaxed: the owner's own words */
    runq_ring *ring = load_relaxed(&q->ring);
    port_tsan_acquire(ring);
    if (unlikely(tail - load_relaxed(&q->head_seen) >= ring->capacity)) {
        return runq_push_full(q, r);
    }
    store_relaxed(&ring->slot[tail & (ring->capacity - 1)], r); /* relaxed: published by tail */
    store_release(&q->tail, tail + 1); /* pairs with the acquire in take and runq_size */
    return true;
}
/* Owner only: claims a run, at most half (but at least one) and at most RUNQ_CLAIM, into out. */
uint32_t runq_claim(runq *q, runnable *out[RUNQ_CLAIM]);
/* The same without "at most half": for when nobody else is looking for work. */
uint32_t runq_claim_all(runq *q, runnable *out[RUNQ_CLAIM]);
/* Owner only: takers can only make it emptier. */
static inline bool runq_seems_empty(const runq *q) {
    return load_relaxed(&q->head) ==
           load_relaxed(&q->tail); /* relaxed: what it holds is not read */
}
/* Any thread: takes half, at least one, at most RUNQ_STEAL, into out. 0: empty or lost a race. */
uint32_t runq_steal(runq *q, runnable *out[RUNQ_STEAL]);
/* Any thread: a hint unless a fence orders it. */
static inline uint64_t runq_size(const runq *q) {
    uint64_t head = load_relaxed(&q->head); /* relaxed: a hint; takers check again by their swap */
    /* acquire: pairs with runq_push, so that a worker about to park that reads a new tail also finds the entry */
    uint64_t tail = load_acquire(&q->tail);
    return tail > head ? tail - head : 0;
}

#endif

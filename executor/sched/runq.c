/* See sched/runq.h for the protocol. */
#include "sched/runq.h"
#include "base/mutant.h"

static size_t ring_bytes(uint64_t capacity) {
    return sizeof(runq_ring) + (size_t)capacity * sizeof(((runq_ring *)0)->slot[0]);
}

static runq_ring *ring_new(const allocator *alloc, uint64_t capacity) {
    runq_ring *ring = mem_allocate(alloc, ring_bytes(capacity), 64);
    if (ring != NULL) {
        ring->capacity = capacity;
    }
    return ring;
}

bool runq_init(runq *q, const allocator *alloc) {
    q->alloc = alloc;
    init_plain(&q->head, 0u);
    init_plain(&q->tail, 0u);
    init_plain(&q->head_seen, 0u);
    runq_ring *ring = ring_new(alloc, RUNQ_START);
    init_plain(&q->ring, ring);
    return ring != NULL;
}

void runq_fini(runq *q) {
    runq_ring *ring = load_relaxed(&q->ring); /* relaxed: the last user */
    while (ring != NULL) {
        runq_ring *older = ring->older;
        mem_release(q->alloc, ring, ring_bytes(ring->capacity), 64);
        ring = older;
    }
    init_plain(&q->ring, NULL);
}

/* Copies the live entries into a ring of twice the size. Owner only. */
static runq_ring *grow(runq *q, runq_ring *old, uint64_t head, uint64_t tail) {
    runq_ring *ring = ring_new(q->alloc, old->capacity * 2);
    if (ring == NULL) {
        return NULL;
    }
    for (uint64_t i = head; i != tail; i++) {
        /* relaxed: the release of the ring pointer publishes the copies */
        store_relaxed(&ring->slot[i & (ring->capacity - 1)],
                      load_relaxed(&old->slot[i & (old->capacity - 1)]));
    }
    ring->older = old;
    port_tsan_release(ring);
    store_release(&q->ring, ring); /* pairs with the acquire in take */
    return ring;
}

bool runq_push_full(runq *q, runnable *r) {
    uint64_t tail = load_relaxed(&q->tail); /* relaxed: the owner's own words */
    runq_ring *ring = load_relaxed(&q->ring);
    /* acquire: pairs with the takers' swap: they have read the entries we may now overwrite */
    uint64_t head = load_acquire(&q->head);
    store_relaxed(&q->head_seen, head);
    if (tail - head >= ring->capacity && grow(q, ring, head, tail) == NULL) {
        return false;
    }
    return runq_push(q, r);
}

/* Takes one of `share` parts of the entries, at least one, at most `most`; none if somebody else moved the head. */
static inline uint32_t take(runq *q, runnable **out, uint32_t most, uint32_t share) {
    uint64_t head = load_acquire(&q->head); /* pairs with other takers' swaps */
    uint64_t tail = load_acquire(&q->tail); /* pairs with runq_push: entries below are visible */
    if (head >= tail) {
        return 0;
    }
    uint64_t part = (tail - head + share - 1) / share;
    uint32_t n = part < most ? (uint32_t)part : most;
    /* acquire, and after tail: pairs with grow, see the header */
    runq_ring *ring = load_acquire(&q->ring);
    for (uint32_t i = 0; i < n; i++) {
        /* relaxed: ordered by the acquire of tail; worthless unless the swap succeeds */
        out[i] = load_relaxed(&ring->slot[(head + i) & (ring->capacity - 1)]);
    }
    /* acq_rel: pairs with the owner's acquire of head (our reads come before its overwrites) */
    return cas_acq_rel(&q->head, &head, head + n) || MUTANT(runq_blind_take) ? n : 0;
}

static inline uint32_t claim(runq *q, runnable **out, uint32_t share) {
    while (runq_size(q) != 0) {
        uint32_t n = take(q, out, RUNQ_CLAIM, share);
        if (n != 0) {
            return n;
        }
    }
    return 0;
}

uint32_t runq_claim(runq *q, runnable *out[RUNQ_CLAIM]) {
    return claim(q, out, 2);
}

uint32_t runq_claim_all(runq *q, runnable *out[RUNQ_CLAIM]) {
    return claim(q, out, 1);
}

uint32_t runq_steal(runq *q, runnable *out[RUNQ_STEAL]) {
    return take(q, out, RUNQ_STEAL, 2);
}

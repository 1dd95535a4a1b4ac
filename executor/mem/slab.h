/* Type-stable slots of one size, by number.
 *
 * Slots come in chunks that are mapped once and stay mapped until slab_fini: a racy reader (a snapshot, a
 * stale handle) may look at a slot that is free or reused, and finds a slot of the same kind there. A slot
 * starts zeroed but for its number, and keeps its content while free, except for the two words at
 * `link_offset`, which chain free slots.
 *
 * Each worker has a cache that only it touches; foreign threads share a few caches under locks. Caches trade
 * whole batches with a common pool under the slab's lock, so that a producer on one thread and a consumer on
 * another meet at one lock operation per SLAB_BATCH slots.
 *
 * The scheme is Bonwick's and Adams' magazines ("Magazines and Vmem", USENIX 2001), reduced to one size. */
#ifndef BELAY_MEM_SLAB_H
#define BELAY_MEM_SLAB_H

#include "base/check.h"
#include "base/lock.h"
#include "port/fiber.h"

enum { SLAB_BATCH = 64, SLAB_CHUNK = 1024 };

/* The two words of a free slot. */
typedef struct slab_link {
    struct slab_link *next;  /* next slot of the batch */
    struct slab_link *batch; /* in a batch's first slot: next batch of the pool */
} slab_link;

typedef struct slab {
    uint32_t size; /* bytes of a slot, a multiple of 16 */
    uint32_t link_offset;
    uint32_t number_offset;  /* of the slot's own number, a uint32_t written once per chunk */
    uint32_t limit;          /* slots that may exist; number 0 is never given out */
    ATOMIC(char *) * chunks; /* published with release when a chunk is complete */
    size_t chunks_size;
    lock lock;             /* guards what follows */
    slab_link *pool;       /* whole batches */
    ATOMIC(uint32_t) made; /* slots that exist; written under the lock, read by anybody */
} slab;

/* One owner, or a lock, at a time. */
typedef struct slab_cache {
    ATOMIC(slab_link *) free;  /* the batch in use */
    ATOMIC(slab_link *) spare; /* a second, whole batch or NULL */
    ATOMIC(uint32_t) count;    /* slots in `free` */
} slab_cache;

/* False: no memory for the table of chunks. */
bool slab_init(slab *s, uint32_t size, uint32_t link_offset, uint32_t number_offset,
               uint32_t limit);
void slab_fini(slab *s);

/* The slow halves of take and give. */
void *slab_refill(slab *s, slab_cache *cache);
void slab_drain(slab *s, slab_cache *cache);

/* The slot with this number, or NULL if there never was one. Any thread. */
void *slab_at(const slab *s, uint32_t number);
/* Slots that exist have the numbers 1 .. slab_made(). Any thread. */
uint32_t slab_made(const slab *s);

static inline slab_link *slab_link_of(const slab *s, void *slot) {
    return (slab_link *)(void *)((char *)slot + s->link_offset);
}

/* NULL: the limit is reached or there is no memory. Only the cache's owner. */
static inline void *slab_take(slab *s, slab_cache *cache) {
    slab_link *link = load_relaxed(&cache->free); /* relaxed: the owner's own words */
    if (unlikely(link == NULL)) {
        return slab_refill(s, cache);
    }
    port_tsan_acquire(link);
    store_relaxed(&cache->free, link->next);
    owner_add(&cache->count, -1u);
    return (char *)link - s->link_offset;
}

static inline void slab_give(slab *s, slab_cache *cache, void *slot) {
    if (unlikely(load_relaxed(&cache->count) >= SLAB_BATCH)) {
        slab_drain(s, cache);
    }
    slab_link *link = slab_link_of(s, slot);
    link->next = load_relaxed(&cache->free); /* relaxed: the owner's own words */
    port_tsan_release(link);
    store_relaxed(&cache->free, link);
    owner_add(&cache->count, 1u);
}

#endif

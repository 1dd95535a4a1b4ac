/* The common pool of mem/slab.h, and the making of chunks. */
#include "mem/slab.h"
#include "base/mutant.h"

#include "port/port.h"

static size_t round_to_pages(size_t size) {
    size_t page = port_page_size();
    return (size + page - 1) / page * page;
}

static size_t chunk_bytes(const slab *s) {
    return round_to_pages((size_t)s->size * SLAB_CHUNK);
}

bool slab_init(slab *s, uint32_t size, uint32_t link_offset, uint32_t number_offset,
               uint32_t limit) {
    CHECK(size % 16 == 0 && link_offset % 8 == 0 && limit > 0);
    *s = (slab){
        .size = size, .link_offset = link_offset, .number_offset = number_offset, .limit = limit};
    size_t count = (size_t)limit / SLAB_CHUNK + 2;
    s->chunks_size = round_to_pages(count * sizeof *s->chunks);
    s->chunks = port_pages_map(s->chunks_size, port_page_size());
    lock_init(&s->lock);
    return s->chunks != NULL;
}

void slab_fini(slab *s) {
    for (size_t i = 0; s->chunks != NULL && i < s->chunks_size / sizeof *s->chunks; i++) {
        char *chunk = load_relaxed(&s->chunks[i]); /* relaxed: no other thread is left */
        if (chunk == NULL) {
            break;
        }
        port_pages_unmap(chunk, chunk_bytes(s));
    }
    if (s->chunks != NULL) {
        port_pages_unmap(s->chunks, s->chunks_size);
    }
    s->chunks = NULL;
}

void *slab_at(const slab *s, uint32_t number) {
    if (number == 0 || number > slab_made(s)) {
        return NULL;
    }
    /* pairs with the release in make_batch: the chunk's numbers are written */
    char *chunk = load_acquire(&s->chunks[(number - 1) / SLAB_CHUNK]);
    return chunk == NULL ? NULL : chunk + (size_t)((number - 1) % SLAB_CHUNK) * s->size;
}

uint32_t slab_made(const slab *s) {
    /* pairs with the release in make_batch */
    return load_acquire(&s->made);
}

/* Cuts the next batch of slots that never existed; maps a chunk at its start. Under the lock. */
static slab_link *make_batch(slab *s, uint32_t *count) {
    uint32_t made = load_relaxed(&s->made); /* relaxed: written under the lock we hold */
    if (made >= s->limit) {
        return NULL;
    }
    char *chunk = load_relaxed(&s->chunks[made / SLAB_CHUNK]); /* relaxed: as above */
    if (chunk == NULL) {
        chunk = port_pages_map(chunk_bytes(s), port_page_size());
        if (chunk == NULL) {
            return NULL;
        }
        store_release(&s->chunks[made / SLAB_CHUNK], chunk); /* pairs with slab_at */
    }
    uint32_t n = s->limit - made < SLAB_BATCH ? s->limit - made : SLAB_BATCH;
    slab_link *first = NULL;
    for (uint32_t i = n; i-- > 0;) {
        char *slot = chunk + (size_t)(made % SLAB_CHUNK + i) * s->size;
        *(uint32_t *)(void *)(slot + s->number_offset) = made + i + 1;
        slab_link *link = slab_link_of(s, slot);
        link->next = first;
        first = link;
        port_tsan_release(link);
    }
    store_release(&s->made, made + n); /* pairs with slab_made: the numbers are written */
    *count = n;
    return first;
}

void *slab_refill(slab *s, slab_cache *cache) {
    slab_link *first = load_relaxed(&cache->spare); /* relaxed: the owner's own words */
    uint32_t count = SLAB_BATCH;
    if (first != NULL) {
        store_relaxed(&cache->spare, NULL);
    } else {
        lock_take(&s->lock);
        first = s->pool;
        if (first != NULL) {
            port_tsan_acquire(first);
            s->pool = MUTANT(slab_batch_twice) ? first : first->batch;
        } else {
            first = make_batch(s, &count);
        }
        lock_release(&s->lock);
    }
    if (first == NULL) {
        return NULL;
    }
    port_tsan_acquire(first);
    store_relaxed(&cache->free, first->next);
    store_relaxed(&cache->count, count - 1);
    return (char *)first - s->link_offset;
}

/* The cache holds a whole batch: keeps it as the spare, or passes one on to the pool. */
void slab_drain(slab *s, slab_cache *cache) {
    slab_link *batch = load_relaxed(&cache->spare); /* relaxed: the owner's own words */
    if (batch != NULL) {
        lock_take(&s->lock);
        port_tsan_acquire(batch);
        batch->batch = s->pool;
        port_tsan_release(batch);
        s->pool = batch;
        lock_release(&s->lock);
    }
    store_relaxed(&cache->spare, load_relaxed(&cache->free));
    store_relaxed(&cache->free, NULL);
    store_relaxed(&cache->count, 0u);
}

/* The stack pool. The contract is in mem/stack.h.
 *
 * Stacks come from chunks (mem/stack_chunk.h). The lists of unused ones (mem/stock.h) hold addresses
 * only, so nothing has to be written into the pages of an unused stack, which would keep them in
 * memory.
 *
 * An unused stack is
 *   fresh   never handed out; without a guard yet (the last chunk->fresh of a chunk)
 *   warm    its pages as the last user left them
 *   cold    its pages given back to the system
 * and is taken in the order warm, cold, fresh.
 *
 * Which unused stacks are warm, and for how long, is mem/stack_trim.c.
 *
 * `lock` guards the lists and the counts; `growth` is held by who maps a chunk, so that two threads
 * that find nothing do not both map one (and the second is not told that the limit is reached);
 * `trimming` by who trims, because only that can take a block that is not full. The other two are
 * taken before `lock`. System calls are made outside of `lock`, on stacks that are then in nobody's
 * list, but counted in `discarding`: who finds nothing waits for those.
 *
 * Guards: the kinds a stack can get are tried in order, the marker, then mprotect, and this for the
 * first MOST_PROTECTED stacks only: each takes two of the process's 65,530 mappings, and the host
 * needs some, too. A stack without a guard page has a canary in the first CANARY_SIZE bytes of its
 * region, and begins right above it: `low` is then not at a page's start, which is how it is told
 * from the others. */
#include "base/check.h"
#include "mem/stack_pool.h"
#include "port/fiber.h"

enum {
    LEAST_PAGES = 4,
    FIRST_CHUNK = 64,
    LARGEST_CHUNK = 1024,
    MOST_PROTECTED = 16000,
    SCARCE = 64, /* nobody gets more than one of the last SCARCE stacks at once */
};

static const size_t largest_mapping = (size_t)256 << 20;

stack_pool *stack_pool_create(const allocator *alloc, size_t size, uint32_t cache, uint32_t limit) {
    stack_pool *pool = mem_allocate(alloc, sizeof *pool, _Alignof(stack_pool));
    if (pool == NULL) {
        return NULL;
    }
    size_t page = port_page_size();
    size_t least = LEAST_PAGES * page;
    size_t wanted = size < SIZE_MAX / 2 ? size : SIZE_MAX / 2; /* no mapping will ever do for it */
    pool->alloc = alloc;
    pool->page = page;
    pool->region_size = wanted < least ? least : (wanted + page - 1) / page * page;
    pool->cache = cache;
    pool->limit = limit > 0 ? limit : UINT64_MAX;
    lock_init(&pool->growth);
    lock_init(&pool->trimming);
    lock_init(&pool->lock);
    return pool;
}

void stack_pool_destroy(stack_pool *pool) {
    CHECK(load_relaxed(&pool->in_use) == 0); /* relaxed: nobody else uses the pool any more */
    stack_chunk *next;
    for (stack_chunk *c = pool->chunks; c != NULL; c = next) {
        next = c->next;
        stack_chunk_unmap(c);
    }
    mem_release(pool->alloc, pool, sizeof *pool, _Alignof(stack_pool));
}

/* ---- unused stacks, under the lock ----------------------------------------------------------- */

static char *take_warm(stack_pool *pool) {
    char *low = stock_pop(&pool->warm, &pool->empty);
    if (low != NULL) {
        owner_add(&pool->cached, -1);
        uint64_t cached = load_relaxed(&pool->cached); /* relaxed: written under the lock */
        pool->least = cached < pool->least ? cached : pool->least;
    }
    return low;
}

static void count_taken(stack_pool *pool, uint32_t count) {
    owner_add(&pool->in_use, count);
    /* relaxed, both: written only under the lock */
    if (load_relaxed(&pool->in_use) > load_relaxed(&pool->peak)) {
        store_relaxed(&pool->peak, load_relaxed(&pool->in_use));
    }
}

/* ---- guards ---------------------------------------------------------------------------------- */

/* First use of a region; returns the stack's `low`. Several threads may be here at once, so that
 * the bound may be exceeded by a few. */
static char *guard_region(stack_pool *pool, char *region) {
    port_guard guard = PORT_GUARD_NONE;
    if (load_relaxed(&pool->protected) < MOST_PROTECTED) { /* relaxed: see above */
        guard = port_pages_guard(region, pool->page);
    }
    if (guard == PORT_GUARD_NONE) {
        fetch_add_relaxed(&pool->with_canary, 1); /* relaxed: a number */
        return region + CANARY_SIZE;
    }
    if (guard == PORT_GUARD_PROTECT) {
        fetch_add_relaxed(&pool->protected, 1); /* relaxed: a number */
    }
    return region + pool->page;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

/* As many as exist already, within bounds: a program with a million stacks needs few mappings, and
 * one with ten pays for 64 at most. 0: the limit is reached. */
static uint32_t chunk_count(const stack_pool *pool) {
    uint64_t mapped =
        load_relaxed(&pool->mapped); /* relaxed: changes under `growth`, which we hold */
    uint64_t count = mapped < FIRST_CHUNK ? FIRST_CHUNK : mapped;
    uint64_t fitting = largest_mapping / pool->region_size;
    uint64_t left = pool->limit - mapped;
    count = count < LARGEST_CHUNK ? count : LARGEST_CHUNK;
    count = count < fitting ? count : fitting > 0 ? fitting : 1;
    return (uint32_t)(count < left ? count : left);
}

static void chunk_add(stack_pool *pool, stack_chunk *c) {
    lock_take(&pool->lock);
    c->next = pool->chunks;
    pool->chunks = c;
    for (uint32_t i = c->block_count; i-- > 0;) {
        stock_keep(&pool->empty, &c->blocks[i]);
    }
    owner_add(&pool->mapped, c->count);
    lock_release(&pool->lock);
}

/* ---- get and put ----------------------------------------------------------------------------- */

/* One that is ready, or a fresh region, which has size 0. */
static bool take(stack_pool *pool, stack *out) {
    char *low = take_warm(pool);
    if (low == NULL) {
        low = stock_pop(&pool->cold, &pool->empty);
    }
    *out = low != NULL ? stack_at(pool, low) : (stack){stack_chunk_take(pool->chunks), 0};
    return out->low != NULL;
}

/* How many of `most` may go to one caller: when stacks are scarce the others need them more. */
static uint32_t share(const stack_pool *pool, uint32_t most) {
    uint64_t left = pool->limit - load_relaxed(&pool->in_use); /* relaxed: written under the lock */
    return most <= left / SCARCE ? most : (uint32_t)(left / SCARCE) + 1;
}

/* Zero when there is none; *soon then says whether some are about to become cold. */
static uint32_t take_some(stack_pool *pool, stack *out, uint32_t most, bool *soon) {
    stack s;
    uint32_t count = 0;
    lock_take(&pool->lock);
    uint32_t wanted = share(pool, most);
    while (count < wanted && take(pool, &s)) {
        out[count++] = s;
    }
    count_taken(pool, count);
    *soon = pool->discarding > 0;
    lock_release(&pool->lock);
    return count;
}

/* True: it is worth another try. */
static bool grow(stack_pool *pool, bool soon) {
    stack_chunk *c = stack_chunk_map(chunk_count(pool), pool->region_size);
    if (c != NULL) {
        chunk_add(pool, c);
    } else if (soon) {
        port_thread_yield();
    }
    return c != NULL || soon;
}

/* Others may take all of a new chunk before we do, hence the loop. */
static uint32_t take_or_grow(stack_pool *pool, stack *out, uint32_t most) {
    bool soon;
    uint32_t count = take_some(pool, out, most, &soon);
    if (count == 0) {
        lock_take(&pool->growth);
        while ((count = take_some(pool, out, most, &soon)) == 0 && grow(pool, soon)) {
        }
        lock_release(&pool->growth);
    }
    return count;
}

static void put_cold(stack_pool *pool, char *low) {
    lock_take(&pool->lock);
    stock_push(&pool->cold, &pool->empty, low);
    owner_add(&pool->in_use, -1);
    lock_release(&pool->lock);
}

/* Makes what was taken a usable stack. */
static bool prepare(stack_pool *pool, stack *s) {
    bool fresh = s->size == 0;
    if (fresh) {
        *s = stack_at(pool, guard_region(pool, s->low));
    }
    stack pages = pages_of(pool, s);
    if (!fresh && !port_stack_reuse(pages.low, pages.size)) {
        put_cold(pool, s->low);
        return false;
    }
    if (has_canary(pool, s->low)) {
        canary_write(s->low); /* every time: giving the pages back erases it */
    }
    return true;
}

uint32_t stack_get_some(stack_pool *pool, stack *out, uint32_t most) {
    uint32_t taken = take_or_grow(pool, out, most);
    uint32_t ready = 0;
    for (uint32_t i = 0; i < taken; i++) {
        stack s = out[i];
        if (prepare(pool, &s)) {
            out[ready++] = s;
        }
    }
    return ready;
}

bool stack_put_some(stack_pool *pool, const stack *used, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        CHECK(used[i].size == stack_at(pool, used[i].low).size);
        if (has_canary(pool, used[i].low)) {
            canary_check(used[i].low);
        }
    }
    lock_take(&pool->lock);
    CHECK(load_relaxed(&pool->in_use) >= count); /* relaxed: written under the lock */
    for (uint32_t i = 0; i < count; i++) {
        stock_push(&pool->warm, &pool->empty, used[i].low);
    }
    owner_add(&pool->in_use, -(uint64_t)count);
    owner_add(&pool->cached, count);
    bool later;
    stock_block *surplus = stack_pool_cut_surplus(pool, &later);
    lock_release(&pool->lock);
    if (surplus != NULL) {
        stack_pool_give_back(pool, surplus);
    }
    return later;
}

/* ---- diagnosis ------------------------------------------------------------------------------- */

void stack_pool_read(const stack_pool *pool, stack_pool_counts *out) {
    /* relaxed, all: numbers that belong together only when nothing moves */
    out->mapped = load_relaxed(&pool->mapped);
    out->in_use = load_relaxed(&pool->in_use);
    out->peak = load_relaxed(&pool->peak);
    out->cached = load_relaxed(&pool->cached);
    out->guard = load_relaxed(&pool->with_canary) > 0 ? PORT_GUARD_NONE
                 : load_relaxed(&pool->protected) > 0 ? PORT_GUARD_PROTECT
                                                      : PORT_GUARD_MARKER;
}

/* A canary's page is always touched, and says nothing about the stack's use: it counts as used only
 * when the page above it is. */
size_t stack_used(const stack *s) {
    size_t page = port_page_size();
    size_t canary_page = (size_t)(-(uintptr_t)s->low & (page - 1));
    size_t rest = s->size - canary_page;
    size_t touched = port_pages_touched((char *)s->low + canary_page, rest);
    return touched == rest ? s->size : touched;
}

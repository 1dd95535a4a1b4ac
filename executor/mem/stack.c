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
 * Giving pages back costs an interrupt of every processor that runs the program (they hold the old
 * translations), whether it is one page or thousands. So it is done by the block: what is too much
 * leaves the bottom of the warm list, where the coldest are, and neighbours become one range (the
 * guards between them stay: neither kind minds). A million tasks that end in the order in which
 * they began are a few ranges a block; in any order they are one system call for a quarter of a
 * block where the kernel takes many ranges.
 *
 * How many stay warm: the cache, and a quarter as many as are in use, and a block. The quarter lets
 * a program that breathes do so without page faults, and bounds what fragmentation or a spike leave
 * behind by what is in use anyway: when nothing is, the cache and a block remain.
 *
 * Somebody who looks at the pool from time to time (stack_pool_age) relieves those who put stacks of
 * the system calls. It gives back only what nobody has needed since its last look: the least number of
 * warm ones in between, which lie at the bottom (the low-water mark of Bonwick's and Adams' magazines).
 * `overfull` says that it should look. It is set by a put, seq_cst, before the put's caller asks
 * whether the looker is awake; the looker says that it will sleep, seq_cst, and then reads it.
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
#include "mem/stack.h"

#include "base/check.h"
#include "mem/canary.h"
#include "mem/stack_chunk.h"
#include "port/fiber.h"

enum {
    LEAST_PAGES = 4,
    FIRST_CHUNK = 64,
    LARGEST_CHUNK = 1024,
    MOST_PROTECTED = 16000,
    RANGES = 32,     /* given back by one call */
    SLICE = 32,      /* blocks given back by one look */
    AGE = 200000000, /* nanoseconds between two looks */
    SCARCE = 64,     /* nobody gets more than one of the last SCARCE stacks at once */
};

static const size_t largest_mapping = (size_t)256 << 20;

typedef ATOMIC(uint64_t) counter;

struct stack_pool {
    const allocator *alloc;
    size_t page;
    size_t region_size;
    uint32_t cache;
    uint64_t limit; /* UINT64_MAX: none */

    lock growth;
    lock trimming;
    lock lock;
    /* under lock */
    stack_chunk *chunks; /* newest first: only the first can have fresh ones */
    stock warm;
    stock cold;
    stock_block *empty;
    uint64_t discarding;
    uint64_t least; /* warm ones since the last look */
    uint64_t idle;  /* so many of those found at the last look are still to be given back */
    ATOMIC(uint32_t) overfull; /* written under lock: more are warm than should be, and aged */
    ATOMIC(uint32_t) aged;     /* written under lock: somebody calls stack_pool_age */
    /* written under lock, read by anyone, as numbers only */
    counter mapped;
    counter in_use;
    counter peak;
    counter cached;
    /* written and read by anyone, as numbers only */
    counter protected;
    counter with_canary;
    int64_t looked; /* by who ages: when it last did */
};

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

/* A block that stays in nobody's list until put_cold. */
static stock_block *cut_warm(stack_pool *pool) {
    stock_block *block = stock_cut(&pool->warm);
    if (block != NULL) {
        owner_add(&pool->cached, -block->count);
        pool->discarding += block->count;
    }
    return block;
}

/* More than a block is too much, so that the bottom one is full. */
static bool too_many(const stack_pool *pool) {
    uint64_t in_use = load_relaxed(&pool->in_use); /* relaxed, both: written under the lock */
    uint64_t most = pool->cache + in_use / 4 + STOCK_BLOCK;
    return load_relaxed(&pool->cached) > most;
}

/* NULL: no more stacks are warm than should be, or somebody else sees to it, and *later says that he should. */
static stock_block *cut_surplus(stack_pool *pool, bool *later) {
    *later = false;
    if (!too_many(pool)) {
        return NULL;
    }
    if (load_relaxed(&pool->aged) == 0) { /* relaxed, both: written under the lock */
        return cut_warm(pool);
    }
    if (load_relaxed(&pool->overfull) == 0) {
        store_seq_cst(&pool->overfull, 1u); /* pairs with stack_pool_ages: see above */
    }
    *later = true;
    return NULL;
}

/* ---- guards ---------------------------------------------------------------------------------- */

static bool has_canary(const stack_pool *pool, const char *low) {
    return ((uintptr_t)low & (pool->page - 1)) != 0;
}

static stack stack_at(const stack_pool *pool, char *low) {
    size_t guard = has_canary(pool, low) ? CANARY_SIZE : pool->page;
    return (stack){low, pool->region_size - guard};
}

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

/* ---- giving pages back ----------------------------------------------------------------------- */

/* The whole pages that a stack lies in. */
static stack pages_of(const stack_pool *pool, const stack *s) {
    size_t before = (uintptr_t)s->low & (pool->page - 1);
    return (stack){(char *)s->low - before, s->size + before};
}

/* The range of pages from block->item[*next] on, as far as its stacks are neighbours. */
static port_range next_range(const stack_pool *pool, const stock_block *block, uint64_t *next) {
    char *last = block->item[(*next)++];
    stack first = stack_at(pool, last);
    port_range range = {pages_of(pool, &first).low, 0};
    while (*next < block->count && block->item[*next] == last + pool->region_size) {
        last = block->item[(*next)++];
    }
    stack s = stack_at(pool, last);
    range.size = (size_t)((char *)s.low + s.size - (char *)range.pages);
    return range;
}

static void discard(const stack_pool *pool, stock_block *block) {
    stock_sort(block);
    port_range range[RANGES];
    for (uint64_t next = 0; next < block->count;) {
        uint32_t count = 0;
        while (next < block->count && count < RANGES) {
            range[count++] = next_range(pool, block, &next);
        }
        port_pages_discard_each(range, count);
    }
}

/* A block that was cut from the warm ones becomes cold. */
static void give_back(stack_pool *pool, stock_block *block) {
    discard(pool, block);
    lock_take(&pool->lock);
    pool->discarding -= block->count;
    stock_join(&pool->cold, &pool->empty, block);
    lock_release(&pool->lock);
}

static stock_block *cut_for_trim(stack_pool *pool) {
    lock_take(&pool->lock);
    stock_block *block = cut_warm(pool);
    lock_release(&pool->lock);
    return block;
}

size_t stack_pool_trim(stack_pool *pool) {
    lock_take(&pool->trimming);
    uint64_t trimmed = 0;
    uint64_t goal = load_relaxed(&pool->cached); /* relaxed: it ends although others go on */
    stock_block *block;
    while (trimmed < goal && (block = cut_for_trim(pool)) != NULL) {
        trimmed += block->count;
        give_back(pool, block);
    }
    lock_release(&pool->trimming);
    return trimmed * (pool->region_size - pool->page);
}

/* ---- aging ----------------------------------------------------------------------------------- */

/* The next block that was idle since the last look. Under the lock. */
static stock_block *cut_idle(stack_pool *pool) {
    if (!too_many(pool) || pool->idle < STOCK_BLOCK || pool->least < STOCK_BLOCK) {
        pool->idle = 0;
        return NULL;
    }
    pool->idle -= STOCK_BLOCK;
    pool->least -= STOCK_BLOCK;
    return cut_warm(pool);
}

static stock_block *cut_for_age(stack_pool *pool) {
    lock_take(&pool->lock);
    stock_block *block = cut_idle(pool);
    lock_release(&pool->lock);
    return block;
}

/* The low-water mark since the last look is what is idle now. */
static void look(stack_pool *pool) {
    lock_take(&pool->lock);
    store_relaxed(&pool->aged, 1u); /* relaxed: under the lock */
    pool->idle = pool->least;
    pool->least = load_relaxed(&pool->cached); /* relaxed: written under the lock */
    store_relaxed(&pool->overfull,
                  too_many(pool) ? 1u : 0u); /* relaxed: who reads it has taken the lock since */
    lock_release(&pool->lock);
}

int64_t stack_pool_age(stack_pool *pool, int64_t now) {
    if (now - pool->looked >= AGE) {
        pool->looked = now;
        look(pool);
    }
    for (uint32_t i = 0; i < SLICE; i++) {
        stock_block *block = cut_for_age(pool);
        if (block == NULL) {
            return load_relaxed(&pool->overfull) != 0 ? pool->looked + AGE
                                                      : PORT_NEVER; /* relaxed: a time to look */
        }
        give_back(pool, block);
    }
    return now;
}

bool stack_pool_ages(const stack_pool *pool) {
    return load_seq_cst(&pool->overfull) != 0; /* pairs with cut_surplus */
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
    stock_block *surplus = cut_surplus(pool, &later);
    lock_release(&pool->lock);
    if (surplus != NULL) {
        give_back(pool, surplus);
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

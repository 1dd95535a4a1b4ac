/* Giving the pages of unused stacks back to the system: at once, on request, or when they have been idle for a while.
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
 * whether the looker is awake; the looker says that it will sleep, seq_cst, and then reads it. */
#include "base/check.h"
#include "mem/stack_pool.h"

enum {
    RANGES = 32,    /* given back by one call */
    SLICE = 32,     /* blocks given back by one look */
    AGE = 200000000 /* nanoseconds between two looks */
};

/* ---- what is too much; under the lock -------------------------------------------------------- */

/* A block that stays in nobody's list until stack_pool_give_back. */
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

stock_block *stack_pool_cut_surplus(stack_pool *pool, bool *later) {
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

/* ---- giving pages back ----------------------------------------------------------------------- */

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

void stack_pool_give_back(stack_pool *pool, stock_block *block) {
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
        stack_pool_give_back(pool, block);
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
        stack_pool_give_back(pool, block);
    }
    return now;
}

bool stack_pool_ages(const stack_pool *pool) {
    return load_seq_cst(&pool->overfull) != 0; /* pairs with cut_surplus */
}

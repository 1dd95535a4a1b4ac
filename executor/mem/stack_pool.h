/* Inside the stack pool: what stack.c (getting and putting stacks) and stack_trim.c (giving their pages back) share.
 * See stack.c for who may touch what. */
#ifndef BELAY_MEM_STACK_POOL_H
#define BELAY_MEM_STACK_POOL_H

#include "mem/canary.h"
#include "mem/stack.h"
#include "mem/stack_chunk.h"

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

static inline bool has_canary(const stack_pool *pool, const char *low) {
    return ((uintptr_t)low & (pool->page - 1)) != 0;
}

static inline stack stack_at(const stack_pool *pool, char *low) {
    size_t guard = has_canary(pool, low) ? CANARY_SIZE : pool->page;
    return (stack){low, pool->region_size - guard};
}

/* The whole pages that a stack lies in. */
static inline stack pages_of(const stack_pool *pool, const stack *s) {
    size_t before = (uintptr_t)s->low & (pool->page - 1);
    return (stack){(char *)s->low - before, s->size + before};
}

/* Under the lock. A block that is too much, for stack_pool_give_back. NULL: no more stacks are warm than should be, or
 * somebody else sees to it, and *later says that he should. */
stock_block *stack_pool_cut_surplus(stack_pool *pool, bool *later);
/* A block that was cut from the warm ones becomes cold. Without the lock. */
void stack_pool_give_back(stack_pool *pool, stock_block *block);

#endif

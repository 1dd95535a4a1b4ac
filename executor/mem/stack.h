/* Guarded stacks, by the million.
 *
 * Stacks are carved from large mappings (a chunk holds many), because a mapping each would exhaust
 * vm.max_map_count; the lowest page of each is a guard (marker in the page table where the kernel
 * has it, else mprotect while mappings last, else a canary). A stack given back is kept, most
 * recently used first, its pages still warm. How many are warm is bounded; of what is too much the
 * pages are given back to the system, the coldest first and many at once, and the addresses kept:
 * at once, or, once somebody calls stack_pool_age from time to time, when they have been idle for a while.
 * Chunks are unmapped by stack_pool_destroy only.
 *
 * Any thread may call get, put and trim; the pool has a lock of its own, held for a few
 * instructions (never across a system call that touches pages). */
#ifndef BELAY_MEM_STACK_H
#define BELAY_MEM_STACK_H

#include "base/lock.h"
#include "mem/alloc.h"
#include "port/port.h"

typedef struct stack {
    void *low;   /* lowest usable address, just above the guard */
    size_t size; /* usable bytes */
} stack;

typedef struct stack_pool stack_pool;

/* size: address space of one stack, guard included, rounded up to pages (at least 4 pages).
 * cache: how many unused stacks stay warm when none is in use (a hundred or so more may); a
 * quarter of those in use is added to it. limit: stacks that may exist at once (0: no limit). NULL: no
 * memory for the pool itself. */
stack_pool *stack_pool_create(const allocator *alloc, size_t size, uint32_t cache, uint32_t limit);
/* Every stack must have been put back. */
void stack_pool_destroy(stack_pool *pool);

/* Gets up to `most` stacks, and returns how many: fewer when more would have to be mapped, or when
 * the limit is near. Zero: no address space, or the limit is reached. The content of a stack is
 * unspecified, except that in sanitizer builds it is as good as new. */
uint32_t stack_get_some(stack_pool *pool, stack *out, uint32_t most);
/* True: more are warm than should be, and stack_pool_age is wanted: see to it that somebody calls it. */
bool stack_put_some(stack_pool *pool, const stack *used, uint32_t count);

static inline bool stack_get(stack_pool *pool, stack *out) {
    return stack_get_some(pool, out, 1) == 1;
}
static inline bool stack_put(stack_pool *pool, stack used) {
    return stack_put_some(pool, &used, 1);
}

/* Gives back the pages of stacks that are too many and were not needed since two looks ago, a slice
 * at a time: so an end in masses does not wait for the system, and a program that breathes finds its
 * stacks warm. From the first call on putting a stack gives nothing back by itself. Only one thread
 * calls it, no matter how often. now: its clock. When it wants to be called again: PORT_NEVER if nothing is
 * too much, now at once. */
int64_t stack_pool_age(stack_pool *pool, int64_t now);
/* Is there too much? After a look that found nothing of the sort, for who is about to stop looking: a store of the
 * caller's before it (seq_cst) is seen by who makes it true. Any thread. */
bool stack_pool_ages(const stack_pool *pool);

/* Gives all warm stacks' pages back to the system. Returns the bytes of address space discarded. */
size_t stack_pool_trim(stack_pool *pool);

typedef struct stack_pool_counts {
    uint64_t mapped;  /* stacks that exist */
    uint64_t in_use;  /* handed out now */
    uint64_t peak;    /* most ever handed out at once */
    uint64_t cached;  /* unused and warm */
    port_guard guard; /* weakest kind of guard in use */
} stack_pool_counts;
void stack_pool_read(const stack_pool *pool, stack_pool_counts *out);

/* Bytes of a stack that have been touched so far, an upper bound by pages. Any thread. */
size_t stack_used(const stack *s);

#endif

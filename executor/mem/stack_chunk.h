/* A chunk: one mapping with room for many stacks. First its description and blocks for the lists of
 * unused stacks, then the regions; a region is a stack with its guard.
 *
 * The pool's lock guards `next` and `fresh`, and the blocks once they are in its lists. */
#ifndef BELAY_MEM_STACK_CHUNK_H
#define BELAY_MEM_STACK_CHUNK_H

#include "mem/stock.h"

typedef struct stack_chunk {
    struct stack_chunk *next;
    size_t mapped_size;
    size_t region_size;
    char *regions;
    uint32_t count;
    uint32_t fresh; /* regions never taken, the last of the chunk */
    uint32_t block_count;
    stock_block blocks[];
} stack_chunk;

/* With `most` regions, or fewer where address space is short. NULL: not even one. */
stack_chunk *stack_chunk_map(uint32_t most, size_t region_size);
void stack_chunk_unmap(stack_chunk *c);

/* A region that has no guard yet. NULL: none is left, or no chunk. */
char *stack_chunk_take(stack_chunk *c);

#endif

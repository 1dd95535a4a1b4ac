/* See mem/stack_chunk.h. */
#include "mem/stack_chunk.h"

#include "port/fiber.h"

/* Blocks that are not full: one at the top of each of the pool's two lists, and one that is being
 * given back. */
enum { PARTIAL_BLOCKS = 3 };

static uint32_t blocks_for(uint32_t regions) {
    return (regions + STOCK_BLOCK - 1) / STOCK_BLOCK + PARTIAL_BLOCKS;
}

static size_t header_size(uint32_t regions) {
    size_t page = port_page_size();
    size_t bytes = sizeof(stack_chunk) + blocks_for(regions) * sizeof(stock_block);
    return (bytes + page - 1) / page * page;
}

static stack_chunk *map_exactly(uint32_t count, size_t region_size) {
    size_t header = header_size(count);
    size_t size = header + count * region_size;
    stack_chunk *c = port_pages_map(size, port_page_size());
    if (c != NULL) {
        c->mapped_size = size;
        c->region_size = region_size;
        c->regions = (char *)c + header;
        c->count = count;
        c->fresh = count;
        c->block_count = blocks_for(count);
    }
    return c;
}

/* Where the system does not overcommit, fewer may be had. */
stack_chunk *stack_chunk_map(uint32_t most, size_t region_size) {
    stack_chunk *c = NULL;
    for (uint32_t count = most; c == NULL && count > 0; count /= 2) {
        c = map_exactly(count, region_size);
    }
    return c;
}

void stack_chunk_unmap(stack_chunk *c) {
    port_asan_unpoison(c, c->mapped_size); /* the host may get these addresses next */
    port_pages_unmap(c, c->mapped_size);
}

char *stack_chunk_take(stack_chunk *c) {
    if (c == NULL || c->fresh == 0) {
        return NULL;
    }
    size_t index = c->count - c->fresh--;
    return c->regions + index * c->region_size;
}

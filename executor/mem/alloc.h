/* The allocator hook: everything the library asks of the heap goes through one of these.
 *
 * Memory is freed through the same table it came from. The default is malloc, or jemalloc's own
 * functions when the host program has them (weak symbols; never in sanitizer builds). The functions
 * may be called from any thread and may call nothing of belay's. */
#ifndef BELAY_MEM_ALLOC_H
#define BELAY_MEM_ALLOC_H

#include <stddef.h>

typedef struct allocator {
    void *(*allocate)(size_t size, size_t alignment, void *arg);
    void (*release)(void *memory, size_t size, size_t alignment, void *arg);
    void *arg;
} allocator;

/* malloc or jemalloc, as said above. */
const allocator *allocator_default(void);
/* "malloc" or "jemalloc": which one allocator_default() chose. */
const char *allocator_default_name(void);

/* Zeroed; aligned to at least 16. NULL when there is none. */
void *mem_allocate(const allocator *alloc, size_t size, size_t alignment);
/* memory may be NULL. */
void mem_release(const allocator *alloc, void *memory, size_t size, size_t alignment);

#endif

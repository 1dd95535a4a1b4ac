/* The default allocator and the two functions that everything else allocates with. */
#include "mem/alloc.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "port/port.h"

enum { LEAST_ALIGNMENT = 16 };

static void *heap_allocate(size_t size, size_t alignment, void *arg) {
    (void)arg;
    return port_heap_allocate(size, alignment);
}

static void heap_release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)arg;
    port_heap_release(memory, size, alignment);
}

const allocator *allocator_default(void) {
    static const allocator heap = {heap_allocate, heap_release, NULL};
    return &heap;
}

const char *allocator_default_name(void) {
    return port_heap_name();
}

/* Both ways must agree on it: an allocator may look at the alignment when memory comes back. */
static size_t real_alignment(size_t alignment) {
    CHECK((alignment & (alignment - 1)) == 0);
    return alignment < LEAST_ALIGNMENT ? LEAST_ALIGNMENT : alignment;
}

void *mem_allocate(const allocator *alloc, size_t size, size_t alignment) {
    CHECK(size > 0);
    size_t aligned = real_alignment(alignment);
    void *memory = alloc->allocate(size, aligned, alloc->arg);
    if (memory == NULL) {
        return NULL;
    }
    CHECK((uintptr_t)memory % aligned == 0); /* a hook of the user's; the library relies on it */
    return memset(memory, 0, size);
}

void mem_release(const allocator *alloc, void *memory, size_t size, size_t alignment) {
    if (memory != NULL) {
        alloc->release(memory, size, real_alignment(alignment), alloc->arg);
    }
}

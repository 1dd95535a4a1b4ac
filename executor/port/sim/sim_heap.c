/* The heap: gives the simulator the chance to look at memory that is being freed.
 *
 * A delayed store to a freed block would land in whatever the block has become. On the real machine
 * it cannot: later plain stores wait behind it in the same buffer. So the freeing thread's stores
 * to the block land first, and another thread's are reported as what they are (see
 * sim_memory_released). Only the freeing functions are replaced; they forward to the C library's
 * own. */
#include <malloc.h>
#include <stdlib.h>

#include "port/sim/sim_internal.h"

#if defined(BELAY_ASAN)

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *memory);

static void on_malloc(const volatile void *memory, size_t size) {
    (void)memory;
    (void)size;
}

static void on_free(const volatile void *memory) {
    if (sim.active && memory != NULL) {
        sim_memory_released((const void *)memory, __sanitizer_get_allocated_size(memory));
    }
}

__attribute__((constructor)) static void heap_watch(void) {
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}

#else

void __libc_free(void *memory);
void *__libc_realloc(void *memory, size_t size);

__attribute__((visibility("default"))) void free(void *memory) {
    if (sim.active && memory != NULL) {
        sim_memory_released(memory, malloc_usable_size(memory));
    }
    __libc_free(memory);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t size) {
    if (sim.active && memory != NULL) {
        sim_memory_released(memory, malloc_usable_size(memory));
    }
    return __libc_realloc(memory, size);
}

#endif

void *port_heap_allocate(size_t size, size_t alignment) {
    if (sim.active && ++sim.result.heap_allocations == sim.config.fail_heap_allocate) {
        return NULL;
    }
    void *memory = NULL;
    return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

void port_heap_release(void *memory, size_t size, size_t alignment) {
    (void)size;
    (void)alignment;
    free(memory);
}

const char *port_heap_name(void) {
    return "malloc";
}

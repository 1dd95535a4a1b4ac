/* The heap: blocks at the same addresses in every replay, and a look at memory that is being freed.
 *
 * The library's own heap lies at the end of the arena: fresh blocks from low to high, given-back ones
 * again by size, the last first. A new block is full of 0xCD; one that was given back begins with
 * 0xDB, and when it is handed out again they must still be there. Under AddressSanitizer the C
 * library's heap is used, because it sees more.
 *
 * A delayed store to a freed block would land in whatever the block has become. On the real machine
 * it cannot: later plain stores wait behind it in the same buffer. So the freeing thread's stores
 * to the block land first, and another thread's are reported as what they are (see
 * sim_memory_released). For blocks of the C library's heap, which tests and programs use, the freeing
 * functions are replaced; they forward to the C library's own. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "port/sim/sim_internal.h"

enum { UNIT = 16, CLASSES = 1024, POISONED = 128, FRESH = 0xcd, FREED = 0xdb };

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

static void *take(size_t size, size_t alignment) {
    void *memory = NULL;
    return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

static bool give_back(void *memory, size_t size) {
    (void)memory;
    (void)size;
    return false;
}

void sim_heap_reset(void) {
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

/* Given-back blocks of a class, linked through their last pointer; the poison is at the front. */
static struct {
    char *next;
    void *free[CLASSES]; /* by size in units; larger ones are not used again */
    uint32_t highest;    /* class with a block since the last reset */
} heap;

static void **link_of(void *block, size_t size) {
    return (void **)(void *)((char *)block + size - sizeof(void *));
}

static size_t poisoned(size_t size) {
    return size - sizeof(void *) < POISONED ? size - sizeof(void *) : POISONED;
}

void sim_heap_reset(void) {
    memset(heap.free, 0, (heap.highest + 1) * sizeof heap.free[0]);
    heap.highest = 0;
    heap.next = (char *)sim.arena + SIM_ARENA_SIZE - SIM_HEAP_SIZE;
}

static void *take_again(size_t size, size_t alignment) {
    void *block = size / UNIT < CLASSES ? heap.free[size / UNIT] : NULL;
    if (block == NULL || (uintptr_t)block % alignment != 0) {
        return NULL;
    }
    heap.free[size / UNIT] = *link_of(block, size);
    const unsigned char *bytes = block;
    for (size_t i = 0; i < poisoned(size); i++) {
        sim_check(bytes[i] == FREED, "memory was written after it had been given back");
    }
    return block;
}

static void *take_fresh(size_t size, size_t alignment) {
    char *block = heap.next + (-(uintptr_t)heap.next & (alignment - 1));
    if ((uintptr_t)block + size > sim.arena + SIM_ARENA_SIZE) {
        return NULL;
    }
    heap.next = block + size;
    return block;
}

static size_t rounded(size_t size) {
    return size == 0 ? UNIT : (size + UNIT - 1) / UNIT * UNIT;
}

static void *take(size_t size, size_t alignment) {
    void *memory = NULL;
    if (!sim.active) { /* it outlives the run */
        return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
    }
    size = rounded(size);
    memory = take_again(size, alignment);
    if (memory == NULL) {
        memory = take_fresh(size, alignment);
    }
    if (memory != NULL) {
        memset(memory, FRESH, size);
    }
    return memory;
}

/* False: it is not of this heap. */
static bool give_back(void *memory, size_t size) {
    if ((uintptr_t)memory - sim.arena >= SIM_ARENA_SIZE) {
        return false;
    }
    size = rounded(size);
    sim_memory_released(memory, size);
    memset(memory, FREED, poisoned(size));
    uint32_t class = (uint32_t)(size / UNIT);
    if (size / UNIT < CLASSES) {
        *link_of(memory, size) = heap.free[class];
        heap.free[class] = memory;
        heap.highest = class > heap.highest ? class : heap.highest;
    }
    return true;
}

#endif

void *port_heap_allocate(size_t size, size_t alignment) {
    if (sim.active && sim_refuse(++sim.result.heap_allocations, sim.config.fail_heap_allocate)) {
        return NULL;
    }
    return take(size, alignment);
}

void port_heap_release(void *memory, size_t size, size_t alignment) {
    (void)alignment;
    if (memory != NULL && !give_back(memory, size)) {
        free(memory);
    }
}

const char *port_heap_name(void) {
    return "malloc";
}

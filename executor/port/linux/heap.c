/* The host's heap: malloc, or jemalloc's own functions when the host program has them.
 *
 * The symbols are weak, so that the library needs no jemalloc to link and brings none. They resolve
 * once, when the program starts, so that memory always goes back through the interface it came
 * from. Sanitizers watch malloc only. */
#include <stdlib.h>

#include "port/port.h"

#if defined(BELAY_TSAN) || defined(BELAY_ASAN)

static bool have_jemalloc(void) {
    return false;
}
static void *jemalloc_allocate(size_t size, int flags) {
    (void)size;
    (void)flags;
    return NULL;
}
static void jemalloc_release(void *memory, size_t size, int flags) {
    (void)memory;
    (void)size;
    (void)flags;
}

#else

extern void *mallocx(size_t size, int flags) __attribute__((weak, visibility("default")));
extern void sdallocx(void *memory, size_t size, int flags)
    __attribute__((weak, visibility("default")));

static bool have_jemalloc(void) {
    return mallocx != NULL && sdallocx != NULL;
}
static void *jemalloc_allocate(size_t size, int flags) {
    return mallocx(size, flags);
}
static void jemalloc_release(void *memory, size_t size, int flags) {
    sdallocx(memory, size, flags);
}

#endif

/* jemalloc takes the alignment as a power of two in the low bits of its flags. */
static int jemalloc_flags(size_t alignment) {
    return __builtin_ctzll((unsigned long long)alignment);
}

void *port_heap_allocate(size_t size, size_t alignment) {
    if (have_jemalloc()) {
        return jemalloc_allocate(size, jemalloc_flags(alignment));
    }
    if (alignment <= _Alignof(max_align_t)) {
        return malloc(size);
    }
    void *memory = NULL;
    return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

void port_heap_release(void *memory, size_t size, size_t alignment) {
    if (have_jemalloc()) {
        jemalloc_release(memory, size, jemalloc_flags(alignment));
    } else {
        free(memory);
    }
}

const char *port_heap_name(void) {
    return have_jemalloc() ? "jemalloc" : "malloc";
}

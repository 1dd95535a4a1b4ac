/* Pages: one large reservation, handed out from low to high, emptied between runs.
 *
 * It lies at a fixed address where the system permits, so that addresses, and whatever the library
 * derives from them, are the same in a replay. Unmapped pages fault until they are handed out
 * again, which chance decides: a use after unmapping is found, and so is an address that comes
 * back. The lowest part holds the virtual threads' own stacks and stays from run to run. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "port/sim/sim_internal.h"

enum { PAGE = 4096, HOLES_MAX = 256 };

#define ARENA_HINT ((void *)UINT64_C(0x5ea000000000))
#define STACKS_SIZE ((size_t)SIM_THREADS_MAX * SIM_THREAD_STACK)

typedef struct hole {
    char *low;
    size_t size;
} hole;

static struct {
    char *low;   /* NULL until the first run */
    char *pages; /* above the stacks */
    char *next;  /* first never handed out in this run */
    char *end;
    bool fenced; /* some page below next faults */
    uint32_t holes;
    hole hole[HOLES_MAX];
} arena;

static void arena_open(void) {
    void *low = mmap(ARENA_HINT, SIM_ARENA_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (low == MAP_FAILED) {
        return;
    }
    madvise(low, SIM_ARENA_SIZE, MADV_NOHUGEPAGE);
    arena.low = low;
    arena.pages = arena.low + STACKS_SIZE;
    arena.next = arena.pages;
    arena.end = arena.low + SIM_ARENA_SIZE;
    for (size_t i = 0; i < SIM_THREADS_MAX; i++) {
        mprotect(arena.low + i * SIM_THREAD_STACK, PAGE, PROT_NONE);
    }
}

char *sim_pages_stacks(void) {
    if (arena.low == NULL) {
        arena_open();
    }
    return arena.low;
}

void sim_pages_reset(void) {
    size_t used = (size_t)(arena.next - arena.pages);
    if (used == 0) {
        return;
    }
    sim_stacks_reset((size_t)(arena.next - arena.low));
    if (arena.fenced) {
        mprotect(arena.pages, used, PROT_READ | PROT_WRITE);
    }
    madvise(arena.pages, used, MADV_DONTNEED);
    sim_stack_reissue(arena.pages, used);
    arena.next = arena.pages;
    arena.fenced = false;
    arena.holes = 0;
}

static bool in_arena(const void *pages) {
    return arena.low != NULL && (const char *)pages >= arena.pages &&
           (const char *)pages < arena.end;
}

static char *take_hole(size_t size, size_t alignment) {
    for (uint32_t i = 0; i < arena.holes; i++) {
        hole h = arena.hole[i];
        if (h.size == size && (uintptr_t)h.low % alignment == 0) {
            arena.hole[i] = arena.hole[--arena.holes];
            mprotect(h.low, size, PROT_READ | PROT_WRITE);
            sim_stack_reissue(h.low, size);
            return h.low;
        }
    }
    return NULL;
}

static char *take_fresh(size_t size, size_t alignment) {
    char *low = arena.next + (-(uintptr_t)arena.next & (alignment - 1));
    if ((size_t)(arena.end - low) < size) {
        return NULL;
    }
    arena.next = low + size;
    return low;
}

/* Before or after a run: more than needed is mapped, and the ends cut off. */
static void *map_outside(size_t size, size_t alignment) {
    char *low = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (low == MAP_FAILED) {
        return NULL;
    }
    size_t skip = -(uintptr_t)low & (alignment - 1);
    if (skip != 0) {
        munmap(low, skip);
    }
    if (alignment != skip) {
        munmap(low + skip + size, alignment - skip);
    }
    return low + skip;
}

size_t port_page_size(void) {
    return PAGE;
}

void *port_pages_map(size_t size, size_t alignment) {
    if (!sim.active) {
        return map_outside(size, alignment);
    }
    sim_point(SIM_OP_MAP, NULL, size);
    if (++sim.result.pages_maps == sim.config.fail_pages_map) {
        return NULL;
    }
    char *low = sim_below(2) == 0 ? take_hole(size, alignment) : NULL;
    return low != NULL ? low : take_fresh(size, alignment);
}

void port_pages_unmap(void *pages, size_t size) {
    sim_point(SIM_OP_UNMAP, pages, size);
    if (!in_arena(pages)) {
        munmap(pages, size);
        return;
    }
    sim_memory_released(pages, size);
    madvise(pages, size, MADV_DONTNEED);
    mprotect(pages, size, PROT_NONE);
    arena.fenced = true;
    if (arena.holes < HOLES_MAX) {
        arena.hole[arena.holes++] = (hole){.low = pages, .size = size};
    }
}

void port_pages_discard(void *pages, size_t size) {
    sim_point(SIM_OP_DISCARD, pages, size);
    sim_memory_released(pages, size);
    madvise(pages, size, MADV_DONTNEED);
}

void port_pages_discard_each(const port_range *ranges, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        port_pages_discard(ranges[i].pages, ranges[i].size);
    }
}

bool port_pages_renew(void *pages, size_t size) {
    port_pages_discard(pages, size);
    return true;
}

/* Pages before the first present one; fewer than `count` when one was found. */
static size_t absent(char *pages, size_t count) {
    unsigned char present[256];
    for (size_t done = 0; done < count; done++) {
        if (done % sizeof present == 0) {
            size_t rest = count - done < sizeof present ? count - done : sizeof present;
            if (mincore(pages + done * PAGE, rest * PAGE, present) != 0) {
                return 0; /* the safe side: all touched */
            }
        }
        if ((present[done % sizeof present] & 1) != 0) {
            return done;
        }
    }
    return count;
}

size_t port_pages_touched(const void *pages, size_t size) {
    return size - absent((char *)(uintptr_t)pages, size / PAGE) * PAGE;
}

/* None, so that the canary is what gets tested; the others are the system's. */
port_guard port_pages_guard(void *pages, size_t size) {
    (void)pages;
    (void)size;
    return PORT_GUARD_NONE;
}

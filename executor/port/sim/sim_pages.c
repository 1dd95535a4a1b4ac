/* Pages: one large reservation, handed out from low to high, emptied between runs.
 *
 * It lies at a fixed address where the system permits, so that addresses, and whatever the library
 * derives from them, are the same in a replay. In some runs, as the seed chooses, unmapped pages
 * fault until they are handed out again, which chance decides; in the others they are filled with
 * 0xDD, which costs no system call. Pages that were used stay with the process and are cleared, which
 * is cheaper than getting new ones; so what was touched is told by content, not by what the system
 * has mapped. The lowest part holds the virtual threads' own stacks and stays from run to run. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "port/sim/sim_internal.h"

enum { PAGE = SIM_PAGE, HOLES_MAX = 256, UNMAPPED = 0xdd };

#define ARENA_HINT ((void *)UINT64_C(0x5ea000000000))
#define STACKS_SIZE ((size_t)SIM_THREADS_MAX * SIM_THREAD_STACK)

typedef struct hole {
    char *low;
    size_t size;
} hole;

static struct {
    char *pages; /* above the stacks */
    char *next;  /* first never handed out in this run */
    char *end;
    bool fenced; /* some page below next faults */
    uint32_t holes;
    hole hole[HOLES_MAX];
} arena;

bool sim_arena_open(void) {
    if (sim.arena != 0) {
        return true;
    }
    char *low = mmap(ARENA_HINT, SIM_ARENA_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (low == MAP_FAILED) {
        return false;
    }
    madvise(low, SIM_ARENA_SIZE, MADV_NOHUGEPAGE);
    sim.arena = (uintptr_t)low;
    arena.pages = low + STACKS_SIZE;
    arena.next = arena.pages;
    arena.end = low + SIM_ARENA_SIZE - SIM_HEAP_SIZE;
    for (size_t i = 0; i < SIM_THREADS_MAX; i++) {
        mprotect(low + i * SIM_THREAD_STACK, PAGE, PROT_NONE);
    }
    return true;
}

/* Fills those pages of the range that the system has mapped. */
static void fill_present(char *pages, size_t size, int byte) {
    unsigned char present[1024];
    size_t count = size / PAGE;
    sim_stack_reissue(pages, size);
    for (size_t done = 0; done < count; done += sizeof present) {
        size_t part = count - done < sizeof present ? count - done : sizeof present;
        if (mincore(pages + done * PAGE, part * PAGE, present) != 0) {
            memset(present, 1, part);
        }
        for (size_t i = 0; i < part; i++) {
            if ((present[i] & 1) != 0) {
                memset(pages + (done + i) * PAGE, byte, PAGE);
            }
        }
    }
}

void sim_pages_reset(void) {
    size_t used = (size_t)(arena.next - arena.pages);
    if (used == 0) {
        return;
    }
    sim_stacks_reset((size_t)(arena.next - (char *)sim.arena));
    if (arena.fenced) {
        mprotect(arena.pages, used, PROT_READ | PROT_WRITE);
    }
    fill_present(arena.pages, used, 0);
    arena.next = arena.pages;
    arena.fenced = false;
    arena.holes = 0;
}

static bool in_arena(const void *pages) {
    return sim.arena != 0 && (const char *)pages >= arena.pages && (const char *)pages < arena.end;
}

static char *take_hole(size_t size, size_t alignment) {
    for (uint32_t i = 0; i < arena.holes; i++) {
        hole h = arena.hole[i];
        if (h.size == size && (uintptr_t)h.low % alignment == 0) {
            arena.hole[i] = arena.hole[--arena.holes];
            if (sim.fencing) {
                mprotect(h.low, size, PROT_READ | PROT_WRITE);
            }
            fill_present(h.low, size, 0);
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
    if (sim_refuse(++sim.result.pages_maps, sim.config.fail_pages_map)) {
        return NULL;
    }
    char *low = NULL;
    if (arena.holes != 0 && sim_decide_number(SIM_REUSE, 2) != 0) {
        low = take_hole(size, alignment);
    }
    return low != NULL ? low : take_fresh(size, alignment);
}

void port_pages_unmap(void *pages, size_t size) {
    sim_point(SIM_OP_UNMAP, pages, size);
    if (!in_arena(pages)) {
        munmap(pages, size);
        return;
    }
    sim_memory_released(pages, size);
    if (sim.fencing) {
        madvise(pages, size, MADV_DONTNEED);
        mprotect(pages, size, PROT_NONE);
        arena.fenced = true;
    } else {
        fill_present(pages, size, UNMAPPED);
    }
    if (arena.holes < HOLES_MAX) {
        arena.hole[arena.holes++] = (hole){.low = pages, .size = size};
    }
}

void port_pages_discard(void *pages, size_t size) {
    sim_point(SIM_OP_DISCARD, pages, size);
    sim_memory_released(pages, size);
    fill_present(pages, size, 0);
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

static bool is_zero(const char *page) {
    return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* A page counts as touched when something is in it. */
size_t port_pages_touched(const void *pages, size_t size) {
    const char *low = pages;
    unsigned char present;
    size_t untouched = 0;
    for (; untouched < size; untouched += PAGE) {
        void *page = (void *)(uintptr_t)(low + untouched);
        if (mincore(page, PAGE, &present) != 0 || ((present & 1) != 0 && !is_zero(page))) {
            break;
        }
    }
    return size - untouched;
}

/* None, so that the canary is what gets tested; the others are the system's. */
port_guard port_pages_guard(void *pages, size_t size) {
    (void)pages;
    (void)size;
    return PORT_GUARD_NONE;
}

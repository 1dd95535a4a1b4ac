/* Which words are locals: the simulator must not delay a store to them (see sim.h).
 *
 * A word is taken for a local when it lies above the caller's frame, on the same stack, not too
 * far. A virtual thread's own stack is known. Of stacks that the library made, sim_context_make()
 * notes the top; the note lies in a table by page, and is never wrong for long: whoever makes a
 * context on the same page overwrites it, and the next run begins with none. Above the top the
 * owner may keep shared words. */
#include <string.h>

#include "port/sim/sim_internal.h"

enum { PAGE_BITS = 12, LOCALS_REACH = 16 * 1024 };

/* The note of a page: 0 none, else the top's place in it in units of 16 bytes, plus 1. */
static uint16_t notes[SIM_ARENA_SIZE >> PAGE_BITS];

void sim_stacks_reset(size_t used) {
    memset(notes, 0, (used >> PAGE_BITS) * sizeof notes[0]);
}

void *sim_context_make(void *top, void (*entry)(void *arg), void *arg) {
    size_t offset = (uintptr_t)top - sim.arena;
    if (sim.active && offset < SIM_ARENA_SIZE) {
        notes[offset >> PAGE_BITS] = (uint16_t)((offset >> 4) % 256 + 1);
    }
    return (port_context_make)(top, entry, arg);
}

/* Whether a stack ends in (low, high]. */
static bool top_between(uintptr_t low, uintptr_t high) {
    size_t first = low - sim.arena;
    size_t last = high - sim.arena;
    if (first >= SIM_ARENA_SIZE || last >= SIM_ARENA_SIZE) {
        return false;
    }
    for (size_t page = first >> PAGE_BITS; page <= last >> PAGE_BITS; page++) {
        size_t top = (page << PAGE_BITS) + (notes[page] - UINT64_C(1)) * 16;
        if (notes[page] != 0 && top > first && top <= last) {
            return true;
        }
    }
    return false;
}

bool sim_is_local(uintptr_t address, uintptr_t frame) {
    uintptr_t low = (uintptr_t)sim_thread_stack(sim.current);
    if (frame - low < SIM_THREAD_STACK) {
        return address >= frame && address < low + SIM_THREAD_STACK;
    }
    return address - frame < LOCALS_REACH && !top_between(frame, address);
}

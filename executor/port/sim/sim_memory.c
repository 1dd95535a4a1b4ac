/* Memory as x86-TSO has it: one memory, and a first-in first-out buffer of stores for each thread.
 *
 * Two words that overlap without being the same word would need byte-wise forwarding; instead the
 * buffer is emptied first, which the model permits at any time. */
#include "port/sim/sim_internal.h"

uint64_t sim_read(const volatile void *word, uint32_t size) {
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)word;
    case 2:
        return *(const volatile uint16_t *)word;
    case 4:
        return *(const volatile uint32_t *)word;
    default:
        return *(const volatile uint64_t *)word;
    }
}

static void write_word(volatile void *word, uint32_t size, uint64_t value) {
    sim.yielded = 0; /* who spins may find what it waits for */
    switch (size) {
    case 1:
        *(volatile uint8_t *)word = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)word = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)word = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)word = value;
        break;
    }
}

static uint64_t cut(uint64_t value, uint32_t size) {
    return size == 8 ? value : value & ((UINT64_C(1) << (8 * size)) - 1);
}

static sim_pending *pending_at(sim_buffer *buffer, uint32_t index) {
    return &buffer->pending[(buffer->head + index) % SIM_BUFFER_MAX];
}

void sim_drain_one(sim_thread *thread) {
    sim_buffer *buffer = &thread->buffer;
    const sim_pending *oldest = pending_at(buffer, 0);
    buffer->head = (buffer->head + 1) % SIM_BUFFER_MAX;
    if (--buffer->count == 0) {
        sim.buffered &= ~sim_bit(thread);
    }
    write_word((volatile void *)oldest->address, oldest->size, oldest->value);
}

void sim_drain(sim_thread *thread) {
    while (thread->buffer.count != 0) {
        sim_drain_one(thread);
    }
}

void sim_drain_everybody(void) {
    while (sim.buffered != 0) {
        sim_drain(&sim.threads[__builtin_ctzll(sim.buffered)]);
    }
}

static bool overlap(const sim_pending *p, uintptr_t address, size_t size) {
    return p->address < address + size && address < p->address + p->size;
}

/* The newest delayed store of the current thread that touches the range. */
static sim_pending *newest_in(sim_thread *thread, uintptr_t address, size_t size) {
    for (uint32_t i = thread->buffer.count; i-- > 0;) {
        sim_pending *p = pending_at(&thread->buffer, i);
        if (overlap(p, address, size)) {
            return p;
        }
    }
    return NULL;
}

uint64_t sim_delayed_by_others(uintptr_t address, size_t size) {
    uint64_t found = 0;
    for (uint64_t mask = sim.buffered & ~sim_bit(sim.current); mask != 0; mask &= mask - 1) {
        sim_thread *other = &sim.threads[__builtin_ctzll(mask)];
        if (newest_in(other, address, size) != NULL) {
            found |= sim_bit(other);
        }
    }
    return found;
}

void sim_memory_released(const void *memory, size_t size) {
    if (!sim.active || sim.buffered == 0) {
        return;
    }
    while (newest_in(sim.current, (uintptr_t)memory, size) != NULL) {
        sim_drain_one(sim.current);
    }
    if (sim_delayed_by_others((uintptr_t)memory, size) != 0) {
        sim_fail("memory given back while another thread's store to it is on its way");
    }
}

static void delay(uintptr_t address, uint32_t size, uint64_t value) {
    sim_buffer *buffer = &sim.current->buffer;
    if (buffer->count == SIM_BUFFER_MAX) {
        sim_drain_one(sim.current);
    }
    *pending_at(buffer, buffer->count) =
        (sim_pending){.address = address, .size = size, .value = value};
    buffer->count++;
    sim.buffered |= sim_bit(sim.current);
}

uint64_t sim_load(const volatile void *word, uint32_t size) {
    sim_point(SIM_OP_LOAD, word, 0);
    if (sim.active && sim.current->buffer.count != 0) {
        const sim_pending *own = newest_in(sim.current, (uintptr_t)word, size);
        if (own != NULL && own->address == (uintptr_t)word && own->size == size) {
            return cut(own->value, size);
        }
        if (own != NULL) {
            sim_drain(sim.current);
        }
    }
    return sim_read(word, size);
}

void sim_store(volatile void *word, uint32_t size, uint64_t value) {
    sim_point(SIM_OP_STORE, word, value);
    if (sim.active && !sim.config.no_store_buffers &&
        !sim_is_local((uintptr_t)word, (uintptr_t)__builtin_frame_address(0))) {
        delay((uintptr_t)word, size, value);
        return;
    }
    if (sim.active) {
        sim_drain(sim.current);
    }
    write_word(word, size, value);
}

/* A read-modify-write: nothing can come between the returned value and the caller's write. */
static inline __attribute__((always_inline)) uint64_t locked_begin(volatile void *word,
                                                                   uint32_t size, uint64_t value) {
    sim_point(SIM_OP_RMW, word, value);
    if (sim.active) {
        sim_drain(sim.current);
    }
    return sim_read(word, size);
}

void sim_store_fenced(volatile void *word, uint32_t size, uint64_t value) {
    locked_begin(word, size, value);
    write_word(word, size, value);
}

uint64_t sim_exchange(volatile void *word, uint32_t size, uint64_t value) {
    uint64_t old = locked_begin(word, size, value);
    write_word(word, size, value);
    return old;
}

bool sim_cas(volatile void *word, uint32_t size, void *expected, uint64_t value) {
    uint64_t old = locked_begin(word, size, value);
    if (old == sim_read(expected, size)) {
        write_word(word, size, value);
        return true;
    }
    write_word(expected, size, old);
    return false;
}

uint64_t sim_fetch_add(volatile void *word, uint32_t size, uint64_t value) {
    uint64_t old = locked_begin(word, size, value);
    write_word(word, size, old + value);
    return old;
}

uint64_t sim_fetch_or(volatile void *word, uint32_t size, uint64_t value) {
    uint64_t old = locked_begin(word, size, value);
    write_word(word, size, old | value);
    return old;
}

uint64_t sim_fetch_and(volatile void *word, uint32_t size, uint64_t value) {
    uint64_t old = locked_begin(word, size, value);
    write_word(word, size, old & value);
    return old;
}

void sim_fence_light(void) {
    sim_point(SIM_OP_FENCE_LIGHT, NULL, 0);
}

void port_fence_heavy(bool symmetric) {
    sim_point(symmetric ? SIM_OP_FENCE_FULL : SIM_OP_FENCE_ALL, NULL, 0);
    if (!sim.active) {
        return;
    }
    if (symmetric) {
        sim_drain(sim.current);
        return;
    }
    if (!sim.membarrier) {
        sim_fail("port_fence_heavy(false) without a successful port_membarrier_init()");
    }
    sim_drain_everybody();
}

bool port_membarrier_init(void) {
    sim.membarrier = !sim.config.no_membarrier;
    return sim.membarrier;
}

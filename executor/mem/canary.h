/* What stands in for the guard page of a stack that could get none: a pattern right below the
 * stack, looked at when the stack comes back. It finds an overflow late, and misses one that jumps
 * over it.
 *
 * ThreadSanitizer is not told: it knows no order between the fiber that made a stack ready and the one that gives it
 * back. */
#ifndef BELAY_MEM_CANARY_H
#define BELAY_MEM_CANARY_H

#include "port/fiber.h"

enum { CANARY_SIZE = 256, CANARY_WORDS = CANARY_SIZE / 8 };

static const uint64_t canary_word = 0x5afe57acc0de57acu;

/* low: the stack's lowest address. */
PORT_TSAN_BLIND static inline void canary_write(char *low) {
    uint64_t *word = (uint64_t *)(void *)(low - CANARY_SIZE);
    for (size_t i = 0; i < CANARY_WORDS; i++) {
        word[i] = canary_word;
    }
}

PORT_TSAN_BLIND static inline void canary_check(const char *low) {
    const uint64_t *word = (const uint64_t *)(const void *)(low - CANARY_SIZE);
    for (size_t i = 0; i < CANARY_WORDS; i++) {
        if (word[i] != canary_word) {
            port_panic(
                "belay: a task overflowed its stack (noticed when the stack was given back)");
        }
    }
}

#endif

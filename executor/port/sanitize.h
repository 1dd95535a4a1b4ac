/* What the tools that watch memory must be told about fibers, as functions that do nothing in
 * builds without the tool. For port/fiber.c and port/sanitize.c only: it keeps the former free of
 * #ifdef. */
#ifndef BELAY_PORT_SANITIZE_H
#define BELAY_PORT_SANITIZE_H

#include "port/fiber.h"

/* ---- ThreadSanitizer: every fiber is a thread to it ------------------------------------------ */

#if defined(BELAY_TSAN)

/* What was written before this call is visible to the new fiber; nothing later is, unless told. */
bool tsan_create(port_fiber *fiber);
void tsan_adopt(port_fiber *fiber);
void tsan_destroy(port_fiber *fiber);

#else

static inline bool tsan_create(port_fiber *fiber) {
    (void)fiber;
    return true;
}
static inline void tsan_adopt(port_fiber *fiber) {
    (void)fiber;
}
static inline void tsan_destroy(port_fiber *fiber) {
    (void)fiber;
}

#endif

/* ---- AddressSanitizer: which stack we are on, and what is poisoned on it --------------------- */

#if defined(BELAY_ASAN)

void asan_set_stack(port_fiber *fiber, const void *low, size_t size);
/* To be called at once after arriving on a stack, with what was saved when it was left. */
void asan_arrive(void *fake_stack);
/* Nobody will continue the fiber. */
void asan_destroy(const port_fiber *fiber);

#else

static inline void asan_set_stack(port_fiber *fiber, const void *low, size_t size) {
    (void)fiber;
    (void)low;
    (void)size;
}
static inline void asan_arrive(void *fake_stack) {
    (void)fake_stack;
}
static inline void asan_destroy(const port_fiber *fiber) {
    (void)fiber;
}

#endif

/* ---- Valgrind: a stack pointer that moves to a registered stack has not pushed a giant frame - */

#if defined(BELAY_VALGRIND)

#include <valgrind/valgrind.h>

static inline uintptr_t valgrind_register(char *low, size_t size) {
    return VALGRIND_STACK_REGISTER(low, low + size);
}
static inline void valgrind_deregister(uintptr_t id) {
    VALGRIND_STACK_DEREGISTER(id);
}

#else

static inline uintptr_t valgrind_register(const char *low, size_t size) {
    (void)low;
    (void)size;
    return 0;
}
static inline void valgrind_deregister(uintptr_t id) {
    (void)id;
}

#endif

#endif

/* The switch between fibers, and the life of one, in builds with ThreadSanitizer or
 * AddressSanitizer. Empty in all other builds, where port/fiber.h has the switch inline. */
#include "port/sanitize.h"

#if defined(BELAY_TSAN)

enum { NO_SYNCHRONISATION = 1 };

/* The run-time library ends the process when it has no fiber left: gcc 12's after 8,128. */
#if defined(__clang__)
enum { MOST_FIBERS = 100000 };
#else
enum { MOST_FIBERS = 8000 };
#endif

void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *address);
void __tsan_release(void *address);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

static ATOMIC(uint32_t) fibers;

bool tsan_create(port_fiber *fiber) {
    /* relaxed: only the number counts */
    if (fetch_add_relaxed(&fibers, 1) >= MOST_FIBERS) {
        fetch_sub_relaxed(&fibers, 1); /* relaxed: as above */
        return false;
    }
    fiber->tsan = __tsan_create_fiber(0);
    return true;
}

void tsan_adopt(port_fiber *fiber) {
    fiber->tsan = __tsan_get_current_fiber();
}

/* Not for the sanitizer's eyes: see fiber_end in task/fiber.c. */
PORT_TSAN_BLIND void tsan_destroy(port_fiber *fiber) {
    __tsan_destroy_fiber(fiber->tsan);
    fetch_sub_relaxed(&fibers, 1); /* relaxed: only the number counts */
}

void port_tsan_acquire(void *address) {
    __tsan_acquire(address);
}

void port_tsan_release(void *address) {
    __tsan_release(address);
}

/* Without synchronisation: two tasks that one worker runs in turn are not ordered by that, and a
 * race between them is to be found. Nothing may be instrumented from here on to the return: entry
 * and exit of this function happen in two different threads, as the sanitizer sees it. */
#define TSAN_SWITCH(to) __tsan_switch_to_fiber((to)->tsan, NO_SYNCHRONISATION)

/* The sanitizer forgets old accesses only when the addresses are mapped anew. It would take the mapping of a small
 * region for a write by this fiber, which is in no order with the fiber that will switch to the stack: so it is not to
 * see a write. */
bool port_stack_reuse(void *low, size_t size) {
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    bool renewed = port_pages_renew(low, size);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    return renewed;
}

#else

#define TSAN_SWITCH(to) ((void)(to))

bool port_stack_reuse(void *low, size_t size) {
    port_asan_unpoison(low, size);
    return true;
}

#endif

#if defined(BELAY_ASAN)

void __sanitizer_start_switch_fiber(void **fake_stack, const void *low, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **low, size_t *size);
void __asan_unpoison_memory_region(const volatile void *low, size_t size);

/* Whom this thread is leaving; set just before a switch and read just after it. */
static _Thread_local port_fiber *left;

void asan_set_stack(port_fiber *fiber, const void *low, size_t size) {
    fiber->asan_low = low;
    fiber->asan_size = size;
}

void port_asan_unpoison(const void *low, size_t size) {
    __asan_unpoison_memory_region(low, size);
}

static void asan_leave(port_fiber *from, const port_fiber *to, bool last) {
    left = from;
    if (last) {
        from->asan_fake = NULL;
    }
    /* NULL makes it free the fake stack, which may happen once and only at the end. */
    __sanitizer_start_switch_fiber(last ? NULL : &from->asan_fake, to->asan_low, to->asan_size);
}

/* We may be on another thread than when this stack was left, so `left` is reached through a call
 * that is not inlined. It cannot have been continued elsewhere yet: whoever just left it has told
 * nobody. The bounds matter for a thread's own stack, which only the sanitizer knows. */
__attribute__((noinline)) void asan_arrive(void *fake_stack) {
    const void *low;
    size_t size;
    __sanitizer_finish_switch_fiber(fake_stack, &low, &size);
    asan_set_stack(left, low, size);
}

/* A fiber that has run has a fake stack, and the run-time library frees one only on the way out of it. So the fiber is
 * entered in name, and left for good. Nothing here may use a fake stack itself. */
__attribute__((no_sanitize("address"))) void asan_destroy(const port_fiber *fiber) {
    void *own;
    const void *low;
    size_t size;
    if (fiber->asan_fake == NULL) {
        return;
    }
    __sanitizer_start_switch_fiber(&own, fiber->asan_low, fiber->asan_size);
    __sanitizer_finish_switch_fiber(fiber->asan_fake, &low, &size);
    __sanitizer_start_switch_fiber(NULL, low, size);
    __sanitizer_finish_switch_fiber(own, NULL, NULL);
}

#elif defined(BELAY_TSAN)

static void asan_leave(port_fiber *from, const port_fiber *to, bool last) {
    (void)from;
    (void)to;
    (void)last;
}

#endif

#if defined(BELAY_TSAN) || defined(BELAY_ASAN)

__attribute__((noinline)) PORT_TSAN_BLIND void port_fiber_switch(port_fiber *from, port_fiber *to,
                                                                 bool last) {
    port_cxx_switch(from, to);
    asan_leave(from, to, last);
    TSAN_SWITCH(to);
    port_context_switch(&from->sp, to->sp);
    asan_arrive(from->asan_fake);
}

#endif

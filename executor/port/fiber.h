/* One stack and what is needed to switch to it, with everything that debuggers and sanitizers must
 * be told on the way. The layer above (task/fiber.c) decides who runs where; this one only
 * switches.
 *
 * A port_fiber is written by the thread that runs on it, or by nobody: whoever may switch to it
 * owns it, and ownership passes with a release/acquire pair of the layer above. */
#ifndef BELAY_PORT_FIBER_H
#define BELAY_PORT_FIBER_H

#include "port/port.h"

typedef struct port_fiber {
    void *sp;             /* saved stack pointer while nobody runs on it */
    void *stack_low;      /* lowest usable address; NULL for a thread's own stack */
    size_t stack_size;    /* usable bytes from stack_low */
    void *tsan;           /* ThreadSanitizer's fiber */
    void *asan_fake;      /* AddressSanitizer's fake stack */
    uintptr_t valgrind;   /* Valgrind's stack id */
    void *cxx_globals[2]; /* the C++ runtime's 16 bytes: caught exceptions, uncaught count */
#if defined(BELAY_ASAN)
    /* The stack as AddressSanitizer knows it, a thread's own stack included. */
    const void *asan_low;
    size_t asan_size;
#endif
} port_fiber;

/* True in builds where every task needs a fiber of its own (ThreadSanitizer): two tasks run in turn
 * on one stack would be ordered for the sanitizer, and races between them invisible. */
#if defined(BELAY_TSAN)
#define PORT_FIBER_PER_TASK 1
#else
#define PORT_FIBER_PER_TASK 0
#endif

/* For what happens during a switch, where the sanitizer's idea of the current thread changes. */
#if defined(BELAY_TSAN) && defined(__clang__)
#define PORT_TSAN_BLIND __attribute__((disable_sanitizer_instrumentation))
#elif defined(BELAY_TSAN)
#define PORT_TSAN_BLIND __attribute__((no_sanitize_thread))
#else
#define PORT_TSAN_BLIND
#endif

/* The C++ runtime keeps per thread which exceptions are being handled. Two tasks that are parked in
 * a `catch` would exchange theirs, so these 16 bytes belong to the fiber. Weak: a program without
 * the C++ runtime has no such function, and then a switch pays one load and one branch. A runtime
 * that comes in later, by dlopen() into a C program, is not noticed. */
extern void **__cxa_get_globals(void) __attribute__((weak, visibility("default")));

PORT_TSAN_BLIND static inline void port_cxx_switch(port_fiber *from, const port_fiber *to) {
    if (__cxa_get_globals != NULL) {
        void **globals = __cxa_get_globals();
        from->cxx_globals[0] = globals[0];
        from->cxx_globals[1] = globals[1];
        globals[0] = to->cxx_globals[0];
        globals[1] = to->cxx_globals[1];
    }
}

/* From now on `thrown` is called, on the throwing fiber, when an exception (of C++, say) would leave a
 * fiber: nobody on its stack catches it. Nothing has been unwound yet, and nothing will be: when
 * `thrown` returns, the exception's runtime is told that the stack ends here, and C++ calls
 * std::terminate. For the whole process; at any time. */
void port_fiber_on_throw(void (*thrown)(void));

/* Describes the calling thread's own stack, so that it can be switched away from and back to. */
void port_fiber_adopt(port_fiber *fiber);
void port_fiber_release(port_fiber *fiber);

/* Prepares a fiber on [stack_low, stack_low + stack_size); the frames start below `top`, an address
 * in the region (16-byte aligned), so that the owner may keep data above it. entry(arg) must not
 * return. False when the sanitizer's own resources are exhausted. */
bool port_fiber_init(port_fiber *fiber, void *stack_low, size_t stack_size, void *top,
                     void (*entry)(void *arg), void *arg);
/* The fiber will not be switched to again; nobody runs on it. */
void port_fiber_fini(port_fiber *fiber);

/* Leaves `from`, which the caller runs on, and continues `to`. `last` says that `from` will never
 * be continued. Returns when somebody switches back to `from`, perhaps on another thread. */
#if defined(BELAY_TSAN) || defined(BELAY_ASAN)
void port_fiber_switch(port_fiber *from, port_fiber *to, bool last);
#else
static inline void port_fiber_switch(port_fiber *from, port_fiber *to, bool last) {
    (void)last; /* only a sanitizer has to know */
    port_cxx_switch(from, to);
    port_context_switch(&from->sp, to->sp);
}
#endif

/* Makes a stack that was used before look new to the sanitizers: they remember who accessed it, and
 * where its dead frames were. [low, low + size) are whole pages; their content is lost or kept.
 * False when the system has no memory for it; the stack may then not be used. */
bool port_stack_reuse(void *low, size_t size);

/* Makes memory that held frames accessible again, before it is given to somebody else. */
#if defined(BELAY_ASAN)
void port_asan_unpoison(const void *low, size_t size);
#else
static inline void port_asan_unpoison(const void *low, size_t size) {
    (void)low;
    (void)size;
}
#endif

/* Orders accesses for ThreadSanitizer where the real order comes from the run queue or a free list
 * that it cannot see. Nothing in other builds. */
#if defined(BELAY_TSAN)
void port_tsan_acquire(void *address);
void port_tsan_release(void *address);
#else
static inline void port_tsan_acquire(void *address) {
    (void)address;
}
static inline void port_tsan_release(void *address) {
    (void)address;
}
#endif

#endif

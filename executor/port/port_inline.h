/* The parts of the port contract that must not cost a call. Included by port.h only. */
#ifndef BELAY_PORT_INLINE_H
#define BELAY_PORT_INLINE_H

/* Orders a locked instruction, such as Concurrency Kit's push, before a later load: on x86-64 every one does. */
static inline void port_fence_after_push(void) {
#if defined(__x86_64__) || defined(BELAY_SIM)
    __asm__ volatile("" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

extern atomic_u32 port_fork_flag; /* written in a forked child, before it runs anything else */

static inline bool port_forked(void) {
    return __atomic_load_n(&port_fork_flag.value, __ATOMIC_RELAXED) !=
           0; /* the child begins with one thread */
}

#if defined(BELAY_SIM)

void sim_fence_light(void);
static inline void port_fence_light(bool symmetric) {
    if (symmetric) {
        port_fence_heavy(true);
    } else {
        sim_fence_light();
    }
}

/* The simulator wants to know where stacks end. */
void *sim_context_make(void *top, void (*entry)(void *arg), void *arg);
#define port_context_make(top, entry, arg) sim_context_make((top), (entry), (arg))

#else

/* A full fence for the calling thread. On x86-64 a locked instruction on the stack orders a store
 * before a later load at a quarter of mfence's price. */
static inline void port_fence_full(void) {
#if defined(__x86_64__)
    __asm__ volatile("lock; orl $0, -64(%%rsp)" ::: "memory", "cc");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline void port_fence_light(bool symmetric) {
    if (__builtin_expect(symmetric, 0)) {
        port_fence_full();
    } else {
        __asm__ volatile("" ::: "memory");
    }
}

#endif
#endif

/* Atomics whose names carry their memory order.
 *
 * Every access to a word that two threads share goes through this file, so that three builds can come
 * from one source: the ordinary one (compiler builtins, no call), the sanitizer build (the same
 * builtins, which the sanitizer instruments), and the simulated one (each access is a schedule point
 * with a modelled store buffer, see port/sim).
 *
 * A shared word is declared ATOMIC(type): a one-member struct, so that a plain read or write of it
 * does not compile. Two macros serve initialisation before the object is shared, or after it has
 * stopped being shared: they are ordinary relaxed accesses as well, because a plain store beside a
 * buffered one to the same address would be reordered in the simulated build.
 *
 * Orders, in the C11 sense:
 *   relaxed   atomicity only
 *   acquire   later accesses stay later; pairs with a release of the same word
 *   release   earlier accesses stay earlier
 *   acq_rel   both, for read-modify-write
 *   seq_cst   one total order over all seq_cst operations
 * Fences that order a store before a later load of another word are not here: see port_fence_light()
 * and port_fence_heavy() in port/port.h, which come in pairs. */
#ifndef BELAY_BASE_ATOMIC_H
#define BELAY_BASE_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

typedef struct atomic_u32 {
    uint32_t value;
} atomic_u32;

#define ATOMIC(T)                                                                                  \
    struct {                                                                                       \
        T value;                                                                                   \
    }

#if !defined(BELAY_SIM)

#define load_relaxed(p) __atomic_load_n(&(p)->value, __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n(&(p)->value, __ATOMIC_ACQUIRE)
#define load_seq_cst(p) __atomic_load_n(&(p)->value, __ATOMIC_SEQ_CST)

#define store_relaxed(p, v) __atomic_store_n(&(p)->value, (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n(&(p)->value, (v), __ATOMIC_RELEASE)
#define store_seq_cst(p, v) __atomic_store_n(&(p)->value, (v), __ATOMIC_SEQ_CST)

#define exchange_acquire(p, v) __atomic_exchange_n(&(p)->value, (v), __ATOMIC_ACQUIRE)
#define exchange_release(p, v) __atomic_exchange_n(&(p)->value, (v), __ATOMIC_RELEASE)
#define exchange_acq_rel(p, v) __atomic_exchange_n(&(p)->value, (v), __ATOMIC_ACQ_REL)
#define exchange_seq_cst(p, v) __atomic_exchange_n(&(p)->value, (v), __ATOMIC_SEQ_CST)

/* On failure *expected (a plain variable of the caller) receives the value found. */
#define cas_relaxed(p, expected, v)                                                                \
    __atomic_compare_exchange_n(&(p)->value, (expected), (v), false, __ATOMIC_RELAXED,             \
                                __ATOMIC_RELAXED)
#define cas_acquire(p, expected, v)                                                                \
    __atomic_compare_exchange_n(&(p)->value, (expected), (v), false, __ATOMIC_ACQUIRE,             \
                                __ATOMIC_RELAXED)
#define cas_release(p, expected, v)                                                                \
    __atomic_compare_exchange_n(&(p)->value, (expected), (v), false, __ATOMIC_RELEASE,             \
                                __ATOMIC_RELAXED)
#define cas_acq_rel(p, expected, v)                                                                \
    __atomic_compare_exchange_n(&(p)->value, (expected), (v), false, __ATOMIC_ACQ_REL,             \
                                __ATOMIC_ACQUIRE)
#define cas_seq_cst(p, expected, v)                                                                \
    __atomic_compare_exchange_n(&(p)->value, (expected), (v), false, __ATOMIC_SEQ_CST,             \
                                __ATOMIC_SEQ_CST)

#define fetch_add_relaxed(p, v) __atomic_fetch_add(&(p)->value, (v), __ATOMIC_RELAXED)
#define fetch_add_acq_rel(p, v) __atomic_fetch_add(&(p)->value, (v), __ATOMIC_ACQ_REL)
#define fetch_add_seq_cst(p, v) __atomic_fetch_add(&(p)->value, (v), __ATOMIC_SEQ_CST)
#define fetch_sub_relaxed(p, v) __atomic_fetch_sub(&(p)->value, (v), __ATOMIC_RELAXED)
#define fetch_sub_release(p, v) __atomic_fetch_sub(&(p)->value, (v), __ATOMIC_RELEASE)
#define fetch_sub_acq_rel(p, v) __atomic_fetch_sub(&(p)->value, (v), __ATOMIC_ACQ_REL)
#define fetch_sub_seq_cst(p, v) __atomic_fetch_sub(&(p)->value, (v), __ATOMIC_SEQ_CST)
#define fetch_or_relaxed(p, v) __atomic_fetch_or(&(p)->value, (v), __ATOMIC_RELAXED)
#define fetch_or_acq_rel(p, v) __atomic_fetch_or(&(p)->value, (v), __ATOMIC_ACQ_REL)
#define fetch_or_seq_cst(p, v) __atomic_fetch_or(&(p)->value, (v), __ATOMIC_SEQ_CST)
#define fetch_and_relaxed(p, v) __atomic_fetch_and(&(p)->value, (v), __ATOMIC_RELAXED)
#define fetch_and_acq_rel(p, v) __atomic_fetch_and(&(p)->value, (v), __ATOMIC_ACQ_REL)
#define fetch_and_seq_cst(p, v) __atomic_fetch_and(&(p)->value, (v), __ATOMIC_SEQ_CST)

#else
#include "port/sim/sim_atomic.h"
#endif

/* A word that one thread writes and others only read as an approximation (a counter, a hint). */
#define owner_add(p, v) store_relaxed((p), load_relaxed(p) + (v))

/* Object not shared yet, or no longer. */
#define init_plain(p, v) store_relaxed((p), (v))

#endif

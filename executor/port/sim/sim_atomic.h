/* The macros of base/atomic.h for simulated builds: each is a call into the simulator.
 *
 * Values travel as 64 bits; the word's own size says how many of them count. Under x86-TSO the
 * orders fall into few kinds: all loads are alike, all stores but seq_cst ones are buffered, and
 * all read-modify-writes are full fences. Included by base/atomic.h only. */
#ifndef BELAY_SIM_SIM_ATOMIC_H
#define BELAY_SIM_SIM_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

uint64_t sim_load(const volatile void *word, uint32_t size);
void sim_store(volatile void *word, uint32_t size, uint64_t value);
void sim_store_fenced(volatile void *word, uint32_t size, uint64_t value);
uint64_t sim_exchange(volatile void *word, uint32_t size, uint64_t value);
/* On failure writes `size` bytes to *expected. */
bool sim_cas(volatile void *word, uint32_t size, void *expected, uint64_t value);
uint64_t sim_fetch_add(volatile void *word, uint32_t size, uint64_t value);
uint64_t sim_fetch_or(volatile void *word, uint32_t size, uint64_t value);
uint64_t sim_fetch_and(volatile void *word, uint32_t size, uint64_t value);

/* The word's type without qualifiers: the comma operator makes a value of it. Not evaluated. */
#define SIM_TYPE(p) __typeof__(((void)0, (p)->value))
#define SIM_WORD(p) &(p)->value, (uint32_t)sizeof((p)->value)
#define SIM_BITS(v) ((uint64_t)(uintptr_t)(v))
/* A statement expression, because its value, unlike a cast's, may be left unused. */
#define SIM_VALUE(p, bits) __extension__({ (SIM_TYPE(p))(uintptr_t)(bits); })

#define load_relaxed(p) SIM_VALUE(p, sim_load(SIM_WORD(p)))
#define load_acquire(p) load_relaxed(p)
#define load_seq_cst(p) load_relaxed(p)

#define store_relaxed(p, v) sim_store(SIM_WORD(p), SIM_BITS(v))
#define store_release(p, v) store_relaxed(p, v)
#define store_seq_cst(p, v) sim_store_fenced(SIM_WORD(p), SIM_BITS(v))

#define exchange_acquire(p, v) SIM_VALUE(p, sim_exchange(SIM_WORD(p), SIM_BITS(v)))
#define exchange_release(p, v) exchange_acquire(p, v)
#define exchange_acq_rel(p, v) exchange_acquire(p, v)
#define exchange_seq_cst(p, v) exchange_acquire(p, v)

#define cas_relaxed(p, expected, v) sim_cas(SIM_WORD(p), (expected), SIM_BITS(v))
#define cas_acquire(p, expected, v) cas_relaxed(p, expected, v)
#define cas_release(p, expected, v) cas_relaxed(p, expected, v)
#define cas_acq_rel(p, expected, v) cas_relaxed(p, expected, v)
#define cas_seq_cst(p, expected, v) cas_relaxed(p, expected, v)

#define fetch_add_relaxed(p, v) SIM_VALUE(p, sim_fetch_add(SIM_WORD(p), SIM_BITS(v)))
#define fetch_add_acq_rel(p, v) fetch_add_relaxed(p, v)
#define fetch_add_seq_cst(p, v) fetch_add_relaxed(p, v)
#define fetch_sub_relaxed(p, v) SIM_VALUE(p, sim_fetch_add(SIM_WORD(p), -SIM_BITS(v)))
#define fetch_sub_release(p, v) fetch_sub_relaxed(p, v)
#define fetch_sub_acq_rel(p, v) fetch_sub_relaxed(p, v)
#define fetch_sub_seq_cst(p, v) fetch_sub_relaxed(p, v)
#define fetch_or_relaxed(p, v) SIM_VALUE(p, sim_fetch_or(SIM_WORD(p), SIM_BITS(v)))
#define fetch_or_acq_rel(p, v) fetch_or_relaxed(p, v)
#define fetch_or_seq_cst(p, v) fetch_or_relaxed(p, v)
#define fetch_and_relaxed(p, v) SIM_VALUE(p, sim_fetch_and(SIM_WORD(p), SIM_BITS(v)))
#define fetch_and_acq_rel(p, v) fetch_and_relaxed(p, v)
#define fetch_and_seq_cst(p, v) fetch_and_relaxed(p, v)

#endif

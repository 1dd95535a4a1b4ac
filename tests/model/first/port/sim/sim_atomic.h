/* The operations of base/atomic.h with their order as a value, for Relacy and for variants with a weakened order.
 *
 * A variant names one place: -DMODEL_WEAK_IN the function, -DMODEL_WEAK_OP the operation, -DMODEL_WEAK_WORD the word as
 * it is written there, each a string, and -DMODEL_WEAK_TO the order that it is to have. The comparison is folded by the
 * compiler, so a checker sees ordinary atomics. */
#ifndef BELAY_MODEL_OPERATIONS_H
#define BELAY_MODEL_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(MODEL_WEAK_OP)
#define MODEL_IS(op, word)                                                                         \
    (__builtin_strcmp(op, MODEL_WEAK_OP) == 0 && __builtin_strcmp(word, MODEL_WEAK_WORD) == 0 &&   \
     __builtin_strcmp(__func__, MODEL_WEAK_IN) == 0)
#define MODEL_ORDER(op, word, order) (MODEL_IS(op, word) ? (MODEL_WEAK_TO) : (order))
#else
#define MODEL_ORDER(op, word, order) (order)
#endif
/* What a compare-and-swap that fails may ask for: no release. */
#define MODEL_FAILED(order)                                                                        \
    ((order) == __ATOMIC_SEQ_CST   ? __ATOMIC_SEQ_CST                                              \
     : (order) == __ATOMIC_ACQ_REL ? __ATOMIC_ACQUIRE                                              \
                                   : __ATOMIC_RELAXED)

#if defined(MODEL_RELACY)

uint64_t relacy_load(const volatile void *word, int order);
void relacy_store(volatile void *word, uint64_t value, int order);
uint64_t relacy_exchange(volatile void *word, uint64_t value, int order);
/* On failure *found is what was there. */
bool relacy_cas(volatile void *word, uint64_t expected, uint64_t value, uint64_t *found, int order,
                int failed);
enum { RELACY_ADD, RELACY_OR, RELACY_AND };
uint64_t relacy_change(volatile void *word, uint32_t size, int how, uint64_t value, int order);
void relacy_fence(int order);

#define MODEL_TYPE(p) __typeof__(((void)0, (p)->value))
#define MODEL_BITS(p, v) ((uint64_t)(uintptr_t)(MODEL_TYPE(p))(uintptr_t)(v))
#define MODEL_VALUE(p, bits) __extension__({ (MODEL_TYPE(p))(uintptr_t)(bits); })
#define MODEL_LOAD(p, order) MODEL_VALUE(p, relacy_load(&(p)->value, (order)))
#define MODEL_STORE(p, v, order) relacy_store(&(p)->value, MODEL_BITS(p, v), (order))
#define MODEL_EXCHANGE(p, v, order)                                                                \
    MODEL_VALUE(p, relacy_exchange(&(p)->value, MODEL_BITS(p, v), (order)))
#define MODEL_CAS(p, expected, v, order, failed)                                                   \
    __extension__({                                                                                \
        uint64_t found_;                                                                           \
        bool done_ = relacy_cas(&(p)->value, MODEL_BITS(p, *(expected)), MODEL_BITS(p, v),         \
                                &found_, (order), (failed));                                       \
        if (!done_) {                                                                              \
            *(expected) = (MODEL_TYPE(p))(uintptr_t)found_;                                        \
        }                                                                                          \
        done_;                                                                                     \
    })
#define MODEL_CHANGE(p, how, v, order)                                                             \
    MODEL_VALUE(p, relacy_change(&(p)->value, (uint32_t)sizeof((p)->value), how,                   \
                                 (uint64_t)(uintptr_t)(v), (order)))
#define MODEL_ADD(p, v, order) MODEL_CHANGE(p, RELACY_ADD, v, order)
#define MODEL_SUB(p, v, order) MODEL_CHANGE(p, RELACY_ADD, -(uint64_t)(uintptr_t)(v), order)
#define MODEL_OR(p, v, order) MODEL_CHANGE(p, RELACY_OR, v, order)
#define MODEL_AND(p, v, order) MODEL_CHANGE(p, RELACY_AND, v, order)

#else

#define MODEL_LOAD(p, order) __atomic_load_n(&(p)->value, (order))
#define MODEL_STORE(p, v, order) __atomic_store_n(&(p)->value, (v), (order))
#define MODEL_EXCHANGE(p, v, order) __atomic_exchange_n(&(p)->value, (v), (order))
#define MODEL_CAS(p, expected, v, order, failed)                                                   \
    __atomic_compare_exchange_n(&(p)->value, (expected), (v), false, (order), (failed))
#define MODEL_ADD(p, v, order) __atomic_fetch_add(&(p)->value, (v), (order))
#define MODEL_SUB(p, v, order) __atomic_fetch_sub(&(p)->value, (v), (order))
#define MODEL_OR(p, v, order) __atomic_fetch_or(&(p)->value, (v), (order))
#define MODEL_AND(p, v, order) __atomic_fetch_and(&(p)->value, (v), (order))

#endif

#define load_relaxed(p) MODEL_LOAD(p, __ATOMIC_RELAXED)
#define load_acquire(p) MODEL_LOAD(p, MODEL_ORDER("load_acquire", #p, __ATOMIC_ACQUIRE))
#define load_seq_cst(p) MODEL_LOAD(p, MODEL_ORDER("load_seq_cst", #p, __ATOMIC_SEQ_CST))

#define store_relaxed(p, v) MODEL_STORE(p, v, __ATOMIC_RELAXED)
#define store_release(p, v) MODEL_STORE(p, v, MODEL_ORDER("store_release", #p, __ATOMIC_RELEASE))
#define store_seq_cst(p, v) MODEL_STORE(p, v, MODEL_ORDER("store_seq_cst", #p, __ATOMIC_SEQ_CST))

#define exchange_acquire(p, v)                                                                     \
    MODEL_EXCHANGE(p, v, MODEL_ORDER("exchange_acquire", #p, __ATOMIC_ACQUIRE))
#define exchange_release(p, v)                                                                     \
    MODEL_EXCHANGE(p, v, MODEL_ORDER("exchange_release", #p, __ATOMIC_RELEASE))
#define exchange_acq_rel(p, v)                                                                     \
    MODEL_EXCHANGE(p, v, MODEL_ORDER("exchange_acq_rel", #p, __ATOMIC_ACQ_REL))
#define exchange_seq_cst(p, v)                                                                     \
    MODEL_EXCHANGE(p, v, MODEL_ORDER("exchange_seq_cst", #p, __ATOMIC_SEQ_CST))

#define MODEL_SWAP(op, p, word, expected, v, order)                                                \
    MODEL_CAS(p, expected, v, MODEL_ORDER(op, word, order),                                        \
              MODEL_FAILED(MODEL_ORDER(op, word, order)))
#define cas_relaxed(p, expected, v) MODEL_CAS(p, expected, v, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define cas_acquire(p, expected, v) MODEL_SWAP("cas_acquire", p, #p, expected, v, __ATOMIC_ACQUIRE)
#define cas_release(p, expected, v) MODEL_SWAP("cas_release", p, #p, expected, v, __ATOMIC_RELEASE)
#define cas_acq_rel(p, expected, v) MODEL_SWAP("cas_acq_rel", p, #p, expected, v, __ATOMIC_ACQ_REL)
#define cas_seq_cst(p, expected, v) MODEL_SWAP("cas_seq_cst", p, #p, expected, v, __ATOMIC_SEQ_CST)

#define fetch_add_relaxed(p, v) MODEL_ADD(p, v, __ATOMIC_RELAXED)
#define fetch_add_acq_rel(p, v)                                                                    \
    MODEL_ADD(p, v, MODEL_ORDER("fetch_add_acq_rel", #p, __ATOMIC_ACQ_REL))
#define fetch_add_seq_cst(p, v)                                                                    \
    MODEL_ADD(p, v, MODEL_ORDER("fetch_add_seq_cst", #p, __ATOMIC_SEQ_CST))
#define fetch_sub_relaxed(p, v) MODEL_SUB(p, v, __ATOMIC_RELAXED)
#define fetch_sub_release(p, v)                                                                    \
    MODEL_SUB(p, v, MODEL_ORDER("fetch_sub_release", #p, __ATOMIC_RELEASE))
#define fetch_sub_acq_rel(p, v)                                                                    \
    MODEL_SUB(p, v, MODEL_ORDER("fetch_sub_acq_rel", #p, __ATOMIC_ACQ_REL))
#define fetch_sub_seq_cst(p, v)                                                                    \
    MODEL_SUB(p, v, MODEL_ORDER("fetch_sub_seq_cst", #p, __ATOMIC_SEQ_CST))
#define fetch_or_relaxed(p, v) MODEL_OR(p, v, __ATOMIC_RELAXED)
#define fetch_or_acq_rel(p, v) MODEL_OR(p, v, MODEL_ORDER("fetch_or_acq_rel", #p, __ATOMIC_ACQ_REL))
#define fetch_or_seq_cst(p, v) MODEL_OR(p, v, MODEL_ORDER("fetch_or_seq_cst", #p, __ATOMIC_SEQ_CST))
#define fetch_and_relaxed(p, v) MODEL_AND(p, v, __ATOMIC_RELAXED)
#define fetch_and_acq_rel(p, v)                                                                    \
    MODEL_AND(p, v, MODEL_ORDER("fetch_and_acq_rel", #p, __ATOMIC_ACQ_REL))
#define fetch_and_seq_cst(p, v)                                                                    \
    MODEL_AND(p, v, MODEL_ORDER("fetch_and_seq_cst", #p, __ATOMIC_SEQ_CST))

#endif

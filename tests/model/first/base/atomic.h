/* The library's atomics, for models: its own base/atomic.h, found next.
 *
 * Two builds need more. For Relacy each operation is a call of the harness; for a variant that weakens an order
 * (MODEL_WEAK_OP) each operation looks whether it is the one. Both take their operations from
 * port/sim/sim_atomic.h beside this file, by the door that the library keeps for its simulator. */
#if defined(MODEL_RELACY) || defined(MODEL_WEAK_OP)
#define BELAY_SIM
#include_next <base/atomic.h>
#undef BELAY_SIM
#else
#include_next <base/atomic.h>
#endif

#ifndef BELAY_MODEL_FENCE
#define BELAY_MODEL_FENCE
#if defined(MODEL_RELACY)
#define MODEL_FENCE(order) relacy_fence(order)
#define MODEL_EXCHANGE_RELAXED(p, v)                                                               \
    MODEL_VALUE(p, relacy_exchange(&(p)->value, MODEL_BITS(p, v), __ATOMIC_RELAXED))
#else
#define MODEL_EXCHANGE_RELAXED(p, v) __atomic_exchange_n(&(p)->value, (v), __ATOMIC_RELAXED)
#define MODEL_FENCE(order) __atomic_thread_fence(order)
#endif
#endif

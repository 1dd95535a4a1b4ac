/* The inline part of the port for models: no assembly, and both halves of the asymmetric fence are full. A pair of full
 * fences forbids no more than the pair that it stands for: membarrier makes the light half one when it matters. */
#ifndef BELAY_PORT_INLINE_H
#define BELAY_PORT_INLINE_H

static inline void port_fence_full(void) {
    MODEL_FENCE(__ATOMIC_SEQ_CST);
}

static inline void port_fence_after_push(void) {
#if !defined(MODEL_NO_PUSH_FENCE)
    port_fence_full();
#endif
}

static inline void port_fence_light(bool symmetric) {
    (void)symmetric;
#if !defined(MODEL_NO_LIGHT_FENCE)
    port_fence_full();
#endif
}

static inline bool port_forked(void) {
    return false;
}

#endif

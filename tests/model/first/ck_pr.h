/* Concurrency Kit's primitives for models, as what they are on a weakly ordered CPU: accesses and read-modify-writes
 * without an order, and fences. Stands in for the whole of ck_pr.h, with what ck_stack.h needs and nothing else.
 *
 * C11 has no fence for stores alone or for loads alone; release and acquire are the next stronger ones, and what they
 * add (loads before the one, stores after the other) is not relied on. */
#ifndef BELAY_MODEL_CK_PR_H
#define BELAY_MODEL_CK_PR_H
#define CK_PR_H

#include <ck_cc.h>
#include <ck_limits.h>
#include <ck_md.h>
#include <ck_stdbool.h>
#include <ck_stddef.h>
#include <ck_stdint.h>

#include "base/atomic.h"

#define CK_F_PR_CAS_PTR_VALUE

typedef ATOMIC(void *) model_pointer;

#define ck_pr_load_ptr(word)                                                                       \
    ((__typeof__(*(word)))load_relaxed((const model_pointer *)(const void *)(word)))

CK_CC_INLINE static bool ck_pr_cas_ptr_value(void *word, void *expected, void *v, void *found) {
    bool done = cas_relaxed((model_pointer *)word, &expected, v);
    *(void **)found = expected;
    return done;
}

CK_CC_INLINE static bool ck_pr_cas_ptr(void *word, void *expected, void *v) {
    return cas_relaxed((model_pointer *)word, &expected, v);
}

CK_CC_INLINE static void *ck_pr_fas_ptr(void *word, void *v) {
    return MODEL_EXCHANGE_RELAXED((model_pointer *)word, v);
}

CK_CC_INLINE static void ck_pr_fence_store(void) {
#if !defined(MODEL_NO_STORE_FENCE)
    MODEL_FENCE(__ATOMIC_RELEASE);
#endif
}

CK_CC_INLINE static void ck_pr_fence_load(void) {
#if !defined(MODEL_NO_LOAD_FENCE)
    MODEL_FENCE(__ATOMIC_ACQUIRE);
#endif
}

#endif

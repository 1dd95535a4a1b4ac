/* Concurrency Kit's primitives for ThreadSanitizer builds: compiler builtins, which it sees, in
 * place of inline assembly, which it does not.
 *
 * Stands in for the whole of ck_pr.h (its include guard is defined here), with what ck_stack.h and
 * ck_ec.h (32-bit, many producers) need and nothing else. ThreadSanitizer gives no meaning to
 * fences, so the order is put into the accesses: loads acquire, stores release, read-modify-writes
 * seq_cst. That is more than CK asks for: no false reports, though a missing fence in CK itself
 * would go unseen. */
#ifndef BELAY_SANITIZE_CK_PR_H
#define BELAY_SANITIZE_CK_PR_H
#define CK_PR_H

#include <ck_cc.h>
#include <ck_limits.h>
#include <ck_md.h>
#include <ck_stdbool.h>
#include <ck_stddef.h>
#include <ck_stdint.h>

#define CK_F_PR_FAS_PTR
#define CK_F_PR_FAA_32
#define CK_F_PR_CAS_32
#define CK_F_PR_CAS_PTR
#define CK_F_PR_CAS_PTR_VALUE

#define ck_pr_load_ptr(word) __atomic_load_n((word), __ATOMIC_ACQUIRE)
#define ck_pr_store_ptr(word, v) __atomic_store_n((word), (v), __ATOMIC_RELEASE)
#define ck_pr_load_32(word) __atomic_load_n((word), __ATOMIC_ACQUIRE)
#define ck_pr_store_32(word, v) __atomic_store_n((word), (v), __ATOMIC_RELEASE)

CK_CC_INLINE static bool ck_pr_cas_ptr_value(void *word, void *expected, void *v, void *found) {
    bool done = __atomic_compare_exchange_n((void **)word, &expected, v, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST);
    *(void **)found = expected;
    return done;
}

CK_CC_INLINE static bool ck_pr_cas_ptr(void *word, void *expected, void *v) {
    return __atomic_compare_exchange_n((void **)word, &expected, v, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

CK_CC_INLINE static void *ck_pr_fas_ptr(void *word, void *v) {
    return __atomic_exchange_n((void **)word, v, __ATOMIC_SEQ_CST);
}

CK_CC_INLINE static bool ck_pr_cas_32(uint32_t *word, uint32_t expected, uint32_t v) {
    return __atomic_compare_exchange_n(word, &expected, v, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

CK_CC_INLINE static uint32_t ck_pr_faa_32(uint32_t *word, uint32_t v) {
    return __atomic_fetch_add(word, v, __ATOMIC_SEQ_CST);
}

CK_CC_INLINE static void ck_pr_and_32(uint32_t *word, uint32_t v) {
    __atomic_fetch_and(word, v, __ATOMIC_SEQ_CST);
}

CK_CC_INLINE static void ck_pr_barrier(void) {
    __asm__ volatile("" ::: "memory");
}

CK_CC_INLINE static void ck_pr_stall(void) {
#if defined(__x86_64__)
    __asm__ volatile("pause" ::: "memory");
#else
    __asm__ volatile("yield" ::: "memory");
#endif
}

/* A store before a later load: the one order that the accesses above do not give. */
CK_CC_INLINE static void ck_pr_fence_memory(void) {
#if defined(__x86_64__)
    __asm__ volatile("lock; orl $0, -64(%%rsp)" ::: "memory", "cc");
#else
    __asm__ volatile("dmb ish" ::: "memory");
#endif
}

#define ck_pr_fence_store_load() ck_pr_fence_memory()
#define ck_pr_fence_load() ck_pr_barrier()
#define ck_pr_fence_store() ck_pr_barrier()
#define ck_pr_fence_store_atomic() ck_pr_barrier()
#define ck_pr_fence_acquire() ck_pr_barrier()
#define ck_pr_fence_release() ck_pr_barrier()

#endif

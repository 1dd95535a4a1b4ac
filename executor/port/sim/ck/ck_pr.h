/* Concurrency Kit's primitives for simulated builds: each is a step of the simulator.
 *
 * Stands in for the whole of ck_pr.h (its include guard is defined here), with what ck_stack.h and
 * ck_ec.h (32-bit, many producers) need and nothing else: another structure of Concurrency Kit does
 * not compile until its primitives are added here. CK's plain loads and stores are C11 relaxed
 * ones, its read-modify-writes full fences on x86; of its fences only store-load and memory mean
 * anything there. */
#ifndef BELAY_SIM_CK_PR_H
#define BELAY_SIM_CK_PR_H
#define CK_PR_H

#include <ck_cc.h>
#include <ck_limits.h>
#include <ck_md.h>
#include <ck_stdbool.h>
#include <ck_stddef.h>
#include <ck_stdint.h>

#include "port/port.h"

#define CK_F_PR_FAS_PTR
#define CK_F_PR_FAA_32
#define CK_F_PR_CAS_32
#define CK_F_PR_CAS_PTR
#define CK_F_PR_CAS_PTR_VALUE

#define ck_pr_load_ptr(word) ((__typeof__(*(word)))(uintptr_t)sim_load((word), sizeof(void *)))
#define ck_pr_store_ptr(word, v) sim_store((word), sizeof(void *), (uint64_t)(uintptr_t)(v))
#define ck_pr_load_32(word) ((uint32_t)sim_load((word), sizeof(uint32_t)))
#define ck_pr_store_32(word, v) sim_store((word), sizeof(uint32_t), (v))

CK_CC_INLINE static bool ck_pr_cas_ptr_value(void *word, void *expected, void *v, void *found) {
    bool done = sim_cas(word, sizeof(void *), &expected, (uint64_t)(uintptr_t)v);
    *(void **)found = expected;
    return done;
}

CK_CC_INLINE static bool ck_pr_cas_ptr(void *word, void *expected, void *v) {
    return sim_cas(word, sizeof(void *), &expected, (uint64_t)(uintptr_t)v);
}

CK_CC_INLINE static void *ck_pr_fas_ptr(void *word, void *v) {
    return (void *)(uintptr_t)sim_exchange(word, sizeof(void *), (uint64_t)(uintptr_t)v);
}

CK_CC_INLINE static bool ck_pr_cas_32(uint32_t *word, uint32_t expected, uint32_t v) {
    return sim_cas(word, sizeof *word, &expected, v);
}

CK_CC_INLINE static uint32_t ck_pr_faa_32(uint32_t *word, uint32_t v) {
    return (uint32_t)sim_fetch_add(word, sizeof *word, v);
}

CK_CC_INLINE static void ck_pr_and_32(uint32_t *word, uint32_t v) {
    sim_fetch_and(word, sizeof *word, v);
}

CK_CC_INLINE static void ck_pr_barrier(void) {
    __asm__ volatile("" ::: "memory");
}

CK_CC_INLINE static void ck_pr_stall(void) {
    port_cpu_relax();
}

CK_CC_INLINE static void ck_pr_fence_store_load(void) {
    port_fence_heavy(true);
}

CK_CC_INLINE static void ck_pr_fence_memory(void) {
    port_fence_heavy(true);
}

#define ck_pr_fence_load() ck_pr_barrier()
#define ck_pr_fence_store() ck_pr_barrier()
#define ck_pr_fence_store_atomic() ck_pr_barrier()
#define ck_pr_fence_acquire() ck_pr_barrier()
#define ck_pr_fence_release() ck_pr_barrier()

#endif

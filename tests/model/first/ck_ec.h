/* Concurrency Kit's event count for models: its 32-bit form for many producers, with the fences of its portable text.
 * Who would sleep leaves the model (model_sleep_on), so that a raise that never comes is seen at the end. */
#ifndef CK_EC_H
#define CK_EC_H

#include <ck_pr.h>
#include <sys/time.h>
#include <time.h>

#include "base/atomic.h"

struct ck_ec32 {
    atomic_u32 counter;
};

struct ck_ec_wait_state;
struct ck_ec_ops {
    int (*gettime)(const struct ck_ec_ops *, struct timespec *out);
    void (*wait32)(const struct ck_ec_wait_state *, const uint32_t *word, uint32_t expected,
                   const struct timespec *deadline);
    void (*wake32)(const struct ck_ec_ops *, const uint32_t *word);
    uint32_t busy_loop_iter;
};
struct ck_ec_mode {
    const struct ck_ec_ops *ops;
    bool single_producer;
};

static inline void ck_ec32_init(struct ck_ec32 *ec, uint32_t value) {
    init_plain(&ec->counter, value);
}

static inline uint32_t ck_ec32_value(const struct ck_ec32 *ec) {
    uint32_t value = load_relaxed(&ec->counter);
    MODEL_FENCE(__ATOMIC_ACQUIRE);
    return value;
}

static inline void ck_ec32_inc(struct ck_ec32 *ec, const struct ck_ec_mode *mode) {
    (void)mode;
    MODEL_FENCE(__ATOMIC_RELEASE);
    (void)fetch_add_relaxed(&ec->counter, 1u);
}

/* The model's: notes it, and ends the calling thread's part (model_sleep). */
_Noreturn void model_sleep_on(const struct ck_ec32 *ec, uint32_t seen);

static inline int ck_ec32_wait(struct ck_ec32 *ec, const struct ck_ec_mode *mode, uint32_t seen,
                               const struct timespec *deadline) {
    (void)mode;
    (void)deadline;
    if (ck_ec32_value(ec) == seen) {
        model_sleep_on(ec, seen);
    }
    return 0;
}

#endif

/* The slow paths of Concurrency Kit's 32-bit event count, as steps of the simulator.
 *
 * The protocol is ck_ec's: a waiter sets the flag bit beside the value it saw and sleeps on that
 * word; a producer that finds the flag clears it and wakes all. What is left out is mercy: libck
 * sleeps 2 ms at first, and longer each time, until a second has passed, so that a lost wakeup
 * would heal unseen. Here a waiter sleeps until it is woken or its deadline comes. */
#include <ck_ec.h>

#include "port/port.h"

enum { NANOSECONDS = 1000000000 };

#define FLAG (UINT32_C(1) << 31)

void ck_ec32_wake(struct ck_ec32 *ec, const struct ck_ec_ops *ops) {
    if ((ck_pr_load_32(&ec->counter) & FLAG) != 0) {
        ck_pr_and_32(&ec->counter, FLAG - 1);
        ops->wake32(ops, &ec->counter);
    }
}

static bool before(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* False: the value has changed. */
static bool flag_set(struct ck_ec32 *ec, uint32_t old_value) {
    uint32_t word = ck_pr_load_32(&ec->counter);
    if (word == old_value && ck_pr_cas_32(&ec->counter, old_value, old_value | FLAG)) {
        return true;
    }
    return (ck_pr_load_32(&ec->counter) & ~FLAG) == old_value;
}

int ck_ec32_wait_pred_slow(struct ck_ec32 *ec, const struct ck_ec_ops *ops, uint32_t old_value,
                           int (*pred)(const struct ck_ec_wait_state *state,
                                       struct timespec *deadline),
                           void *data, const struct timespec *deadline) {
    struct ck_ec_wait_state state = {.ops = ops, .data = data};
    ops->gettime(ops, &state.start);
    while (flag_set(ec, old_value)) {
        struct timespec until = {.tv_sec = INT64_MAX};
        if (deadline != NULL) {
            until = *deadline;
        }
        ops->gettime(ops, &state.now);
        if (!before(&state.now, &until)) {
            return -1;
        }
        int verdict = pred != NULL ? pred(&state, &until) : 0;
        if (verdict != 0) {
            return verdict;
        }
        ops->wait32(&state, &ec->counter, old_value | FLAG,
                    until.tv_sec == INT64_MAX ? NULL : &until);
    }
    return 0;
}

int ck_ec32_wait_slow(struct ck_ec32 *ec, const struct ck_ec_ops *ops, uint32_t old_value,
                      const struct timespec *deadline) {
    return ck_ec32_wait_pred_slow(ec, ops, old_value, NULL, NULL, deadline);
}

int ck_ec_deadline_impl(struct timespec *new_deadline, const struct ck_ec_ops *ops,
                        const struct timespec *timeout) {
    if (timeout == NULL) {
        *new_deadline = (struct timespec){.tv_sec = INT64_MAX};
        return 0;
    }
    if (ops->gettime(ops, new_deadline) != 0) {
        return -1;
    }
    new_deadline->tv_sec += timeout->tv_sec;
    new_deadline->tv_nsec += timeout->tv_nsec;
    if (new_deadline->tv_nsec >= NANOSECONDS) {
        new_deadline->tv_nsec -= NANOSECONDS;
        new_deadline->tv_sec++;
    }
    return 0;
}

/* Fork-join: calls that a thief may run.
 *
 * fork puts a call aside, sync runs it, or, if another worker took it meanwhile, waits for its result.
 * Forks and syncs of one task nest like brackets: sync answers the youngest fork. Not stolen, a fork and its
 * sync cost a few plain instructions. Between them the task may sleep, join, fork more. What a task forked
 * and did not sync is synced when its body returns.
 *
 * Typed form. The function is known at compile time and its argument travels by value (at most 48 bytes, as
 * must its result):
 *
 *     static long fib(belay_task *self, long n);
 *     BELAY_FORKABLE(fib, long, long)
 *     static long fib(belay_task *self, long n) {
 *         if (n < 2) return n;
 *         fib_fork(self, n - 1);
 *         long b = fib(self, n - 2);
 *         return fib_sync(self) + b;
 *     }
 *
 * The forked call gets a `self` of its own if it is stolen: use the one it receives. It is a part of the task
 * that forked: cancelling that task or its scope reaches it.
 *
 * When the task has more than fork_depth forks outstanding, further ones run at the fork. When then even the
 * memory for their results is missing, the call is not run: its sync returns zeros (BELAY_ENOMEM in the generic
 * form), the task is cancelled with the code BELAY_ENOMEM, and its outcome is that error.
 *
 * The deque follows Lace (T. van Dijk, J. van de Pol, "Lace: Non-blocking Split Deque for Work-Stealing",
 * 2014): a private part that needs no fence, a public part that grows when thieves ask; see
 * docs/protocols/fork-join.md for what is different. */
#ifndef BELAY_FORK_H
#define BELAY_FORK_H

#include <belay/detail/fast.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begins a fork: the slot to fill. Ends it: the call is now there to be stolen. */
static inline belay_fork_slot *belay_fork_begin_(belay_task *self) {
#if BELAY_FAST_INLINE
    belay_fork_deque *deque = ((belay_fast_task *)(void *)self)->fork;
    uint32_t head = deque->head;
    if (__builtin_expect(head < __atomic_load_n(&deque->limit, __ATOMIC_RELAXED), 1)) {
        return (belay_fork_slot *)(void *)(deque + 1) + head;
    }
#endif
    return belay_fork_slow(self);
}

static inline void belay_fork_end_(belay_task *self, belay_fork_slot *slot) {
#if BELAY_FAST_INLINE
    belay_fork_deque *deque = ((belay_fast_task *)(void *)self)->fork;
    uint32_t head = deque->head;
    /* The limit only falls between begin and end: below it the slot is the one that begin saw. */
    if (__builtin_expect(head < __atomic_load_n(&deque->limit, __ATOMIC_RELAXED), 1)) {
        /* pairs with the acquire of a thief that publishes for us: it sees the filled slot */
        __atomic_store_n(&deque->head, head + 1, __ATOMIC_RELEASE);
        return;
    }
#endif
    belay_fork_commit(self, slot);
}

/* The youngest fork's slot. *run_here: not stolen, the caller runs it; else its result is in the slot. */
static inline belay_fork_slot *belay_sync_(belay_task *self, bool *run_here) {
#if BELAY_FAST_INLINE
    belay_fork_deque *deque = ((belay_fast_task *)(void *)self)->fork;
    uint32_t head = deque->head - 1;
    __atomic_store_n(&deque->head, head, __ATOMIC_RELAXED);
    /* the owner's light half of the fence pair; the heavy half is in a thief that publishes for us */
    __asm__ volatile("" ::: "memory");
    if (__builtin_expect(head >= __atomic_load_n(&deque->split, __ATOMIC_RELAXED), 1)) {
        *run_here = true;
        return (belay_fork_slot *)(void *)(deque + 1) + head;
    }
    __atomic_store_n(&deque->head, head + 1, __ATOMIC_RELAXED); /* the slow path begins anew */
#endif
    return belay_sync_slow(self, run_here);
}

/* Declares name_fork(self, argument) and name_sync(self) for a function
 * `result name(belay_task *self, argument)`. fork does not wait; sync drains. Only the running task. */
#define BELAY_FORKABLE(name, result, argument)                                                     \
    static inline void name##_run_(belay_task *self, belay_fork_slot *slot) {                      \
        argument argument_;                                                                        \
        memcpy(&argument_, slot->data, sizeof(argument));                                          \
        result result_ = name(self, argument_);                                                    \
        memcpy(slot->data, &result_, sizeof(result));                                              \
    }                                                                                              \
    static inline void name##_fork(belay_task *self, argument argument_) {                         \
        BELAY_STATIC_ASSERT(sizeof(argument) <= sizeof(((belay_fork_slot *)0)->data) &&            \
                                sizeof(result) <= sizeof(((belay_fork_slot *)0)->data),            \
                            "argument and result travel in 48 bytes");                             \
        belay_fork_slot *slot_ = belay_fork_begin_(self);                                          \
        slot_->run = name##_run_;                                                                  \
        memcpy(slot_->data, &argument_, sizeof(argument));                                         \
        belay_fork_end_(self, slot_);                                                              \
    }                                                                                              \
    static inline result name##_sync(belay_task *self) {                                           \
        bool here_;                                                                                \
        belay_fork_slot *slot_ = belay_sync_(self, &here_);                                        \
        if (__builtin_expect(here_, 1)) {                                                          \
            argument argument_;                                                                    \
            memcpy(&argument_, slot_->data, sizeof(argument));                                     \
            return name(self, argument_);                                                          \
        }                                                                                          \
        result result_;                                                                            \
        memcpy(&result_, slot_->data, sizeof(result));                                             \
        return result_;                                                                            \
    }

#ifdef __cplusplus
#define BELAY_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define BELAY_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* Generic form: body and argument by pointer. belay_fork does not wait; belay_sync drains and returns what
 * the body returned, BELAY_ENOMEM as said above, BELAY_EINVAL if there is nothing to sync. Only the running
 * task; NULL body or self: BELAY_EINVAL and nothing forked. */
typedef belay_status belay_fork_body(belay_task *self, void *arg);
BELAY_API belay_status belay_fork(belay_task *self, belay_fork_body *body, void *arg);
BELAY_API belay_status belay_sync(belay_task *self);

#ifdef __cplusplus
}
#endif
#endif

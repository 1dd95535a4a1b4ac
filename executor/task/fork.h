/* The fork deque: see task/fork.c for the protocol, and <belay/fork.h> for what it does. */
#ifndef BELAY_TASK_FORK_H
#define BELAY_TASK_FORK_H

#include <belay/fork.h>

#include "base/atomic.h"
#include "base/list.h"

struct belay_task;
struct fiber;
struct fork_overflow;

/* The header; its slots follow. The first 16 bytes are belay_fork_deque. */
typedef struct fork_deque {
    ATOMIC(uint32_t) head; /* next free slot; written by the owner */
    ATOMIC(uint32_t)
    limit; /* fork's fast path ends here: the owner writes the capacity, others 0 to ask */
    ATOMIC(uint64_t) ends; /* low half: split; high half: tail, and FORCING; see task/fork.c */
    ATOMIC(struct belay_task *) owner; /* whose forks these are; changes only while it is empty */
    struct fork_overflow *overflow;    /* owner's: forks beyond the capacity, youngest first */
    list orphan;             /* among the suspended deques, under the executor's forks_lock */
    uint32_t capacity;       /* constant; 0: a view without slots */
    uint32_t lost;           /* owner's: forks that had no memory; they are the youngest */
    struct fork_deque *next; /* in the free list, under forks_lock */
} fork_deque;

_Static_assert(sizeof(fork_deque) == sizeof(belay_fork_deque), "layout");
_Static_assert(offsetof(fork_deque, head) == offsetof(belay_fork_deque, head), "layout");
_Static_assert(offsetof(fork_deque, limit) == offsetof(belay_fork_deque, limit), "layout");
_Static_assert(offsetof(fork_deque, ends) == offsetof(belay_fork_deque, split),
               "layout, little endian");

/* Makes `view` a deque whose fast paths always fail. */
void fork_view_init(fork_deque *view);
/* Asks the owner to publish at its next fork. Any thread. */
static inline void fork_ask(fork_deque *deque) {
    store_relaxed(&deque->limit, 0u); /* relaxed: a request; asked again when it is lost */
}

#endif

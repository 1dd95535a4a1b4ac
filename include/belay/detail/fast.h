/* What the inlined fast paths need to know of a task: the first words of its record, and the layout of
 * a fork deque. Not for use by programs; the layout may change with every minor version, and
 * belay_executor_create refuses a program compiled against another (BELAY_LAYOUT). */
#ifndef BELAY_DETAIL_FAST_H
#define BELAY_DETAIL_FAST_H

#include <belay/handle.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BELAY_LAYOUT 2u

/* Sanitizer and simulated builds count every access, so there the inline paths are calls. */
#if defined(BELAY_SIM) || defined(BELAY_TSAN) || defined(__SANITIZE_THREAD__) ||                   \
    defined(BELAY_NO_INLINE)
#define BELAY_FAST_INLINE 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BELAY_FAST_INLINE 0
#else
#define BELAY_FAST_INLINE 1
#endif
#else
#define BELAY_FAST_INLINE 1
#endif

/* The bit of a cancel word that says: a waiting call would be refused. */
#define BELAY_FAST_CANCELED 1u

typedef struct belay_fast_scope {
    uint32_t cancel; /* BELAY_FAST_CANCELED: the scope is, itself or through an ancestor */
} belay_fast_scope;

/* One forked call that waits to be synced or stolen. */
typedef struct belay_fork_slot {
    void (*run)(belay_task *self, struct belay_fork_slot *slot);
    uint64_t state;   /* see sched/fork.c: the stolen child's state */
    uint64_t data[6]; /* the argument by value; after a stolen run, the result */
} belay_fork_slot;

/* The owner's view of a fork deque; its slots follow the header. */
typedef struct belay_fork_deque {
    uint32_t head;  /* next free slot; written by the owner only */
    uint32_t limit; /* fork takes the slow path from here on: capacity, or 0 when thieves ask */
    uint32_t split; /* slots below are public; the low half of the word thieves work on */
    uint32_t tail;  /* next slot to steal; the high half */
    uint64_t reserved[6];
} belay_fork_deque;

typedef struct belay_fast_task {
    uint32_t cancel; /* BELAY_FAST_CANCELED: this task itself is */
    uint32_t reserved;
    belay_fast_scope *scope; /* the innermost scope the task is in */
    belay_fork_deque *fork;  /* never NULL: at first a shared empty one whose limit is 0 */
} belay_fast_task;

/* The slow halves. Any of them only through the inline functions of the public headers. */
BELAY_API bool belay_canceled_slow(const belay_task *self);
BELAY_API belay_fork_slot *belay_fork_slow(belay_task *self);
BELAY_API void belay_fork_commit(belay_task *self, belay_fork_slot *slot);
BELAY_API belay_fork_slot *belay_sync_slow(belay_task *self, bool *run_here);

#ifdef __cplusplus
}
#endif
#endif

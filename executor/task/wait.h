/* Waiting: the one mechanism under every call that can suspend a task or park a foreign thread.
 *
 * A waiter lives on the stack of the one who waits. An arm links it into an object's list, under the object's lock; who
 * waits for several objects at once has an arm for each. Whoever ends the wait first claims it by one compare-and-swap
 * on the wait word; the waiter then takes its arms out of wherever they still are (under the same locks), so no claim
 * can come later: a source of wakes reaches a waiter only under a lock that the waiter takes before it goes. The one
 * claimer without a lock, the worker that has just parked the task, names the wait by its number, because the task may
 * have been resumed, and the record reused, in the meantime.
 *
 * The wait word (of the task; a foreign thread has one in its waiter):
 *     IDLE -> ARMED          waiter_init, by the waiter, with the next number
 *     ARMED -> PARKED        by the waiter's worker, once the stack is left
 *     ARMED, PARKED -> x     a claim: x is OK, TIMEDOUT or CANCELED
 *     ARMED, x -> IDLE       the waiter, awake
 * A claim of ARMED needs no more: the waiter's worker will find it before it parks. A claim of PARKED makes the claimer
 * the holder of the task: it must make it runnable. The DRAIN bit forbids claims by cancel.
 *
 * Against cancel: the step ARMED -> PARKED is a seq_cst read-modify-write, and then the cancel words are read. The
 * canceller writes the cancel word, then (seq_cst) reads wait words. One of them sees the other. */
#ifndef BELAY_TASK_WAIT_H
#define BELAY_TASK_WAIT_H

#include "event/wheel.h"
#include "task/task.h"

typedef enum wait_word {
    WAIT_IDLE = 0,
    WAIT_ARMED = 1,
    WAIT_PARKED = 2,
    WAIT_OK = 3,
    WAIT_TIMEDOUT = 4,
    WAIT_CANCELED = 5,
    WAIT_BASE = 15, /* mask of the above */
    WAIT_DRAIN = 16,
    WAIT_NUMBER = 32 /* from here up: counts a record's waits */
} wait_word;

/* For reports. */
typedef enum wait_kind {
    WAIT_FOR_NOTHING,
    WAIT_FOR_SLEEP,
    WAIT_FOR_JOIN,
    WAIT_FOR_CLOSE,
    WAIT_FOR_SCOPE,
    WAIT_FOR_ROOM,
    WAIT_FOR_SYNC,
    WAIT_FOR_TURN,
    WAIT_FOR_START,
    WAIT_FOR_CALLBACK,
    WAIT_FOR_NEXT,
    WAIT_FOR_READY,
    WAIT_FOR_SEND,
    WAIT_FOR_RECV,
    WAIT_FOR_ACKNOWLEDGED,
    WAIT_FOR_SELECT,
    WAIT_FOR_TOKEN,
    WAIT_FOR_OWNER,
    WAIT_FOR_FOREIGN,
    WAIT_FOR_MUTEX,
    WAIT_FOR_RWLOCK,
    WAIT_FOR_SEMAPHORE,
    WAIT_FOR_EVENT,
    WAIT_FOR_CONDITION,
    WAIT_FOR_LATCH,
    WAIT_FOR_ONCE,
    WAIT_FOR_FD,
    WAIT_FOR_POOL,
    WAIT_KINDS
} wait_kind;

const char *wait_kind_text(wait_kind kind);
/* Does something that the executor does not run end such a wait: a descriptor, a thread? */
bool wait_kind_is_outside(wait_kind kind);

struct waiter;

/* Where a waiter can be found: a place in one object's list. */
typedef struct arm {
    list link;             /* under the object's lock */
    struct waiter *waiter; /* constant while linked */
    /* What the object has to say with the wake, if its source uses that; under the object's lock. */
    bool said;
    uint32_t mark; /* 0, or what else it means to the object; constant while linked */
} arm;

typedef struct waiter {
    arm arm; /* the only one of a wait for a single object */
    /* Written by who claims with OK, under the lock of the arm's object; the waiter reads it after it has passed the
     * locks of all its arms. */
    arm *fired;
    belay_task *task; /* NULL: a foreign thread */
    atomic_u32 own;   /* a foreign thread's wait word */
    timer timer;
    sched *sched; /* the task's */
    /* Whose end would end the wait: AWAITS_NOBODY, a task, or a scope + 1; for the finder of cycles. */
    uintptr_t awaits;
} waiter;

/* Somebody, or several, or nobody in particular; or a task; or, plus the tag, a scope, or a lock: the address of a word
 * whose value is the owner's record with flags in the lowest three bits, the third of which says that it is no
 * record. */
#define AWAITS_NOBODY ((uintptr_t)0)
enum { AWAITS_SCOPE = 1, AWAITS_LOCK = 2, AWAITS_TAG = 3 };

/* Arms. drain: cancel may not end this wait. */
void waiter_init(waiter *w, belay_task *self, bool drain);
/* Waits for a claim: OK, TIMEDOUT or CANCELED. Without a deadline: PORT_NEVER. The waiter is idle afterwards, but may
 * still be linked in the object's list: the caller takes it out under the object's lock. */
wait_word waiter_block(waiter *w, int64_t deadline, wait_kind kind);
/* Not needed after all; the waiter was not linked anywhere, or the object's lock is held since. */
void waiter_cancel(waiter *w);
/* Does not wait after all, though linked: ends the wait, unless it is claimed. OK with `fired` NULL: it was not; else
 * who claimed it has ended it (`fired` can be read once the locks of all arms were passed). As waiter_block the waiter
 * may still be linked. */
wait_word waiter_finish(waiter *w);
/* Could the wait be claimed for this arm? Under the lock of the arm's object. A hint: a true answer may be outdated at
 * once. */
bool arm_live(const arm *a);
/* Claims the wait for this arm. Under the lock of the arm's object. False: somebody else has. True: the caller does
 * what the wait was for (hands over an item, say) and then, still under the lock, calls arm_resume with what *parked
 * was set to. */
bool arm_claim(arm *a, bool *parked);
void arm_resume(arm *a, bool parked);
/* Both at once: ends the wait. */
static inline bool arm_wake(arm *a) {
    bool parked;
    bool claimed = arm_claim(a, &parked);
    if (claimed) {
        arm_resume(a, parked);
    }
    return claimed;
}
static inline bool waiter_wake(waiter *w) {
    return arm_wake(&w->arm);
}
/* One more arm, for an object's list. */
static inline void arm_init(arm *a, waiter *w) {
    list_init(&a->link);
    a->waiter = w;
    a->mark = 0;
}
static inline arm *arm_of(list *node) {
    return list_entry(node, arm, link);
}

/* Claims a task's wait for `result`. *parked: the caller now holds the task. */
bool wait_claim(atomic_u32 *word, wait_word result, bool *parked);

/* Puts a task that has not started up for claims: a deferred start. Returns the word, for wait_take_back. */
uint32_t wait_park_unstarted(belay_task *t);
/* Claims exactly the wait that was parked with this word, by the one who parked it. */
bool wait_take_back(belay_task *t, uint32_t parked, wait_word result);
/* It was claimed and starts. */
void wait_started(belay_task *t);

/* What waiter_block asks of the floor above: is a cancel effective for this task? Before a first suspension: link the
 * task into its scope's shard. */
bool upcall_canceled(const belay_task *t);
/* Makes a claimed task of a scheduler runnable on which the calling thread is no worker: the executor must not go away
 * between the task's last act and the end of this call. */
void upcall_submit_outside(sched *s, belay_task *t);
void upcall_link(belay_task *t, anchor *a);
/* In builds with full checks: the task is about to wait for this without a limit of time. */
void upcall_awaits(belay_task *t, uintptr_t awaited);

#endif

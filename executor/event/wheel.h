/* Timers: a hierarchical wheel per worker.
 *
 * Nine levels of 64 slots (every time fits), a tick of 16.384 microseconds, deadlines rounded up, so a timer never
 * fires early. Arming and disarming are O(1); finding the next is two bit scans. A timer sits at the level of the
 * highest 6-bit digit in which its tick differs from the wheel's; everything at a lower level is therefore earlier.
 * G. Varghese, A. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987.
 *
 * A wheel has a lock. A worker arms on its own wheel; any thread may disarm or, from outside, arm on any wheel. A
 * timer's memory is its owner's: it must stay until the timer was disarmed, or its `fire` has run.
 *
 * fire runs under the wheel's lock and may only claim what the timer stands for: it returns a runnable to be queued
 * (or NULL), and after it the wheel does not touch the timer again, unless it put it, a late_timer, first into
 * due->later: then `after` is called with the timer outside the lock, and the owner must keep it alive by other
 * means. */
#ifndef BELAY_EVENT_WHEEL_H
#define BELAY_EVENT_WHEEL_H

#include "base/list.h"
#include "base/lock.h"
#include "sched/sched.h"

enum { WHEEL_TICK_BITS = 14, WHEEL_LEVELS = 9, WHEEL_SLOTS = 64 };

struct timer;
struct late_timer;

/* What firing has gathered under the lock. */
typedef struct due {
    runnable *first;
    runnable *last;
    struct late_timer *later; /* timers whose `after` is to be called */
    uint32_t count;
} due;

/* Small, because a task with a start time is little else. */
typedef struct timer {
    list link;           /* under the wheel's lock */
    struct wheel *wheel; /* where it is armed; written by arm, constant while armed */
    runnable *(*fire)(struct timer *t, due *d);
    uint64_t tick : 54; /* under the wheel's lock, all three */
    uint64_t level : 4;
    uint64_t slot : 6;
} timer;

_Static_assert(sizeof(timer) == 40, "a timer is small");

/* One for which something is to be done outside the lock. */
typedef struct late_timer {
    timer timer; /* first */
    void (*after)(struct late_timer *t);
    struct late_timer *later; /* chain in due->later */
} late_timer;

typedef struct wheel {
    ATOMIC(int64_t) next; /* nanoseconds; written under the lock: no timer is due before */
    lock lock;
    uint32_t index; /* of its worker */
    sched *sched;
    uint64_t now;                /* tick up to which everything has fired */
    uint32_t firing;             /* who is in wheel_poll: not all that was fired is submitted yet */
    uint64_t used[WHEEL_LEVELS]; /* a bit per slot that is not empty */
    list slot[WHEEL_LEVELS][WHEEL_SLOTS];
} wheel;

void wheel_init(wheel *w, sched *s, uint32_t index);

/* fire and after are set by the caller; the timer is not armed. Fires not before the deadline (not PORT_NEVER). */
void timer_arm(wheel *w, timer *t, int64_t deadline);
/* True: it was armed and will not fire. False: it has fired, or fires now (then fire is done when this returns). */
bool timer_disarm(timer *t);

/* Fires what is due at `now`. Any thread. Returns how many. */
uint32_t wheel_poll(wheel *w, int64_t now);

/* Is nothing armed on it, and nothing fired that is not submitted yet? wheel_next may say a time also then. */
bool wheel_empty(wheel *w);
/* The same of all wheels of the scheduler. */
bool wheels_empty(const sched *s);

static inline int64_t wheel_next(const wheel *w) {
    /* seq_cst: pairs with the store in timer_arm, see idle_park */
    return load_seq_cst(&w->next);
}

/* The wheel on which the calling thread should arm timers of this scheduler. */
wheel *wheel_here(sched *s);

#endif

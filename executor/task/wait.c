/* See task/wait.h for the protocol. */
#include "task/wait.h"
#include "base/mutant.h"

#include "task/fiber.h"
#include "task/state.h"

const char *wait_kind_text(wait_kind kind) {
    static const char *const text[WAIT_KINDS] = {[WAIT_FOR_SLEEP] = "sleep",
                                                 [WAIT_FOR_JOIN] = "join",
                                                 [WAIT_FOR_CLOSE] = "scope close",
                                                 [WAIT_FOR_SCOPE] = "scope wait",
                                                 [WAIT_FOR_ROOM] = "room in scope",
                                                 [WAIT_FOR_SYNC] = "sync of a stolen fork",
                                                 [WAIT_FOR_TURN] = "its turn",
                                                 [WAIT_FOR_START] = "its start time",
                                                 [WAIT_FOR_CALLBACK] = "a callback's end",
                                                 [WAIT_FOR_NEXT] = "the next outcome",
                                                 [WAIT_FOR_READY] = "its child to be ready",
                                                 [WAIT_FOR_SEND] = "channel send",
                                                 [WAIT_FOR_RECV] = "channel receive",
                                                 [WAIT_FOR_ACKNOWLEDGED] = "channel join",
                                                 [WAIT_FOR_SELECT] = "select",
                                                 [WAIT_FOR_TOKEN] = "a cancel token",
                                                 [WAIT_FOR_OWNER] = "an owner's end",
                                                 [WAIT_FOR_FOREIGN] = "a foreign completion",
                                                 [WAIT_FOR_MUTEX] = "mutex",
                                                 [WAIT_FOR_RWLOCK] = "rwlock",
                                                 [WAIT_FOR_SEMAPHORE] = "semaphore",
                                                 [WAIT_FOR_EVENT] = "event",
                                                 [WAIT_FOR_CONDITION] = "condition",
                                                 [WAIT_FOR_LATCH] = "latch",
                                                 [WAIT_FOR_ONCE] = "once",
                                                 [WAIT_FOR_FD] = "descriptor",
                                                 [WAIT_FOR_POOL] = "blocking call"};
    return (unsigned)kind < WAIT_KINDS ? text[kind] : NULL;
}

bool wait_kind_is_outside(wait_kind kind) {
    return kind == WAIT_FOR_FOREIGN || kind == WAIT_FOR_FD || kind == WAIT_FOR_POOL;
}

static atomic_u32 *word_of(waiter *w) {
    return w->task != NULL ? &w->task->wait : &w->own;
}

bool wait_claim(atomic_u32 *word, wait_word result, bool *parked) {
    uint32_t now =
        load_seq_cst(word); /* seq_cst: after a canceller's store; pairs with the step to PARKED */
    do {
        uint32_t base = now & WAIT_BASE;
        if ((base != WAIT_ARMED && base != WAIT_PARKED) ||
            (result == WAIT_CANCELED && (now & WAIT_DRAIN) != 0 && !MUTANT(wait_drain_canceled))) {
            return false;
        }
        *parked = base == WAIT_PARKED;
        /* seq_cst: release of what the waker did, acquire of the parked task, and in one order with the canceller's
         * store before and the parker's swap (see the header) */
    } while (!cas_seq_cst(word, &now, (now & ~(WAIT_NUMBER - 1u)) | (uint32_t)result));
    return true;
}

static wait_word base_of(uint32_t word) {
    return (wait_word)(word & WAIT_BASE);
}

/* The word of the next wait, or of none; only the waiter, while nobody can claim. */
static void set_word(atomic_u32 *word, uint32_t flags) {
    uint32_t number = load_relaxed(word) & ~(WAIT_NUMBER - 1u); /* relaxed: no claimer */
    store_relaxed(word, number + (flags == WAIT_IDLE ? 0u : WAIT_NUMBER) + flags);
}

void waiter_init(waiter *w, belay_task *self, bool drain) {
    arm_init(&w->arm, w);
    w->fired = NULL;
    w->awaits = AWAITS_NOBODY;
    list_init(&w->timer.link);
    w->task = self;
    CHECK(self == NULL || worker_current() != NULL);
    w->sched = self != NULL ? worker_current()->sched : NULL;
    init_plain(&w->own, WAIT_IDLE);
    /* relaxed: linking into the object's list, under its lock, publishes it */
    set_word(word_of(w), WAIT_ARMED | (drain ? WAIT_DRAIN : 0u));
}

void waiter_cancel(waiter *w) {
    set_word(word_of(w), WAIT_IDLE); /* nobody can reach the waiter */
}

/* Woken by a task of the same worker, which most often is about to wait or end: next on this worker. No other worker is
 * woken for it; if the waker goes on for long it is raided, see SCHED_HIDDEN_NS and event/monitor.h. */
static void resume_soon(sched *s, belay_task *t) {
    worker *w = worker_current();
    if (w == NULL || w->sched != s) {
        upcall_submit_outside(s, t);
    } else if (load_relaxed(&t->pin) == 0 && load_relaxed(&w->task) != NULL) {
        /* relaxed, both: constant for a life; own word */
        worker_handoff(w, &t->run);
        s->drv->busy(s, true);
    } else {
        task_submit(s, t);
    }
}

bool arm_claim(arm *a, bool *parked) {
    waiter *w = a->waiter;
    if (!wait_claim(word_of(w), WAIT_OK, parked)) {
        return false;
    }
    w->fired = a; /* w stays: the waiter needs the lock we hold to go */
    return true;
}

void arm_resume(arm *a, bool parked) {
    waiter *w = a->waiter;
    if (w->task == NULL) {
        port_futex_wake(&w->own.value, 1);
    } else if (parked) {
        resume_soon(w->sched, w->task);
    }
}

static runnable *fire_timeout(timer *t, due *d) {
    (void)d;
    belay_task *task = list_entry(t, waiter, timer)->task;
    bool parked;
    return wait_claim(&task->wait, WAIT_TIMEDOUT, &parked) && parked ? &task->run : NULL;
}

bool wait_take_back(belay_task *t, uint32_t parked, wait_word result) {
    if (MUTANT(wait_no_number)) {
        parked = (load_relaxed(&t->wait) & ~(WAIT_NUMBER - 1u)) | (parked & (WAIT_NUMBER - 1u));
    }
    uint32_t word = (parked & ~(uint32_t)WAIT_BASE) | (uint32_t)result;
    /* seq_cst: as in wait_claim; the number in the word makes sure that it is this wait */
    return cas_seq_cst(&t->wait, &parked, word);
}

/* Cancelled between arming and parking? Then the task is ours again, unless somebody else claims it first. */
static bool take_back_if_canceled(belay_task *t, uint32_t parked) {
    return (parked & WAIT_DRAIN) == 0 && upcall_canceled(t) &&
           wait_take_back(t, parked, WAIT_CANCELED);
}

/* Runs on another stack once the waiter's was left: from here on the task may be resumed. */
static void park_task(worker *w, void *arg) {
    belay_task *t = arg;
    uint32_t armed = load_relaxed(&t->wait); /* relaxed: the swap decides */
    uint32_t parked = armed + (WAIT_PARKED - WAIT_ARMED);
    /* seq_cst: release of the saved stack to the claimer, and before the read of the cancel words: pairs with the
     * canceller, which stores them and then reads this word */
    if (base_of(armed) == WAIT_ARMED && cas_seq_cst(&t->wait, &armed, parked) &&
        (MUTANT(wait_park_no_look) || !take_back_if_canceled(t, parked))) {
        return;
    }
    task_submit(w->sched, t);
}

static void block_task(waiter *w, belay_task *t, int64_t deadline, wait_kind kind) {
    worker *here = worker_current();
    fiber *f = load_relaxed(&here->fiber); /* relaxed: own word */
    if (!state_has(t, STATE_LINKED)) {
        upcall_link(t, &f->home);
    }
    if (deadline != PORT_NEVER) {
        w->timer.fire = fire_timeout;
        timer_arm(here->wheel, &w->timer, deadline);
    }
    count_own(&here->count, COUNT_SUSPENSIONS, 1);
    store_relaxed(&f->awaits, deadline == PORT_NEVER
                                  ? w->awaits
                                  : AWAITS_NOBODY); /* relaxed: read under the shard's lock */
    if (CHECKS_FULL && w->awaits != AWAITS_NOBODY && deadline == PORT_NEVER) {
        upcall_awaits(t, w->awaits);
    }
    store_release(&t->home, &f->home); /* pairs with readers of home after a claim */
    state_suspend(t, kind);
    fiber_suspend(t, park_task, t);
    state_resume(t);
    /* relaxed: our claimer's release was acquired with the runnable; the word changes no more */
    if (deadline != PORT_NEVER && base_of(load_relaxed(&t->wait)) != WAIT_TIMEDOUT &&
        !MUTANT(wait_timer_left)) {
        (void)timer_disarm(&w->timer);
    }
}

static void block_thread(waiter *w, int64_t deadline) {
    for (;;) {
        uint32_t now = load_acquire(&w->own); /* pairs with the claim in waiter_wake */
        if (base_of(now) != WAIT_ARMED) {
            return;
        }
        bool parked;
        if (deadline != PORT_NEVER && port_clock_now() >= deadline &&
            wait_claim(&w->own, WAIT_TIMEDOUT, &parked)) {
            return;
        }
        port_futex_wait(&w->own.value, now, deadline);
    }
}

/* Ends the wait before it begins, unless somebody has claimed it already. */
static void give_up(waiter *w, wait_word result) {
    bool parked;
    (void)wait_claim(word_of(w), result, &parked);
}

wait_word waiter_block(waiter *w, int64_t deadline, wait_kind kind) {
    belay_task *t = w->task;
    atomic_u32 *word = word_of(w);
    bool drain = (load_relaxed(word) & WAIT_DRAIN) != 0; /* relaxed: the bit is ours */
    if (t != NULL && !drain && upcall_canceled(t)) {
        give_up(w, WAIT_CANCELED);
    } else if (deadline != PORT_NEVER && deadline <= port_clock_now()) {
        give_up(w, WAIT_TIMEDOUT);
    } else if (t != NULL) {
        block_task(w, t, deadline, kind);
    } else {
        block_thread(w, deadline);
    }
    wait_word result = base_of(load_acquire(word)); /* pairs with the claim */
    CHECK(result == WAIT_OK || result == WAIT_TIMEDOUT || result == WAIT_CANCELED);
    set_word(word, WAIT_IDLE); /* claims need ARMED or PARKED */
    return result;
}

wait_word waiter_finish(waiter *w) {
    atomic_u32 *word = word_of(w);
    give_up(w, WAIT_OK);
    wait_word result = base_of(load_acquire(word)); /* pairs with the claim */
    set_word(word, WAIT_IDLE);                      /* as in waiter_block */
    return result;
}

bool arm_live(const arm *a) {
    wait_word base = base_of(load_relaxed(word_of(a->waiter))); /* relaxed: a hint */
    return base == WAIT_ARMED || base == WAIT_PARKED;
}

uint32_t wait_park_unstarted(belay_task *t) {
    /* relaxed: nobody can claim yet */
    uint32_t word = (load_relaxed(&t->wait) & ~(WAIT_NUMBER - 1u)) + WAIT_NUMBER + WAIT_PARKED;
    store_seq_cst(&t->wait, word); /* seq_cst: before the cancel words are read, as in park_task */
    return word;
}

void wait_started(belay_task *t) {
    set_word(&t->wait, WAIT_IDLE);
}

void task_submit(sched *s, belay_task *t) {
    uint16_t pin = load_relaxed(&t->pin); /* relaxed: constant */
    if (unlikely(pin != 0)) {
        sched_submit_pinned(s, pin - 1u, &t->run);
    } else {
        sched_submit(s, &t->run);
    }
}

void upcall_submit(sched *s, runnable *r) {
    task_submit(s, task_of(r));
}

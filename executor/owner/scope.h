/* A scope, inside. Public contract: <belay/scope.h>. Protocols: docs/protocols/close.md and cancel.md.
 *
 * A scope is a type-stable slot. It lives from open to the end of its close. Who may touch it: its opener; its members
 * (they are counted); whoever has pinned it, that is, raised its count by handle; and, under the parent's lock, whoever
 * found it among the parent's children. Lock order: parent before child; a scope's lock before its shards' and before a
 * wheel's. */
#ifndef BELAY_OWNER_SCOPE_H
#define BELAY_OWNER_SCOPE_H

#include <belay/cancel.h>
#include <belay/scope.h>

#include "owner/registry.h"

/* Where suspended members are linked; see owner/shard.c. */
typedef struct shard {
    lock lock;
    list live; /* linked since the last cancel went through */
    list told; /* those a cancel has gone through */
} shard;

typedef struct scope {
    /* -- what spawning at home and polling touch */
    ATOMIC(uint32_t)
    cancel;                /* 0 or 1; written once, under the lock; the reason is written before */
    uint32_t number;       /* the slot's, constant */
    ATOMIC(uint32_t) home; /* 0, or worker + 1 whose private count is in force; owner/count.c */
    ATOMIC(uint32_t) generation;   /* constant while open: the same as in `word` */
    ATOMIC(int64_t) local;         /* the home worker's private count; its own inside its section */
    belay_executor *executor;      /* constant */
    ATOMIC(struct scope *) parent; /* constant while open; NULL: the root */
    ATOMIC(belay_task *) opener;   /* constant while open; NULL: opened from outside */
    uint32_t cap;                  /* constant; 0: none */
    uint32_t fork_mark;            /* constant: the opener's forks outstanding at open */
    uint32_t policy;               /* constant */
    ATOMIC(uint32_t) noticed;      /* somebody saw that it is cancelled; only ever set */
    /* -- what others touch */
    _Alignas(64) ATOMIC(uint64_t) word; /* owner/count.h */
    lock lock;                          /* guards what follows */
    uint32_t room;                      /* slots of the cap in use */
    list children;
    list sibling;               /* in the parent's children, under the parent's lock */
    list waiters;               /* those who wait for the count to fall to zero */
    list queue;                 /* those who wait for room */
    shard own;                  /* the first shard */
    ATOMIC(shard *) shards;     /* one per worker once there was contention; stays with the slot */
    struct scope *next;         /* a canceller's list; its who set `cancel` */
    belay_cancel_reason reason; /* written before `cancel`, then constant */
    belay_status failure;       /* the first member's error */
    bool inherited;             /* the reason came from an ancestor */
    bool closing;               /* somebody is in close */
    bool ended;                 /* it was empty in close: no deadline is armed any more */
    bool armed;                 /* the deadline's timer is */
    timer deadline;
    belay_time deadline_at;
    const char *site;
    const char *name;
    slab_link link; /* while free */
} scope;

_Static_assert(offsetof(scope, cancel) == offsetof(belay_fast_scope, cancel), "layout");

/* ---- owner/count.c: how many tasks are alive in it ------------------------------------------------------------ */

static inline uint32_t count_generation(const scope *s) {
    return load_relaxed(
        &s->generation); /* relaxed: constant for who may look; else compared again with the word */
}

/* How far the private count may drift from zero before it is moved to the word: tasks that begin at home and end elsewhere
 * let it rise without a bound. */
#define COUNT_DRIFT ((int64_t)1 << 20)
/* Moves it; by the home worker, inside its section. */
void count_settle(scope *s);

/* Changes the private count if this worker is the scope's home (and the generation is right): no locked instruction. */
static inline bool count_at_home(worker *w, scope *s, uint32_t generation, int64_t n) {
    if (w == NULL || load_relaxed(&s->home) != w->index + 1) { /* relaxed: looked at again inside */
        return false;
    }
    section_enter(w);
    /* relaxed, all: ordered against count_unbias by the fence pair; `local` is ours inside the section */
    bool home = load_relaxed(&s->home) == w->index + 1 && count_generation(s) == generation;
    if (likely(home)) {
        int64_t local = load_relaxed(&s->local) + n;
        store_relaxed(&s->local, local);
        port_tsan_release(
            &s->local); /* what the tasks of a worker did, in turn, comes before the close */
        if (unlikely(local >= COUNT_DRIFT || local <= -COUNT_DRIFT)) {
            count_settle(s);
        }
    }
    section_leave(w);
    return home;
}

/* One more task. member: the caller is inside the scope. BELAY_OK, BELAY_ESTALE, BELAY_ESHUTDOWN. */
belay_status count_enter(worker *w, scope *s, uint32_t generation, bool member);
/* One less; the last access to the scope unless the caller holds it otherwise. */
void count_leave_shared(scope *s);
static inline void count_leave(worker *w, scope *s) {
    if (!count_at_home(w, s, count_generation(s), -1)) {
        count_leave_shared(s);
    }
}
/* Raises the count of an open scope however it is sealed; to keep it. False: stale. */
bool count_pin(scope *s, uint32_t generation);
/* The same for who knows that it is open (holds its lock or the parent's, or is inside). */
void count_pin_open(scope *s);
void count_born(scope *s, uint32_t home);
/* Under the lock, unbiased: ends the generation if the count is zero. */
bool count_kill(scope *s);
/* Under the lock: is it still that generation? */
bool count_is(const scope *s, uint32_t generation);
/* Under the lock: from now on the word alone is true. */
void count_unbias(scope *s);
/* Flags; under the lock. True: it was not set before. */
bool count_seal(scope *s);
bool count_close(scope *s);
/* Under the lock, unbiased: asks the one who brings the count to zero to wake the waiters. False: it is zero and nobody
 * is on the way to wake. */
bool count_watch(scope *s);
uint64_t count_read(scope *s);
/* Is the slot an open scope? A snapshot. */
bool count_is_open(const scope *s);

/* ---- owner/shard.c ------------------------------------------------------------------------------------------------ */

void shard_init(scope *s);
void shard_link(belay_task *t, anchor *a);
void shard_unlink(belay_task *t);
/* Locks the shard in which t is linked. NULL: it is not linked (any more). */
shard *shard_lock_of(belay_task *t);
/* Claims for cancel, and makes runnable, every linked task. */
void shards_cancel(scope *s);

/* ---- owner/cancel.c ------------------------------------------------------------------------------------------------ */

/* Cancels the subtree. The caller keeps the scope alive. BELAY_OK or BELAY_EALREADY. */
belay_status scope_cancel_tree(scope *s, const belay_cancel_reason *reason);
/* Cancels one task, its stolen forks and the scopes it has opened. The caller holds a reference, or is waited for by it.
 * BELAY_OK or BELAY_EALREADY. */
belay_status task_cancel(belay_executor *ex, belay_task *t, const belay_cancel_reason *reason);
/* The task's cancel word is set: wakes it. Returns the outermost scope it has opened, pinned, or NULL; the caller passes it to
 * scope_cancel_opened. The task cannot end meanwhile. */
scope *task_wake_canceled(belay_executor *ex, belay_task *t);
void scope_cancel_opened(scope *opened, const belay_cancel_reason *reason);
/* A scope just linked to its parent takes over the parent's cancel, and its opener's. */
void cancel_inherit(scope *s, belay_task *opener);
/* The task (inside s and above) was told: marks all cancelled scopes it is in. */
void cancel_noticed(const belay_task *t);
/* Is t, or a scope it is in, cancelled? */
static inline bool task_canceled(const belay_task *t) {
    /* relaxed: a poll; who goes on to the reason reads the word again with acquire */
    return (load_relaxed(&t->cancel) | load_relaxed(&load_relaxed(&t->inner)->cancel)) != 0;
}
/* A waiting call of t was refused because of a cancel: books it; now and then lets others run. */
void cancel_refused(belay_task *t);
/* Frees the reason of a task that was cancelled itself. */
void cancel_forget(belay_executor *ex, worker *w, belay_task *t);

/* ---- owner/scope.c, owner/close.c ------------------------------------------------------------------------------------ */

belay_scope scope_handle(const belay_executor *ex, const scope *s);
scope *scope_at(belay_executor *ex, belay_scope h);
bool scope_has_ancestor(const scope *s, const scope *ancestor);
/* Is the task inside the scope, directly or below, its opener included? */
bool task_inside(const belay_task *t, const scope *s);
scope *scope_root_open(belay_executor *ex);
/* Frees the root, which is empty. */
void scope_root_free(scope *root);
/* The count has fallen to zero while it was watched. */
void scope_drained(scope *s);
/* Cancels and closes the scopes that a task left open. */
void scope_close_left(belay_task *t);
/* Drains and ends a scope whose `closing` the caller has set. BELAY_EBUSY: the deadline passed, and `closing` is off. */
belay_status scope_close_begun(belay_task *self, scope *s, int64_t deadline);
/* owner/leftover.c. What holds the root: nothing but scopes that were opened from outside, without a task in them, and
 * that nobody is closing? */
bool leftover_only(scope *root);
/* Logs the open scopes below the root, the first few by name, as what is left. */
void leftover_name(scope *root);
/* Closes them, each after a line in the log. */
void leftover_close(scope *root, int64_t deadline);
/* Room under the cap: a slot, after waiting for it if may_wait. */
belay_status room_take(belay_task *self, scope *s, bool may_wait);
void room_give(scope *s);
/* A member has ended with an error. */
void scope_failed(scope *s, belay_status status, const char *site);
void deadline_arm(scope *s, belay_time at);
void deadline_disarm(scope *s);

/* Gives way to other tasks, as yield does, whatever is cancelled. Only the running task. */
void task_give_way(belay_task *t);
/* Sizes for the slab of reasons. */
uint32_t reason_slot_bytes(void);
uint32_t reason_slot_link(void);
uint32_t reason_slot_number(void);

/* ---- owner/spawn.c: the block of a task with a start time ----------------------------------------------------------------- */

/* Before the body: the task has started, or is skipped. */
void deferred_end(belay_executor *ex, worker *w, belay_task *t);
uint32_t deferred_bytes(void);
uint32_t deferred_link(void);
uint32_t deferred_number(void);

/* ---- owner/run.c ------------------------------------------------------------------------------------------------------- */

/* The task's body has left in a way that cannot be made good: aborts with a message that names it. t may be NULL. */
_Noreturn void task_left(const belay_task *t, const char *how);
/* owner/join.c, under the task's lock: who waits for its end; at the end all are woken. */
void joiner_add(belay_task *t, arm *a);
void joiner_remove(belay_task *t, arm *a);
bool joiner_linked(const belay_task *t, const arm *a);
void joiners_wake(belay_task *t);
/* The record's last reference is gone, or it never had one: frees it. */
void task_reap(belay_executor *ex, belay_task *t);

#endif

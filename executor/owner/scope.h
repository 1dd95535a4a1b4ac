/* A scope, inside. Public contract: <belay/scope.h>. Protocols: docs/protocols/close.md, cancel.md, owner.md and
 * cleanup.md.
 *
 * A scope is a type-stable slot. It lives from open to the end of its close. Who may touch it: its opener; its members
 * (they are counted); whoever has pinned it, that is, raised its count by handle; and, under the parent's lock, whoever
 * found it among the parent's children. Lock order: parent before child; a scope's lock before its shards' and before a
 * wheel's. */
#ifndef BELAY_OWNER_SCOPE_H
#define BELAY_OWNER_SCOPE_H

#include <belay/cleanup.h>
#include <belay/cancel.h>
#include <belay/scope.h>

#include "owner/registry.h"

/* Where suspended members are linked; see owner/shard.c. */
typedef struct shard {
    lock lock;
    list live; /* linked since the last cancel went through */
    list told; /* those a cancel has gone through */
} shard;

/* How hard a cancel is. The bits of a scope's cancel word are 1 << level's complement: see SCOPE_HARD. */
typedef enum cancel_level { CANCEL_SOFT = 0, CANCEL_HARD = 1, CANCEL_LEVELS } cancel_level;
enum { SCOPE_HARD = 1, SCOPE_SOFT = 2, CANCEL_PASS = CANCEL_LEVELS, CANCEL_LISTS };
static inline uint32_t level_bit(cancel_level level) {
    return level == CANCEL_HARD ? SCOPE_HARD : SCOPE_SOFT;
}

/* Does a shield keep outer cancels from this scope? Once ended it does not come back. */
typedef enum shield_state { SHIELD_NONE = 0, SHIELD_ACTIVE, SHIELD_ENDED } shield_state;

/* Who ends it: its opener by closing it, or the last reference. A source is an owner without tasks. */
typedef enum scope_kind { SCOPE_PLAIN = 0, SCOPE_OWNER, SCOPE_SOURCE } scope_kind;

/* A link from a token to a scope: one registration for each level, because a soft cancel may be followed by a hard
 * one. */
typedef struct token_follow {
    belay_registration at[CANCEL_LEVELS];
} token_follow;

#define NO_BUDGET_SET INT64_MAX
#define DEFAULT_BUDGET (5 * BELAY_SECOND)
/* A scope's own flags, beside the public BELAY_SCOPE_... */
#define SCOPE_SERVICES (1u << 16) /* it is the hidden child that holds its parent's services */
#define SCOPE_CLEANUP                                                                              \
    (1u << 17) /* deferred calls run in it: it is closed by who has opened it for them */

/* Errors after the first: allocated at the second, as long as the scope. */
typedef struct failure_book {
    uint32_t count;
    belay_failure list[BELAY_FAILURES_LISTED - 1];
} failure_book;

/* Service tasks, oldest first; see owner/service.c. Under the lock of the scope that they serve. */
typedef struct services {
    struct scope *hidden; /* where they are members; NULL: there never was one */
    /* Weak: those that have ended by themselves are thrown out when it is full. */
    belay_task_handle *list;
    uint32_t count;
    uint32_t promised; /* places that spawners have been promised */
    uint32_t capacity;
    bool ending; /* they are being cancelled: no new ones */
} services;

typedef struct scope {
    /* -- what spawning at home and polling touch */
    ATOMIC(uint32_t)
    cancel; /* SCOPE_HARD, SCOPE_SOFT; set under the lock, never cleared; the reason is written before */
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
    ATOMIC(uint32_t) flags;        /* constant while open: BELAY_SCOPE_..., SCOPE_... */
    ATOMIC(uint32_t) noticed;      /* somebody saw that it is cancelled; only ever set */
    /* -- what others touch */
    _Alignas(64) ATOMIC(uint64_t) word; /* owner/count.h */
    lock lock;                          /* guards what follows */
    uint32_t room;                      /* slots of the cap in use */
    uint32_t limit; /* how many there may be: the cap, or what it was changed to */
    list children;
    list sibling;           /* in the parent's children, under the parent's lock */
    list waiters;           /* those who wait for the count to fall to zero */
    list queue;             /* those who wait for room */
    shard own;              /* the first shard */
    ATOMIC(shard *) shards; /* one per worker once there was contention; stays with the slot */
    list bulk;              /* in the executor's list of those to be told, under its lock */
    struct scope *next[CANCEL_LISTS]; /* a canceller's lists: its who set that bit of `cancel` */
    uint8_t walk[CANCEL_LISTS];       /* likewise: how it came there; owner/cancel.c */
    belay_cancel_reason reason[CANCEL_LEVELS]; /* written before the bit, then constant */
    bool inherited[CANCEL_LEVELS];             /* the reason came from an ancestor */
    belay_failure first;    /* the first error of a member, if `failed` is not 0 */
    uint64_t failed;        /* errors of members */
    failure_book *failures; /* those after the first; NULL: none yet, or no memory */
    list takers;            /* those who wait for the next outcome, or zero */
    runnable *results;      /* ended members whose outcome nobody has taken, oldest first */
    runnable *results_last;
    services services;
    bool closing; /* somebody is in close */
    bool ended;   /* it was empty in close: no deadline is armed any more */
    bool armed;   /* the deadline's timer is */
    late_timer deadline;
    belay_time deadline_at;
    uint8_t shield;    /* shield_state */
    bool shield_armed; /* the timer of its end is */
    /* And its opener is still to be told; between shield_end_below and shield_tell. */
    bool shield_ended_from_above;
    /* The end is a budget after the first cancel that it keeps out, not a fixed time. */
    bool shield_on_knock;
    late_timer shield_end;
    belay_time shield_until; /* BELAY_NEVER: not known yet */
    /* Constant: nanoseconds that cleanup in this scope may wait after a cancel, or NO_BUDGET_SET. */
    int64_t budget;
    bool shielded; /* constant while open: it was opened as a shield */
    ATOMIC(uint32_t)
    followed; /* something was put down for its cancel; set before, by who pins the scope */
    /* Cells, under their own lock (owner/cell.h): of whom a soft cancel calls, and of whom a hard one calls besides. */
    list on_cancel[CANCEL_LEVELS];
    /* Arms, under the cells' lock: who waits for a cancel of the level or a harder one. */
    list watchers[CANCEL_LEVELS];
    list cleanup;                  /* cells: what runs at the close */
    bool cleaned;                  /* under the cells' lock: no more is taken */
    const belay_binding *bindings; /* constant while open: the opener's memory */
    token_follow follows;          /* at the token that the scope follows; the opener's */
    /* -- owners and sources */
    uint32_t kind;             /* scope_kind; constant while open */
    ATOMIC(uint32_t) external; /* references; owner/owner.c */
    bool reap;                 /* ends as soon as its count is zero */
    bool ending;               /* its count was zero; the drained hook has not returned */
    list gone;                 /* those who wait for its end */
    belay_drop *drained;       /* constant while open */
    void *drained_arg;
    token_follow *links; /* of a source: at its parents' tokens */
    uint32_t link_count;
    const char *site;
    const char *name;
    slab_link link; /* while free */
} scope;

static inline bool scope_has(const scope *s, uint32_t flag) {
    return (load_relaxed(&s->flags) & flag) != 0; /* relaxed: constant while open; else a hint */
}

_Static_assert(offsetof(scope, cancel) == offsetof(belay_fast_scope, cancel), "layout");
_Static_assert((int)SCOPE_HARD == BELAY_FAST_CANCELED, "layout");

/* ---- owner/count.c: how many tasks are alive in it ------------------------------------------------------------ */

static inline uint32_t count_generation(const scope *s) {
    return load_relaxed(
        &s->generation); /* relaxed: constant for who may look; else compared again with the word */
}

/* How far the private count may drift from zero before it is moved to the word: tasks that begin at home and end
 * elsewhere let it rise without a bound. */
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
/* n less; the last access to the scope unless the caller holds it otherwise. */
void count_leave_shared(scope *s, uint32_t n);
/* One less, which may be put off: to be taken together with those that follow on this worker. From the worker loop
 * only, which settles (task/fiber.h) before it does anything but start another member of the same scope. */
static inline void count_leave_later(worker *w, scope *s) {
    if (count_at_home(w, s, count_generation(s), -1)) {
        return;
    }
    if (load_relaxed(&w->owed_scope) != s) { /* relaxed, all: own words */
        loop_settle(w);
        store_relaxed(&w->owed_scope, s);
    }
    owner_add(&w->owed, 1u);
    port_tsan_release(
        &s->word); /* what the task did comes before the close, as if it had subtracted */
}
/* One less, at once. */
static inline void count_leave(worker *w, scope *s) {
    if (!count_at_home(w, s, count_generation(s), -1)) {
        count_leave_shared(s, 1);
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

/* ---- owner/shard.c ----------------------------------------------------------------------------------------------- */

enum { SHARD_BATCH = 64 }; /* most that are told at a time */

void shard_init(scope *s);
void shard_link(belay_task *t, anchor *a);
void shard_unlink(belay_task *t);
/* Locks the shard in which t is linked. NULL: it is not linked (any more). */
shard *shard_lock_of(belay_task *t);
/* Claims for cancel, and makes runnable, some of the linked tasks. False: there was none that has not been told. w: the
 * calling worker, or NULL. */
bool shards_tell(scope *s, const worker *w);

/* ---- owner/bulk.c ------------------------------------------------------------------------------------------------ */

void bulk_init(belay_executor *ex);
/* Claims for cancel, and makes runnable, every linked task; where they are many, the workers do so soon. */
void shards_cancel(scope *s);

#include "owner/cancel.h"

/* ---- owner/defer.c: cleanup -------------------------------------------------------------------------------------- */

/* Under the lock: is there something deferred to the scope? If not, no more is taken. */
bool cleanup_wanted(scope *s);
/* Is there something now? Any thread. */
bool cleanup_is_there(scope *s);
/* Runs it, by the closer. */
void cleanup_run_scope(belay_task *self, scope *s);
/* The same for an owner, whose end is nobody's: as callbacks. */
void cleanup_run_outside(scope *s);
/* Runs what the running task has deferred. */
void cleanup_run_task(belay_task *t);
/* Takes back the youngest such call that the running task has deferred. False: there is none. */
bool cleanup_forget(belay_task *self, belay_cleanup *cleanup, const void *arg);

/* ---- owner/owner.c ----------------------------------------------------------------------------------------------- */

/* Under the lock, the count being zero: is it an owner that ends now? Then owner_end, without the lock. */
bool owner_ends(scope *s);
void owner_end(scope *s);
/* Takes all its references away. The caller pins it. */
void owner_abandon(scope *s);

/* ---- owner/scope.c, owner/close.c -------------------------------------------------------------------------------- */

belay_scope scope_handle(const belay_executor *ex, const scope *s);
/* Opens a scope, an owner or a source in the root. With `made` the caller goes on holding it, and calls scope_done. */
belay_status scope_open_in_root(belay_executor *ex, const belay_scope_options *o, scope_kind kind,
                                belay_scope *out, scope **made, const char *site);
/* A scope for deferred calls: shielded, for the smaller of the budgets of the scope whose cleanup it is and of the one
 * around, after the first cancel. NULL: no memory, or the budget is nothing. */
scope *cleanup_scope_open(belay_task *self, const scope *of, const char *site);
/* Closes it. */
void cleanup_scope_close(belay_task *self, scope *s);
scope *scope_at(belay_executor *ex, belay_scope h);
/* Pins the scope, and enters its executor. NULL: stale, nothing to be done. Else scope_done. */
scope *scope_hold(belay_scope h, belay_executor **ex);
void scope_done(belay_executor *ex, scope *s);
bool scope_has_ancestor(const scope *s, const scope *ancestor);
/* Is the task inside the scope, directly or below, its opener included? */
bool task_inside(const belay_task *t, const scope *s);
/* A scope for another's services, which the caller links. NULL: no memory. */
scope *scope_new_hidden(scope *serves);
/* owner/service.c: cancels the services of a scope that has no ordinary task, youngest first, each once the one before
 * has ended. Its lock is held at the call, where the count is zero, and at the return. WAIT_OK or WAIT_TIMEDOUT: call
 * again. */
wait_word services_end(belay_task *self, scope *s, int64_t deadline);
scope *scope_root_open(belay_executor *ex);
/* Frees the root, which is empty. */
void scope_root_free(scope *root);
/* Stays until no task is left in it, or it is gone, whatever is cancelled. */
void scope_drain_shared(belay_task *self, scope *s, uint32_t generation);
/* The count has fallen to zero while it was watched. */
void scope_drained(scope *s);
/* Cancels and closes the scopes that a task left open: all, or those inside `base`. */
void scope_close_left(belay_task *t);
/* Drains and ends a scope whose `closing` the caller has set. BELAY_EBUSY: the deadline passed, and `closing` is off.
 * report: NULL, or receives the members' errors. */
belay_status scope_close_begun(belay_task *self, scope *s, int64_t deadline,
                               belay_failures *report);
/* owner/leftover.c. What holds the root: nothing but scopes that were opened from outside, without a task in them, and
 * that nobody is closing? */
bool leftover_only(scope *root);
/* Logs the open scopes below the root, the first few by name, as what is left: all, or those that leftover_close
 * leaves. */
void leftover_name(scope *root, bool only_held);
/* Closes them, each after a line in the log, but for owners and scopes with deferred calls. */
void leftover_close(scope *root, int64_t deadline);
void scope_close_above(belay_task *t, const scope *base);
/* Room under the cap: a slot, after waiting for it if may_wait. */
belay_status room_take(belay_task *self, scope *s, bool may_wait);
void room_give(scope *s);
/* A member has ended with an error. */
void scope_failed(scope *s, const belay_failure *failure);
/* Under the scope's lock, or when nobody else is left. */
void failures_read(const scope *s, belay_failures *out);
/* Nobody else is left. */
void failures_free(scope *s);
/* A task of this scope has ended in error: will nobody hear of it through the scope? */
static inline bool scope_is_deaf(const scope *s) {
    return s->policy == BELAY_SUPERVISE;
}
/* Tells the program of an error that nobody has observed. */
void failure_unobserved(const belay_executor *ex, const belay_failure *failure);

/* ---- owner/next.c: outcomes in the order of completion ----------------------------------------------------------- */

/* The task is done; the running task's reference goes to the scope. Before the scope's count is lowered. */
void results_add(scope *s, belay_task *t);
/* Drops what nobody has taken. The scope has ended, and is the caller's. */
void results_drop(scope *s);

/* ---- owner/scope_calls.c: scopes by handle ----------------------------------------------------------------------- */

/* Programs do not know hidden scopes: what one belongs to. */
static inline const scope *scope_public(const scope *s) {
    return unlikely(scope_has(s, SCOPE_SERVICES)) ? load_relaxed(&s->parent)
                                                  : s; /* relaxed: constant while open */
}
void deadline_arm(scope *s, belay_time at);
void deadline_disarm(scope *s);
bool deadline_is_past(belay_time at);
/* Cancels the scope, under no lock; the caller keeps it alive. BELAY_OK or BELAY_EALREADY. */
belay_status deadline_pass(scope *s);

/* Gives way to other tasks, as yield does, whatever is cancelled. Only the running task. */
void task_give_way(belay_task *t);
/* Sizes for the slab of reasons. */
uint32_t reason_slot_bytes(void);
uint32_t reason_slot_link(void);
uint32_t reason_slot_number(void);

/* ---- owner/spawn.c: the block of a task with a start time -------------------------------------------------------- */

/* Before the body: the task has started, or is skipped. */
void deferred_end(belay_executor *ex, worker *w, belay_task *t);
uint32_t deferred_bytes(void);
uint32_t deferred_link(void);
uint32_t deferred_number(void);

/* ---- owner/run.c ------------------------------------------------------------------------------------------------- */

/* The task of which t is a part: itself, or the one that forked. Only the running task. */
belay_task *task_whole(belay_task *t);
/* The task's body has left in a way that cannot be made good: aborts with a message that names it. t may be NULL. */
_Noreturn void task_left(const belay_task *t, const char *how);
/* owner/spawn.c: spawns for belay_start, whose arm is first among the joiners from the beginning. */
belay_status spawn_for_starter(belay_task *self, belay_scope h, belay_body *body, void *arg,
                               const belay_task_options *options, belay_task_handle *out,
                               const char *site, arm *starter);
/* owner/start.c, under the task's lock, of a task that belay_start has spawned: does its starter still wait? */
bool start_is_pending(const belay_task *t);
/* Puts right what the task on this fiber has left behind, until nothing is left: what runs meanwhile may leave more. */
void task_clean_up(belay_task *t, fiber *f);
/* Locks that a body has left held go to others before anything is waited for that may wait for them; but deferred calls
 * may be there to unlock them: then after those. */
static inline void locks_abandon(const belay_task *t, fiber *f) {
    if (likely(!state_has(t, STATE_DEFERS))) {
        fiber_abandon(f);
    }
}

#endif

/* The finder of wait cycles: tasks that wait for each other's end, and so for ever.
 *
 * A task that suspends without a limit of time leaves on its fiber for whose end it waits: a task (a join, the owner of
 * a lock), or all tasks of a scope (a close). From there a chain leads on: the awaited task waits for another, and so
 * on, until one is not suspended, waits for nobody in particular, or the chain is back at its start, or at a scope that
 * the start is a member of. Each step is read under the lock of the shard in which the awaited task is linked, where
 * its fiber stays; a task that has been woken meanwhile ends the chain. A task can only close a cycle by beginning to
 * wait, so in builds with full checks each that does looks; and the report of an idle executor looks at all.
 *
 * Who waits for a lock waits for the task that owns it; if others run, only the first and the last step of a chain may
 * be such.
 *
 * It reports, through the log and the deadlock hook, and changes nothing: a cancel may still resolve it. */
#include <stdio.h>

#include "owner/cycle.h"

enum { CHAIN = 16, LINE = 256 };

/* What the suspended task awaits. AWAITS_NOBODY: it is not suspended, or nobody. */
static uintptr_t awaited_by(belay_task *t) {
    shard *h = shard_lock_of(t);
    if (h == NULL) {
        return AWAITS_NOBODY;
    }
    uintptr_t awaited = AWAITS_NOBODY;
    uint32_t base = load_acquire(&t->wait) & WAIT_BASE; /* pairs with the step to PARKED */
    if (state_phase(t) == PHASE_SUSPENDED && (base == WAIT_ARMED || base == WAIT_PARKED)) {
        const fiber *f =
            list_entry(load_acquire(&t->home), fiber, home); /* pairs with block_task */
        awaited = load_relaxed(&f->awaits); /* relaxed: written before the wait word's step */
    }
    lock_release(&h->lock);
    return awaited;
}

static belay_task *owner_of(uintptr_t lock_word) {
    const ATOMIC(uint64_t) *word = (const void *)(lock_word - AWAITS_LOCK);
    uint64_t value = load_relaxed(word); /* relaxed: a report */
    return (value & 4) != 0 ? NULL : (belay_task *)(uintptr_t)(value & ~UINT64_C(7));
}

/* Whom the chain leads to next, t itself at its end. NULL: to nobody. quiet: nothing runs; else t is the caller, and a
 * lock for which another waits may be gone at any moment: all that is asked of it is whether t holds it. */
static belay_task *next_in(belay_task *t, uintptr_t awaited, bool first, bool quiet) {
    switch (awaited & AWAITS_TAG) {
    case AWAITS_SCOPE: /* relaxed: constant for a life. Its opener's own close is no cycle. */
        return !first && scope_has_ancestor(load_relaxed(&t->scope),
                                            (const scope *)(awaited - AWAITS_SCOPE))
                   ? t
                   : NULL;
    case AWAITS_LOCK:
        return first || quiet                                        ? owner_of(awaited)
               : upcall_holds((const void *)(awaited - AWAITS_LOCK)) ? t
                                                                     : NULL;
    default:
        return (belay_task *)awaited;
    }
}

/* Follows the chain from t, which waits for `awaited`. Returns the number of tasks in the cycle, t the first; 0: there
 * is none. */
static uint32_t follow(belay_task *t, uintptr_t awaited, bool quiet, belay_task *chain[CHAIN]) {
    chain[0] = t;
    for (uint32_t n = 1; n < CHAIN; n++) {
        belay_task *next = next_in(t, awaited, n == 1, quiet);
        if (next == NULL || next == t) {
            return next == t ? n : 0;
        }
        chain[n] = next;
        awaited = awaited_by(next);
    }
    return 0;
}

static void report(belay_executor *ex, belay_task *const *chain, uint32_t count) {
    options_log(&ex->opt, BELAY_LOG_WARNING, "belay: %u tasks wait for each other's end",
                (unsigned)count);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = load_relaxed(&chain[i]->name); /* relaxed, both: constant for a life */
        const char *site = load_relaxed(&chain[i]->site);
        options_log(&ex->opt, BELAY_LOG_WARNING, "belay:   task %s (%s) waits for",
                    name != NULL ? name : "-", site != NULL ? site : "-");
    }
    options_log(&ex->opt, BELAY_LOG_WARNING, "belay:   the first");
    if (ex->opt.deadlock != NULL) {
        callback_enter();
        ex->opt.deadlock(ex, BELAY_DEADLOCK_CYCLE, count, ex->opt.deadlock_arg);
        callback_leave();
    }
}

void upcall_awaits(belay_task *t, uintptr_t awaited) {
    belay_task *chain[CHAIN];
    uint32_t count = follow(t, awaited, false, chain);
    if (count > 1) {
        report(load_relaxed(&t->scope)->executor, chain, count); /* relaxed: own */
    }
}

bool cycle_report(belay_executor *ex, belay_task *t) {
    belay_task *chain[CHAIN];
    uintptr_t awaited = awaited_by(t);
    uint32_t count = follow(t, awaited, true, chain);
    bool found = count > 1 && awaited_by(t) == awaited;
    if (found) {
        report(ex, chain, count);
    }
    return found;
}

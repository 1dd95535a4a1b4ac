/* The finder of wait cycles: tasks that wait for each other's end, and so for ever.
 *
 * A task that suspends without a limit of time leaves on its fiber for whose end it waits: a task (a join, the owner of a lock), or
 * all tasks of a scope (a close). From there a chain leads on: the awaited task waits for another, and so on, until one is not
 * suspended, waits for nobody in particular, or the chain is back at its start, or at a scope that the start is a member of.
 * Each step is read under the lock of the shard in which the awaited task is linked, where its fiber stays; a task that has been woken meanwhile
 * ends the chain. A task can only close a cycle by beginning to wait, so in builds with full checks each that does looks; and the report
 * of an idle executor looks at all.
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

/* Follows the chain from t, which waits for `awaited`. Returns the number of tasks in the cycle, t the first; 0: there is none. */
static uint32_t follow(belay_task *t, uintptr_t awaited, belay_task *chain[CHAIN]) {
    chain[0] = t;
    for (uint32_t n = 1; awaited != AWAITS_NOBODY; n++) {
        if ((awaited & 1) != 0) {
            const scope *s = (const scope *)(awaited - 1);
            /* relaxed: constant for a life. Its opener's own close is no cycle. */
            return n > 1 && scope_has_ancestor(load_relaxed(&t->scope), s) ? n : 0;
        }
        belay_task *next = (belay_task *)awaited;
        if (next == t) {
            return n;
        }
        if (n == CHAIN) {
            return 0;
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
    uint32_t count = follow(t, awaited, chain);
    if (count > 1) {
        report(load_relaxed(&t->scope)->executor, chain, count); /* relaxed: own */
    }
}

bool cycle_report(belay_executor *ex, belay_task *t) {
    belay_task *chain[CHAIN];
    uintptr_t awaited = awaited_by(t);
    uint32_t count = follow(t, awaited, chain);
    bool found = count > 1 && awaited_by(t) == awaited;
    if (found) {
        report(ex, chain, count);
    }
    return found;
}

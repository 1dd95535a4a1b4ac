/* Shields: scopes that for a while keep cancels from outside out of themselves, and of the task that opened them.
 *
 * A shield is ACTIVE from open until the first of: its timer (at open, if its time has passed), its close, the break at
 * a hard shutdown. The step to ENDED is made under the scope's lock, once; whoever makes it takes the shield off the
 * opener's cancel word and lets in what was kept out.
 *
 * Nothing kept out is lost. A canceller looks at the shield under the scope's lock, after its mark above (or in the
 * task's word) was stored; who ends the shield looks at the parent's mark and the task's word after it has held that
 * lock. One of them sees the other.
 *
 * A shield for cleanup has no end at first: the first cancel that it keeps out (a knock) arms its timer with the
 * budget. */
#include <belay/shield.h>

#include "owner/scope.h"
#include "base/mutant.h"

static runnable *fire_end(timer *t, due *d) {
    scope *s = list_entry(t, scope, shield_end.timer);
    count_pin_open(s); /* open: its close disarms before it frees */
    s->shield_end.later = d->later;
    d->later = &s->shield_end;
    return NULL;
}

/* Under the lock. True: the caller made the step, and goes on with let_in. */
static bool end(scope *s) {
    bool first = s->shield == SHIELD_ACTIVE;
    if (first) {
        s->shield = SHIELD_ENDED;
        s->shield_until = 0; /* whatever it was: for those that are opened inside from now on */
    }
    return first;
}

static void tell_opener(scope *s, belay_task *opener) {
    belay_cancel_reason reason;
    reason_of_task(opener, &reason);
    task_tell(s->executor, opener, &reason);
}

/* The scope is open still, and the opener in it. */
static void let_in(scope *s) {
    belay_task *opener = load_relaxed(&s->opener); /* relaxed: constant while open */
    bool canceled = task_unmask(opener);
    if (!MUTANT(shield_no_inherit)) {
        cancel_inherit(s, opener, true);
    }
    if (canceled) {
        tell_opener(s, opener);
    }
}

bool shield_end_below(scope *s) {
    s->shield_ended_from_above |= end(s);
    return false;
}

/* The canceller that marked the scope comes here, or passes through it, after its look under the lock. */
void shield_tell(scope *s) {
    if (!s->shielded) {
        return;
    }
    lock_take(&s->lock);
    bool ended = s->shield_ended_from_above;
    s->shield_ended_from_above = false;
    lock_release(&s->lock);
    belay_task *opener = load_relaxed(&s->opener); /* relaxed: constant while open */
    if (ended && !MUTANT(shield_inner_masked) && task_unmask(opener)) {
        tell_opener(s, opener);
    }
}

void shield_break(scope *s) {
    lock_take(&s->lock);
    bool first = end(s);
    lock_release(&s->lock);
    if (first) {
        let_in(s);
    }
}

static void after_end(late_timer *t) {
    scope *s = list_entry(t, scope, shield_end);
    shield_break(s);
    count_leave(NULL, s);
}

/* When the first of the shields around ends, or has ended: an inner one does not outlast it, nor begin after it. */
static belay_time end_around(scope *s) {
    belay_time until = BELAY_NEVER;
    for (; s != NULL; s = load_relaxed(&s->parent)) { /* relaxed: constant while open */
        lock_take(&s->lock);
        if (s->shield != SHIELD_NONE && s->shield_until < until) {
            until = s->shield_until;
        }
        lock_release(&s->lock);
    }
    return until;
}

bool shield_around(const scope *s, const belay_task *opener) {
    const scope *own =
        load_relaxed(&opener->scope); /* relaxed, here and below: constant while open */
    bool holds = false;
    for (scope *at = load_relaxed(&s->parent); at != own && !holds;
         at = load_relaxed(&at->parent)) {
        lock_take(&at->lock);
        holds = at->shield == SHIELD_ACTIVE;
        lock_release(&at->lock);
    }
    return holds;
}

bool shield_begin(scope *s, scope *parent, belay_task *opener, belay_time until, bool on_knock) {
    s->shield_end.timer.fire = fire_end;
    s->shield_end.after = after_end;
    list_init(&s->shield_end.timer.link);
    belay_time around = end_around(parent);
    s->shield_until = until < around ? until : around;
    s->shield_on_knock = on_knock;
    if (!task_mask(opener)) {
        return false;
    }
    s->shield = SHIELD_ACTIVE;
    s->shielded = true;
    return true;
}

static void arm_end(scope *s) {
    s->shield_armed = true;
    timer_arm(wheel_here(&s->executor->sched), &s->shield_end.timer, s->shield_until);
}

void shield_arm(scope *s) {
    /* Again, now that it is linked: one around may have ended since shield_begin, and have passed by where this one
     * was not yet. */
    belay_time around = end_around(load_relaxed(&s->parent)); /* relaxed: constant while open */
    lock_take(&s->lock);
    bool active = s->shield == SHIELD_ACTIVE;
    if (active && around < s->shield_until && !MUTANT(shield_no_second_look) &&
        (!s->shield_armed || timer_disarm(&s->shield_end.timer))) {
        s->shield_until = around;
        s->shield_armed = false;
    }
    bool known = active && s->shield_until != BELAY_NEVER;
    bool past = known && deadline_is_past(s->shield_until) && end(s);
    if (known && !past && !s->shield_armed) {
        arm_end(s);
    }
    lock_release(&s->lock);
    if (past) {
        let_in(s);
    }
}

static void knock(scope *s) {
    belay_time now = port_clock_now();
    int64_t budget = s->budget == NO_BUDGET_SET ? DEFAULT_BUDGET : s->budget;
    belay_time until = budget > BELAY_NEVER - now ? BELAY_NEVER : now + budget;
    s->shield_on_knock = false;
    /* An end that it has from a shield around may be later. If that one fires now, so be it. */
    if (until < s->shield_until && (!s->shield_armed || timer_disarm(&s->shield_end.timer))) {
        s->shield_until = until;
        arm_end(s);
    }
}

bool shield_holds(scope *s, cancel_level level) {
    if (s->shield != SHIELD_ACTIVE) {
        return false;
    }
    if (level == CANCEL_HARD && s->shield_on_knock && !s->ended) {
        knock(s);
    }
    return true;
}

void shield_knock_early(scope *s) {
    const belay_task *opener = load_relaxed(&s->opener); /* relaxed: the caller */
    /* seq_cst: after linking the scope; who cancels the task from now on finds the scope, and knocks */
    if ((load_seq_cst(&opener->cancel) & WORD_RAW) != 0 && !MUTANT(budget_no_early_knock)) {
        lock_take(&s->lock);
        (void)shield_holds(s, CANCEL_HARD);
        lock_release(&s->lock);
    }
}

void shield_disarm(scope *s) {
    if (s->shield_armed) {
        s->shield_armed = false;
        (void)timer_disarm(&s->shield_end.timer);
    }
}

void shield_leave(scope *s, belay_task *opener) {
    if (!s->shielded) {
        return;
    }
    lock_take(&s->lock);
    bool masked = end(s) || s->shield_ended_from_above;
    s->shield_ended_from_above = false;
    lock_release(&s->lock);
    if (masked && task_unmask(opener)) {
        tell_opener(s, opener);
    }
}

belay_status belay_shield_open_from(belay_task *self, belay_time until, belay_scope *out,
                                    const char *site) {
    belay_scope_options o = {.name = "shield", .shield_until = until};
    if (until <= 0 && out != NULL) {
        *out = (belay_scope){0};
        return BELAY_EINVAL;
    }
    return belay_scope_open_from(self, &o, out, site);
}

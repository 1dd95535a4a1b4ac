/* Cancelling scopes: marking the subtree, and waking who is suspended in it. docs/protocols/cancel.md has the
 * argument.
 *
 * 1. Mark: under the scope's lock write the reason, then the bit of `cancel` (seq_cst). The first one wins.
 * 2. Its children, found under the same lock, are marked the same way and pinned onto a list of ours; and theirs. A
 *    shield keeps the mark out.
 * 3. Tell. Hard: claim the waits of the opener and of all linked members that are cancelled now; let in who waits
 *    for room. Both levels: make the calls that were put down for it; a scope that follows the token is marked and
 *    put on the list. Soft: so is a scope that opted in, for a hard cancel.
 * Who comes too late for 2 (a scope linked afterwards) or 3 (a task that parks afterwards, a call that is put down
 * afterwards) reads the mark itself: all link first and check after.
 *
 * No recursion and no memory: a scope's `next` and `walk` belong to the one canceller that marked it. So a chain of
 * links may be as long as it likes, and go through several executors. */
#include "owner/cell.h"
#include "base/mutant.h"
#include "owner/scope.h"

/* Where a cancel of a scope comes from: somebody aimed at the scope; or at a token that the scope follows, which its
 * own shield does not keep out; or at something above it, and shields may keep it out; or a shield around it has
 * just ended, and those below end with it. */
typedef enum from { FROM_HERE, FROM_TOKEN, FROM_ABOVE, FROM_SHIELD } from;

/* How a scope came onto a list, and those below it. Through: a shield has ended, and those below end with it. Held:
 * by scope_hold, not by a pin alone: the canceller need not be inside the scope's executor otherwise. */
enum { WALK_THROUGH = 1, WALK_HELD = 2 };

/* ---- marking --------------------------------------------------------------------------------------------------- */

/* Under the scope's lock. A hard mark covers a soft one. */
static bool mark(scope *s, cancel_level level, const belay_cancel_reason *reason, bool inherited) {
    uint32_t word = load_relaxed(&s->cancel); /* relaxed: written under the lock */
    if ((word & (SCOPE_HARD | level_bit(level))) != 0 ||
        (MUTANT(cancel_soft_blocks_hard) && word != 0)) {
        return false;
    }
    s->reason[level] = *reason;
    s->inherited[level] = inherited;
    /* seq_cst: before our reads of wait words (pairs with park_task); release of the reason */
    store_seq_cst(&s->cancel, word | level_bit(level));
    return true;
}

/* Held as `walk` says; and marked by us, if the list is a level's. */
static void put(cancel_work *work, scope *s, uint32_t which, uint8_t walk) {
    s->walk[which] = walk;
    s->next[which] = work->todo[which];
    work->todo[which] = s;
}

/* Holds it, and puts it on. For the duration of the call it is kept alive, and its executor, if it is to be held,
 * entered. */
static void hold_and_put(cancel_work *work, scope *s, uint32_t which, uint8_t walk) {
    count_pin_open(s);
    if ((walk & WALK_HELD) != 0 && !MUTANT(link_child_not_held)) {
        registry_again(s->executor);
    }
    put(work, s, which, walk);
}

/* Under the scope's lock, of one that was marked before: a shield that ends goes on to those below it all the same.
 * It is on one such list at a time; whose, is all one, because what is done with it depends on its own mark alone. */
static void pass(cancel_work *work, scope *s, uint8_t walk) {
    if (s->walk[CANCEL_PASS] == 0 && !MUTANT(shield_stops_at_marked)) {
        hold_and_put(work, s, CANCEL_PASS, walk);
    }
}

/* Marks and pins a scope, and puts it on the list. The caller keeps it alive meanwhile. False: it was marked, or a
 * shield holds. */
static bool take_up(cancel_work *work, scope *s, cancel_level level,
                    const belay_cancel_reason *reason, from origin, uint8_t held) {
    uint8_t walk = (uint8_t)(held | (origin == FROM_SHIELD ? WALK_THROUGH : 0));
    lock_take(&s->lock);
    bool first = !(origin == FROM_ABOVE && shield_holds(s, level)) &&
                 mark(s, level, reason, origin != FROM_HERE);
    if (first) {
        hold_and_put(work, s, level, walk);
    } else if (origin == FROM_SHIELD) {
        pass(work, s, walk);
    }
    lock_release(&s->lock);
    return first;
}

bool cancel_linked(cancel_work *work, scope *s, cancel_level level,
                   const belay_cancel_reason *reason) {
    lock_take(&s->lock);
    bool first = mark(s, level, reason, true);
    lock_release(&s->lock);
    if (first) {
        put(work, s, level, WALK_HELD);
    }
    return first;
}

/* Under the parent's lock. An owner that has just ended may still be among the children. */
static void mark_child(cancel_work *work, scope *child, cancel_level level,
                       const belay_cancel_reason *reason, uint8_t walk) {
    bool through = (walk & WALK_THROUGH) != 0;
    lock_take(&child->lock);
    if (count_is_open(child) && !(through ? shield_end_below(child) : shield_holds(child, level))) {
        if (mark(child, level, reason, true)) {
            hold_and_put(work, child, level, walk);
        } else if (through) {
            pass(work, child, walk);
        }
    }
    lock_release(&child->lock);
}

/* Marks and pins the children of a marked scope, and puts them on the lists. */
static void mark_children(cancel_work *work, scope *s, uint32_t which) {
    lock_take(&s->lock);
    uint8_t walk = s->walk[which];
    cancel_level level = (cancel_level)which;
    if (which == CANCEL_PASS) {
        s->walk[which] = 0; /* who comes from now on passes again */
        level = scope_canceled(s) ? CANCEL_HARD : CANCEL_SOFT;
    }
    for (list *node = s->children.next; node != &s->children; node = node->next) {
        mark_child(work, list_entry(node, scope, sibling), level, &s->reason[level], walk);
    }
    lock_release(&s->lock);
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

/* The opener's own wait, if it is in one, and not behind a shield. */
static void wake_opener(scope *s) {
    belay_task *opener = load_relaxed(&s->opener); /* relaxed: constant, and the scope is pinned */
    shard *h = opener != NULL ? shard_lock_of(opener) : NULL;
    if (h == NULL) {
        return; /* not linked: it is still opening the scope, and looks afterwards */
    }
    bool parked;
    bool claimed =
        upcall_canceled(opener) && wait_claim(&opener->wait, WAIT_CANCELED, &parked) && parked;
    lock_release(&h->lock);
    if (claimed) {
        task_submit(&s->executor->sched, opener);
    }
}

/* Each gets a slot as if there were room: what it spawns is skipped. */
static void wake_room_waiters(scope *s) {
    lock_take(&s->lock);
    while (!list_empty(&s->queue)) {
        list *node = s->queue.next;
        list_remove(node);
        s->room += arm_wake(arm_of(node));
    }
    lock_release(&s->lock);
}

static void tell(cancel_work *work, scope *s, cancel_level level) {
    shield_tell(s);
    if (level == CANCEL_HARD) {
        if (!MUTANT(cancel_opener_asleep)) {
            wake_opener(s);
        }
        shards_cancel(s);
        wake_room_waiters(s);
    }
    token_call(s, level, work);
    if (level == CANCEL_SOFT && scope_has(s, BELAY_SCOPE_SOFT)) {
        (void)take_up(work, s, CANCEL_HARD, &s->reason[CANCEL_SOFT],
                      s->inherited[CANCEL_SOFT] ? FROM_TOKEN : FROM_HERE,
                      s->walk[CANCEL_SOFT] & WALK_HELD);
    }
}

/* The next one, off its list. Hard ones first: they wake. */
static scope *take_next(cancel_work *work, uint32_t *which) {
    static const uint8_t order[CANCEL_LISTS] = {CANCEL_HARD, CANCEL_SOFT, CANCEL_PASS};
    for (uint32_t i = 0; i < CANCEL_LISTS; i++) {
        scope *s = work->todo[order[i]];
        if (s != NULL) {
            *which = order[i];
            work->todo[*which] = s->next[*which];
            return s;
        }
    }
    return NULL;
}

void cancel_work_off(cancel_work *work) {
    uint32_t which;
    for (scope *s = take_next(work, &which); s != NULL; s = take_next(work, &which)) {
        bool held = (s->walk[which] & WALK_HELD) != 0;
        mark_children(work, s, which);
        if (which == CANCEL_PASS) {
            shield_tell(s);
        } else {
            tell(work, s, (cancel_level)which);
        }
        if (held) {
            scope_done(s->executor, s);
        } else {
            count_leave(NULL, s);
        }
    }
}

static belay_status cancel_tree(scope *s, cancel_level level, const belay_cancel_reason *reason,
                                from origin) {
    cancel_work work = {.todo = {NULL}};
    bool first = take_up(&work, s, level, reason, origin, 0);
    cancel_work_off(&work);
    return first ? BELAY_OK : BELAY_EALREADY;
}

belay_status scope_cancel_tree(scope *s, const belay_cancel_reason *reason) {
    return cancel_tree(s, CANCEL_HARD, reason, FROM_HERE);
}

belay_status scope_soft_cancel_tree(scope *s, const belay_cancel_reason *reason) {
    return cancel_tree(s, CANCEL_SOFT, reason, FROM_HERE);
}

void scope_cancel_from_above(scope *s, cancel_level level, const belay_cancel_reason *reason) {
    (void)cancel_tree(s, level, reason, FROM_ABOVE);
}

/* ---- inheriting -------------------------------------------------------------------------------------------------- */

/* What reaches a scope from its parent and its opener: the level's bit, or 0. wanted: the bit of the opener's word
 * that counts. */
static uint32_t inherited_from(const scope *parent, const belay_task *opener, uint32_t wanted,
                               belay_cancel_reason *reason) {
    /* seq_cst, both: after linking; pairs with mark and with task_cancel. What the task's shields keep from the task
     * they keep from what it opens behind them: the end of the shield goes through that. */
    uint32_t above = parent != NULL ? load_seq_cst(&parent->cancel) : 0;
    uint32_t own = opener != NULL ? load_seq_cst(&opener->cancel) : 0;
    if ((above & SCOPE_HARD) != 0) {
        *reason = parent->reason[CANCEL_HARD];
        return SCOPE_HARD;
    }
    if ((own & wanted) != 0) {
        reason_of_task(opener, reason);
        return SCOPE_HARD;
    }
    if ((above & SCOPE_SOFT) != 0) {
        *reason = parent->reason[CANCEL_SOFT];
        return SCOPE_SOFT;
    }
    return 0;
}

void cancel_inherit(scope *s, const belay_task *opener, bool unshielded) {
    belay_cancel_reason reason;
    /* At the end of a shield the task's word may still be masked, by shields inside of it: they end with it. */
    bool raw = unshielded && !shield_around(s, opener) && !MUTANT(shield_inner_counts);
    uint32_t bit =
        inherited_from(load_relaxed(&s->parent), opener, /* relaxed: constant while open */
                       raw ? WORD_RAW : WORD_CANCELED, &reason);
    if (bit != 0) {
        cancel_level level = bit == SCOPE_HARD ? CANCEL_HARD : CANCEL_SOFT;
        (void)cancel_tree(s, level, &reason, unshielded ? FROM_SHIELD : FROM_ABOVE);
    }
}

void scope_cancel_opened(scope *opened, const belay_cancel_reason *reason) {
    scope_cancel_from_above(opened, CANCEL_HARD,
                            reason); /* as if it had been opened after the cancel */
    count_leave(NULL, opened);
}

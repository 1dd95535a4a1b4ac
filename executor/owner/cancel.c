/* Cancelling: marking the subtree, and waking who is suspended in it. docs/protocols/cancel.md has the argument.
 *
 * 1. Mark: under the scope's lock write the reason, then `cancel` (seq_cst). The first one wins.
 * 2. Its children, found under the same lock, are marked the same way and pinned onto a list of ours; and theirs.
 * 3. Wake: claim the waits of the opener and of all linked members.
 * Who comes too late for 2 (a scope linked afterwards) or 3 (a task that parks afterwards) reads the mark itself: both
 * link first and check after.
 *
 * No recursion and no memory: a scope's `next` belongs to the one canceller that marked it. */
#include "owner/forks.h"
#include "owner/scope.h"

#include "task/ref.h"

enum { PATIENCE = 1000 };

/* What a task that was cancelled itself was told. A slot of the executor. */
typedef struct reason_slot {
    uint32_t number;
    belay_status code;
    const char *text;
    const char *site;
    slab_link link;
} reason_slot;

_Static_assert(sizeof(reason_slot) % 16 == 8 || sizeof(reason_slot) % 16 == 0,
               "slab slots are multiples of 16");

uint32_t reason_slot_bytes(void) {
    return (uint32_t)((sizeof(reason_slot) + 15) & ~(size_t)15);
}
uint32_t reason_slot_link(void) {
    return offsetof(reason_slot, link);
}
uint32_t reason_slot_number(void) {
    return offsetof(reason_slot, number);
}

/* ---- marking --------------------------------------------------------------------------------------------------- */

/* Under the scope's lock. */
static bool mark(scope *s, const belay_cancel_reason *reason, bool inherited) {
    if (load_relaxed(&s->cancel) != 0) { /* relaxed: written under the lock */
        return false;
    }
    s->reason = *reason;
    s->inherited = inherited;
    /* seq_cst: before our reads of wait words (pairs with park_task); release of the reason */
    store_seq_cst(&s->cancel, 1u);
    return true;
}

/* Marks and pins the children of a marked scope, and puts them on the list. */
static void mark_children(scope *s, scope **todo) {
    lock_take(&s->lock);
    for (list *node = s->children.next; node != &s->children; node = node->next) {
        scope *child = list_entry(node, scope, sibling);
        lock_take(&child->lock);
        if (mark(child, &s->reason, true)) {
            count_pin_open(child);
            child->next = *todo;
            *todo = child;
        }
        lock_release(&child->lock);
    }
    lock_release(&s->lock);
}

/* The opener's own wait, if it is in one. */
static void wake_opener(scope *s) {
    belay_task *opener = load_relaxed(&s->opener); /* relaxed: constant, and the scope is pinned */
    bool parked;
    if (opener != NULL && wait_claim(&opener->wait, WAIT_CANCELED, &parked) && parked) {
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

static void tell(scope *s) {
    wake_opener(s);
    shards_cancel(s);
    wake_room_waiters(s);
}

/* inherited: the cancel was aimed at something above the scope. */
static belay_status cancel_tree(scope *s, const belay_cancel_reason *reason, bool inherited) {
    lock_take(&s->lock);
    bool first = mark(s, reason, inherited);
    lock_release(&s->lock);
    if (!first) {
        return BELAY_EALREADY;
    }
    count_pin_open(s);
    s->next = NULL;
    for (scope *todo = s; todo != NULL;) {
        scope *now = todo;
        todo = now->next;
        mark_children(now, &todo);
        tell(now);
        count_leave(NULL, now);
    }
    return BELAY_OK;
}

belay_status scope_cancel_tree(scope *s, const belay_cancel_reason *reason) {
    return cancel_tree(s, reason, false);
}

/* ---- inheriting ------------------------------------------------------------------------------------------------- */

static void reason_of_task(const belay_task *t, belay_cancel_reason *out) {
    belay_executor *ex = load_relaxed(&t->scope)->executor; /* relaxed: own */
    uint32_t word = load_acquire(&t->cancel); /* pairs with task_cancel: the reason is written */
    const reason_slot *slot = slab_at(&ex->reasons, word >> 1);
    *out = (belay_cancel_reason){.code = BELAY_ECANCELED};
    if (slot != NULL) {
        out->code = slot->code;
        out->text = slot->text;
        out->site = slot->site;
    }
}

void cancel_inherit(scope *s, belay_task *opener) {
    scope *parent = load_relaxed(&s->parent); /* relaxed: own; the same below */
    belay_cancel_reason reason;
    /* seq_cst, both: after linking; pairs with mark and with task_cancel */
    if (parent != NULL && load_seq_cst(&parent->cancel) != 0) {
        reason = parent->reason;
    } else if (opener != NULL && load_seq_cst(&opener->cancel) != 0) {
        reason_of_task(opener, &reason);
    } else {
        return;
    }
    lock_take(&s->lock);
    (void)mark(s, &reason, true);
    lock_release(&s->lock);
}

/* ---- one task ------------------------------------------------------------------------------------------------------ */

/* The reason's slot as a cancel word; without memory the code alone is lost. */
static uint32_t reason_word(belay_executor *ex, belay_status code, const char *text,
                            const char *site) {
    reason_slot *slot = slot_take(ex, worker_in(ex), SLOT_REASON);
    if (slot == NULL) {
        return 1;
    }
    slot->code = code;
    slot->text = text;
    slot->site = site;
    return slot->number << 1 | 1;
}

void cancel_forget(belay_executor *ex, worker *w, belay_task *t) {
    uint32_t word = load_relaxed(&t->cancel); /* relaxed: nobody else has the record */
    void *slot = word == 0 ? NULL : slab_at(&ex->reasons, word >> 1);
    store_relaxed(&t->cancel, 0u);
    if (slot != NULL) {
        slot_give(ex, w, SLOT_REASON, slot);
    }
}

/* The outermost scope the task has opened, pinned; NULL: none. Under the shard's lock. */
static scope *outermost_opened(belay_task *t) {
    scope *owner =
        load_relaxed(&t->scope); /* relaxed: constant; inner changes under the lock we hold */
    scope *found = NULL;
    for (scope *s = load_relaxed(&t->inner); s != owner; s = load_relaxed(&s->parent)) {
        found = s;
    }
    if (found != NULL) {
        count_pin_open(found);
    }
    return found;
}

scope *task_wake_canceled(belay_executor *ex, belay_task *t) {
    shard *h = shard_lock_of(t);
    if (h == NULL) {
        return NULL; /* not linked: it has not suspended, and will read the word when it does */
    }
    bool parked = false;
    bool claimed = wait_claim(&t->wait, WAIT_CANCELED, &parked);
    scope *opened = outermost_opened(t);
    lock_release(&h->lock);
    if (claimed && parked) {
        task_submit(&ex->sched, t);
    }
    return opened;
}

void scope_cancel_opened(scope *opened, const belay_cancel_reason *reason) {
    (void)cancel_tree(opened, reason, true); /* as if it had been opened after the cancel */
    count_leave(NULL, opened);
}

belay_status task_cancel(belay_executor *ex, belay_task *t, const belay_cancel_reason *reason) {
    if (state_phase(t) == PHASE_DONE) {
        return BELAY_EALREADY;
    }
    uint32_t word = reason_word(ex, reason->code, reason->text, reason->site);
    uint32_t none = 0;
    /* seq_cst: before the reads in task_wake_canceled (pairs with park_task and scope open); release of the reason */
    if (!cas_seq_cst(&t->cancel, &none, word)) {
        void *slot = slab_at(&ex->reasons, word >> 1);
        if (slot != NULL) {
            slot_give(ex, worker_in(ex), SLOT_REASON, slot);
        }
        return BELAY_EALREADY;
    }
    scope *opened = task_wake_canceled(ex, t);
    if (opened != NULL) {
        scope_cancel_opened(opened, reason);
    }
    forks_cancel(ex, t, reason);
    return BELAY_OK;
}

belay_status belay_task_cancel_from(belay_task_handle task, belay_status code, const char *text,
                                    const char *site) {
    if (unlikely(port_forked())) {
        return BELAY_ECHILD;
    }
    belay_executor *ex = registry_open(task.executor, task.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    belay_status status = BELAY_ESTALE;
    belay_task *t = task_open(ex, task);
    if (t != NULL) {
        belay_cancel_reason reason = {.code = code, .text = text, .site = site};
        status = task_cancel(ex, t, &reason);
        task_close(ex, t);
    }
    registry_done(ex);
    return status;
}

/* ---- how tasks see it ------------------------------------------------------------------------------------------------ */

bool upcall_canceled(const belay_task *t) {
    /* seq_cst: after the step to PARKED; pairs with mark and task_cancel, which read the wait word afterwards */
    return (load_seq_cst(&t->cancel) | load_seq_cst(&load_relaxed(&t->inner)->cancel)) != 0;
}

void cancel_noticed(const belay_task *t) {
    /* relaxed: own chain; `noticed` is read after the members are gone */
    for (scope *s = load_relaxed(&t->inner); s != NULL; s = load_relaxed(&s->parent)) {
        if (load_relaxed(&s->cancel) != 0 && load_relaxed(&s->noticed) == 0) {
            store_relaxed(&s->noticed, 1u);
        }
    }
}

void cancel_refused(belay_task *t) {
    cancel_noticed(t);
    worker *w = worker_current();
    fiber *f = load_relaxed(&w->fiber); /* relaxed: own words */
    uint32_t n = load_relaxed(&f->ignored) + 1;
    store_relaxed(&f->ignored, n);
    if (n == PATIENCE) {
        belay_executor *ex = executor_of_sched(w->sched);
        count_own(&w->count, COUNT_IGNORED_CANCELS, 1);
        const char *name = load_relaxed(&t->name);
        options_log(&ex->opt, BELAY_LOG_WARNING,
                    "belay: task %s (%s) goes on waiting though cancelled",
                    name != NULL ? name : "-", load_relaxed(&t->site));
    }
    if (n > 1) { /* the first time it will want to clean up at once */
        task_give_way(t);
    }
}

bool belay_canceled_slow(const belay_task *self) {
    if (self == NULL || !task_canceled(self)) {
        return false;
    }
    cancel_noticed(self);
    return true;
}

belay_status belay_reason(const belay_task *self, belay_cancel_reason *out) {
    if (self == NULL || out == NULL) {
        return BELAY_EINVAL;
    }
    if (load_acquire(&self->cancel) != 0) { /* pairs with task_cancel */
        reason_of_task(self, out);
        return BELAY_OK;
    }
    const scope *s = load_relaxed(&self->inner); /* relaxed: own */
    if (load_acquire(&s->cancel) == 0) {         /* pairs with mark: the reason is written */
        return BELAY_ENOENT;
    }
    *out = s->reason;
    return BELAY_OK;
}

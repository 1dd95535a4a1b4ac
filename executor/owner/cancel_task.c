/* Cancelling one task: its cancel word, the reason behind it, and what the task has opened and forked.
 *
 * The word (WORD_... in owner/scope.h) is changed by compare-and-swap only: by the first canceller, which sets
 * WORD_RAW and the reason's number, and by the task's shields, which come and go. Whoever brings about that it is
 * cancelled and not shielded sets WORD_CANCELED in the same step, and then tells the task. */
#include "owner/forks.h"
#include "base/mutant.h"
#include "owner/scope.h"

#include "task/ref.h"

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

/* ---- the word -------------------------------------------------------------------------------------------------- */

static uint32_t settled(uint32_t word) {
    bool on = (word & WORD_RAW) != 0 && (word & WORD_SHIELDS) == 0;
    return on ? word | WORD_CANCELED : word & ~(uint32_t)WORD_CANCELED;
}

bool task_mask(belay_task *t) {
    uint32_t word = load_relaxed(&t->cancel); /* relaxed: the swap decides */
    uint32_t next;
    do {
        if ((word & WORD_SHIELDS) == WORD_SHIELDS) {
            return false;
        }
        next = settled(word + WORD_SHIELD);
    } while (!cas_seq_cst(&t->cancel, &word, next)); /* seq_cst: as every change of the word */
    return true;
}

bool task_unmask(belay_task *t) {
    uint32_t word = load_relaxed(&t->cancel); /* relaxed: the swap decides */
    uint32_t next;
    do {
        CHECK((word & WORD_SHIELDS) != 0);
        next = MUTANT(shield_no_recompute) ? word - WORD_SHIELD : settled(word - WORD_SHIELD);
    } while (!cas_seq_cst(&t->cancel, &word,
                          next)); /* seq_cst: before task_tell's reads; pairs with park_task */
    return (next & WORD_CANCELED) != 0;
}

/* RAW and the reason's number, unless it has them. */
static bool set_word(belay_task *t, uint32_t number, uint32_t *after) {
    uint32_t word = load_relaxed(&t->cancel); /* relaxed: the swap decides */
    do {
        if ((word & WORD_RAW) != 0) {
            return false;
        }
        *after = settled(word | WORD_RAW | number << WORD_REASON);
        /* seq_cst: before the reads in task_wake_canceled (pairs with park_task and scope open); release of the
         * reason */
    } while (!cas_seq_cst(&t->cancel, &word, *after));
    return true;
}

/* ---- reasons --------------------------------------------------------------------------------------------------- */

void reason_of_task(const belay_task *t, belay_cancel_reason *out) {
    belay_executor *ex = load_relaxed(&t->scope)->executor; /* relaxed: own */
    uint32_t word = load_acquire(&t->cancel); /* pairs with set_word: the reason is written */
    const reason_slot *slot = slab_at(&ex->reasons, word >> WORD_REASON);
    *out = (belay_cancel_reason){.code = BELAY_ECANCELED};
    if (slot != NULL) {
        out->code = slot->code;
        out->text = slot->text;
        out->site = slot->site;
    }
}

/* The number of a slot with this reason. 0: without memory, or beyond the word's bits, the reason alone is lost. */
static uint32_t reason_number(belay_executor *ex, const belay_cancel_reason *reason) {
    reason_slot *slot = slot_take(ex, worker_in(ex), SLOT_REASON);
    if (slot == NULL) {
        return 0;
    }
    if (slot->number >> (32 - WORD_REASON) != 0) {
        slot_give(ex, worker_in(ex), SLOT_REASON, slot);
        return 0;
    }
    slot->code = reason->code;
    slot->text = reason->text;
    slot->site = reason->site;
    return slot->number;
}

static void reason_free(belay_executor *ex, worker *w, uint32_t number) {
    void *slot = number == 0 ? NULL : slab_at(&ex->reasons, number);
    if (slot != NULL) {
        slot_give(ex, w, SLOT_REASON, slot);
    }
}

void cancel_forget(belay_executor *ex, worker *w, belay_task *t) {
    uint32_t word = load_relaxed(&t->cancel); /* relaxed: nobody else has the record */
    store_relaxed(&t->cancel, 0u);
    reason_free(ex, w, word >> WORD_REASON);
}

bool task_reason_differs(const belay_task *fork, const belay_task *owner) {
    /* relaxed, both: under the lock */
    return load_relaxed(&fork->cancel) >> WORD_REASON !=
           load_relaxed(&owner->cancel) >> WORD_REASON;
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

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
    /* A shield may have been opened, or hold still: then only what is outside of it is to be told. */
    bool claimed = upcall_canceled(t) && wait_claim(&t->wait, WAIT_CANCELED, &parked);
    scope *opened = outermost_opened(t);
    lock_release(&h->lock);
    if (claimed && parked) {
        task_submit(&ex->sched, t);
    }
    return opened;
}

void task_tell(belay_executor *ex, belay_task *t, const belay_cancel_reason *reason) {
    scope *opened = task_wake_canceled(ex, t);
    if (opened != NULL && !MUTANT(cancel_task_alone)) {
        scope_cancel_opened(opened, reason);
    }
    if (!MUTANT(cancel_forks_untold)) {
        forks_cancel(ex, t, reason);
    }
}

belay_status task_cancel(belay_executor *ex, belay_task *t, const belay_cancel_reason *reason) {
    if (state_phase(t) == PHASE_DONE) {
        return BELAY_EALREADY;
    }
    uint32_t number = reason_number(ex, reason);
    uint32_t after;
    if (!set_word(t, number, &after)) {
        reason_free(ex, worker_in(ex), number);
        return BELAY_EALREADY;
    }
    if ((after & WORD_CANCELED) != 0) {
        task_tell(ex, t, reason);
        return BELAY_OK;
    }
    /* Shielded: what it has opened around the shield is told; the shield's end brings the rest. */
    scope *opened = task_wake_canceled(ex, t);
    if (opened != NULL) {
        scope_cancel_opened(opened, reason);
    }
    return BELAY_OK;
}

/* ---- stolen forks: parts of a task, with a word of their own --------------------------------------------------- */

void task_mark_fork(belay_task *fork, const belay_task *owner) {
    uint32_t word = load_acquire(&owner->cancel); /* pairs with set_word */
    uint32_t after;
    if ((word & WORD_CANCELED) != 0 || (MUTANT(shield_fork_uncovered) && (word & WORD_RAW) != 0)) {
        (void)set_word(fork, word >> WORD_REASON, &after);
    }
}

/* ---- by handle ------------------------------------------------------------------------------------------------- */

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

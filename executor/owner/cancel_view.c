/* How tasks see that they are cancelled: polls, refused waits, the reason. */
#include "owner/scope.h"

enum { PATIENCE = 1000 };

bool upcall_canceled(const belay_task *t) {
    /* seq_cst: after the step to PARKED; pairs with mark and set_word, after which the wait word is read */
    scope *inner =
        load_acquire(&t->inner); /* pairs with the store at open: the memory of the scope */
    uint32_t words = load_seq_cst(&t->cancel) | load_seq_cst(&inner->cancel);
    return (words & WORD_CANCELED) != 0;
}

/* Also what makes a cancel known to a task: acquire, pairs with mark and set_word, so that what was written before
 * the cancel is seen by who has seen the cancel. */
void cancel_noticed(const belay_task *t) {
    /* relaxed, all others: own chain; `noticed` is read after the members are gone */
    const scope *around = load_relaxed(&t->scope);
    /* Its own cancel reaches what it has opened, though the canceller may not be there yet. */
    bool own = (load_acquire(&t->cancel) & WORD_CANCELED) != 0;
    for (scope *s = load_relaxed(&t->inner); s != NULL; s = load_relaxed(&s->parent)) {
        own = own && s != around;
        bool canceled = (load_acquire(&s->cancel) & SCOPE_HARD) != 0;
        if ((own || canceled) && load_relaxed(&s->noticed) == 0) {
            store_relaxed(&s->noticed, 1u);
        }
    }
}

void cancel_refused(belay_task *t) {
    cancel_noticed(t);
    worker *w = worker_current();
    fiber *f = load_relaxed(&w->fiber); /* relaxed: own words */
    uint32_t marks = load_relaxed(&f->marks);
    uint32_t n = (marks & FIBER_REFUSED) + 1;
    if (n <= PATIENCE) {
        store_relaxed(&f->marks, marks + 1);
    }
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

bool belay_stopping(const belay_task *self) {
    if (self == NULL) {
        return false;
    }
    /* acquire: pairs with mark; relaxed: own */
    uint32_t around = load_acquire(&load_relaxed(&self->inner)->cancel);
    if (((around | load_relaxed(&self->cancel)) & WORD_CANCELED) != 0) {
        cancel_noticed(self);
        return true;
    }
    return around != 0;
}

belay_status belay_reason(const belay_task *self, belay_cancel_reason *out) {
    if (self == NULL || out == NULL) {
        return BELAY_EINVAL;
    }
    if ((load_acquire(&self->cancel) & WORD_CANCELED) !=
        0) { /* pairs with set_word in cancel_task.c */
        reason_of_task(self, out);
        return BELAY_OK;
    }
    const scope *s = load_relaxed(&self->inner); /* relaxed: own */
    uint32_t word = load_acquire(&s->cancel);    /* pairs with mark: the reason is written */
    if (word == 0) {
        return BELAY_ENOENT;
    }
    *out = s->reason[(word & SCOPE_HARD) != 0 ? CANCEL_HARD : CANCEL_SOFT];
    return BELAY_OK;
}

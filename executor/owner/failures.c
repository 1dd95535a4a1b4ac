/* What becomes of members' errors.
 *
 * The first one is kept in the scope, under its lock, and decides what close returns; a few more in a block that is
 * allocated at the second, because few scopes ever see one; the rest are counted. Under fail fast each error also
 * cancels the scope (the first that does gives the reason). An error of a service is one of the scope that it
 * serves. */
#include "owner/scope.h"

/* The scope's lock is held at the call and at the return, and let go of to allocate. */
static void make_book(scope *s) {
    const allocator *source = &s->executor->opt.alloc;
    lock_release(&s->lock);
    failure_book *fresh = mem_allocate(source, sizeof *fresh, 64);
    lock_take(&s->lock);
    if (s->failures == NULL) {
        s->failures = fresh;
        fresh = NULL;
    }
    if (fresh != NULL) { /* another was faster */
        lock_release(&s->lock);
        mem_release(source, fresh, sizeof *fresh, 64);
        lock_take(&s->lock);
    }
}

static void note(scope *s, const belay_failure *failure) {
    lock_take(&s->lock);
    if (s->failed != 0 && s->failures == NULL) {
        make_book(s);
    }
    failure_book *book = s->failures;
    if (s->failed++ == 0) {
        s->first = *failure;
    } else if (book != NULL && book->count < BELAY_FAILURES_LISTED - 1) {
        book->list[book->count++] = *failure;
    }
    lock_release(&s->lock);
}

void scope_failed(scope *s, const belay_failure *failure) {
    if (scope_has(s, SCOPE_SERVICES)) {
        s = load_relaxed(&s->parent); /* relaxed: constant while open */
    }
    note(s, failure);
    if (s->policy == BELAY_FAIL_FAST) {
        belay_cancel_reason reason = {.code = failure->status,
                                      .text = "a task of the scope failed",
                                      .site = failure->site,
                                      .origin = scope_handle(s->executor, s)};
        (void)scope_cancel_tree(s, &reason);
    }
}

void failures_read(const scope *s, belay_failures *out) {
    *out = (belay_failures){0};
    if (s->failed == 0) {
        return;
    }
    out->list[out->listed++] = s->first;
    for (uint32_t i = 0; s->failures != NULL && i < s->failures->count; i++) {
        out->list[out->listed++] = s->failures->list[i];
    }
    out->more = s->failed - out->listed;
}

void failures_free(scope *s) {
    if (unlikely(s->failures != NULL)) {
        mem_release(&s->executor->opt.alloc, s->failures, sizeof *s->failures, 64);
        s->failures = NULL;
    }
}

void failure_unobserved(const belay_executor *ex, const belay_failure *failure) {
    if (ex->opt.unobserved != NULL) {
        callback_enter();
        ex->opt.unobserved(failure, ex->opt.unobserved_arg);
        callback_leave();
    }
}

belay_status belay_scope_failures(belay_scope h, belay_failures *out) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    *out = (belay_failures){0};
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    lock_take(&s->lock);
    failures_read(s, out);
    lock_release(&s->lock);
    scope_done(ex, s);
    return BELAY_OK;
}

/* Owners and sources: scopes that end with their last external reference, without anybody who closes them.
 *
 * The two counts: `external`, references that want the object, and the scope's own count, tasks (and pins) that use it.
 * When external falls to zero the scope is sealed and cancelled, and marked to be reaped; from then on whoever brings
 * the count to zero, the releaser itself if nobody is inside, ends it: kills the slot under the scope's lock, takes it
 * out of its parent, calls the drained hook, wakes who waits for the end, frees the slot, and lowers the parent's
 * count. A task's part in the count never keeps `external` up, so an owner is never kept wanted by its own tasks.
 *
 * A count that rises again before the kill (somebody pins the scope by handle to look at it) makes the kill fail; the
 * count is watched again, and the pin's end comes here. A source is the same, sealed from the start and not cancelled
 * at its end. */
#include <belay/owner.h>

#include "owner/cell.h"
#include "base/mutant.h"
#include "owner/scope.h"

static belay_scope scope_of(belay_owner o) {
    return (belay_scope){o.slot, o.executor, o.generation};
}
static belay_scope scope_of_source(belay_source s) {
    return (belay_scope){s.slot, s.executor, s.generation};
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

bool owner_ends(scope *s) {
    if (!s->reap || !count_is_open(s)) {
        return false;
    }
    s->ended = true;
    deadline_disarm(s); /* if it fires now it has pinned the scope, and the kill fails */
    while (!count_kill(s)) {
        if (count_watch(s)) {
            return false;
        }
    }
    s->ending = !MUTANT(owner_not_ending);
    return true;
}

static void unlink_from_parents(scope *s) {
    scope *parent = load_relaxed(&s->parent); /* relaxed: ours alone */
    lock_take(&parent->lock);
    list_remove(&s->sibling);
    lock_release(&parent->lock);
    token_unlink(s->follows);
    for (uint32_t i = 0; i < s->link_count; i++) {
        token_unlink(s->links[i]);
    }
    mem_release(&s->executor->opt.alloc, s->links, s->link_count * sizeof *s->links, 16);
    s->links = NULL;
}

static void wake_gone(scope *s) {
    lock_take(&s->lock);
    s->ending = false;
    s->reap = false;
    while (!list_empty(&s->gone)) {
        list *node = s->gone.next;
        list_remove(node);
        (void)arm_wake(arm_of(node));
    }
    lock_release(&s->lock);
}

void owner_end(scope *s) {
    belay_executor *ex = s->executor;
    scope *parent = load_relaxed(&s->parent); /* relaxed: ours alone */
    unlink_from_parents(s);
    token_end(s);
    cleanup_run_outside(s);
    results_drop(s);
    failures_free(s);
    if (s->drained != NULL) {
        call_drop(s->drained, s->drained_arg);
    }
    wake_gone(s);
    if (count_generation(s) != UINT32_MAX) { /* a slot whose generations are used up is retired */
        slot_give(ex, worker_in(ex), SLOT_SCOPE, s);
    }
    count_leave(NULL, parent);
}

/* ---- references -------------------------------------------------------------------------------------------------- */

static belay_status retain(belay_scope h, scope_kind kind) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    uint32_t now = s->kind == kind ? load_relaxed(&s->external) : 0; /* relaxed: the swap decides */
    while ((now != 0 || MUTANT(owner_resurrected)) && !cas_relaxed(&s->external, &now, now + 1)) {
    }
    scope_done(ex, s);
    return now != 0 ? BELAY_OK : BELAY_ESTALE;
}

/* The last reference is gone; the caller holds a pin, whose end, or a task's, ends the scope. */
static void unwant(scope *s) {
    lock_take(&s->lock);
    (void)count_seal(s);
    lock_release(&s->lock);
    if (s->kind == SCOPE_OWNER) {
        belay_cancel_reason reason = {.code = BELAY_ECANCELED,
                                      .text = "its owner was released",
                                      .origin = scope_handle(s->executor, s)};
        (void)scope_cancel_tree(s, &reason);
    }
    lock_take(&s->lock);
    s->reap = true;
    if (!MUTANT(owner_not_watched)) {
        (void)count_watch(s); /* our pin keeps it above zero */
    }
    lock_release(&s->lock);
}

typedef enum loss { LOST_NONE = 0, LOST_ONE, LOST_LAST } loss;

/* One reference less, if there was one. */
static loss lose(scope *s) {
    uint32_t now = load_relaxed(&s->external); /* relaxed: the swap decides */
    do {
        if (now == 0) {
            return LOST_NONE;
        }
        /* acq_rel: what every holder did comes before the drained hook */
    } while (!cas_acq_rel(&s->external, &now, now - 1));
    if (now > 1) {
        return LOST_ONE;
    }
    unwant(s);
    return LOST_LAST;
}

void owner_abandon(scope *s) {
    if (exchange_acq_rel(&s->external, 0u) != 0) { /* acq_rel: as in lose */
        unwant(s);
    }
}

static belay_status release(belay_scope h, scope_kind kind) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    bool done = s->kind == kind && lose(s) != LOST_NONE;
    scope_done(ex, s);
    return done ? BELAY_OK : BELAY_ESTALE;
}

/* ---- owners ------------------------------------------------------------------------------------------------------ */

belay_status belay_owner_create_from(belay_executor *ex, const belay_owner_options *given,
                                     belay_owner *out, const char *site) {
    static const belay_owner_options none = {.scope = {0}};
    const belay_owner_options *o = given != NULL ? given : &none;
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    *out = (belay_owner){0};
    belay_scope h;
    scope *s;
    belay_status status = scope_open_in_root(ex, &o->scope, SCOPE_OWNER, &h, &s, site);
    if (status == BELAY_OK) {
        s->drained = o->drained; /* before anybody has the handle */
        s->drained_arg = o->arg;
        scope_done(ex, s);
        *out = (belay_owner){h.slot, h.executor, h.generation};
    }
    return status;
}

belay_scope belay_owner_scope(belay_owner owner) {
    return scope_of(owner);
}

belay_status belay_owner_retain(belay_owner owner) {
    return retain(scope_of(owner), SCOPE_OWNER);
}

belay_status belay_owner_release(belay_owner owner) {
    return release(scope_of(owner), SCOPE_OWNER);
}

/* Under the lock: is it that owner's end that is still to come? The scope is not held: it shall end. */
static bool not_gone(const scope *s, uint32_t generation) {
    /* killing has raised the generation; ending lasts until the hook has returned */
    return count_is(s, generation) || (s->ending && count_generation(s) == generation);
}

static belay_status wait_gone(belay_task *self, scope *s, uint32_t generation, belay_time deadline,
                              bool drain) {
    wait_word result = WAIT_OK;
    lock_take(&s->lock);
    while (result == WAIT_OK && not_gone(s, generation)) {
        waiter w;
        waiter_init(&w, self, drain);
        w.awaits = (uintptr_t)s + AWAITS_SCOPE;
        list_append(&s->gone, &w.arm.link);
        lock_release(&s->lock);
        result = waiter_block(&w, deadline, WAIT_FOR_OWNER);
        lock_take(&s->lock);
        list_remove(&w.arm.link);
    }
    lock_release(&s->lock);
    if (result == WAIT_CANCELED) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return result == WAIT_OK ? BELAY_OK : BELAY_ETIMEDOUT;
}

belay_status belay_owner_wait_until(belay_task *self, belay_owner owner, belay_time deadline) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    belay_executor *ex = registry_open(owner.executor, owner.generation);
    if (ex == NULL) {
        return BELAY_OK;
    }
    scope *s = scope_at(ex, scope_of(owner));
    uint32_t generation = (uint32_t)(owner.generation & SLOT_GENERATION);
    /* The caller's own scopes stay as they are: if it is in this slot's scope, its generation is that one's. */
    if (s != NULL && self != NULL && task_inside(self, s) && count_generation(s) == generation) {
        status = BELAY_EDEADLK;
    } else if (self != NULL && task_canceled(self)) {
        cancel_refused(self);
        status = BELAY_ECANCELED;
    } else if (s != NULL) {
        status = wait_gone(self, s, generation, deadline, false);
    }
    registry_done(ex);
    return status;
}

/* The caller has dropped its reference; others may be left: then until no task is. */
static belay_status drain_owner(belay_task *self, belay_owner owner, bool last) {
    belay_scope h = scope_of(owner);
    belay_executor *ex = registry_open(h.executor, h.generation);
    if (ex == NULL) {
        return BELAY_OK;
    }
    scope *s = scope_at(ex, h);
    uint32_t generation = (uint32_t)(h.generation & SLOT_GENERATION);
    if (last) {
        (void)wait_gone(self, s, generation, BELAY_NEVER, true);
    } else {
        scope_drain_shared(self, s, generation);
    }
    registry_done(ex);
    return BELAY_OK;
}

belay_status belay_owner_close(belay_task *self, belay_owner owner) {
    belay_status status = check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    belay_executor *ex;
    scope *s = scope_hold(scope_of(owner), &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    loss what = LOST_NONE;
    if (self != NULL && task_inside(self, s)) {
        status = BELAY_EDEADLK;
    } else if (s->kind != SCOPE_OWNER || (what = lose(s)) == LOST_NONE) {
        status = BELAY_ESTALE;
    } else {
        belay_cancel_reason reason = {
            .code = BELAY_ECANCELED, .text = "its owner was closed", .origin = scope_of(owner)};
        (void)scope_cancel_tree(s, &reason);
    }
    scope_done(ex, s);
    return status == BELAY_OK ? drain_owner(self, owner, what == LOST_LAST) : status;
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

/* A cell for each parent's link. */
static belay_status prepare_links(const belay_token *parents, size_t count, cell **cells) {
    for (size_t i = 0; i < count; i++) {
        belay_status status = token_prepare(parents[i], &cells[i]);
        if (status != BELAY_OK) {
            while (i-- > 0) {
                token_discard(parents[i], cells[i]);
            }
            return status;
        }
    }
    return BELAY_OK;
}

/* The registrations take the place of the prepared cells. */
static void make_links(scope *s, const belay_token *parents, size_t count, cell **cells) {
    for (size_t i = 0; i < count; i++) {
        s->links[i] = cells[i] != NULL ? token_link(s, parents[i], cells[i]) : (token_follow){0};
    }
    s->link_count = (uint32_t)count;
}

static belay_status open_source(belay_executor *ex, const belay_token *parents, size_t count,
                                cell **cells, belay_scope *h) {
    static const belay_scope_options o = {.name = "source"};
    const allocator *alloc = &ex->opt.alloc;
    token_follow *links = count != 0 ? mem_allocate(alloc, count * sizeof *links, 16) : NULL;
    belay_status status =
        count != 0 && links == NULL ? BELAY_ENOMEM : prepare_links(parents, count, cells);
    scope *s;
    if (status == BELAY_OK) {
        status = scope_open_in_root(ex, &o, SCOPE_SOURCE, h, &s, BELAY_SITE);
        for (size_t i = 0; status != BELAY_OK && i < count; i++) {
            token_discard(parents[i], cells[i]);
        }
    }
    if (status != BELAY_OK) {
        mem_release(alloc, links, count * sizeof *links, 16);
        return status;
    }
    lock_take(&s->lock);
    (void)count_seal(s);
    lock_release(&s->lock);
    s->links = links;
    make_links(s, parents, count, cells);
    scope_done(ex, s);
    return BELAY_OK;
}

belay_status belay_source_create(belay_executor *ex, const belay_token *parents, size_t count,
                                 belay_source *out) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    *out = (belay_source){0};
    if (ex == NULL || (parents == NULL && count != 0) || count > UINT32_MAX) {
        return BELAY_EINVAL;
    }
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (worker_in(ex) == NULL && !guest_enter(ex)) {
        return BELAY_ESHUTDOWN;
    }
    size_t bytes = (count + 1) * sizeof(cell *);
    cell **cells = mem_allocate(&ex->opt.alloc, bytes, 16);
    belay_scope h;
    belay_status status = cells != NULL ? open_source(ex, parents, count, cells, &h) : BELAY_ENOMEM;
    mem_release(&ex->opt.alloc, cells, bytes, 16);
    registry_done(ex);
    if (status == BELAY_OK) {
        *out = (belay_source){h.slot, h.executor, h.generation};
    }
    return status;
}

belay_token belay_source_token(belay_source source) {
    return (belay_token){source.slot, source.executor, source.generation};
}

belay_status belay_source_retain(belay_source source) {
    return retain(scope_of_source(source), SCOPE_SOURCE);
}

belay_status belay_source_release(belay_source source) {
    return release(scope_of_source(source), SCOPE_SOURCE);
}

belay_status belay_source_cancel_from(belay_source source, belay_cancel_level level,
                                      belay_status code, const char *text, const char *site) {
    belay_scope h = scope_of_source(source);
    return level == BELAY_HARD_CANCELED   ? belay_scope_cancel_from(h, code, text, site)
           : level == BELAY_SOFT_CANCELED ? belay_scope_soft_cancel_from(h, code, text, site)
                                          : BELAY_EINVAL;
}

/* Tokens: the cancel of a scope, an owner or a source, seen from outside; calls put down for it; and links.
 *
 * A token is a scope's handle without its rights. What is put down for a cancel is a cell in one of the scope's two
 * lists (owner/cell.h): of those for which a soft cancel is enough, and of the others, which a soft cancel need not
 * look at. Registering, under the cells' lock: read the cancel word; put the cell into the list, or, cancelled
 * already, make the call then. Cancelling: set the word, then go through the lists, under that lock. So either the
 * registration's section comes first, and the canceller finds the cell, or the canceller's look does, and the word
 * was set before.
 *
 * A link from a token to a scope is a cell whose call cancels the scope by its handle, so it may come too late
 * harmlessly. The call only marks the scope and adds it to the canceller's work: no recursion. It is taken back when
 * the scope closes, so that a token does not collect the dead. */
#include "owner/cell.h"
#include "base/mutant.h"
#include "owner/scope.h"

belay_token belay_scope_token(belay_scope of) {
    return (belay_token){of.slot, of.executor, of.generation};
}

static belay_scope scope_of(belay_token t) {
    return (belay_scope){t.slot, t.executor, t.generation};
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static belay_cancel_level level_of(uint32_t word) {
    return (word & SCOPE_HARD) != 0   ? BELAY_HARD_CANCELED
           : (word & SCOPE_SOFT) != 0 ? BELAY_SOFT_CANCELED
                                      : BELAY_NOT_CANCELED;
}

belay_status belay_token_level(belay_token token, belay_cancel_level *out) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    *out = BELAY_NOT_CANCELED;
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(scope_of(token), &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    *out =
        level_of(load_acquire(&s->cancel)); /* pairs with mark: for who asks for the reason next */
    scope_done(ex, s);
    return BELAY_OK;
}

belay_status belay_token_reason(belay_token token, belay_cancel_reason *out) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(scope_of(token), &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    uint32_t word = load_acquire(&s->cancel); /* pairs with mark: the reason is written */
    if (word != 0) {
        *out = s->reason[(word & SCOPE_HARD) != 0 ? CANCEL_HARD : CANCEL_SOFT];
    }
    scope_done(ex, s);
    return word != 0 ? BELAY_OK : BELAY_ENOENT;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

typedef struct occasion {
    scope *s;
    cancel_level level;
    cancel_work *work;
} occasion;

static void follow(const cell *c, const occasion *o) {
    belay_executor *ex;
    scope *s = scope_hold(c->target, &ex);
    if (s != NULL &&
        (!cancel_linked(o->work, s, o->level, &o->s->reason[o->level]) || MUTANT(link_not_held))) {
        scope_done(ex, s);
    }
}

static void call(cell *c, void *context) {
    const occasion *o = context;
    if (c->function == NULL) {
        follow(c, o);
        return;
    }
    belay_cancel_reason reason = o->s->reason[o->level];
    ((belay_cancel_callback *)c->function)(&reason, c->arg);
}

static void make_calls(scope *s, cancel_level level, list *cells, const list *of,
                       cancel_work *work) {
    occasion o = {.s = s, .level = level, .work = work};
    cells_run(s->executor, s->number, cells, of, call, &o);
}

/* It is cancelled so far already: here, though others may be in the list that the canceller has not come to yet. */
static void call_late(scope *s, uint32_t word, list *cells, const list *of) {
    cancel_work work = {.todo = {NULL}};
    make_calls(s, (word & SCOPE_HARD) != 0 ? CANCEL_HARD : CANCEL_SOFT, cells, of, &work);
    cancel_work_off(&work);
}

/* The caller holds the scope. `enough`: the level of the cancel that it is put down for. If it is cancelled so far
 * already, the call is made now, also from inside another one: who asks for it is promised that, and who opens a
 * scope must find it cancelled. */
static belay_registration put_down(scope *s, cell *c, cancel_level enough) {
    belay_executor *ex = s->executor;
    lock *l = cell_lock(ex, s->number);
    list *of = &s->on_cancel[enough];
    list late;
    list_init(&late);
    store_relaxed(&s->followed, 1u); /* relaxed: our pin's end comes before the scope's */
    lock_take(l);
    uint32_t word = load_acquire(&s->cancel); /* pairs with mark: the reason is written */
    if (MUTANT(token_no_look)) {
        word = 0;
    }
    bool reached = (word & SCOPE_HARD) != 0 || (enough == CANCEL_SOFT && word != 0);
    belay_registration r = cell_arm(ex, c, s->number, reached ? &late : of);
    lock_release(l);
    if (reached) {
        call_late(s, word, &late, of);
    }
    return r;
}

static belay_status on_cancel(scope *s, cancel_level enough, void (*function)(void), void *arg,
                              belay_drop *drop, belay_registration *out) {
    cell *c = cell_new(s->executor, CELL_ON_CANCEL, function, arg, drop);
    if (c == NULL) {
        return BELAY_ENOMEM;
    }
    belay_registration r = put_down(s, c, enough);
    if (out != NULL) {
        *out = r;
    }
    return BELAY_OK;
}

belay_status belay_on_cancel(belay_token token, belay_cancel_level level,
                             belay_cancel_callback *callback, void *arg, belay_drop *drop,
                             belay_registration *out) {
    if (out != NULL) {
        *out = (belay_registration){0};
    }
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (callback == NULL || (level != BELAY_SOFT_CANCELED && level != BELAY_HARD_CANCELED)) {
        return BELAY_EINVAL;
    }
    belay_executor *ex;
    scope *s = scope_hold(scope_of(token), &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    cancel_level enough = level == BELAY_SOFT_CANCELED ? CANCEL_SOFT : CANCEL_HARD;
    belay_status status = on_cancel(s, enough, (void (*)(void))callback, arg, drop, out);
    scope_done(ex, s);
    return status;
}

belay_status belay_on_cancel_remove(belay_task *self, belay_registration registration) {
    return cell_remove(self, CELL_ON_CANCEL, registration, true);
}

belay_status belay_on_cancel_forget(belay_registration registration) {
    return cell_remove(NULL, CELL_ON_CANCEL, registration, false);
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

/* Two cells, chained by `below`: one for each level. */
static cell *link_cells(belay_executor *ex) {
    cell *first = NULL;
    for (int i = 0; i < CANCEL_LEVELS; i++) {
        cell *c = cell_new(ex, CELL_ON_CANCEL, NULL, NULL, NULL);
        if (c == NULL) {
            if (first != NULL) {
                cell_discard(ex, first);
            }
            return NULL;
        }
        c->below = first;
        first = c;
    }
    return first;
}

belay_status token_prepare(belay_token token, cell **out) {
    *out = NULL;
    if (token.generation == 0) {
        return BELAY_OK;
    }
    belay_executor *ex;
    scope *s = scope_hold(scope_of(token), &ex);
    if (s == NULL) {
        return BELAY_OK;
    }
    *out = link_cells(ex);
    scope_done(ex, s);
    return *out != NULL ? BELAY_OK : BELAY_ENOMEM;
}

void token_discard(belay_token token, cell *c) {
    belay_executor *ex = c != NULL ? registry_open(token.executor, token.generation) : NULL;
    if (ex == NULL) {
        return; /* the cells went with their executor */
    }
    while (c != NULL) {
        cell *below = c->below;
        cell_discard(ex, c);
        c = below;
    }
    registry_done(ex);
}

token_follow token_link(scope *s, belay_token token, cell *c) {
    token_follow f = {.at = {{0}}};
    belay_executor *ex;
    scope *from = scope_hold(scope_of(token), &ex);
    if (from == NULL) {
        token_discard(token, c);
        return f;
    }
    for (int i = 0; i < CANCEL_LEVELS; i++) {
        cell *below = c->below; /* the cell may have run, and be another's, when put_down returns */
        c->target = scope_handle(s->executor, s);
        f.at[i] = put_down(from, c, (cancel_level)i);
        c = below;
    }
    scope_done(ex, from);
    return f;
}

void token_unlink(token_follow link) {
    for (int i = 0; i < CANCEL_LEVELS; i++) {
        if (link.at[i].generation != 0) {
            (void)cell_remove(NULL, CELL_ON_CANCEL, link.at[i], false);
        }
    }
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Watchers' arms are under the cells' lock too. A watcher does not hold the scope, which shall be able to end: it is
 * woken then. The slot stays, its number and so its lock are constant, and at the end of a life the lists are empty. */

static void wake_all(list *watchers, bool canceled) {
    while (!list_empty(watchers)) {
        list *node = watchers->next;
        list_remove(node);
        arm_of(node)->said = canceled;
        (void)arm_wake(arm_of(node));
    }
}

static void wake_watchers(scope *s, cancel_level level, bool canceled) {
    lock *l = cell_lock(s->executor, s->number);
    lock_take(l);
    wake_all(&s->watchers[CANCEL_SOFT], canceled);
    if (level == CANCEL_HARD) {
        wake_all(&s->watchers[CANCEL_HARD], canceled);
    }
    lock_release(l);
}

static bool reached(const scope *s, cancel_level level) {
    uint32_t word =
        load_seq_cst(&s->cancel); /* after linking; pairs with mark, before wake_watchers */
    return (word & SCOPE_HARD) != 0 || (level == CANCEL_SOFT && word != 0);
}

void token_call(scope *s, cancel_level level, cancel_work *work) {
    for (cancel_level i = CANCEL_SOFT; i <= level; i++) {
        make_calls(s, level, &s->on_cancel[i], &s->on_cancel[i], work);
    }
    wake_watchers(s, level, true);
}

void token_end(scope *s) {
    if (load_relaxed(&s->followed) == 0) { /* relaxed: nobody can pin it any more */
        return;
    }
    for (int i = 0; i < CANCEL_LEVELS; i++) {
        cells_drop(s->executor, s->number, &s->on_cancel[i]);
    }
    wake_watchers(s, CANCEL_HARD, false);
}

belay_status token_state(belay_executor *ex, belay_token token, cancel_level level) {
    scope *s = scope_at(ex, scope_of(token));
    if (s == NULL || !count_pin(s, (uint32_t)(token.generation & SLOT_GENERATION))) {
        return BELAY_ESTALE;
    }
    bool now = reached(s, level);
    count_leave(NULL, s);
    return now ? BELAY_OK : BELAY_EAGAIN;
}

belay_status token_watch(belay_executor *ex, belay_token token, cancel_level level, arm *a) {
    scope *s = scope_at(ex, scope_of(token));
    if (s == NULL || !count_pin(s, (uint32_t)(token.generation & SLOT_GENERATION))) {
        return BELAY_ESTALE;
    }
    lock *l = cell_lock(ex, s->number);
    lock_take(l);
    a->said = false;
    store_relaxed(&s->followed, 1u); /* relaxed: our pin's end comes before the scope's */
    list_append(&s->watchers[level], &a->link);
    bool now = reached(s, level);
    if (now) {
        list_remove(&a->link);
    }
    lock_release(l);
    count_leave(NULL, s);
    return now ? BELAY_OK : BELAY_EAGAIN;
}

bool token_was_canceled(const arm *a) {
    return a->said;
}

void token_unwatch(belay_executor *ex, belay_token token, arm *a) {
    lock *l = cell_lock(ex, token.slot);
    lock_take(l);
    list_remove(&a->link);
    lock_release(l);
}

/* Until the token is cancelled so far, its scope ends, the deadline passes or the caller is cancelled. */
static belay_status wait_token(belay_task *self, belay_executor *ex, belay_token token,
                               cancel_level level, belay_time deadline) {
    waiter w;
    waiter_init(&w, self, false);
    belay_status status = token_watch(ex, token, level, &w.arm);
    if (status != BELAY_EAGAIN) {
        waiter_cancel(&w);
        return status;
    }
    wait_word result = waiter_block(&w, deadline, WAIT_FOR_TOKEN);
    token_unwatch(ex, token, &w.arm);
    if (result == WAIT_CANCELED) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return result == WAIT_TIMEDOUT      ? BELAY_ETIMEDOUT
           : token_was_canceled(&w.arm) ? BELAY_OK
                                        : BELAY_ESTALE;
}

belay_status belay_token_wait_until(belay_task *self, belay_token token, belay_cancel_level level,
                                    belay_time deadline) {
    if (level != BELAY_SOFT_CANCELED && level != BELAY_HARD_CANCELED) {
        return BELAY_EINVAL;
    }
    belay_status status = check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    if (self != NULL && task_canceled(self)) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    belay_executor *ex = registry_open(token.executor, token.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    cancel_level wanted = level == BELAY_SOFT_CANCELED ? CANCEL_SOFT : CANCEL_HARD;
    status = wait_token(self, ex, token, wanted, deadline);
    registry_done(ex);
    return status;
}

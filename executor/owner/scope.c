/* Opening scopes. */
#include "owner/cell.h"
#include "base/mutant.h"
#include "owner/forks.h"
#include "owner/scope.h"

/* The scope by number; the caller compares the generation when it enters or pins. */
scope *scope_at(belay_executor *ex, belay_scope h) {
    return slab_at(&ex->scopes, h.slot);
}

bool scope_has_ancestor(const scope *s, const scope *ancestor) {
    while (s != NULL && s != ancestor) {
        s = load_relaxed(&s->parent); /* relaxed: constant while open */
    }
    return s != NULL;
}

bool task_inside(const belay_task *t, const scope *s) {
    return scope_has_ancestor(load_relaxed(&t->inner), s); /* relaxed: the calling task's own */
}

static runnable *fire_deadline(timer *t, due *d) {
    scope *s = list_entry(t, scope, deadline.timer);
    count_pin_open(s); /* open: its close disarms before it frees */
    s->deadline.later = d->later;
    d->later = &s->deadline;
    return NULL;
}

belay_status deadline_pass(scope *s) {
    belay_cancel_reason reason = {
        .code = BELAY_ETIMEDOUT, .text = "deadline", .origin = scope_handle(s->executor, s)};
    return scope_cancel_tree(s, &reason);
}

static void after_deadline(late_timer *t) {
    scope *s = list_entry(t, scope, deadline);
    (void)deadline_pass(s);
    count_leave(NULL, s);
}

void deadline_arm(scope *s, belay_time at) {
    s->deadline_at = at;
    s->armed = at != BELAY_NEVER;
    if (s->armed) {
        timer_arm(wheel_here(&s->executor->sched), &s->deadline.timer, at);
    }
}

bool deadline_is_past(belay_time at) {
    return at != BELAY_NEVER && at <= port_clock_now();
}

void deadline_disarm(scope *s) {
    if (s->armed) {
        s->armed = false;
        (void)timer_disarm(&s->deadline.timer);
    }
}

/* Fills a slot that nobody knows yet. */
static void scope_fill(scope *s, belay_executor *ex, const belay_scope_options *o,
                       const char *site) {
    if (s->executor != ex) {
        s->executor =
            ex; /* in the slot's first life only: late readers of an earlier one still use it */
    }
    store_relaxed(&s->cancel, 0u); /* relaxed, here and below: published by count_born */
    store_relaxed(&s->noticed, 0u);
    s->cap = o->cap;
    s->policy = (uint32_t)o->policy;
    store_relaxed(&s->flags, o->flags); /* relaxed: published by count_born */
    s->room = 0;
    s->limit = o->cap;
    list_init(
        &s->children); /* the lock starts as zero and stays: a late waiter of an earlier life may hold it */
    list_init(&s->sibling);
    list_init(&s->waiters);
    list_init(&s->queue);
    list_init(&s->takers);
    s->results = NULL;
    s->results_last = NULL;
    s->services = (services){0};
    shard_init(s);
    s->walk[CANCEL_PASS] = 0;
    for (int i = 0; i < CANCEL_LEVELS; i++) {
        s->reason[i] = (belay_cancel_reason){0};
        s->inherited[i] = false;
        list_init(&s->on_cancel[i]);
        list_init(&s->watchers[i]);
    }
    s->first = (belay_failure){0};
    s->failed = 0;
    s->failures = NULL;
    s->closing = false;
    s->ended = false;
    s->armed = false;
    s->deadline.timer.fire = fire_deadline;
    s->deadline.after = after_deadline;
    list_init(&s->deadline.timer.link);
    s->deadline_at = BELAY_NEVER;
    s->shield = SHIELD_NONE;
    s->shielded = false;
    store_relaxed(&s->followed, 0u);
    s->shield_armed = false;
    s->shield_ended_from_above = false;
    s->budget = NO_BUDGET_SET;
    list_init(&s->cleanup);
    s->cleaned = false;
    s->bindings = o->bindings;
    s->follows = (token_follow){0};
    s->kind = SCOPE_PLAIN;
    s->reap = false;
    list_init(&s->gone); /* `ending` is off: who asks about an earlier life may read it now */
    s->drained = NULL;
    s->drained_arg = NULL;
    s->links = NULL;
    s->link_count = 0;
    s->site = site;
    s->name = o->name;
}

static void scope_link(scope *s, scope *parent) {
    lock_take(&parent->lock);
    list_append(&parent->children, &s->sibling);
    lock_release(&parent->lock);
}

static bool options_valid(const belay_scope_options *o) {
    const uint32_t flags = BELAY_SCOPE_SOFT | BELAY_SCOPE_KEEP_OUTCOMES;
    return (uint32_t)o->policy <= BELAY_COLLECT && o->deadline >= 0 && (o->flags & ~flags) == 0 &&
           o->shield_until >= 0 && o->shield_until != BELAY_NEVER &&
           o->cleanup_budget >= BELAY_NO_BUDGET;
}

/* Nested budgets: never more than that of the scopes around. */
static int64_t budget_of(const scope *parent, const belay_scope_options *o) {
    int64_t wanted = o->cleanup_budget == BELAY_NO_BUDGET ? 0 : o->cleanup_budget;
    return o->cleanup_budget != 0 && wanted < parent->budget ? wanted : parent->budget;
}

static scope *scope_new(belay_executor *ex, const belay_scope_options *o, const char *site) {
    scope *s = slot_take(ex, worker_in(ex), SLOT_SCOPE);
    if (s != NULL) {
        scope_fill(s, ex, o, site);
    }
    return s;
}

scope *scope_new_hidden(scope *serves) {
    const belay_scope_options o = {.name = serves->name,
                                   .policy = (belay_failure_policy)serves->policy};
    scope *s = scope_new(serves->executor, &o, serves->site);
    if (s != NULL) {
        store_relaxed(&s->flags, SCOPE_SERVICES);
        s->budget = serves->budget;
        s->closing = true;               /* by the one it serves, and nobody else */
        store_relaxed(&s->opener, NULL); /* relaxed: published by count_born */
        s->fork_mark = 0;
    }
    return s;
}

static const belay_scope_options no_options = {0};

scope *scope_root_open(belay_executor *ex) {
    static const belay_scope_options root = {.name = "root", .policy = BELAY_SUPERVISE};
    scope *s = scope_new(ex, &root, BELAY_SITE);
    if (s != NULL) {
        store_relaxed(&s->opener, NULL); /* relaxed, both: published by count_born */
        store_relaxed(&s->parent, NULL);
        count_born(s, 0);
    }
    return s;
}

void scope_root_free(scope *root) {
    cleanup_run_outside(root);
    token_end(root);
    lock_take(&root->lock);
    count_unbias(root);
    CHECK_ALWAYS(count_kill(root));
    lock_release(&root->lock);
    failures_free(root);
}

/* The new scope becomes the task's innermost. The task is linked first, so that who cancels it finds the scope. */
static void enter_inner(belay_task *self, scope *s) {
    worker *w = worker_current();
    if (!state_has(self, STATE_LINKED)) {
        shard_link(self, &load_relaxed(&w->fiber)->home); /* relaxed: own word */
    }
    shard *h = shard_lock_of(self);
    CHECK(h != NULL);
    store_seq_cst(&self->inner,
                  s); /* seq_cst: before cancel_inherit's read of the task's cancel word */
    lock_release(&h->lock);
}

/* What follows the birth: timers, shield, token; and what was cancelled meanwhile. A time that has passed takes
 * effect here: who looks after the open finds it so, and does not depend on when a worker goes through its timers. */
static void settle(scope *s, const belay_scope_options *o, belay_task *opener, cell *link) {
    if (!MUTANT(cancel_no_inherit)) {
        cancel_inherit(s, opener, false);
    }
    if (link != NULL) {
        s->follows = token_link(s, o->token, link);
    }
    if (o->deadline != 0 && deadline_is_past(o->deadline)) {
        s->deadline_at = o->deadline;
        (void)deadline_pass(s);
    } else if (o->deadline != 0) {
        deadline_arm(s, o->deadline);
    }
    if (o->shield_until != 0) {
        shield_arm(s);
    }
}

/* A scope that nobody knows yet, in the task's innermost one, and the cell of its link. */
static belay_status prepare(belay_task *self, const belay_scope_options *o, const char *site,
                            scope **out, cell **link) {
    scope *parent = load_relaxed(&self->inner); /* relaxed: own */
    belay_executor *ex = parent->executor;
    belay_status status = token_prepare(o->token, link);
    if (status != BELAY_OK) {
        return status;
    }
    scope *s = scope_new(ex, o, site);
    if (s != NULL) {
        s->budget = budget_of(parent, o);
        if (o->shield_until == 0 || shield_begin(s, parent, self, o->shield_until, false)) {
            *out = s;
            return BELAY_OK;
        }
        slot_give(ex, worker_in(ex), SLOT_SCOPE, s);
    }
    token_discard(o->token, *link);
    return BELAY_ENOMEM;
}

/* Born, linked, and the task's innermost. */
static void enter(belay_task *self, scope *s, bool biased) {
    scope *parent = load_relaxed(&self->inner); /* relaxed: own */
    store_relaxed(&s->opener, self);            /* relaxed, both: published by count_born */
    store_relaxed(&s->parent, parent);
    s->fork_mark = forks_outstanding(self);
    count_born(s, biased ? worker_current()->index + 1 : 0);
    scope_link(s, parent);
    enter_inner(self, s);
}

belay_status belay_scope_open_from(belay_task *self, const belay_scope_options *given,
                                   belay_scope *out, const char *site) {
    const belay_scope_options *o = given != NULL ? given : &no_options;
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    *out = (belay_scope){0};
    if (self == NULL || !options_valid(o)) {
        return port_forked() ? BELAY_ECHILD : self == NULL ? BELAY_ECONTEXT : BELAY_EINVAL;
    }
    belay_status status = check_waiter(self);
    scope *s;
    cell *link;
    if (status == BELAY_OK) {
        status = prepare(self, o, site, &s, &link);
    }
    if (status != BELAY_OK) {
        return status;
    }
    enter(self, s, o->cap == 0 && (o->flags & BELAY_SCOPE_KEEP_OUTCOMES) == 0);
    settle(s, o, self, link);
    *out = scope_handle(s->executor, s);
    return BELAY_OK;
}

scope *cleanup_scope_open(belay_task *self, const scope *of, const char *site) {
    static const belay_scope_options o = {.name = "cleanup", .policy = BELAY_SUPERVISE};
    scope *parent = load_relaxed(&self->inner); /* relaxed: own */
    scope *s = scope_new(parent->executor, &o, site);
    if (s == NULL) {
        return NULL;
    }
    s->budget = of->budget < parent->budget ? of->budget : parent->budget;
    store_relaxed(&s->flags, SCOPE_CLEANUP); /* relaxed: published by enter */
    if (!shield_begin(s, parent, self, BELAY_NEVER, true)) {
        slot_give(parent->executor, worker_in(parent->executor), SLOT_SCOPE, s);
        return NULL;
    }
    enter(self, s, true);
    settle(s, &o, self, NULL);
    shield_knock_early(s);
    shield_arm(s);
    return s;
}

/* In the executor's root, which it keeps open. Entered, and held: until the caller lets go, nobody ends it in its
 * opener's place. */
static belay_status open_in_root(belay_executor *ex, const belay_scope_options *o, scope_kind kind,
                                 const char *site, scope **out) {
    belay_status status = count_enter(NULL, ex->root, count_generation(ex->root), false);
    if (status != BELAY_OK) {
        return status;
    }
    cell *link = NULL;
    status = token_prepare(o->token, &link);
    scope *s = status == BELAY_OK ? scope_new(ex, o, site) : NULL;
    if (s == NULL) {
        token_discard(o->token, link);
        count_leave(NULL, ex->root);
        return BELAY_ENOMEM;
    }
    s->kind = (uint32_t)kind;
    s->budget = budget_of(ex->root, o);
    store_relaxed(&s->external, 1u); /* relaxed, all: published by count_born */
    store_relaxed(&s->opener, NULL);
    store_relaxed(&s->parent, ex->root);
    s->fork_mark = 0;
    count_born(s, 0);
    count_pin_open(s);
    scope_link(s, ex->root);
    settle(s, o, NULL, link);
    *out = s;
    return BELAY_OK;
}

belay_status scope_open_in_root(belay_executor *ex, const belay_scope_options *given,
                                scope_kind kind, belay_scope *out, scope **made, const char *site) {
    const belay_scope_options *o = given != NULL ? given : &no_options;
    if (ex == NULL || !options_valid(o) || o->shield_until != 0) {
        return BELAY_EINVAL;
    }
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (worker_in(ex) == NULL && !guest_enter(ex)) {
        return BELAY_ESHUTDOWN;
    }
    scope *s;
    belay_status status = open_in_root(ex, o, kind, site, &s);
    if (status != BELAY_OK) {
        registry_done(ex);
        return status;
    }
    *out = scope_handle(ex, s);
    if (made != NULL) {
        *made = s; /* and the caller lets go */
    } else {
        scope_done(ex, s);
    }
    return BELAY_OK;
}

belay_status belay_scope_open_root_from(belay_executor *ex, const belay_scope_options *given,
                                        belay_scope *out, const char *site) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    *out = (belay_scope){0};
    return scope_open_in_root(ex, given, SCOPE_PLAIN, out, NULL, site);
}

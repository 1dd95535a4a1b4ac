/* Spawning: from the call to a runnable in a queue.
 *
 * The usual case (from a task, into a scope whose home is this worker, no options, no handle) takes a record from the
 * worker's slab, fills it, raises the private count, and pushes: no locked instruction. */
#include "owner/spawn.h"

#include "task/ref.h"

/* A task that has not started and has a start time: what it can be found by, and its timer. A slot, of one cache line:
 * nobody asks for one by number, so that the number need not be kept. */
typedef struct deferred {
    anchor home; /* first */
    union {
        timer timer;
        struct {
            slab_link link;
            uint32_t number;
        } free;
    } u;
} deferred;

_Static_assert(sizeof(deferred) == 64, "one cache line");

uint32_t deferred_bytes(void) {
    return (uint32_t)((sizeof(deferred) + 15) & ~(size_t)15);
}
uint32_t deferred_link(void) {
    return offsetof(deferred, u.free.link);
}
uint32_t deferred_number(void) {
    return offsetof(deferred, u.free.number);
}

static const belay_task_options no_options = {0};

static belay_status check_options(const belay_executor *ex, const worker *w,
                                  const belay_task_options *o) {
    const uint32_t known = BELAY_TASK_RUN_CANCELED | BELAY_TASK_SERVICE;
    bool pin_ok =
        o->pin == BELAY_PIN_HERE ? w != NULL : o->pin >= 0 && (uint32_t)o->pin <= ex->sched.count;
    return pin_ok && (o->flags & ~known) == 0 && o->start_at >= 0 ? BELAY_OK : BELAY_EINVAL;
}

static uint32_t born_now(worker *w) {
    int64_t now = w != NULL ? load_relaxed(&w->now) : port_clock_coarse(); /* relaxed: own word */
    return (uint32_t)(now >> BORN_SHIFT);
}

/* Fills a record that nobody knows yet. */
static inline void fill(belay_task *t, scope *s, worker *w, const request *r) {
    const belay_task_options *o = r->options;
    /* relaxed, all: the queue publishes them; racy readers of the slot check what they find */
    store_relaxed(&t->inner, s);
    store_relaxed(&t->scope, s);
    store_relaxed(&t->home, NULL);
    t->u.body = r->body;
    t->arg = r->arg;
    t->v.drop = o->arg_drop;
    t->result = NULL;
    t->joiners = r->starter;
    store_relaxed(&t->site, r->site);
    store_relaxed(&t->name, o->name);
    store_relaxed(&t->born, born_now(w));
    int32_t pin = o->pin;
    if (w != NULL && pin == BELAY_PIN_HERE) { /* checked: "here" comes from a worker only */
        pin = (int32_t)load_relaxed(&w->place) +
              1; /* on a spare: the worker for which it stands in */
    }
    store_relaxed(&t->pin, (uint16_t)pin);
}

/* Will the ending be wanted: by who has a handle, or by the scope? */
static bool is_known(const scope *s, const request *r) {
    return r->out != NULL || scope_has(s, BELAY_SCOPE_KEEP_OUTCOMES);
}

static uint32_t flags_of(const scope *s, const request *r) {
    return (is_known(s, r) ? STATE_HANDLE : 0u) | (r->starter != NULL ? STATE_STARTER : 0u) |
           ((r->options->flags & BELAY_TASK_RUN_CANCELED) != 0 ? STATE_RUN_CANCELED : 0u);
}

/* ---- deferred start ---------------------------------------------------------------------------------------------- */

static runnable *fire_start(timer *tm, due *d) {
    (void)d;
    belay_task *t = list_entry(tm, deferred, u.timer)->home.task;
    bool parked;
    return wait_claim(&t->wait, WAIT_OK, &parked) ? &t->run : NULL;
}

/* The task waits, without a stack, for its time or a cancel. What came before it was parked found nothing to claim, so
 * both are looked at again afterwards. */
static void defer(belay_executor *ex, belay_task *t, deferred *d, belay_time when) {
    d->u.timer.fire = fire_start;
    list_init(&d->u.timer.link);
    shard_link(t, &d->home);
    d->u.timer.wheel =
        wheel_here(&ex->sched); /* where deferred_end asks, also for a timer that never was armed */
    if (when != PORT_NEVER) {
        timer_arm(d->u.timer.wheel, &d->u.timer, when);
    }
    uint32_t parked = wait_park_unstarted(t);
    bool now = task_canceled(t) || port_clock_now() >= when;
    if (now && wait_take_back(t, parked, WAIT_OK)) {
        task_submit(&ex->sched, t);
    }
}

void deferred_end(belay_executor *ex, worker *w, belay_task *t) {
    anchor *home = load_relaxed(&t->home); /* relaxed: own */
    if (home == NULL) {
        return;
    }
    deferred *d = list_entry(home, deferred, home);
    (void)timer_disarm(&d->u.timer);
    shard_unlink(t);
    wait_started(t);
    store_relaxed(&t->home, NULL);
    slot_give(ex, w, SLOT_DEFERRED, d);
}

/* ---- accepting --------------------------------------------------------------------------------------------------- */

/* From here on the task is accepted. */
static void launch(belay_executor *ex, worker *w, belay_task *t, scope *s, const request *r,
                   deferred *d) {
    count_here(ex, w, COUNT_SPAWNED);
    if (is_known(s, r)) {
        ref_born(t, r->out != NULL ? 2 : 1);
    }
    if (r->out != NULL) {
        *r->out = task_handle(ex, t);
    }
    state_born(t, d != NULL ? PHASE_DEFERRED : PHASE_QUEUED, flags_of(s, r));
    if (unlikely(d != NULL)) {
        defer(ex, t, d, r->options->start_at);
    } else if (unlikely(r->options->pin != 0) || w == NULL) {
        task_submit(&ex->sched, t);
    } else {
        worker_push(w, &t->run);
    }
}

/* The scope has been entered (and room taken): a record, and off. */
static belay_status accept(belay_executor *ex, worker *w, scope *s, const request *r) {
    belay_task *t = slot_take(ex, w, SLOT_TASK);
    if (unlikely(t == NULL)) {
        return BELAY_ENOMEM;
    }
    deferred *d = NULL;
    if (unlikely(r->options->start_at != 0)) {
        d = slot_take(ex, w, SLOT_DEFERRED);
        if (d == NULL) {
            slot_give(ex, w, SLOT_TASK, t);
            return BELAY_ENOMEM;
        }
    }
    fill(t, s, w, r);
    launch(ex, w, t, s, r, d);
    return BELAY_OK;
}

belay_status spawn_into(belay_executor *ex, scope *s, uint32_t generation, const request *r) {
    worker *w = worker_in(ex);
    bool member = r->self != NULL && task_inside(r->self, s);
    belay_status status = count_enter(w, s, generation, member);
    if (status != BELAY_OK) {
        return status;
    }
    if (unlikely(s->cap != 0)) {
        status = room_take(r->self, s, r->may_wait);
        w = worker_in(ex); /* it may have waited */
    }
    if (likely(status == BELAY_OK)) {
        status = accept(ex, w, s, r);
        if (unlikely(status != BELAY_OK) && s->cap != 0) {
            room_give(s);
        }
    }
    if (unlikely(status != BELAY_OK)) {
        count_leave(w, s);
    }
    return status;
}

/* The caller's innermost scope needs no search, and no guest. */
static scope *inner_if(const belay_task *self, belay_scope h) {
    scope *s = load_relaxed(&self->inner); /* relaxed: own */
    bool same = s->number == h.slot && s->executor->number == h.executor &&
                scope_handle(s->executor, s).generation == h.generation;
    return same ? s : NULL;
}

static belay_status spawn_anywhere(belay_scope h, const request *r) {
    belay_executor *ex = registry_open(h.executor, h.generation);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    scope *s = scope_at(ex, h);
    belay_status status = s == NULL ? BELAY_ESTALE : check_options(ex, worker_in(ex), r->options);
    if (status == BELAY_OK) {
        uint32_t generation = (uint32_t)(h.generation & SLOT_GENERATION);
        status = unlikely((r->options->flags & BELAY_TASK_SERVICE) != 0)
                     ? service_spawn(ex, s, generation, r)
                     : spawn_into(ex, s, generation, r);
    }
    registry_done(ex);
    return status;
}

static belay_status spawn(belay_scope h, const request *r) {
    if (r->out != NULL) {
        *r->out = (belay_task_handle){0};
    }
    if (unlikely(port_forked())) {
        return BELAY_ECHILD;
    }
    if (unlikely(r->self != NULL && !is_current(r->self))) {
        return BELAY_ECONTEXT;
    }
    return r->body == NULL ? BELAY_EINVAL : spawn_anywhere(h, r);
}

/* The usual case: a task spawns into its innermost scope, whose home is this worker, without options or a handle.
 * False: it is not that case, and nothing was done. */
static inline bool spawn_fast(belay_task *self, belay_scope h, belay_body *body, void *arg,
                              const char *site) {
    worker *w = worker_current();
    /* relaxed: own words */
    if (unlikely(w == NULL || load_relaxed(&w->task) != self || body == NULL || port_forked())) {
        return false;
    }
    scope *s = inner_if(self, h);
    if (unlikely(s == NULL || !count_at_home(w, s, count_generation(s), 1))) {
        return false;
    }
    belay_task *t = slab_take(&s->executor->tasks, &w->tasks);
    if (unlikely(t == NULL)) {
        count_leave(w, s);
        return false;
    }
    const request r = {.body = body, .arg = arg, .options = &no_options, .site = site};
    fill(t, s, w, &r);
    count_own(&w->count, COUNT_SPAWNED, 1);
    state_born(t, PHASE_QUEUED, 0);
    worker_push(w, &t->run);
    return true;
}

_Static_assert((int)FOREIGN_SHARDS == (int)SCHED_INJECT, "a ring goes with each pass");

/* The pass is held: it is guest's pass, and lock of the slots, the counter and the ring. The scope's count has been
 * raised, so the scope may be looked at. BELAY_EAGAIN: not the usual case, the count is still raised. */
static belay_status spawn_held(belay_executor *ex, uint32_t place, scope *s, const request *r) {
    foreign_shard *f = &ex->foreign[place];
    belay_task *t = s->cap == 0 && !is_known(s, r) ? slab_take(&ex->tasks, &f->tasks) : NULL;
    if (unlikely(t == NULL)) {
        return BELAY_EAGAIN;
    }
    fill(t, s, NULL, r);
    owner_add(&f->spawned, 1u);
    state_born(t, PHASE_QUEUED, 0);
    sched_inject_held(&ex->sched, place, &t->run);
    return BELAY_OK;
}

/* From a foreign thread, without options or a handle. BELAY_EAGAIN: not the usual case, nothing was done. Until the
 * count is lowered again it keeps the scope, and so the executor, also without the pass. */
static belay_status spawn_foreign(belay_scope h, const request *r) {
    if (unlikely(port_forked() || r->body == NULL || worker_current() != NULL)) {
        return BELAY_EAGAIN;
    }
    uint32_t place;
    belay_executor *ex = pass_take(h.executor, h.generation, &place);
    if (ex == NULL) {
        return BELAY_ESTALE;
    }
    scope *s = scope_at(ex, h);
    belay_status status = BELAY_ESTALE;
    if (likely(s != NULL)) {
        status = count_enter(NULL, s, (uint32_t)(h.generation & SLOT_GENERATION), false);
    }
    bool entered = status == BELAY_OK;
    if (likely(entered)) {
        status = spawn_held(ex, place, s, r);
    }
    pass_release(ex, place);
    if (unlikely(entered && status != BELAY_OK)) {
        count_leave_shared(s, 1);
    }
    return status;
}

belay_status belay_spawn_from(belay_task *self, belay_scope h, belay_body *body, void *arg,
                              const belay_task_options *given, belay_task_handle *out,
                              const char *site) {
    if (likely(given == NULL && out == NULL && self != NULL &&
               spawn_fast(self, h, body, arg, site))) {
        return BELAY_OK;
    }
    const request r = {self, body, arg, given != NULL ? given : &no_options, out, site, true, NULL};
    if (self == NULL && given == NULL && out == NULL) {
        belay_status status = spawn_foreign(h, &r);
        if (likely(status != BELAY_EAGAIN)) {
            return status;
        }
    }
    return spawn(h, &r);
}

belay_status spawn_for_starter(belay_task *self, belay_scope h, belay_body *body, void *arg,
                               const belay_task_options *given, belay_task_handle *out,
                               const char *site, arm *starter) {
    const request r = {self, body, arg, given, out, site, true, starter};
    return spawn(h, &r);
}

belay_status belay_try_spawn_from(belay_task *self, belay_scope h, belay_body *body, void *arg,
                                  const belay_task_options *given, belay_task_handle *out,
                                  const char *site) {
    const request r = {self, body, arg,   given != NULL ? given : &no_options,
                       out,  site, false, NULL};
    return spawn(h, &r);
}

belay_status belay_spawn_at_from(belay_task *self, belay_scope h, belay_time when, belay_body *body,
                                 void *arg, const belay_task_options *given, belay_task_handle *out,
                                 const char *site) {
    belay_task_options o = given != NULL ? *given : no_options;
    o.start_at = when;
    const request r = {self, body, arg, &o, out, site, true, NULL};
    return spawn(h, &r);
}

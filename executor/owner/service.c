/* Service tasks: they run beside a scope's ordinary tasks and are ended after them.
 *
 * They are members of a hidden scope, a child of the one they serve, made at the first of them: so the count of the
 * scope is that of its ordinary tasks, and spawning those costs nothing more. Cancels reach the hidden scope as any
 * child. The scope remembers its services in the order of their start, by handles without a reference in an array that
 * is cleaned of those that have ended when it is full: memory is that of the live ones, about.
 *
 * 1. A spawner enters the scope's count (that says whether it may, and keeps the scope from its end). Under the lock it
 *    makes sure that the hidden scope exists and has a place in the array promised. It spawns, puts the handle there,
 *    and leaves the count.
 * 2. The close finds the count at zero and, under the same hold of the lock, refuses new services: so no promise is
 *    out. It takes the youngest, cancels it, waits until it is done, strikes it out; and so on; then ends the hidden
 *    scope, and looks at the count again, for a service may have spawned ordinary tasks at its end.
 * Two may do 2 at once (shutdown): each strikes out only what it still finds there, and one of them takes the hidden
 * scope. */
#include "owner/joins.h"
#include "base/mutant.h"
#include "owner/spawn.h"

#include "task/ref.h"

enum { FIRST_PLACES = 4 };

/* ---- the hidden scope -------------------------------------------------------------------------------------------- */

/* Under the lock of the scope it is to serve: of two made at once only one is taken. */
static bool adopt(scope *s, scope *hidden) {
    if (s->services.hidden != NULL) {
        return false;
    }
    store_relaxed(&hidden->parent, s); /* relaxed: published by count_born */
    count_born(hidden, 0);
    list_append(&s->children, &hidden->sibling);
    s->services.hidden = hidden;
    return true;
}

/* The lock is held at the call and at the return, and let go of meanwhile. False: no memory. */
static bool make_hidden(scope *s) {
    belay_executor *ex = s->executor;
    lock_release(&s->lock);
    scope *fresh = scope_new_hidden(s);
    lock_take(&s->lock);
    if (fresh == NULL) {
        return false;
    }
    bool adopted = adopt(s, fresh);
    lock_release(&s->lock);
    if (adopted) {
        cancel_inherit(fresh, NULL, false); /* linked first: who cancels now finds it */
    } else {
        slot_give(ex, worker_in(ex), SLOT_SCOPE, fresh);
    }
    lock_take(&s->lock);
    return true;
}

/* No service is left but on its way out, and nobody can bring a new one. */
static void end_hidden(belay_task *self, scope *s, scope *hidden) {
    belay_executor *ex = s->executor;
    uint32_t generation = count_generation(hidden);
    lock_take(&s->lock);
    list_remove(&hidden->sibling);
    lock_release(&s->lock);
    bool dead = false;
    while (!dead) { /* pins */
        scope_drain_shared(self, hidden, generation);
        lock_take(&hidden->lock);
        dead = count_kill(hidden);
        lock_release(&hidden->lock);
    }
    if (generation != UINT32_MAX) { /* a slot whose generations are used up is retired */
        slot_give(ex, worker_in(ex), SLOT_SCOPE, hidden);
    }
}

/* ---- remembering services ---------------------------------------------------------------------------------------- */

static bool is_gone(belay_executor *ex, belay_task_handle h) {
    return ref_generation(slab_at(&ex->tasks, h.slot)) != (h.generation & SLOT_GENERATION);
}

/* Under the lock. */
static void throw_out(belay_executor *ex, services *v) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        if (!is_gone(ex, v->list[i])) {
            v->list[kept++] = v->list[i];
        }
    }
    v->count = kept;
}

/* Under the lock: is there a place? Then it is promised. Not if the array is nearly full of live ones: going through
 * them all would have to be done again soon. */
static bool promise(belay_executor *ex, services *v) {
    if (v->count + v->promised >= v->capacity) {
        throw_out(ex, v);
        if (v->count + v->promised >= v->capacity - v->capacity / 4) {
            return false;
        }
    }
    v->promised++;
    return true;
}

/* Under the lock: the larger array instead of the present one, which is returned. */
static belay_task_handle *take_over(services *v, belay_task_handle *larger, uint32_t *capacity) {
    belay_task_handle *before = v->list;
    uint32_t was = v->capacity;
    for (uint32_t i = 0; i < v->count; i++) {
        larger[i] = before[i];
    }
    v->list = larger;
    v->capacity = *capacity;
    *capacity = was;
    return before;
}

/* The lock is held at the call and at the return, and let go of to allocate. */
static bool grow(scope *s) {
    const allocator *source = &s->executor->opt.alloc;
    uint32_t was = s->services.capacity;
    uint32_t capacity = was != 0 ? was * 2 : FIRST_PLACES;
    lock_release(&s->lock);
    belay_task_handle *places = mem_allocate(source, capacity * sizeof *places, 16);
    lock_take(&s->lock);
    if (places == NULL) {
        return false;
    }
    if (s->services.capacity == was) {
        places = take_over(&s->services, places, &capacity);
    } /* else another has grown it */
    lock_release(&s->lock);
    mem_release(source, places, capacity * sizeof *places, 16);
    lock_take(&s->lock);
    return true;
}

/* A place, and the hidden scope, which stays as long as the promise: both under one hold of the lock. */
static belay_status reserve(scope *s, scope **hidden) {
    services *v = &s->services;
    bool memory = true;
    bool promised = false;
    lock_take(&s->lock);
    while (memory && !promised && !v->ending) {
        if (v->hidden == NULL) {
            memory = make_hidden(s);
        } else if (promise(s->executor, v)) {
            promised = true;
        } else {
            memory = grow(s);
        }
    }
    *hidden = v->hidden;
    lock_release(&s->lock);
    return promised ? BELAY_OK : memory ? BELAY_ESHUTDOWN : BELAY_ENOMEM;
}

/* h: all zero if there is none after all. */
static void remember(scope *s, belay_task_handle h) {
    lock_take(&s->lock);
    services *v = &s->services;
    v->promised--;
    if (h.slot != 0) {
        v->list[v->count++] = h;
    }
    lock_release(&s->lock);
}

/* ---- spawning ---------------------------------------------------------------------------------------------------- */

static belay_status spawn_counted(belay_executor *ex, scope *s, const request *r) {
    scope *hidden;
    belay_status status = reserve(s, &hidden);
    if (status != BELAY_OK) {
        return status;
    }
    belay_task_handle own = {0};
    request known = *r;
    known.out = &own;
    status = spawn_into(ex, hidden, count_generation(hidden), &known);
    remember(s, own);
    if (status == BELAY_OK && r->out != NULL) {
        *r->out = own;
    } else if (status == BELAY_OK) {
        task_close(ex, slab_at(&ex->tasks, own.slot));
    }
    return status;
}

belay_status service_spawn(belay_executor *ex, scope *s, uint32_t generation, const request *r) {
    bool member = r->self != NULL && task_inside(r->self, s);
    belay_status status = count_enter(worker_in(ex), s, generation, member);
    if (status != BELAY_OK) {
        return status;
    }
    status = s->kind == SCOPE_PLAIN ? spawn_counted(ex, s, r) : BELAY_EINVAL;
    count_leave(worker_in(ex), s);
    return status;
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

/* Under the lock: the youngest; all zero: none. */
static belay_task_handle youngest(const scope *s) {
    const services *v = &s->services;
    return v->count != 0 ? v->list[v->count - 1] : (belay_task_handle){0};
}

/* Under the lock. */
static void strike_out(scope *s, belay_task_handle h) {
    belay_task_handle last = youngest(s);
    if (h.slot == last.slot && h.generation == last.generation) {
        s->services.count--;
    }
}

/* Under no lock. WAIT_OK or WAIT_TIMEDOUT. */
static wait_word end_one(belay_task *self, scope *s, belay_task_handle h, int64_t deadline) {
    belay_executor *ex = s->executor;
    belay_task *t = task_open(ex, h);
    if (t == NULL) {
        return WAIT_OK;
    }
    const belay_cancel_reason reason = {.code = BELAY_ECANCELED,
                                        .text = "the scope that it serves is empty",
                                        .origin = scope_handle(ex, s)};
    (void)task_cancel(ex, t, &reason);
    lock *l = task_lock(t);
    lock_take(l);
    wait_word result =
        MUTANT(service_not_waited) ? WAIT_OK : joins_wait(self, t, l, deadline, true);
    lock_release(l);
    task_close(ex, t);
    return result;
}

/* Under no lock: all have ended. What there was of services was taken out of the scope, which is as new. */
static void clear_away(belay_task *self, scope *s, services *v) {
    if (v->hidden != NULL) {
        end_hidden(self, s, v->hidden);
        mem_release(&s->executor->opt.alloc, v->list, v->capacity * sizeof *v->list, 16);
    }
}

wait_word services_end(belay_task *self, scope *s, int64_t deadline) {
    s->services.ending = true; /* the count is zero, so nobody has a place promised */
    for (belay_task_handle h = youngest(s); h.slot != 0; h = youngest(s)) {
        lock_release(&s->lock);
        wait_word result = end_one(self, s, h, deadline);
        lock_take(&s->lock);
        if (result != WAIT_OK) {
            return result;
        }
        strike_out(s, h);
    }
    services v = s->services;
    s->services = (services){0};
    lock_release(&s->lock);
    clear_away(self, s, &v);
    lock_take(&s->lock);
    return WAIT_OK;
}

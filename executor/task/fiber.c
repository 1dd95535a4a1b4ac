/* See task/fiber.h. */
#include "task/fiber.h"

#include "task/state.h"

enum { SPARES = 16, STARVED_NAP = 1000000 };

static void fiber_main(void *arg);

/* A fiber at the top of a new stack. NULL: no stack. */
static fiber *fiber_new(fiber_pool *pool) {
    stack memory;
    if (!stack_get(pool->stacks, &memory)) {
        return NULL;
    }
    uintptr_t top = ((uintptr_t)memory.low + memory.size - sizeof(fiber)) & ~(uintptr_t)63;
    fiber *f = (fiber *)top;
    f->memory = memory;
    f->home.task = NULL;
    list_init(&f->home.link);
    store_relaxed(&f->next, NULL); /* relaxed, here and below: not shared yet */
    store_relaxed(&f->deque, NULL);
    store_relaxed(&f->ignored, 0u);
    fork_view_init(&f->view);
    if (!port_fiber_init(&f->port, memory.low, memory.size, f, fiber_main, f)) {
        stack_put(pool->stacks, memory);
        return NULL;
    }
    return f;
}

static void fiber_free(fiber_pool *pool, fiber *f) {
    fork_deque *deque = load_relaxed(&f->deque); /* relaxed: nobody runs on it */
    if (deque != NULL) {
        fork_deque_free(pool, deque);
    }
    port_fiber_fini(&f->port);
    stack_put(pool->stacks, f->memory);
}

static fiber *spare_pop(worker *w) {
    fiber *f = load_relaxed(&w->spares); /* relaxed: the owner's list */
    if (f != NULL) {
        store_relaxed(&w->spares, load_relaxed(&f->next));
        owner_add(&w->spare_count, -1u);
    }
    return f;
}

static void spare_push(worker *w, fiber *f) {
    store_relaxed(&f->next, load_relaxed(&w->spares)); /* relaxed: the owner's list */
    store_relaxed(&w->spares, f);
    owner_add(&w->spare_count, 1u);
}

bool fiber_make_spare(worker *w) {
    fiber *f = fiber_new(fiber_pool_of(w));
    if (f == NULL) {
        return false;
    }
    spare_push(w, f);
    return true;
}

/* In builds with a fiber per task an idle loop is not worth keeping: its next task needs a new one. */
void fiber_recycle(worker *w, fiber *f) {
    if (PORT_FIBER_PER_TASK || load_relaxed(&w->spare_count) >= SPARES) { /* relaxed: own word */
        fiber_free(fiber_pool_of(w), f);
    } else {
        spare_push(w, f);
    }
}

void fiber_drop_spares(worker *w) {
    for (fiber *f = spare_pop(w); f != NULL; f = spare_pop(w)) {
        fiber_free(fiber_pool_of(w), f);
    }
}

/* ---- switching ------------------------------------------------------------------------------------------ */

/* The first thing on every stack that was switched to. */
static void arrived(void) {
    worker *w = worker_current();
    worker_post *post = load_relaxed(&w->post); /* relaxed: own word */
    void *arg = load_relaxed(&w->post_arg);
    store_relaxed(&w->post, NULL);
    if (post != NULL) {
        post(w, arg);
    }
}

/* Continues `to`; returns when somebody continues `from`. */
static void switch_to(worker *w, fiber *from, fiber *to, worker_post *post, void *arg, bool last) {
    store_relaxed(&w->post, post); /* relaxed, here and below: own words */
    store_relaxed(&w->post_arg, arg);
    store_relaxed(&w->fiber, to);
    store_relaxed(&w->forks, load_relaxed(&to->deque));
    port_fiber_switch(&from->port, &to->port, last);
    arrived();
}

static void post_recycle(worker *w, void *arg) {
    fiber_recycle(w, arg);
}

static fiber *fiber_of(anchor *home) {
    return list_entry(home, fiber, home);
}

/* The caller's task was claimed out of its suspension: continue it. */
static fiber *take_up(worker *w, belay_task *t) {
    store_relaxed(&w->task, t); /* relaxed: own words */
    owner_add(&w->turn, 1u);
    return fiber_of(load_acquire(&t->home)); /* pairs with block_task */
}

static bool is_suspended(const belay_task *t) {
    return state_phase(t) == PHASE_SUSPENDED;
}

void fiber_suspend(worker_post *post, void *arg) {
    worker *w = worker_current();
    fiber_suspend_for(w, worker_poll(w), post, arg);
}

void fiber_suspend_for(worker *w, runnable *r, worker_post *post, void *arg) {
    sched *s = w->sched;
    fiber *self = load_relaxed(&w->fiber); /* relaxed: own words */
    fork_deque *deque = load_relaxed(&self->deque);
    if (unlikely(deque != NULL)) {
        forks_suspend(deque, s);
    }
    fiber *to;
    if (r != NULL && is_suspended(task_of(r))) {
        to = take_up(w, task_of(r));
    } else {
        store_relaxed(&w->picked, r);
        store_relaxed(&w->task, NULL);
        to = spare_pop(w);
        CHECK(to != NULL); /* no task is started without a spare in hand */
    }
    switch_to(w, self, to, post, arg, false);
    if (unlikely(deque != NULL)) {
        forks_resume(deque, s);
    }
}

/* ---- the worker loop --------------------------------------------------------------------------------------- */

static void resume(worker *w, fiber *f, belay_task *t) {
    fiber *to = take_up(w, t);
    switch_to(w, f, to, post_recycle, f, PORT_FIBER_PER_TASK);
}

static runnable *next_runnable(worker *w) {
    runnable *r = load_relaxed(&w->picked); /* relaxed: own word */
    if (r != NULL) {
        store_relaxed(&w->picked, NULL);
        return r;
    }
    return worker_next(w);
}

/* A build with a fiber per task: the loop moves to a fresh fiber, which runs the task. */
static void start_elsewhere(worker *w, fiber *f, belay_task *t) {
    fiber *to = spare_pop(w);
    store_relaxed(&w->picked, &t->run); /* relaxed: own words */
    store_relaxed(&w->fresh, 1u);
    switch_to(w, f, to, post_recycle, f, true);
}

static bool must_move(worker *w) {
    bool fresh = load_relaxed(&w->fresh) != 0; /* relaxed: own word */
    store_relaxed(&w->fresh, 0u);
    return PORT_FIBER_PER_TASK && !fresh;
}

/* Has the loop gone once through everything at hand without finding a task to resume? */
static bool pass_done(worker *w) {
    uint64_t turn = load_relaxed(&w->turn); /* relaxed, here and below: own words */
    if (load_relaxed(&w->starved_turn) != turn) {
        store_relaxed(&w->starved_turn, turn);
        store_relaxed(&w->starved_tries, 0u);
    }
    owner_add(&w->starved_tries, 1u);
    return load_relaxed(&w->starved_tries) > runq_size(&w->queue) + RUNQ_CLAIM + 2;
}

/* Nothing to resume for this worker. Naps, and says whether that is so everywhere, for good. */
static bool starved_for_good(worker *w) {
    fiber_pool *pool = fiber_pool_of(w);
    uint32_t starved = fetch_add_seq_cst(&pool->starved, 1u) + 1; /* seq_cst: starved workers see each other */
    bool quiet = worker_quiet(w, starved);
    if (!quiet) {
        port_futex_wait(&pool->starved.value, starved, port_clock_now() + STARVED_NAP);
    }
    fetch_sub_seq_cst(&pool->starved, 1u);
    store_relaxed(&w->starved_tries, 0u); /* relaxed: own word */
    return quiet;
}

/* No stack for a spare: a task to start waits until one comes back, tasks to resume go on. When nothing runs anywhere and
 * no timer is armed, none can come back: then the task ends with an error. */
static void start_starved(worker *w, belay_task *t) {
    if (pass_done(w) && starved_for_good(w)) {
        task_refuse(w, t);
    } else {
        upcall_submit(w->sched, &t->run);
    }
}

static void start(worker *w, fiber *f, belay_task *t) {
    if (unlikely(!fiber_reserve(w))) {
        start_starved(w, t);
    } else if (must_move(w)) {
        start_elsewhere(w, f, t);
    } else {
        task_run(w, t, f);
    }
}

static void worker_loop(fiber *f) {
    for (;;) {
        worker *w = worker_current();
        runnable *r = next_runnable(w);
        if (r == NULL) {
            return;
        }
        belay_task *t = task_of(r);
        if (is_suspended(t)) {
            resume(w, f, t);
        } else {
            start(w, f, t);
        }
    }
}

/* On the thread's own stack: nobody is on the last fiber any more. */
static void fiber_main(void *arg) {
    fiber *f = arg;
    arrived();
    worker_loop(f);
    worker *w = worker_current();
    fiber *native = load_relaxed(&w->native); /* relaxed: own word */
    switch_to(w, f, native, post_recycle, f, true);
    CHECK_ALWAYS(!"a finished fiber was continued");
}

void fiber_run_worker(worker *w) {
    fiber native = {0};
    port_fiber_adopt(&native.port);
    store_relaxed(&w->native, &native); /* relaxed: own words */
    store_relaxed(&w->fiber, &native);
    fiber *first = spare_pop(w);
    CHECK(first != NULL);
    switch_to(w, &native, first, NULL, NULL, false);
    fiber_drop_spares(w);
    port_fiber_release(&native.port);
}

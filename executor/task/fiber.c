/* See task/fiber.h. */
#include "task/fiber.h"
#include "base/mutant.h"

#include "sched/block.h"
#include "sched/private.h"
#include "task/fetch.h"
#include "task/state.h"
#include "task/wait.h"

enum { STARVED_NAP = 1000000 };

/* ---- switching ------------------------------------------------------------------------------------------ */

/* A task that has given way: to the end of the line. */
static void post_requeue(worker *w, void *arg) {
    belay_task *t = arg;
    if (likely(load_relaxed(&t->pin) == 0)) { /* relaxed: constant */
        worker_requeue(w, &t->run);
    } else {
        task_submit(w->sched, t);
    }
}

/* Stands for private_swapped, without a call. */
static void post_swapped(worker *w, void *arg) {
    (void)arg;
    private_swapped(w);
}

/* ThreadSanitizer knows no order between the task that was just left and this stack, and is not to know one. But the
 * record of that task is looked at here (park_task), and its scope, and where these were mapped a moment ago that
 * seems to be a race with the mapping. So the mappings, and nothing else, come before. */
static void see_records(worker *w) {
    const fiber_pool *pool = fiber_pool_of(w);
    for (int i = 0; i < 2 && pool->records[i] != NULL; i++) {
        (void)slab_made(pool->records[i]);
    }
}

/* The first thing on every stack that was switched to. */
static inline void arrived(void) {
    worker *w = worker_current();
    port_tsan_acquire(w); /* of what the thread did before its first task: see fiber_run_worker */
    if (PORT_FIBER_PER_TASK) {
        see_records(w);
    }
    worker_post *post = load_relaxed(&w->post); /* relaxed: own word */
    void *arg = load_relaxed(&w->post_arg);
    if (likely(post == post_swapped)) {
        private_swapped(w);
    } else if (post != NULL) {
        post(w, arg);
    }
}

/* Continues `to`; returns when somebody continues `from`. */
static inline void switch_to(worker *w, fiber *from, fiber *to, worker_post *post, void *arg,
                             bool last) {
    store_relaxed(&w->post, post); /* relaxed, here and below: own words */
    store_relaxed(&w->post_arg, arg);
    store_relaxed(&w->fiber, to);
    store_release(&w->forks, load_relaxed(&to->deque)); /* pairs with upcall_steal_fork */
    port_tsan_release(&w->native);
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

/* Leaves the task, and its fiber, for r; NULL: for what the loop finds. */
static inline void leave(worker *w, belay_task *t, fiber *self, runnable *r, worker_post *post,
                         void *arg) {
    loop_settle(w);
    fork_deque *deque = load_relaxed(&self->deque); /* relaxed: own words */
    if (unlikely(deque != NULL)) {
        forks_suspend(deque, w->sched);
    }
    fiber *to;
    if (r != NULL && is_suspended(task_of(r))) {
        fetch_ahead(w);
        to = take_up(w, task_of(r));
    } else {
        store_relaxed(&w->picked, r);
        store_relaxed(&w->task, NULL);
        to = fiber_spare_pop(w);
        CHECK(to != NULL); /* no task is started without a spare in hand */
    }
    port_tsan_release(&t->run);
    switch_to(w, self, to, post, arg, false);
    port_tsan_acquire(&t->run);
    if (unlikely(deque != NULL)) {
        forks_resume(deque, worker_current()->sched);
    }
}

void fiber_suspend(belay_task *t, worker_post *post, void *arg) {
    worker *w = worker_current();
    leave(w, t, load_relaxed(&w->fiber), worker_poll_inline(w), post, arg); /* relaxed: own word */
}

/* Among tasks of this worker that give way, or were woken before, in turn. False: not that case, nothing was done. */
static inline bool give_way_quick(worker *w, belay_task *t, fiber *self) {
    /* relaxed: own words; constant */
    if (unlikely(load_relaxed(&self->deque) != NULL || load_relaxed(&t->pin) != 0)) {
        return false;
    }
    loop_settle(w);
    port_tsan_release(&t->run);
    runnable *r = private_swap(w, &t->run);
    if (unlikely(r == NULL)) {
        return false;
    }
    store_release(&t->home, &self->home); /* pairs with the resumer's acquire */
    count_own(&w->count, COUNT_YIELDS, 1);
    state_suspend(t, WAIT_FOR_TURN);
    if (likely(is_suspended(task_of(r)))) {
        switch_to(w, self, take_up(w, task_of(r)), post_swapped, NULL, false);
        port_tsan_acquire(&t->run);
    } else {
        leave(w, t, self, r, post_swapped, NULL);
    }
    state_resume(t);
    return true;
}

void fiber_give_way(worker *w, belay_task *t) {
    fiber *self = load_relaxed(&w->fiber); /* relaxed: own words */
    if (likely(give_way_quick(w, t, self))) {
        return;
    }
    runnable *next = worker_poll_briefly(w);
    if (next != NULL || block_must_leave(w)) { /* else nobody wants the worker */
        store_release(&t->home, &self->home);  /* pairs with the resumer's acquire */
        count_own(&w->count, COUNT_YIELDS, 1);
        state_suspend(t, WAIT_FOR_TURN);
        leave(w, t, self, next, post_requeue, t);
        state_resume(t);
    }
}

/* ---- the worker loop --------------------------------------------------------------------------------------- */

static void resume(worker *w, fiber *f, belay_task *t) {
    fetch_ahead(w);
    fiber *to = take_up(w, t);
    switch_to(w, f, to, post_recycle, f, false);
}

static runnable *next_runnable(worker *w) {
    runnable *r = load_relaxed(&w->picked); /* relaxed: own word */
    if (r != NULL) {
        store_relaxed(&w->picked, NULL);
        return r;
    }
    r = worker_poll_inline(w);
    if (unlikely(r == NULL)) {
        if (!MUTANT(count_owed_kept)) {
            loop_settle(w); /* the search for work may last */
        }
        r = worker_next(w);
    }
    return r;
}

/* A build with a fiber per task: the loop moves to a fresh fiber, which runs the task. */
static void start_elsewhere(worker *w, fiber *f, belay_task *t) {
    fiber *to = fiber_spare_pop(w);
    store_relaxed(&w->picked, &t->run); /* relaxed: own words */
    store_relaxed(&w->fresh, 1u);
    switch_to(w, f, to, post_recycle, f, false);
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
    uint32_t claimed = load_relaxed(&w->batch_end) - load_relaxed(&w->batch_next);
    return load_relaxed(&w->starved_tries) > runq_size(&w->queue) + claimed + 2;
}

/* Has another worker a stack for the task? A parked one keeps what it had when it went to sleep. */
static bool spare_elsewhere(worker *w, const belay_task *t) {
    if (load_relaxed(&t->pin) != 0) { /* relaxed: constant */
        return false;
    }
    const sched *s = w->sched;
    for (uint32_t i = 0; i < sched_live(s); i++) {
        if (load_relaxed(&s->workers[i].spare_count) !=
            0) { /* relaxed: read after the worker was seen parked */
            return true;
        }
    }
    return false;
}

/* Can no stack come back? The turns show that no worker has left starvation, run something and starved again while we
 * looked. */
static bool starved_for_good(worker *w, const belay_task *t, uint32_t starved, uint64_t turns) {
    /* First the timers: what one has made runnable is submitted before its wheel is empty. Their next time would not
     * do: it is that of a timer that was taken back, for as long as that would have lasted. */
    return wheels_empty(w->sched) && worker_quiet(w, starved) &&
           load_seq_cst(&fiber_pool_of(w)->starved) ==
               starved && /* seq_cst: before the second look at the turns */
           worker_turns(w) == turns &&
           !spare_elsewhere(w, t);
}

/* No stack for a spare: a task to start waits until one comes back, tasks to resume go on. When nothing runs anywhere
 * and no timer is armed, none can come back: then the task ends with an error. Else the worker naps, with the task in
 * its queue, so that a worker which has a stack may come for it. */
static void start_starved(worker *w, belay_task *t) {
    if (!pass_done(w)) {
        upcall_submit(w->sched, &t->run);
        return;
    }
    fiber_pool *pool = fiber_pool_of(w);
    uint64_t turns = worker_turns(w);
    uint32_t starved =
        fetch_add_seq_cst(&pool->starved, 1u) + 1; /* seq_cst: starved workers see each other */
    bool refuse = starved_for_good(w, t, starved, turns);
    if (!refuse) {
        upcall_submit(w->sched, &t->run);
        port_futex_wait(&pool->starved.value, starved, port_clock_now() + STARVED_NAP);
    }
    fetch_sub_seq_cst(&pool->starved, 1u);
    store_relaxed(&w->starved_tries, 0u); /* relaxed: own word */
    if (refuse) {
        task_refuse(w, t);
    }
}

/* Is there a spare for when the task suspends? In a build with a fiber per task it should be fresh, and made now: the
 * next task will run on it, and ThreadSanitizer orders a fiber after what its maker has done before. */
static bool ready(worker *w) {
    if (!fiber_reserve(w)) {
        return false;
    }
    if (PORT_FIBER_PER_TASK &&
        load_relaxed(&load_relaxed(&w->spares)->used) != 0) { /* relaxed: the owner's list */
        (void)fiber_make_spare(w);
    }
    return true;
}

static void start(worker *w, fiber *f, belay_task *t) {
    if (unlikely(!ready(w))) {
        start_starved(w, t);
    } else if (must_move(w)) {
        start_elsewhere(w, f, t);
    } else {
        task_run(w, t, f);
    }
}

/* Is t a counted member, about to start, of the scope that ended tasks are put off for? */
static bool puts_off(const worker *w, const belay_task *t) {
    /* relaxed, all: own */
    return load_relaxed(&t->scope) == load_relaxed(&w->owed_scope) && !state_has(t, STATE_FORK) &&
           load_relaxed(&w->spares) != NULL;
}

static void worker_loop(fiber *f) {
    for (;;) {
        worker *w = worker_current();
        runnable *r = next_runnable(w);
        if (r == NULL) {
            return;
        }
        port_tsan_acquire(r);
        belay_task *t = task_of(r);
        bool suspended = is_suspended(t);
        if (suspended || !puts_off(w, t)) {
            loop_settle(w);
        }
        if (suspended) {
            resume(w, f, t);
        } else {
            start(w, f, t);
        }
    }
}

/* On the thread's own stack: nobody is on the last fiber any more. */
void fiber_main(void *arg) {
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
    fiber *first = fiber_spare_pop(w);
    CHECK(first != NULL);
    port_tsan_release(w); /* the thread's start, its hook included, comes before every task on it */
    switch_to(w, &native, first, NULL, NULL, false);
    port_tsan_acquire(&w->native); /* and its end comes after everything on it */
    fiber_drop_spares(w);
    port_fiber_release(&native.port);
}

/* Puts the floors together: create, run, shutdown, destroy. The threads that run tasks are in threads.c.
 *
 * Creating goes floor by floor; a failure takes down what stands, in the reverse order, with the same function that
 * destroys a whole executor. Destroy first shuts down (shutdown.c), then makes the executor refuse guests, then stops
 * the workers, then frees. */
#include <string.h>

#include "flow/condition.h"
#include "owner/cell.h"
#include "owner/forks.h"
#include "owner/scope.h"
#include "threads.h"

/* ---- building and taking down ------------------------------------------------------------------------------------ */

static void free_wheels(belay_executor *ex) {
    for (uint32_t i = 0; i < ex->sched.count; i++) {
        mem_release(&ex->opt.alloc, ex->sched.workers[i].wheel, sizeof(wheel), 64);
        ex->sched.workers[i].wheel = NULL;
    }
}

static bool make_wheels(belay_executor *ex) {
    for (uint32_t i = 0; i < ex->sched.count; i++) {
        wheel *w = mem_allocate(&ex->opt.alloc, sizeof(wheel), 64);
        if (w == NULL) {
            return false;
        }
        wheel_init(w, &ex->sched, i);
        ex->sched.workers[i].wheel = w;
    }
    return true;
}

static uint32_t spares_of(const options *o) {
    uint32_t room = SCHED_MAX_WORKERS - o->workers;
    return o->spare_workers < room ? o->spare_workers : room;
}

/* Free slots that lie in the caches of others than the one who asks come on top of the limit, so that as many as were
 * promised can always be had. */
static uint32_t with_caches(const options *o, uint32_t limit) {
    return limit + (o->workers + spares_of(o) + FOREIGN_SHARDS) * 2 * SLAB_BATCH;
}

static bool make_slabs(belay_executor *ex) {
    const options *o = &ex->opt;
    uint32_t tasks = with_caches(o, o->max_tasks);
    return slab_init(&ex->tasks, sizeof(belay_task), offsetof(belay_task, u),
                     offsetof(belay_task, number), tasks) &&
           slab_init(&ex->scopes, sizeof(scope), offsetof(scope, link), offsetof(scope, number),
                     with_caches(o, o->max_scopes)) &&
           slab_init(&ex->cells, cell_bytes(), offsetof(cell, free), offsetof(cell, number),
                     tasks) &&
           slab_init(&ex->deferred, deferred_bytes(), deferred_link(), deferred_number(), tasks) &&
           slab_init(&ex->reasons, reason_slot_bytes(), reason_slot_link(), reason_slot_number(),
                     tasks);
}

/* Shards outlive their scopes; results may still wait for a joiner that never came. */
static void free_leftovers(belay_executor *ex) {
    for (uint32_t i = 1; ex->tasks.chunks != NULL && i <= slab_made(&ex->tasks); i++) {
        belay_task *t = slab_at(&ex->tasks, i);
        if (state_phase(t) == PHASE_DONE && t->v.end.observed == 0) {
            const belay_failure failure = {t->v.end.status, load_relaxed(&t->name),
                                           load_relaxed(&t->site)}; /* relaxed: nobody runs */
            failure_unobserved(ex, &failure);
        }
        if (state_phase(t) == PHASE_DONE && t->v.end.has_result != 0 && t->u.result_drop != NULL) {
            t->u.result_drop(t->result);
        }
    }
    for (uint32_t i = 1; ex->scopes.chunks != NULL && i <= slab_made(&ex->scopes); i++) {
        scope *s = slab_at(&ex->scopes, i);
        mem_release(&ex->opt.alloc, load_relaxed(&s->shards), ex->sched.count * sizeof(shard), 64);
    }
}

/* Frees whatever of it exists. */
static void take_down(belay_executor *ex, uint32_t started) {
    threads_stop(ex, started);
    if (ex->monitor.sched != NULL) {
        monitor_fini(&ex->monitor);
    }
    pool_fini(&ex->pool);
    fd_fini(&ex->fds);
    free_leftovers(ex);
    forks_fini(ex);
    if (ex->fibers.stacks != NULL) {
        stack_pool_destroy(ex->fibers.stacks);
    }
    if (ex->sched.workers != NULL) {
        free_wheels(ex);
        sched_fini(&ex->sched);
    }
    slab_fini(&ex->tasks);
    slab_fini(&ex->scopes);
    slab_fini(&ex->deferred);
    slab_fini(&ex->reasons);
    slab_fini(&ex->cells);
}

static bool make_floors(belay_executor *ex) {
    const options *o = &ex->opt;
    bool symmetric = !(o->membarrier && port_membarrier_init());
    fd_init(&ex->fds, &ex->sched, &o->alloc);
    pool_init(&ex->pool, o->blocking_threads, &o->alloc, o->name);
    if (!forks_init(ex) || !make_slabs(ex) ||
        !sched_init(&ex->sched, o->workers, spares_of(o), symmetric, o->spin, &executor_driver,
                    &o->alloc) ||
        !make_wheels(ex) ||
        !monitor_init(&ex->monitor, &ex->sched, &ex->fds, o->stall, &o->alloc)) {
        return false;
    }
    bulk_init(ex);
    if (o->idle_report != 0 && (!o->log_is_default || o->deadlock != NULL)) {
        monitor_report_idle(&ex->monitor, o->idle_report);
    }
    ex->fibers.sched = &ex->sched;
    ex->fibers.records[0] = &ex->tasks;
    ex->fibers.records[1] = &ex->scopes;
    ex->fibers.stacks = stack_pool_create(&o->alloc, o->stack_size, o->stack_cache, o->max_stacks);
    ex->root = ex->fibers.stacks != NULL ? scope_root_open(ex) : NULL;
    return ex->root != NULL;
}

/* Everything behind the options starts as zero; the fence lets no delayed store of ours come after (simulated
 * build). */
static void clear(belay_executor *ex, const options *o) {
    port_fence_heavy(true);
    memset((char *)ex + offsetof(belay_executor, opt), 0,
           sizeof *ex - offsetof(belay_executor, opt));
    ex->opt = *o;
}

static belay_status build(belay_executor *ex, uint32_t *started) {
    if (!make_floors(ex)) {
        return BELAY_ENOMEM;
    }
    store_seq_cst(&ex->phase, EXECUTOR_RUNNING); /* seq_cst: pairs with guest_enter */
    belay_status status = threads_start(ex, started);
    if (status == BELAY_OK && load_relaxed(&ex->monitor.wanted) != 0) { /* relaxed: a hint */
        monitor_busy(&ex->monitor); /* now: a worker that never parks never asks for it */
    }
    return status;
}

belay_status belay_executor_create(const belay_config *config, belay_executor **out) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    *out = NULL;
    port_fork_watch();
    threads_watch();
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    options o;
    belay_status status = options_resolve(config, &o);
    if (status != BELAY_OK) {
        return status;
    }
    belay_executor *ex = executor_claim();
    if (ex == NULL) {
        return BELAY_ENOMEM;
    }
    clear(ex, &o);
    uint32_t started = 0;
    status = build(ex, &started);
    if (status != BELAY_OK) {
        take_down(ex, started);
        executor_unclaim(ex);
        return status;
    }
    *out = ex;
    return BELAY_OK;
}

/* ---- running and ending ------------------------------------------------------------------------------------------ */

belay_scope belay_executor_root(const belay_executor *ex) {
    if (ex == NULL) {
        return (belay_scope){0};
    }
    return scope_handle(ex, ex->root);
}

uint32_t belay_executor_workers(const belay_executor *ex) {
    return ex == NULL ? 0 : ex->sched.count;
}

belay_status belay_executor_run(belay_executor *ex, belay_body *body, void *arg,
                                belay_outcome *outcome) {
    if (ex == NULL) {
        return BELAY_EINVAL;
    }
    belay_status status = check_waiter(NULL);
    if (status != BELAY_OK) {
        return status;
    }
    belay_task_handle task;
    status = belay_spawn_from(NULL, belay_executor_root(ex), body, arg, NULL, &task,
                              "belay_executor_run");
    if (status == BELAY_OK) {
        status = belay_join(NULL, task, outcome);
        (void)belay_task_release(task);
    }
    return status;
}

belay_status belay_executor_destroy(belay_executor *ex) {
    if (ex == NULL) {
        return BELAY_OK;
    }
    belay_status status = belay_executor_shutdown(ex, 0, BELAY_NEVER);
    uint32_t running = EXECUTOR_RUNNING;
    if (status != BELAY_OK) {
        return status == BELAY_ESTALE ? BELAY_EALREADY : status;
    }
    /* seq_cst: before the reads of the guests' counts; pairs with guest_enter */
    if (!cas_seq_cst(&ex->phase, &running, EXECUTOR_DESTROYING)) {
        return BELAY_EALREADY;
    }
    guests_drain(ex);
    scope_root_free(ex->root);
    take_down(ex, ex->sched.count);
    executor_unclaim(ex);
    return BELAY_OK;
}

belay_status belay_restart_in_child(void) {
    if (!port_forked()) {
        return BELAY_EALREADY;
    }
    if (worker_current() != NULL) {
        return BELAY_ECONTEXT;
    }
    executors_lose();
    fd_lose_all();
    condition_lose_all();
    port_forked_clear();
    return BELAY_OK;
}

size_t belay_executor_trim(belay_executor *ex) {
    if (ex == NULL || port_forked() || (worker_in(ex) == NULL && !guest_enter(ex))) {
        return 0;
    }
    size_t bytes = stack_pool_trim(ex->fibers.stacks);
    registry_done(ex);
    return bytes;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* Never 0, which is "none" in options: not even on a clock that is set to begin there (a time namespace). */
belay_time belay_now(void) {
    int64_t now = port_clock_now();
    return likely(now > 0) ? now : 1;
}

belay_time belay_after(int64_t nanoseconds) {
    belay_time now = belay_now();
    if (nanoseconds <= 0) {
        return now;
    }
    return nanoseconds > INT64_MAX - now ? BELAY_NEVER : now + nanoseconds;
}

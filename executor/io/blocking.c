/* Blocking functions on threads of their own, and the hint.
 *
 * The job lies on the caller's stack. It is queued under the pool's lock. The caller waits for its end, at first as
 * one whom a cancel or a deadline may wake: then, under the same lock, it takes the job back if it has not been
 * started, and else waits again, as one who drains. So no thread outlives its caller's wait. */
#include <belay/blocking.h>

#include "owner/scope.h"
#include "sched/block.h"

struct belay_blocking_context {
    const belay_task *caller; /* NULL: a foreign thread */
};

typedef struct blocking_call {
    pool_job job;
    belay_blocking_context context;
    belay_blocking_function *function;
    void *arg;
    belay_status result; /* the function's thread's until the job is done */
    waiter *waiter;      /* under the pool's lock */
} blocking_call;

static void run_call(pool_job *job) {
    blocking_call *call = list_entry(job, blocking_call, job);
    call->result = call->function(call->arg, &call->context);
}

/* Under the pool's lock. */
static void call_ended(pool_job *job) {
    waiter *w = list_entry(job, blocking_call, job)->waiter;
    if (w != NULL) {
        (void)waiter_wake(w);
    }
}

/* Under the pool's lock, which it lets go of meanwhile. */
static wait_word wait_end(thread_pool *p, belay_task *self, blocking_call *call, bool drain,
                          belay_time deadline) {
    waiter w;
    waiter_init(&w, self, drain);
    call->waiter = &w;
    lock_release(&p->lock);
    wait_word end = waiter_block(&w, deadline, WAIT_FOR_POOL);
    lock_take(&p->lock);
    call->waiter = NULL;
    return end;
}

/* Under the pool's lock. */
static belay_status call_in_pool(thread_pool *p, belay_task *self, blocking_call *call,
                                 belay_time deadline) {
    if (!pool_submit(p, &call->job)) {
        return BELAY_ENOMEM;
    }
    if (call->job.state != POOL_REFUSED) {
        wait_word end = wait_end(p, self, call, false, deadline);
        if (end != WAIT_OK && pool_take_back(&call->job)) {
            return end == WAIT_CANCELED ? BELAY_ECANCELED : BELAY_ETIMEDOUT;
        }
    }
    while (call->job.state == POOL_RUNNING) {
        (void)wait_end(p, self, call, true, BELAY_NEVER);
    }
    return call->job.state == POOL_REFUSED ? BELAY_EAGAIN : BELAY_OK;
}

belay_status belay_blocking_until(belay_task *self, belay_blocking_function *function, void *arg,
                                  belay_time deadline, belay_status *result) {
    belay_status status = check_waiter(self);
    if (status == BELAY_OK && function == NULL) {
        status = BELAY_EINVAL;
    }
    if (status == BELAY_OK && self != NULL) {
        status = belay_checkpoint(self);
    }
    if (status != BELAY_OK) {
        return status;
    }
    blocking_call call = {.job = {.run = run_call, .ended = call_ended},
                          .context = {self},
                          .function = function,
                          .arg = arg};
    if (self == NULL) {
        run_call(&call.job);
    } else {
        thread_pool *p = &executor_of_sched(worker_current()->sched)->pool;
        lock_take(&p->lock);
        status = call_in_pool(p, self, &call, deadline);
        lock_release(&p->lock);
    }
    if (status == BELAY_ECANCELED) {
        cancel_refused(self);
    }
    if (status == BELAY_OK && result != NULL) {
        *result = call.result;
    }
    return status;
}

belay_status belay_blocking(belay_task *self, belay_blocking_function *function, void *arg,
                            belay_status *result) {
    return belay_blocking_until(self, function, arg, BELAY_NEVER, result);
}

/* The caller waits, so its words are there and its innermost scope stays the same. */
bool belay_blocking_canceled(const belay_blocking_context *context) {
    return context->caller != NULL && task_canceled(context->caller);
}

/* ---- the hint ---------------------------------------------------------------------------------------------------- */

static belay_status check_hint(const belay_task *self) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    return self != NULL && is_running(self) ? BELAY_OK : BELAY_ECONTEXT;
}

/* The depth is the task's, as long as it is on its fiber; whether the hint holds is the worker's. */
belay_status belay_block_begin(belay_task *self) {
    belay_status status = check_hint(self);
    if (status != BELAY_OK) {
        return status;
    }
    worker *w = worker_current();
    fiber *f = load_relaxed(&w->fiber); /* relaxed, all: own words */
    uint32_t marks = load_relaxed(&f->marks);
    if (marks > UINT32_MAX - FIBER_HINT_ONE) {
        return BELAY_EINVAL;
    }
    store_relaxed(&f->marks, marks + FIBER_HINT_ONE);
    if (!block_hinted(w)) {
        block_begin(w);
    }
    return BELAY_OK;
}

belay_status belay_block_end(belay_task *self) {
    belay_status status = check_hint(self);
    if (status != BELAY_OK) {
        return status;
    }
    worker *w = worker_current();
    fiber *f = load_relaxed(&w->fiber); /* relaxed, all: own words */
    uint32_t marks = load_relaxed(&f->marks);
    if (marks < FIBER_HINT_ONE) {
        return BELAY_EINVAL;
    }
    store_relaxed(&f->marks, marks - FIBER_HINT_ONE);
    if (!block_hinted(w)) {
        return BELAY_EALREADY;
    }
    if (marks < 2 * FIBER_HINT_ONE) {
        block_end(w);
    }
    return BELAY_OK;
}

/* A task that waits, against its waker and against a cancel. docs/protocols/task-state.md and cancel.md.
 *
 * The task links itself to an object, and at its first wait to a shard of its scope, leaves its stack and is parked. A
 * waker claims it under the object's lock. A canceller sets the cancel word and then looks whether the task is linked
 * and waits. WAKE and CANCEL say who comes. The task must be made runnable exactly once, by somebody who sees its stack
 * left, and its state word must tell so. */
#include "model.h"

#include "owner/cancel_view.c"
#include "owner/shard.c"
#define set_word cancel_set_word
#include "owner/cancel_task.c"
#undef set_word
#include "task/wait.c"

#ifndef WAKE
#define WAKE 1
#endif
#ifndef CANCEL
#define CANCEL 1
#endif

const unsigned model_threads =
    1 + WAKE + CANCEL; /* thread 0 is the worker on which the task runs */

static belay_executor ex;
static scope home;
static belay_task task;
static waiter waits;
static fiber on;
static worker here;
static lock object; /* guards the next */
static list waiting;

static plain stack_left;        /* written by the worker when it is, read by who resumes the task */
static ATOMIC(uint32_t) queued; /* how often the task was made runnable */
static ATOMIC(uint32_t) claimed;

void *port_current_get(void) {
    return model_me() == 0 ? &here : NULL;
}
uint32_t port_thread_hash(void) {
    return 0;
}
void port_futex_wake(const uint32_t *word, uint32_t count) {
    (void)word;
    (void)count;
}

/* Whoever makes it runnable also runs it, as it were: reads what its worker has left. */
static void resume(belay_task *t) {
    CHECK_ALWAYS(t == &task && plain_read(&stack_left) == 1);
    CHECK_ALWAYS(state_phase(t) == PHASE_SUSPENDED);
    CHECK_ALWAYS(fetch_add_relaxed(&queued, 1u) == 0);
}
void sched_submit(sched *s, runnable *r) {
    (void)s;
    resume(task_of(r));
}
void sched_submit_pinned(sched *s, uint32_t index, runnable *r) {
    (void)index;
    sched_submit(s, r);
}
void upcall_submit_outside(sched *s, belay_task *t) {
    (void)s;
    resume(t);
}

/* The stack is left, the next one runs what was put down for it, and the worker goes on with something else. */
void fiber_suspend(belay_task *t, worker_post *post, void *arg) {
    (void)t;
    plain_write(&stack_left, 1);
    post(&here, arg);
    model_sleep();
}

void model_before(void) {
    ex.sched.workers = &here;
    ex.sched.count = 1;
    home.executor = &ex;
    here.sched = &ex.sched;
    init_plain(&here.fiber, &on);
    lock_init(&home.own.lock);
    init_plain(&home.shards, NULL);
    init_plain(&home.cancel, 0u);
    shard_init(&home);
    init_plain(&task.cancel, 0u);
    init_plain(&task.state, PHASE_RUNNING);
    init_plain(&task.wait, 0u);
    init_plain(&task.scope, &home);
    init_plain(&task.inner, &home);
    init_plain(&task.shard, 0u);
    init_plain(&task.pin, 0u);
    init_plain(&task.home, NULL);
    lock_init(&object);
    list_init(&waiting);
    plain_write(&stack_left, 0);
    init_plain(&queued, 0u);
    init_plain(&claimed, 0u);
}

static void wait_for_object(void) {
    waiter_init(&waits, &task, false);
    lock_take(&object);
    list_append(&waiting, &waits.arm.link);
    lock_release(&object);
    (void)waiter_block(&waits, PORT_NEVER, WAIT_FOR_EVENT);
    /* Back at once: it did not have to leave its stack. */
    lock_take(&object);
    list_remove(&waits.arm.link);
    lock_release(&object);
    store_relaxed(&queued, 1u);
}

static void wake(void) {
    lock_take(&object);
    if (!list_empty(&waiting) && arm_wake(arm_of(waiting.next))) {
        list_remove(waiting.next);
        store_relaxed(&claimed, 1u);
    }
    lock_release(&object);
}

static void cancel(void) {
    uint32_t after;
    CHECK_ALWAYS(cancel_set_word(&task, 0, &after));
    CHECK_ALWAYS(task_wake_canceled(&ex, &task) == NULL);
}

void model_thread(unsigned me) {
    if (me == 0) {
        wait_for_object();
    } else if (WAKE && me == 1) {
        wake();
    } else {
        cancel();
    }
}

void model_after(void) {
    uint32_t times = load_relaxed(&queued);
    CHECK_ALWAYS(times <= 1);
    CHECK_ALWAYS(times == 1 || !CANCEL);                      /* a cancel is never lost */
    CHECK_ALWAYS(times == 1 || load_relaxed(&claimed) == 0u); /* nor is a wake */
}

/* The threads of an executor that run tasks: workers, and spares for block hints (sched/block.h). */
#include <stdio.h>

#include "sched/block.h"
#include "threads.h"

/* A body has called pthread_exit: its worker, and whatever else is on it, would be lost. */
static void worker_left(void *arg) {
    worker *w = arg;
    task_left(load_relaxed(&w->task),
              "has ended its worker thread (pthread_exit)"); /* relaxed: own word */
}

/* An exception is about to leave the running task's body. The exception's runtime ends the process next, and says
 * what was thrown. */
static void body_threw(void) {
    const worker *w = worker_current();
    const belay_task *t = w != NULL ? load_relaxed(&w->task) : NULL; /* relaxed, all: own words */
    const char *name = t != NULL ? load_relaxed(&t->name) : NULL;
    const char *site = t != NULL ? load_relaxed(&t->site) : NULL;
    char line[256];
    snprintf(line, sizeof line, "belay: task %s (%s) has let an exception out of its body",
             name != NULL ? name : "-", site != NULL ? site : "-");
    port_log_stderr(line);
}

void threads_watch(void) {
    port_fiber_on_throw(body_threw);
}

static void thread_run(worker *w, void (*run)(worker *w)) {
    const options *o = &executor_of_sched(w->sched)->opt;
    port_current_set(w);
    port_thread_guard(worker_left, w);
    if (o->thread_start != NULL) {
        o->thread_start(w->index, o->thread_arg);
    }
    run(w);
    if (o->thread_stop != NULL) {
        o->thread_stop(w->index, o->thread_arg);
    }
    port_thread_guard(NULL, NULL);
    port_current_set(NULL);
}

static void worker_main(void *arg) {
    thread_run(arg, fiber_run_worker);
}

static void serve(worker *w) {
    while (block_await(w)) {
        if (fiber_reserve(w)) {
            fiber_run_worker(w);
        } else {
            block_decline(w);
        }
    }
}

static void spare_main(void *arg) {
    thread_run(arg, serve);
}

static bool start_thread(worker *w, void (*main)(void *arg)) {
    char name[48];
    snprintf(name, sizeof name, "%s-%u", executor_of_sched(w->sched)->opt.name, (unsigned)w->index);
    return port_thread_start(&w->thread, main, w, name);
}

bool threads_hire(worker *w) {
    return start_thread(w, spare_main);
}

static belay_status start_worker(worker *w) {
    if (!fiber_reserve(w)) {
        return BELAY_ENOMEM;
    }
    return start_thread(w, worker_main) ? BELAY_OK : BELAY_EAGAIN;
}

belay_status threads_start(belay_executor *ex, uint32_t *started) {
    belay_status status = BELAY_OK;
    for (*started = 0; status == BELAY_OK && *started < ex->sched.count;) {
        status = start_worker(&ex->sched.workers[*started]);
        *started += status == BELAY_OK;
    }
    return status;
}

void threads_stop(belay_executor *ex, uint32_t started) {
    sched *s = &ex->sched;
    if (s->workers == NULL) {
        return;
    }
    sched_stop(s);
    for (uint32_t i = 0; i < sched_live(s); i++) {
        if (i < started || i >= s->count) {
            port_thread_join(&s->workers[i].thread);
        } else {
            fiber_drop_spares(&s->workers[i]);
        }
    }
}

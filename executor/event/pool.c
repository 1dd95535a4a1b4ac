/* See event/pool.h.
 *
 * No job is forgotten: a job is queued under the lock, and in the same section an idle thread is taken off its list and
 * called, or a thread is started. If neither can be had, other threads live, and none of them is idle: each looks at
 * the queue, under the lock, before it becomes idle or ends. If none lives either, the job is refused. */
#include "event/pool.h"

#include <stdio.h>

#include "base/check.h"

#define IDLE_TIME INT64_C(5000000000) /* nanoseconds */

void pool_init(thread_pool *p, uint32_t most, const allocator *alloc, const char *name) {
    lock_init(&p->lock);
    p->most = most;
    p->live = 0;
    p->stopping = false;
    p->threads = NULL;
    p->alloc = alloc;
    p->name = name;
    list_init(&p->queue);
    list_init(&p->idle);
}

/* ---- the threads ---------------------------------------------------------------------------------------------- */

static pool_job *job_of(list *link) {
    return list_entry(link, pool_job, link);
}

static void thread_left(void *arg) {
    (void)arg;
    port_panic("belay: a blocking function has ended its thread (pthread_exit)");
}

/* Under the lock, which it lets go of meanwhile. */
static void run_next(thread_pool *p) {
    pool_job *job = job_of(p->queue.next);
    list_remove(&job->link);
    job->state = POOL_RUNNING;
    lock_release(&p->lock);
    job->run(job);
    if (port_forked()) {
        port_panic("belay: a blocking function has returned in a forked child");
    }
    lock_take(&p->lock);
    job->state = POOL_DONE;
    job->ended(job);
}

/* Under the lock, which it lets go of meanwhile. False: nobody called in time. */
static bool sleep_idle(thread_pool *p, pool_thread *self) {
    int64_t deadline = port_clock_now() + IDLE_TIME;
    store_relaxed(&self->called, 0u); /* relaxed, here and below: written under the lock */
    list_prepend(&p->idle, &self->link);
    lock_release(&p->lock);
    while (load_relaxed(&self->called) == 0 && port_clock_now() < deadline) {
        port_futex_wait(&self->called.value, 0, deadline);
    }
    lock_take(&p->lock);
    list_remove(&self->link);
    return load_relaxed(&self->called) != 0;
}

static void thread_main(void *arg) {
    pool_thread *self = arg;
    thread_pool *p = self->pool;
    port_thread_guard(thread_left, NULL);
    lock_take(&p->lock);
    for (bool wanted = true; wanted;) {
        while (!list_empty(&p->queue)) {
            run_next(p);
        }
        wanted = !p->stopping && sleep_idle(p, self);
    }
    p->live--;
    self->place = POOL_ENDED;
    lock_release(&p->lock);
    port_thread_guard(NULL, NULL);
}

/* ---- starting and calling ---------------------------------------------------------------------------------------- */

static void call(pool_thread *t) {
    list_remove(&t->link);
    store_relaxed(&t->called, 1u); /* relaxed: under the lock, which the thread takes */
    port_futex_wake(&t->called.value, 1);
}

static bool make_threads(thread_pool *p) {
    if (p->threads != NULL) {
        return true;
    }
    p->threads = mem_allocate(p->alloc, p->most * sizeof *p->threads, 16);
    for (uint32_t i = 0; p->threads != NULL && i < p->most; i++) {
        pool_thread *t = &p->threads[i];
        t->place = POOL_UNUSED;
        t->pool = p;
        init_plain(&t->called, 0u);
        list_init(&t->link);
    }
    return p->threads != NULL;
}

/* There is one: fewer than `most` live. A place whose thread has ended is taken before an unused one, so that its
 * thread is joined. */
static pool_thread *free_place(thread_pool *p) {
    pool_thread *found = NULL;
    for (uint32_t i = 0; i < p->most; i++) {
        if (p->threads[i].place == POOL_ENDED) {
            return &p->threads[i];
        }
        if (p->threads[i].place == POOL_UNUSED && found == NULL) {
            found = &p->threads[i];
        }
    }
    return found;
}

static void refuse_all(thread_pool *p) {
    while (!list_empty(&p->queue)) {
        pool_job *job = job_of(p->queue.next);
        list_remove(&job->link);
        job->state = POOL_REFUSED;
        job->ended(job);
    }
}

/* Under the lock throughout: the thread's first act is to take it, so that it cannot end before its place is
 * written. */
static void start_thread(thread_pool *p) {
    pool_thread *t = free_place(p);
    CHECK(t != NULL);
    if (t->place == POOL_ENDED) {
        port_thread_join(&t->thread); /* it has let go of the lock for good */
        t->place = POOL_UNUSED;
    }
    char name[48];
    snprintf(name, sizeof name, "%s-blocking", p->name);
    if (port_thread_start(&t->thread, thread_main, t, name)) {
        t->place = POOL_LIVE;
        p->live++;
    } else if (p->live == 0) {
        refuse_all(p);
    }
}

bool pool_submit(thread_pool *p, pool_job *job) {
    if (!make_threads(p)) {
        return false;
    }
    job->state = POOL_QUEUED;
    list_append(&p->queue, &job->link);
    if (!list_empty(&p->idle)) {
        call(list_entry(p->idle.next, pool_thread, link));
    } else if (p->live < p->most) {
        start_thread(p);
    }
    return true;
}

bool pool_take_back(pool_job *job) {
    if (job->state != POOL_QUEUED) {
        return false;
    }
    list_remove(&job->link);
    return true;
}

void pool_fini(thread_pool *p) {
    if (p->threads == NULL) {
        return;
    }
    lock_take(&p->lock);
    CHECK(list_empty(&p->queue));
    p->stopping = true;
    while (!list_empty(&p->idle)) {
        call(list_entry(p->idle.next, pool_thread, link));
    }
    lock_release(&p->lock);
    for (uint32_t i = 0; i < p->most; i++) {
        pool_thread *t = &p->threads[i];
        lock_take(&p->lock);
        bool exists = t->place != POOL_UNUSED;
        lock_release(&p->lock);
        if (exists) {
            port_thread_join(&t->thread);
        }
    }
    mem_release(p->alloc, p->threads, p->most * sizeof *p->threads, 16);
    p->threads = NULL;
}

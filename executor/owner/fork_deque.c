/* The deques of forks: each belongs to a fiber from its first fork to its end, and then to the next that forks. And
 * where thieves find the forks of a fiber that waits. What happens in a deque: owner/fork.c, owner/steal_fork.c. */
#include "owner/forks.h"

#include "owner/scope.h"

void fork_view_init(fork_deque *view) {
    init_plain(&view->head, 1u);
    init_plain(&view->limit, 0u);
    init_plain(&view->ends, UINT64_C(0xffffffff));
    view->overflow = NULL;
    view->capacity = 0;
    view->lost = 0;
    list_init(&view->orphan);
}

static size_t deque_bytes(const belay_executor *ex) {
    size_t page = port_page_size();
    size_t bytes = sizeof(fork_deque) + (size_t)ex->opt.fork_depth * sizeof(belay_fork_slot);
    return (bytes + page - 1) / page * page;
}

bool forks_init(belay_executor *ex) {
    lock_init(&ex->forks_lock);
    ex->forks_free = NULL;
    list_init(&ex->forks_suspended);
    init_plain(&ex->forks_waiting, 0u);
    return true;
}

void forks_fini(belay_executor *ex) {
    while (ex->forks_free != NULL) {
        fork_deque *next = ex->forks_free->next;
        port_pages_unmap(ex->forks_free, deque_bytes(ex));
        ex->forks_free = next;
    }
}

static fork_deque *deque_new(belay_executor *ex) {
    lock_take(&ex->forks_lock);
    fork_deque *d = ex->forks_free;
    if (d != NULL) {
        ex->forks_free = d->next;
    }
    lock_release(&ex->forks_lock);
    if (d != NULL) {
        port_tsan_acquire(fork_slot(d, 0));
        CHECK(load_relaxed(&d->head) == 0 && d->overflow == NULL &&
              d->lost == 0); /* relaxed: nobody forks on it */
        return d;
    }
    d = port_pages_map(deque_bytes(ex), port_page_size());
    if (d != NULL) {
        d->capacity = ex->opt.fork_depth;
        list_init(&d->orphan);
        port_tsan_release(d);
    }
    return d;
}

void fork_deque_free(fiber_pool *pool, fork_deque *d) {
    belay_executor *ex = executor_of_sched(pool->sched);
    port_tsan_acquire(
        d); /* of its making only: who gives it back comes in no order to who forked on it */
    store_relaxed(&d->owner, NULL);
    lock_take(&ex->forks_lock);
    d->next = ex->forks_free;
    ex->forks_free = d;
    lock_release(&ex->forks_lock);
}

fork_deque *forks_attach(belay_task *t) {
    worker *w = worker_current();
    fiber *f = load_relaxed(&w->fiber); /* relaxed: own words, all */
    fork_deque *d = deque_new(executor_of_sched(w->sched));
    if (d != NULL) {
        store_relaxed(&d->owner, t);
        store_relaxed(&d->limit, 0u);
        store_relaxed(&f->deque, d);
        store_release(&t->fork, d);  /* pairs with deque_of_live */
        store_release(&w->forks, d); /* pairs with upcall_steal_fork */
    }
    return d;
}

void forks_suspend(fork_deque *d, sched *s) {
    if (load_relaxed(&d->head) == 0) { /* relaxed: own */
        return;
    }
    forks_publish_all(d);
    belay_executor *ex = executor_of_sched(s);
    lock_take(&ex->forks_lock);
    list_append(&ex->forks_suspended, &d->orphan);
    fetch_add_relaxed(&ex->forks_waiting, 1u); /* relaxed: ordered by the lock and the notify */
    lock_release(&ex->forks_lock);
    sched_notify(s, true);
}

void forks_resume(fork_deque *d, sched *s) {
    fork_ask(d); /* a first fork wakes thieves that found nothing here */
    belay_executor *ex = executor_of_sched(s);
    lock_take(&ex->forks_lock);
    if (!list_empty(&d->orphan)) {
        list_remove(&d->orphan);
        fetch_sub_relaxed(&ex->forks_waiting, 1u); /* relaxed: a hint to searchers */
    }
    lock_release(&ex->forks_lock);
}

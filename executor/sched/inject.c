/* The way in for threads that are no workers: a few stacks, pushed with one locked instruction, popped whole, and
 * beside each a ring (sched/runq.h) for threads that hold a lock anyhow, which need no locked instruction more.
 *
 * Concurrency Kit's ck_stack with push_upmc and batch_pop_upmc: pops take everything, so there is no ABA. A batch
 * comes out newest first and is reversed here. ck_ring is not used: its consumer side reads a slot before its swap,
 * and its fences are too weak on some CPUs (0.7.1).
 *
 * The push is a locked instruction, a full fence on every CPU the library runs on in the sense of seq_cst
 * read-modify-writes; sched_notify's read of the idle word comes after it. The parking worker's half is in idle.c. */
#include "sched/sched.h"
#include "base/mutant.h"

static inject_shard *shard_of(sched *s) {
    return &s->inject[port_thread_hash() % SCHED_INJECT];
}

static ck_stack_entry_t *stack_head(const ck_stack_t *stack) {
    return ck_pr_load_ptr(&stack->head);
}

/* Reverses a chain; *last receives its new end. */
static runnable *reverse(ck_stack_entry_t *newest, runnable **last) {
    ck_stack_entry_t *previous = NULL;
    *last = (runnable *)(void *)newest;
    while (newest != NULL) {
        ck_stack_entry_t *next = newest->next;
        newest->next = previous;
        previous = newest;
        newest = next;
    }
    return (runnable *)(void *)previous;
}

static runnable *pop_all(ck_stack_t *stack, runnable **last) {
    if (stack_head(stack) == NULL) {
        return NULL;
    }
    runnable *first = reverse(ck_stack_batch_pop_upmc(stack), last);
    return first;
}

void sched_inject(sched *s, runnable *r) {
    port_tsan_acquire(r);
    port_tsan_release(r);
    ck_stack_push_upmc(&shard_of(s)->stack, &r->link);
    port_fence_after_push(); /* pairs with the parker's read-modify-writes and last look */
    sched_notify(s, false);
}

void sched_inject_held(sched *s, uint32_t shard, runnable *r) {
    port_tsan_acquire(r);
    port_tsan_release(r);
    if (unlikely(!runq_push(&s->inject[shard].ring, r))) {
        sched_inject(s, r); /* needs no memory */
        return;
    }
    sched_notify_worker(
        s); /* as on a worker: the heavy fence reaches every thread of the process */
}

bool inject_empty(const sched *s) {
    for (uint32_t i = 0; i < SCHED_INJECT; i++) {
        if (stack_head(&s->inject[i].stack) != NULL || runq_size(&s->inject[i].ring) != 0) {
            return false;
        }
    }
    return true;
}

/* Last resort when the ring cannot grow: back to where it came from, which needs no memory. */
static void push_or_inject(worker *w, runnable *r) {
    port_tsan_release(r);
    if (unlikely(!runq_push(&w->queue, r))) {
        ck_stack_push_upmc(&w->sched->inject[w->index % SCHED_INJECT].stack, &r->link);
    }
}

/* A run from one ring; what is left is for the other workers, and for later. */
static uint32_t drain_ring(worker *w, runq *ring) {
    runnable *got[RUNQ_STEAL];
    uint32_t n = runq_steal(ring, got);
    for (uint32_t i = 0; i < n; i++) {
        runnable_prefetch(got[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        port_tsan_acquire(got[i]);
        push_or_inject(w, got[i]);
    }
    return n;
}

bool inject_drain(worker *w) {
    sched *s = w->sched;
    uint64_t n = 0;
    for (uint32_t i = 0; i < SCHED_INJECT; i++) {
        n += drain_ring(w, &s->inject[(w->index + i) % SCHED_INJECT].ring);
        runnable *last;
        runnable *r = pop_all(&s->inject[(w->index + i) % SCHED_INJECT].stack, &last);
        while (r != NULL) {
            runnable *next = runnable_next(r);
            port_tsan_acquire(r);
            push_or_inject(w, r);
            n++;
            r = next;
        }
    }
    if (n != 0 && !MUTANT(inject_drain_silent)) {
        sched_notify_worker(s); /* who parked meanwhile saw them neither there nor here */
    }
    count_own(&w->count, COUNT_INJECTED, n);
    return n != 0;
}

bool inbox_empty(const worker *w) {
    return stack_head(&w->inbox) == NULL;
}

void worker_push_pinned(worker *w, runnable *r) {
    port_tsan_acquire(r);
    r->link.next = NULL;
    port_tsan_release(r);
    runnable *last = load_relaxed(&w->pinned_last); /* relaxed: the owner's list */
    if (last == NULL) {
        store_relaxed(&w->pinned_first, r);
    } else {
        port_tsan_acquire(last);
        last->link.next = &r->link;
        port_tsan_release(last);
    }
    store_relaxed(&w->pinned_last, r);
}

void inbox_drain(worker *w) {
    runnable *last;
    runnable *r = pop_all(&w->inbox, &last);
    while (r != NULL) {
        runnable *next = runnable_next(r);
        port_tsan_acquire(r);
        worker_push_pinned(w, r);
        r = next;
    }
}

static worker *worker_of(sched *s) {
    worker *w = worker_current();
    return w != NULL && w->sched == s ? w : NULL;
}

void sched_submit(sched *s, runnable *r) {
    worker *w = worker_of(s);
    if (w != NULL) {
        worker_push(w, r);
    } else {
        sched_inject(s, r);
    }
}

void sched_submit_pinned(sched *s, uint32_t index, runnable *r) {
    worker *target = &s->workers[index];
    if (worker_current() == target) {
        worker_push_pinned(target, r);
        return;
    }
    port_tsan_acquire(r);
    port_tsan_release(r);
    ck_stack_push_upmc(&target->inbox, &r->link);
    port_fence_after_push(); /* pairs with the parker's look at its inbox after it has set its bit */
    sched_wake(s, index);
}

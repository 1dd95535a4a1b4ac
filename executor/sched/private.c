/* A worker's private area: the batch it has claimed from its queue, and the hand-off slot.
 *
 * The owner works on it inside a section, without a locked instruction; a raider takes it over for a moment when the
 * owner has been busy with one task for long, so that a long task hides nothing. See sched/worker.h for the biased
 * lock, and docs/protocols/idle.md for why hidden work is always found in time. */
#include "sched/private.h"
#include "base/mutant.h"

#include "sched/sched.h"

enum { HANDOFF_ROW = 3, QUIESCE_SPINS = 128 };

void section_quiesce(const worker *w) {
    uint32_t seen = load_acquire(&w->section); /* pairs with the release in section_leave */
    for (uint32_t i = 0; (seen & 1) != 0; i++) {
        if (i < QUIESCE_SPINS) {
            port_cpu_relax();
        } else {
            port_thread_yield();
        }
        if (load_acquire(&w->section) != seen) { /* pairs with the release in section_leave */
            return;
        }
    }
}

/* Enters the section with no raider inside. */
static void enter(worker *w) {
    section_enter(w);
    while (unlikely(load_acquire(&w->raid) !=
                    0)) { /* pairs with the release at the end of worker_raid */
        section_leave(w);
        lock_take(&w->raid_lock);
        lock_release(&w->raid_lock);
        section_enter(w);
    }
}

/* Does anything wait for this worker that a hand-off would go before? Pinned tasks have turns of their own. */
static bool others_wait(const worker *w) {
    /* relaxed: ours inside the section */
    return load_relaxed(&w->batch_next) != load_relaxed(&w->batch_end) ||
           !runq_seems_empty(&w->queue);
}

/* The hand-off slot, unless it had its turns in a row while others wait: then its entry goes to *late, for the queue.
 * Where nobody waits the turns of two who wake each other are not limited: the queue would show them to thieves, one of
 * whom would part them. */
static runnable *handoff_pop(worker *w, runnable **late) {
    runnable *r = load_relaxed(&w->handoff); /* relaxed: ours inside the section */
    if (r == NULL) {
        store_relaxed(&w->row, 0u);
        return NULL;
    }
    store_relaxed(&w->handoff, NULL);
    uint32_t row = load_relaxed(&w->row);
    if (row >= HANDOFF_ROW && others_wait(w)) {
        store_relaxed(&w->row, 0u);
        *late = r;
        return NULL;
    }
    store_relaxed(&w->row, row + 1);
    return r;
}

runnable *private_refill(worker *w) {
    runnable *claimed[RUNQ_CLAIM];
    uint32_t n = runq_claim(&w->queue, claimed);
    if (n == 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        runnable_prefetch(claimed[i]);
    }
    if (n > 1) {
        enter(w);
        for (uint32_t i = 1; i < n; i++) {
            store_relaxed(&w->batch[i - 1], claimed[i]); /* relaxed: ours inside the section */
        }
        store_relaxed(&w->batch_next, 0u);
        store_relaxed(&w->batch_end, n - 1);
        section_leave(w);
        sched_notify_worker(
            w->sched); /* who saw the queue and parks must find it either there or here */
    }
    return claimed[0];
}

runnable *private_take_slow(worker *w) {
    runnable *late = NULL;
    enter(w);
    runnable *r = handoff_pop(w, &late);
    if (r == NULL) {
        r = private_batch_pop(w);
    }
    section_leave(w);
    if (late != NULL) {
        worker_push(w, late);
    }
    return r != NULL ? r : private_refill(w);
}

/* Last in the batch, which has room. */
static void append(worker *w, runnable *const *add, uint32_t n) {
    enter(w);
    uint32_t end = load_relaxed(&w->batch_end); /* relaxed: ours inside the section */
    for (uint32_t i = 0; i < n; i++) {
        store_relaxed(&w->batch[(end + i) % RUNQ_CLAIM], add[i]);
    }
    store_relaxed(&w->batch_end, end + n);
    section_leave(w);
}

/* The whole queue, which is short, becomes part of the batch. */
static void bring_in(worker *w) {
    runnable *claimed[RUNQ_CLAIM];
    uint32_t n = runq_claim_all(&w->queue, claimed);
    append(w, claimed, n);
}

void worker_requeue(worker *w, runnable *r) {
    /* relaxed, all: own words, or hints; `idle` is read again after the fence in sched_notify_worker */
    uint32_t hidden = load_relaxed(&w->batch_end) - load_relaxed(&w->batch_next);
    bool hide = (load_relaxed(&w->sched->idle) & IDLE_ANYBODY) == 0;
    if (!hide || hidden + runq_size(&w->queue) >= RUNQ_CLAIM) {
        worker_push(w, r);
        return;
    }
    if (runq_size(&w->queue) != 0) {
        bring_in(w);
    }
    port_tsan_release(r);
    append(w, &r, 1);
    sched_notify_worker(w->sched);
}

void worker_handoff(worker *w, runnable *r) {
    port_tsan_release(r);
    enter(w);
    runnable *old = load_relaxed(&w->handoff); /* relaxed: ours inside the section */
    store_relaxed(&w->handoff, r);
    section_leave(w);
    if (old != NULL) {
        worker_push(w, old);
    }
}

bool worker_hides(const worker *w) {
    /* relaxed: a hint to thieves; exact for the owner, because raiders only take */
    return load_relaxed(&w->handoff) != NULL ||
           load_relaxed(&w->batch_next) != load_relaxed(&w->batch_end);
}

static uint32_t raid_take(worker *victim, runnable *out[RUNQ_CLAIM]) {
    uint32_t next = load_relaxed(&victim->batch_next); /* relaxed: ours while raid is set */
    uint32_t end = load_relaxed(&victim->batch_end);
    uint32_t n = (end - next + 1) / 2;
    for (uint32_t i = 0; i < n; i++) {
        out[i] = load_relaxed(&victim->batch[(next + i) % RUNQ_CLAIM]);
    }
    store_relaxed(&victim->batch_next, next + n);
    runnable *handoff = load_relaxed(&victim->handoff);
    if (n == 0 && handoff != NULL) {
        store_relaxed(&victim->handoff, NULL);
        out[n++] = handoff;
    }
    return n;
}

uint32_t worker_raid(worker *victim, runnable *out[RUNQ_CLAIM]) {
    if (!worker_hides(victim) || !lock_try(&victim->raid_lock)) {
        return 0;
    }
    store_relaxed(&victim->raid, 1u); /* relaxed: ordered by the heavy fence */
    if (!MUTANT(raid_no_fence)) {
        port_fence_heavy(victim->symmetric); /* pairs with the light fence in section_enter */
    }
    if (!MUTANT(raid_no_quiesce)) {
        section_quiesce(victim);
    }
    uint32_t n = raid_take(victim, out);
    store_release(&victim->raid, 0u); /* pairs with the acquire in enter */
    lock_release(&victim->raid_lock);
    return n;
}

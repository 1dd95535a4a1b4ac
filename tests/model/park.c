/* Parking against publishing: work that was made visible always finds a worker that is awake. docs/protocols/idle.md.
 *
 * Worker 0 is busy. The others look for work, park, are woken, look again. PUBLISH says how work comes:
 *     PUSH     worker 0 pushes on its own queue, with the light fence
 *     INJECT   a thread that is no worker pushes it
 *     PINNED   the same for worker 1 alone, which must wake even if others search
 *     STOP     nothing comes, but all are to stop
 * Who would sleep leaves; so at the end it is known who sleeps for ever. */
#include "model.h"

#include "sched/block.c"
#include "sched/idle.c"
#include "sched/inject.c"
#include "sched/runq.c"
#include "sched/steal.c"

enum { PUSH, INJECT, PINNED, STOP };
#ifndef PUBLISH
#define PUBLISH PUSH
#endif

enum { WORKERS = MODEL_SMALL ? 2 : 3 };
const unsigned model_threads = WORKERS; /* thread 0 publishes */

static sched s;
static worker workers[WORKERS];
static runnable work;
static struct {
    _Alignas(64) runq_ring ring;
    ATOMIC(runnable *) room[1];
} rings[WORKERS];
static bool asleep[WORKERS]; /* with what it has seen of its event count */
static uint32_t slept_on[WORKERS];
static bool took[WORKERS];

static int64_t never(worker *w) {
    (void)w;
    return PORT_NEVER;
}
static const driver drv = {.deadline = never};

/* ---- what the scheduler asks of the rest ------------------------------------------------------------------------- */

void *mem_allocate(const allocator *alloc, size_t size, size_t alignment) {
    (void)alloc;
    (void)size;
    (void)alignment;
    return NULL;
}
void mem_release(const allocator *alloc, void *memory, size_t size, size_t alignment) {
    (void)alloc;
    (void)memory;
    (void)size;
    (void)alignment;
}
void *port_current_get(void) {
    bool is_worker = PUBLISH == PUSH || model_me() != 0;
    return is_worker ? &workers[model_me()] : NULL;
}
uint32_t port_thread_hash(void) {
    return 0;
}
int64_t port_clock_now(void) {
    return 0;
}
void port_futex_wait(const uint32_t *word, uint32_t expected, int64_t deadline) {
    (void)word;
    (void)expected;
    (void)deadline;
}
void port_futex_wake(const uint32_t *word, uint32_t count) {
    (void)word;
    (void)count;
}
runnable *upcall_steal_fork(worker *w, worker *victim, bool force) {
    (void)w;
    (void)victim;
    (void)force;
    return NULL;
}
runnable *upcall_steal_orphan(worker *w) {
    (void)w;
    return NULL;
}
bool upcall_forks_visible(const worker *victim, bool *hidden) {
    (void)victim;
    (void)hidden;
    return false;
}
void upcall_ask_forks(worker *victim) {
    (void)victim;
}
bool upcall_orphans_visible(const sched *sc) {
    (void)sc;
    return false;
}
uint32_t worker_raid(worker *victim, runnable *out[RUNQ_CLAIM]) {
    (void)victim;
    (void)out;
    return 0;
}
bool worker_hides(const worker *w) {
    (void)w;
    return false;
}
_Noreturn void model_sleep_on(const struct ck_ec32 *ec, uint32_t seen) {
    unsigned me = model_me();
    CHECK_ALWAYS(ec == &workers[me].ec);
    asleep[me] = true;
    slept_on[me] = seen;
    model_sleep();
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

static void ring_init(runq *q, runq_ring *ring) {
    ring->capacity = 1;
    ring->older = NULL;
    init_plain(&q->head, 0u);
    init_plain(&q->tail, 0u);
    init_plain(&q->head_seen, 0u);
    init_plain(&q->ring, ring);
    init_plain(&ring->slot[0], NULL);
}

void model_before(void) {
    s.workers = workers;
    s.count = WORKERS;
    s.drv = &drv;
    init_plain(&s.live, WORKERS);
    init_plain(&s.idle, 0u);
    init_plain(&s.parked[0], 0u);
    init_plain(&s.stopping, 0u);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i].sched = &s;
        workers[i].index = i;
        ring_init(&workers[i].queue, &rings[i].ring);
        ck_ec32_init(&workers[i].ec, 0);
        asleep[i] = false;
        took[i] = false;
    }
}

static runnable *look(worker *w) {
    runnable *got[RUNQ_STEAL];
    runnable *last;
    if (PUBLISH == PUSH) {
        return runq_steal(&workers[0].queue, got) != 0 ? got[0] : NULL;
    }
    if (PUBLISH == PINNED) {
        return w->index == 1 ? pop_all(&w->inbox, &last) : NULL;
    }
    return pop_all(&s.inject[0].stack, &last);
}

/* What worker_seek does, with one look for a whole search. Who was woken and found nothing would search on: it is
 * awake, and that is where the model leaves it. */
static void seek(worker *w) {
    bool searching = idle_search_begin(&s);
    bool found = searching && look(w) != NULL;
    if (!found && load_acquire(&s.stopping) == 0) {
        idle_park(w, searching);
        searching = true;
        found = look(w) != NULL;
    }
    took[w->index] = found;
    if (found) {
        idle_search_end(w, true);
    }
}

void model_thread(unsigned me) {
    if (me != 0) {
        seek(&workers[me]);
        return;
    }
    switch (PUBLISH) {
    case PUSH:
        worker_push(&workers[0], &work);
        break;
    case INJECT:
        sched_inject(&s, &work);
        break;
    case PINNED:
        sched_submit_pinned(&s, 1, &work);
        break;
    default:
        sched_stop(&s);
    }
}

static bool sleeps_for_ever(unsigned i) {
    return asleep[i] && ck_ec32_value(&workers[i].ec) == slept_on[i];
}

void model_after(void) {
    uint64_t parked = load_relaxed(&s.parked[0]);
    bool taken = false;
    bool all_asleep = true;
    uint32_t sleepers = 0;
    for (unsigned i = 1; i < WORKERS; i++) {
        taken |= took[i];
        all_asleep &= sleeps_for_ever(i);
        sleepers += sleeps_for_ever(i);
        /* Who sleeps has its bit, or whoever took it still owes a raise: all have ended, so nobody does. */
        CHECK_ALWAYS(!sleeps_for_ever(i) || (parked >> i & 1) != 0);
        CHECK_ALWAYS(PUBLISH != STOP || !sleeps_for_ever(i));
    }
    CHECK_ALWAYS(parked_of(load_relaxed(&s.idle)) == sleepers);
    CHECK_ALWAYS(taken || PUBLISH == STOP || PUBLISH == PINNED || !all_asleep);
    CHECK_ALWAYS(taken || PUBLISH != PINNED || !sleeps_for_ever(1));
}

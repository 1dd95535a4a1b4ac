/* The injection queue: threads that are no workers push, two workers bring in what is there. Each runnable arrives
 * once, with what was written before its push, and those of one thread in their order. */
#include "model.h"

#include "sched/inject.c"
#include "sched/runq.c"

enum { WORKERS = MODEL_SMALL ? 1 : 2, PUSHED = 2, ROOM = 4 };
const unsigned model_threads = WORKERS + 1 + !MODEL_SMALL; /* the workers first, then who pushes */

typedef struct entry {
    runnable run;
    plain content; /* written before the push, read and written by who has the entry */
} entry;

static sched s;
static worker workers[WORKERS];
static entry all[2][PUSHED];
static struct {
    _Alignas(64) runq_ring ring;
    ATOMIC(runnable *) room[ROOM];
} rings[WORKERS], shared;

void *mem_allocate(const allocator *alloc, size_t size, size_t alignment) {
    (void)alloc;
    (void)size;
    (void)alignment;
    return NULL;
}
void *port_current_get(void) {
    return model_me() < WORKERS ? &workers[model_me()] : NULL;
}
uint32_t port_thread_hash(void) {
    return 0;
}
void sched_notify_seen(sched *sc, uint64_t idle) {
    (void)sc;
    (void)idle;
}
void sched_notify(sched *sc, bool worker_side) {
    (void)sc;
    (void)worker_side;
}

static void ring_init(runq *q, runq_ring *ring) {
    ring->capacity = ROOM;
    ring->older = NULL;
    init_plain(&q->head, 0u);
    init_plain(&q->tail, 0u);
    init_plain(&q->head_seen, 0u);
    init_plain(&q->ring, ring);
    for (int i = 0; i < ROOM; i++) {
        init_plain(&ring->slot[i], NULL);
    }
}

void model_before(void) {
    init_plain(&s.idle, 0u);
    for (int i = 0; i < SCHED_INJECT; i++) {
        s.inject[i].stack.head = NULL;
        ring_init(&s.inject[i].ring, &shared.ring); /* not used here, and empty */
    }
    for (int i = 0; i < WORKERS; i++) {
        workers[i].sched = &s;
        workers[i].index = (uint32_t)i;
        ring_init(&workers[i].queue, &rings[i].ring);
    }
    for (int i = 0; i < PUSHED; i++) {
        plain_write(&all[0][i].content, 0);
        plain_write(&all[1][i].content, 0);
    }
}

/* What has arrived at a worker, in its order: the second of a thread not before the first. */
static void take_all(worker *w) {
    runnable *got[RUNQ_CLAIM];
    uint32_t last[2] = {0, 0};
    for (uint32_t n = runq_claim(&w->queue, got); n != 0; n = runq_claim(&w->queue, got)) {
        for (uint32_t i = 0; i < n; i++) {
            entry *e = (entry *)(void *)got[i];
            uint32_t by = e >= all[1];
            uint32_t number = (uint32_t)(e - all[by]) + 1;
            CHECK_ALWAYS(plain_read(&e->content) == number && number > last[by]);
            last[by] = number;
            plain_write(&e->content, 3);
        }
    }
}

void model_thread(unsigned me) {
    if (me < WORKERS) {
        (void)inject_drain(&workers[me]);
        take_all(&workers[me]);
        return;
    }
    uint32_t pushes = me == WORKERS ? PUSHED : 1;
    for (uint32_t i = 0; i < pushes; i++) {
        plain_write(&all[me - WORKERS][i].content, i + 1);
        sched_inject(&s, &all[me - WORKERS][i].run);
    }
}

void model_after(void) {
    (void)inject_drain(&workers[0]);
    take_all(&workers[0]);
    CHECK_ALWAYS(plain_read(&all[0][0].content) == 3 && plain_read(&all[0][1].content) == 3);
    CHECK_ALWAYS(MODEL_SMALL || plain_read(&all[1][0].content) == 3);
}

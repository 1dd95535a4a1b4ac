/* The run queue: its owner pushes and claims while two thieves steal. Every entry is had once, by somebody who sees
 * what was written before the push; none is lost.
 *
 * The ring has room for two, so that the third push finds it full: it sees that the head has moved, and writes over
 * what was taken, or grows. */
#include "model.h"

#include "sched/runq.c"

enum { ENTRIES = MODEL_SMALL ? 2 : 3, ROOM = MODEL_SMALL ? 1 : 2 };

const unsigned model_threads = MODEL_SMALL ? 2 : 3;

typedef struct entry {
    runnable run;
    plain content; /* written before the push, read and written by who has the entry */
} entry;

static entry all[ENTRIES];
static runq queue;
static allocator heap;
static struct {
    _Alignas(64) runq_ring ring;
    ATOMIC(runnable *) room[2 * ROOM];
} small, large;
static bool grown;

void *mem_allocate(const allocator *alloc, size_t size, size_t alignment) {
    (void)alloc;
    (void)size;
    (void)alignment;
    CHECK_ALWAYS(!grown);
    grown = true;
    return &large.ring;
}

void mem_release(const allocator *alloc, void *memory, size_t size, size_t alignment) {
    (void)alloc;
    (void)memory;
    (void)size;
    (void)alignment;
}

void model_before(void) {
    grown = false;
    small.ring.capacity = ROOM;
    small.ring.older = NULL;
    queue.alloc = &heap;
    init_plain(&queue.head, 0u);
    init_plain(&queue.tail, 0u);
    init_plain(&queue.head_seen, 0u);
    init_plain(&queue.ring, &small.ring);
    for (int i = 0; i < ROOM; i++) {
        init_plain(&small.ring.slot[i], NULL);
    }
    for (int i = 0; i < 2 * ROOM; i++) {
        init_plain(&large.ring.slot[i], NULL);
    }
    for (int i = 0; i < ENTRIES; i++) {
        plain_write(&all[i].content, 0);
    }
}

static void have(runnable *const *got, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        entry *e = (entry *)(void *)got[i];
        CHECK_ALWAYS(plain_read(&e->content) == 1); /* pushed, and nobody else has had it */
        plain_write(&e->content, 2);
    }
}

static void owner(void) {
    runnable *got[RUNQ_CLAIM];
    for (int i = 0; i < ENTRIES; i++) {
        plain_write(&all[i].content, 1);
        CHECK_ALWAYS(runq_push(&queue, &all[i].run));
    }
    have(got, runq_claim(&queue, got));
}

void model_thread(unsigned me) {
    if (me == 0) {
        owner();
        return;
    }
    runnable *got[RUNQ_STEAL];
    have(got, runq_steal(&queue, got));
}

void model_after(void) {
    runnable *got[RUNQ_STEAL];
    for (uint32_t n = 1; n != 0;) {
        n = runq_steal(&queue, got);
        have(got, n);
    }
    for (int i = 0; i < ENTRIES; i++) {
        CHECK_ALWAYS(plain_read(&all[i].content) == 2);
    }
}

/* A worker's private area against a raid: the biased lock of sched/worker.h. docs/protocols/idle.md.
 *
 * The owner takes from its batch, twice, without a locked instruction; a raider takes it over for a moment. Each entry
 * is had once, and what was written into the batch is seen. */
#include "model.h"

#include "sched/private.c"

enum { ENTRIES = 3 };
const unsigned model_threads = MODEL_SMALL ? 2 : 3; /* the owner, and raiders */

static sched s;
static worker owner;
static runnable all[ENTRIES];
static plain had[ENTRIES];
static allocator heap;
static struct {
    _Alignas(64) runq_ring ring;
    ATOMIC(runnable *) room[1];
} ring;

bool runq_push_full(runq *q, runnable *r) {
    (void)q;
    (void)r;
    CHECK_ALWAYS(false);
}
uint32_t runq_claim(runq *q, runnable *out[RUNQ_CLAIM]) {
    (void)q;
    (void)out;
    return 0;
}
void sched_notify_seen(sched *sc, uint64_t idle) {
    (void)sc;
    (void)idle;
}

void model_before(void) {
    owner.sched = &s;
    init_plain(&s.idle, 0u);
    ring.ring.capacity = 1;
    owner.queue.alloc = &heap;
    init_plain(&owner.queue.ring, &ring.ring);
    init_plain(&owner.queue.head, 0u);
    init_plain(&owner.queue.tail, 0u);
    init_plain(&owner.queue.head_seen, 0u);
    init_plain(&owner.section, 0u);
    init_plain(&owner.raid, 0u);
    init_plain(&owner.handoff, NULL);
    init_plain(&owner.row, 0u);
    init_plain(&owner.batch_next, 0u);
    init_plain(&owner.batch_end, 0u);
    lock_init(&owner.raid_lock);
    for (unsigned i = 0; i < ENTRIES; i++) {
        init_plain(&owner.batch[i], NULL);
        plain_write(&had[i], 0);
    }
}

static void have(const runnable *r) {
    CHECK_ALWAYS(r >= all && r < all + ENTRIES); /* not what was in the batch before */
    plain *h = &had[r - all];
    CHECK_ALWAYS(plain_read(h) == 0);
    plain_write(h, 1);
}

static void owner_works(void) {
    runnable *two[2] = {&all[0], &all[1]};
    append(&owner, two, 2);
    for (int i = 0; i < 2; i++) {
        const runnable *r = private_take(&owner);
        if (r != NULL) {
            have(r);
        }
    }
}

void model_thread(unsigned me) {
    if (me == 0) {
        owner_works();
        return;
    }
    runnable *got[RUNQ_CLAIM];
    uint32_t n = worker_raid(&owner, got);
    for (uint32_t i = 0; i < n; i++) {
        have(got[i]);
    }
}

void model_after(void) {
    for (const runnable *r = private_take(&owner); r != NULL; r = private_take(&owner)) {
        have(r);
    }
    CHECK_ALWAYS(plain_read(&had[0]) == 1 && plain_read(&had[1]) == 1);
}

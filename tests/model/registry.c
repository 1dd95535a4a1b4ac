/* The registry: a record's references, and an executor's guests. docs/protocols/task-state.md.
 *
 * REFERENCES: two holders drop theirs; the last one reaps the record, and makes it serve another life. Somebody with a
 * handle of the first life gains a reference only while that lives, and then finds the record whole.
 * GUESTS: threads enter an executor while it is destroyed: as a guest, or with a pass. Who is in finds it whole. */
#include "model.h"

#include "owner/registry.c"

enum { REFERENCES, GUESTS };
#ifndef ABOUT
#define ABOUT REFERENCES
#endif
const unsigned model_threads = MODEL_SMALL ? 2 : 3;

static belay_executor ex;
static belay_task task;
static plain whole; /* of the record, or the executor: the life that it serves; 0: none */

void *port_current_get(void) {
    return NULL;
}
uint32_t port_thread_hash(void) {
    return model_me() % 2;
}

void model_before(void) {
    plain_write(&whole, 1);
    init_plain(&task.ref, UINT64_C(1) << REF_BITS);
    ref_born(&task, MODEL_SMALL ? 1 : 2);
    init_plain(&table[1], &ex);
    init_plain(&ex.phase, EXECUTOR_RUNNING);
    init_plain(&ex.incarnation, 1u);
    for (int i = 0; i < FOREIGN_SHARDS; i++) {
        init_plain(&ex.guests[i].count, 0u);
        lock_init(&ex.guests[i].pass);
    }
}

/* ---- references -------------------------------------------------------------------------------------------------- */

static void drop(void) {
    CHECK_ALWAYS(plain_read(&whole) == 1);
    ref_drop was = ref_lose(&task, 1);
    CHECK_ALWAYS(was != REF_STALE);
    if (was == REF_LAST) { /* ours: the next life */
        plain_write(&whole, 0);
        CHECK_ALWAYS(ref_usable(&task));
        plain_write(&whole, 2);
        ref_born(&task, 1);
    }
}

static void look(void) {
    if (ref_gain(&task, 1)) {
        drop();
    }
}

/* ---- guests ------------------------------------------------------------------------------------------------------ */

static void enter(bool with_pass) {
    uint32_t place;
    uint64_t handle = UINT64_C(1) << INCARNATION_SHIFT;
    if (with_pass) {
        if (pass_take(1, handle, &place) != NULL) {
            CHECK_ALWAYS(plain_read(&whole) == 1);
            pass_release(&ex, place);
        }
    } else if (registry_open(1, handle) != NULL) {
        CHECK_ALWAYS(plain_read(&whole) == 1);
        registry_done(&ex);
    }
}

static void destroy(void) { /* as belay_executor_destroy */
    uint32_t running = EXECUTOR_RUNNING;
    CHECK_ALWAYS(cas_seq_cst(&ex.phase, &running, EXECUTOR_DESTROYING));
    guests_drain(&ex);
    plain_write(&whole, 0);
}

void model_thread(unsigned me) {
    if (ABOUT == REFERENCES) {
        (me == 0 ? look : drop)();
    } else if (me == 0) {
        destroy();
    } else {
        enter(me == 2);
    }
}

void model_after(void) {
    CHECK_ALWAYS(plain_read(&whole) == (ABOUT == REFERENCES ? 2 : 0));
}

/* Stale handles: harmless, from any thread, whoever lives in the slot now.
 *
 * Each driver remembers handles of tasks and scopes that are over. Slots are reused at once by the tasks and
 * scopes of all drivers, and every call by a remembered handle must say BELAY_ESTALE and must not reach the
 * new inhabitant, which would notice a cancel. While the last reference goes, another thread tries to gain
 * one through its weak copy; if it succeeds the record must be whole.
 *
 * Would catch: a generation that does not advance, or a reference gained after the count fell to zero; a scope
 * pinned after its close; a cancel that lands on the wrong task; a slot that two tasks have. */
#include "common/stress.h"

#include <stdlib.h>

enum { REMEMBERED = 64, TASKS = 24 };

typedef struct memory {
    belay_task_handle task[REMEMBERED];
    belay_scope scope[REMEMBERED];
    uint32_t tasks;
    uint32_t scopes;
} memory;

/* A handle that its round gives away while it drops the last reference. */
typedef struct duel {
    belay_task_handle task;
    uint64_t gained;
} duel;

static belay_status must_not_be_cancelled(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 3; i++) {
        stress_equal(belay_yield(self), BELAY_OK, "yield of a task nobody has cancelled");
    }
    return BELAY_OK;
}

static void try_stale_task(belay_task_handle h, stress_rng *rng) {
    belay_outcome outcome;
    belay_status status = BELAY_OK;
    switch (stress_below(rng, 4)) {
    case 0:
        status = belay_task_cancel(h, 99, "stale");
        break;
    case 1:
        status = belay_join_until(NULL, h, 0, &outcome);
        break;
    case 2:
        status = belay_task_retain(h);
        break;
    default:
        status = belay_task_release(h);
    }
    stress_equal(status, BELAY_ESTALE, "a call by a stale task handle");
}

static void try_stale_scope(belay_scope h, stress_rng *rng) {
    uint64_t count;
    belay_status status = BELAY_OK;
    switch (stress_below(rng, 7)) {
    case 0:
        status = belay_scope_cancel(h, 99, "stale");
        break;
    case 1:
        status = belay_scope_seal(h);
        break;
    case 2:
        status = belay_scope_count(h, &count);
        break;
    case 3:
        status = belay_scope_close(NULL, h);
        break;
    case 4:
        status = belay_scope_set_deadline(h, 1);
        break;
    case 5:
        status = belay_scope_wait_until(NULL, h, 0);
        break;
    default:
        status = belay_spawn(NULL, h, must_not_be_cancelled, NULL, NULL, NULL);
    }
    stress_equal(status, BELAY_ESTALE, "a call by a stale scope handle");
}

static void try_stale(memory *m, stress_rng *rng) {
    for (int i = 0; i < 4; i++) {
        if (m->tasks != 0) {
            uint32_t known = m->tasks < REMEMBERED ? m->tasks : REMEMBERED;
            try_stale_task(m->task[stress_below(rng, known)], rng);
        }
        if (m->scopes != 0) {
            uint32_t known = m->scopes < REMEMBERED ? m->scopes : REMEMBERED;
            try_stale_scope(m->scope[stress_below(rng, known)], rng);
        }
    }
}

/* A task drops its own reference after its scope's count: shortly after join and close. */
static void await_stale(belay_task_handle h) {
    while (belay_task_retain(h) == BELAY_OK) {
        stress_equal(belay_task_release(h), BELAY_OK, "release");
    }
}

/* Gains a reference by a weak copy until that is refused. */
static belay_status gain(belay_task *self, void *arg) {
    duel *d = arg;
    (void)self;
    while (belay_task_retain(d->task) == BELAY_OK) {
        belay_outcome outcome;
        stress_set(&d->gained);
        stress_equal(belay_join(self, d->task, &outcome), BELAY_OK, "join by a gained reference");
        stress_equal(outcome.kind, BELAY_OUTCOME_VALUE, "outcome of a task nobody has cancelled");
        stress_equal(belay_task_release(d->task), BELAY_OK, "release of a gained reference");
    }
    return BELAY_OK;
}

static void fight(stress_driver *d, belay_scope scope) {
    duel over = {.gained = 0};
    stress_equal(stress_spawn(NULL, scope, must_not_be_cancelled, NULL, NULL, &over.task), BELAY_OK,
                 "spawn");
    belay_task_handle rival;
    stress_equal(stress_spawn(NULL, scope, gain, &over, NULL, &rival), BELAY_OK, "spawn");
    stress_burn(stress_below(&d->rng, 30000));
    stress_equal(belay_task_release(over.task), BELAY_OK, "release");
    stress_equal(belay_join(NULL, rival, NULL), BELAY_OK, "join");
    stress_equal(belay_task_release(rival), BELAY_OK, "release");
    stress_equal(belay_task_retain(over.task), BELAY_ESTALE, "retain of a reaped task");
}

static void play(stress_driver *d) {
    memory *m = d->own != NULL ? d->own : calloc(1, sizeof *m);
    stress_check(m != NULL, "calloc");
    d->own = m;
    belay_scope scope;
    belay_task_handle task[TASKS];
    stress_equal(belay_scope_open_root(d->executor, NULL, &scope), BELAY_OK, "scope_open_root");
    for (int i = 0; i < TASKS; i++) {
        stress_equal(stress_spawn(NULL, scope, must_not_be_cancelled, NULL, NULL, &task[i]),
                     BELAY_OK, "spawn");
        if (i % 8 == 0) {
            try_stale(m, &d->rng);
        }
    }
    fight(d, scope);
    for (int i = 0; i < TASKS; i++) {
        belay_outcome outcome;
        stress_equal(belay_join(NULL, task[i], &outcome), BELAY_OK, "join");
        stress_equal(outcome.kind, BELAY_OUTCOME_VALUE, "outcome of a task nobody has cancelled");
        stress_equal(belay_task_release(task[i]), BELAY_OK, "release");
    }
    stress_equal(belay_scope_close(NULL, scope), BELAY_OK, "close");
    for (int i = 0; i < TASKS; i++) {
        await_stale(task[i]);
        m->task[m->tasks++ % REMEMBERED] = task[i];
    }
    m->scope[m->scopes++ % REMEMBERED] = scope;
    try_stale(m, &d->rng);
}

static void forget(stress_driver *d) {
    free(d->own);
}

int main(int argc, char **argv) {
    static const stress_plan plan = {
        .name = "handle-reuse", .drivers = 3, .round = play, .finish = forget};
    return stress_main(argc, argv, &plan);
}

/* The state word of a task, and all its transitions. docs/protocols/task-state.md has the picture.
 *
 * One writer at a time: whoever has the task in hand (its spawner, then its worker). So transitions are loads and
 * stores; the word is atomic because snapshots, joiners and the watchdog read it. Waking races are not decided here but
 * in the wait word (task/wait.h). The one transition that others wait for, to DONE, is made under the task's lock. */
#ifndef BELAY_TASK_STATE_H
#define BELAY_TASK_STATE_H

#include "base/check.h"
#include "task/task.h"

typedef enum phase {
    PHASE_FREE = 0,
    PHASE_QUEUED,   /* spawned, not started */
    PHASE_DEFERRED, /* waits for its start time; the wait word decides who starts it */
    PHASE_RUNNING,
    PHASE_SUSPENDED, /* waits, or was woken and has not been resumed */
    PHASE_FINISHING, /* the body has returned or is skipped */
    PHASE_DONE       /* the ending is published; only references keep the record */
} phase;

enum {
    STATE_PHASE = 0xf,
    STATE_HANDLE = 1u << 4,       /* a handle was given out: the ending will be wanted */
    STATE_LINKED = 1u << 5,       /* the anchor is in a shard */
    STATE_RUN_CANCELED = 1u << 6, /* run the body even if cancelled before the start */
    STATE_LOST_FORK = 1u << 7,    /* a fork had no memory: the outcome is that error */
    STATE_FORK = 1u << 8,         /* the record of a stolen fork, not of a spawned task */
    STATE_DEFERS = 1u << 9,       /* it has deferred calls to make at its end */
    STATE_STARTER = 1u << 10,     /* spawned by belay_start */
    STATE_KIND_SHIFT = 16         /* bits 16..23: wait_kind while SUSPENDED */
};

static inline phase state_phase(const belay_task *t) {
    /* acquire: pairs with the release in state_set, for readers that go on to the ending */
    return (phase)(load_acquire(&t->state) & STATE_PHASE);
}

static inline bool state_has(const belay_task *t, uint32_t flag) {
    return (load_relaxed(&t->state) & flag) != 0; /* relaxed: the one writer's flags, or a hint */
}

static inline void state_flag(belay_task *t, uint32_t flag, bool on) {
    uint32_t word = load_relaxed(&t->state); /* relaxed: one writer */
    store_relaxed(&t->state, on ? word | flag : word & ~flag);
}

static inline void state_step(belay_task *t, phase from, phase to) {
    uint32_t word = load_relaxed(&t->state); /* relaxed: one writer */
    CHECK((word & STATE_PHASE) == (uint32_t)from);
    /* release: pairs with the acquire in state_phase */
    store_release(&t->state, (word & ~(uint32_t)STATE_PHASE) | (uint32_t)to);
}

static inline void state_born(belay_task *t, phase first, uint32_t flags) {
    store_release(&t->state, (uint32_t)first | flags); /* pairs with the acquire in state_phase */
}
static inline void state_start(belay_task *t) {
    uint32_t word = load_relaxed(&t->state); /* relaxed: one writer */
    CHECK((word & STATE_PHASE) == PHASE_QUEUED || (word & STATE_PHASE) == PHASE_DEFERRED);
    /* release: pairs with the acquire in state_phase, for a canceller that goes on to the forks */
    store_release(&t->state, (word & ~(uint32_t)STATE_PHASE) | PHASE_RUNNING);
}
static inline void state_suspend(belay_task *t, uint32_t kind) {
    uint32_t word = load_relaxed(&t->state); /* relaxed: one writer */
    CHECK((word & STATE_PHASE) == PHASE_RUNNING);
    word = (word & 0xff00fff0u) | PHASE_SUSPENDED | kind << STATE_KIND_SHIFT;
    store_release(&t->state, word); /* as in state_start */
}
static inline void state_resume(belay_task *t) {
    state_step(t, PHASE_SUSPENDED, PHASE_RUNNING);
}
static inline void state_finish(belay_task *t) {
    state_step(t, PHASE_RUNNING, PHASE_FINISHING);
}
/* It never runs: not even for a moment, for then others look for its forks, and its `fork` is not its own. */
static inline void state_refuse(belay_task *t) {
    uint32_t word = load_relaxed(&t->state); /* relaxed: one writer */
    CHECK((word & STATE_PHASE) == PHASE_QUEUED || (word & STATE_PHASE) == PHASE_DEFERRED);
    /* release: as in state_step */
    store_release(&t->state, (word & ~(uint32_t)STATE_PHASE) | PHASE_FINISHING);
}
static inline void state_done(belay_task *t) {
    state_step(t, PHASE_FINISHING, PHASE_DONE);
}
static inline void state_free(belay_task *t) {
    /* relaxed: a free record means nothing to a reader of its phase */
    store_relaxed(&t->state, PHASE_FREE);
}

#endif

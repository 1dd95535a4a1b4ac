/* References and generations of a task's record, in one word: generation << 24 | references.
 *
 * The running task holds one reference if a handle was given out, and each handle (retain) one. A stale handle is found
 * by its generation; a reference is only gained by a compare-and-swap that saw the right generation and a count above
 * zero ("increment if alive"), so a reaped record is never revived. The generation advances when the count falls to
 * zero; a task without a handle never touches this word. A slot whose generation wraps is retired: it is not freed. */
#ifndef BELAY_TASK_REF_H
#define BELAY_TASK_REF_H

#include "base/mutant.h"
#include "base/check.h"
#include "task/task.h"

#define REF_BITS 24
#define REF_COUNT ((UINT64_C(1) << REF_BITS) - 1)
#define REF_GENERATION (UINT64_C(0xffffffffff))

static inline uint64_t ref_generation(const belay_task *t) {
    return load_relaxed(&t->ref) >>
           REF_BITS; /* relaxed: for who holds a reference it is constant */
}

/* The spawner gives the record its first references; nobody else knows this generation yet. */
static inline void ref_born(belay_task *t, uint32_t references) {
    uint64_t word = load_relaxed(&t->ref); /* relaxed: stale handles only read it */
    CHECK((word & REF_COUNT) == 0);
    store_release(&t->ref, word + references); /* pairs with ref_gain: the record is filled */
}

static inline bool ref_gain(belay_task *t, uint64_t generation) {
    /* acquire: pairs with ref_lose: who finds the handle stale sees what the task did */
    uint64_t word = load_acquire(&t->ref);
    do {
        if ((word >> REF_BITS != generation && !MUTANT(ref_gain_blind)) ||
            (word & REF_COUNT) == 0 || (word & REF_COUNT) == REF_COUNT) {
            return false;
        }
    } while (!cas_acquire(&t->ref, &word, word + 1)); /* acquire: pairs with ref_born */
    return true;
}

typedef enum ref_drop { REF_STALE, REF_HELD, REF_LAST } ref_drop;

/* Drops one. At the last the generation advances: the caller owns the record and reaps it. */
static inline ref_drop ref_lose(belay_task *t, uint64_t generation) {
    uint64_t word = load_relaxed(&t->ref); /* relaxed: the swap decides */
    uint64_t next;
    do {
        if (word >> REF_BITS != generation || (word & REF_COUNT) == 0) {
            return REF_STALE;
        }
        next = (word & REF_COUNT) == 1 ? (generation + !MUTANT(ref_generation_stays)) << REF_BITS
                                       : word - 1;
        /* acq_rel: every holder's last use comes before the reaping */
    } while (!cas_acq_rel(&t->ref, &word, next));
    return (next & REF_COUNT) == 0 ? REF_LAST : REF_HELD;
}

/* May the slot be used again? Not once its generations are used up. */
static inline bool ref_usable(const belay_task *t) {
    return ref_generation(t) < REF_GENERATION;
}

#endif

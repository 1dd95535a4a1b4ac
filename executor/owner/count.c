/* How many tasks are alive in a scope: a count with a home.
 *
 * The word: generation << 32 | flags | count. While a home worker's private count is in force (`home` is its number),
 * the word's count is raised by BIAS, and the number alive is word - BIAS + local. The home worker changes `local`
 * inside its section without a locked instruction; everybody else changes the word. Tasks spawned at home may end
 * elsewhere, so each part alone may be anything; the bias keeps the word away from zero. When the private count has
 * drifted by COUNT_DRIFT it is moved to the word, so that neither part ever leaves its bits.
 *
 * Before anybody waits for zero the bias is taken off, once and for good (count_unbias): home := 0; heavy fence; wait
 * until the home worker is outside its section; add local - BIAS to the word. From then on the word is the truth, and
 * the one who brings it to zero while it is watched wakes the waiters.
 *
 * A completer's subtraction is its last access to the scope, unless it brings a watched count to zero: then it takes
 * the lock, looks again, and wakes the waiters. It may come late, when another has done so and the slot has another
 * life: that is why the slot, its lock and its word are all it relies on (docs/protocols/close.md, close.pml).
 *
 * That `home` names this worker also proves that the scope is alive and neither sealed nor closing, without a look at
 * the word: seal, close and death take the bias off first, and only the worker itself can have put it on.
 * After J. Choi, T. Shull, J. Torrellas, "Biased Reference Counting", PACT 2018. */
#include "owner/scope.h"
#include "base/mutant.h"

#define COUNT_MASK UINT64_C(0x0fffffff)
#define BIAS (UINT64_C(1) << 26)
#define SEALED (UINT64_C(1) << 28)
#define CLOSING (UINT64_C(1) << 29)
#define WATCHED (UINT64_C(1) << 30)
#define DEAD (UINT64_C(1) << 31)
#define GENERATION_SHIFT 32

static uint32_t word_generation(uint64_t word) {
    return (uint32_t)(word >> GENERATION_SHIFT);
}

void count_born(scope *s, uint32_t home) {
    uint64_t word = load_relaxed(&s->word); /* relaxed: a dead slot's word is the allocator's */
    uint32_t generation = word_generation(word);
    if (generation == 0) {
        generation = 1;
    }
    store_relaxed(&s->generation, generation); /* relaxed, here and below: published by word */
    store_relaxed(&s->local, 0);
    store_relaxed(&s->home, home);
    /* pairs with the acquire in enter_shared and count_pin */
    store_release(&s->word, (uint64_t)generation << GENERATION_SHIFT | (home != 0 ? BIAS : 0));
}

bool count_kill(scope *s) {
    CHECK(load_relaxed(&s->home) == 0);     /* relaxed: under the lock */
    uint64_t word = load_relaxed(&s->word); /* relaxed: the swap decides */
    uint64_t next = (uint64_t)(word_generation(word) + 1u) << GENERATION_SHIFT | DEAD;
    /* acq_rel: what the last pinner did comes first; later users find it dead */
    return ((word & COUNT_MASK) == 0 || MUTANT(close_pins_ignored)) &&
           cas_acq_rel(&s->word, &word, next);
}

bool count_is(const scope *s, uint32_t generation) {
    uint64_t word = load_relaxed(&s->word); /* relaxed: the generation changes under the lock */
    return generation != 0 && word_generation(word) == generation && (word & DEAD) == 0;
}

void count_settle(scope *s) {
    uint64_t local = (uint64_t)load_relaxed(&s->local); /* relaxed: ours inside the section */
    store_relaxed(&s->local, 0);
    (void)fetch_add_acq_rel(&s->word, local); /* acq_rel: as every change of the word */
}

static belay_status enter_shared(scope *s, uint32_t generation, bool member) {
    uint64_t word = load_acquire(&s->word); /* as in count_pin */
    do {
        if (generation == 0 || word_generation(word) != generation || (word & DEAD) != 0) {
            return BELAY_ESTALE;
        }
        if ((word & SEALED) != 0 ||
            ((word & CLOSING) != 0 && !member && !MUTANT(count_closing_ignored))) {
            return BELAY_ESHUTDOWN;
        }
    } while (!cas_acq_rel(&s->word, &word,
                          word + 1)); /* acq_rel: pairs with count_born, and with leaving */
    return BELAY_OK;
}

belay_status count_enter(worker *w, scope *s, uint32_t generation, bool member) {
    if (likely(count_at_home(w, s, generation, 1))) {
        return BELAY_OK;
    }
    return enter_shared(s, generation, member);
}

void count_leave_shared(scope *s, uint32_t n) {
    /* acq_rel: what the tasks did comes before what the closer does next */
    uint64_t before = fetch_sub_acq_rel(&s->word, (uint64_t)n);
    CHECK((before & COUNT_MASK) >= n);
    if ((before & COUNT_MASK) == n && (before & WATCHED) != 0) {
        scope_drained(s);
    }
}

void count_settle_owed(worker *w) {
    scope *s = load_relaxed(&w->owed_scope); /* relaxed: own words, all */
    uint32_t n = load_relaxed(&w->owed);
    store_relaxed(&w->owed, 0u);
    store_relaxed(&w->owed_scope, NULL);
    count_leave_shared(s, n); /* its release lets a snapshot that sees it see the zero too */
}

/* Ended members that some worker has not taken off yet. Read after the word. */
static uint64_t owed_all(const scope *s) {
    const struct sched *sc = &s->executor->sched;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < sched_live(sc); i++) {
        const worker *w = &sc->workers[i];
        /* relaxed: a snapshot */
        sum += load_relaxed(&w->owed_scope) == s ? load_relaxed(&w->owed) : 0;
    }
    return sum;
}

bool count_pin(scope *s, uint32_t generation) {
    /* acquire: pairs with count_kill: who finds it stale sees what was done in it */
    uint64_t word = load_acquire(&s->word);
    do {
        /* 0: a slot that never was a scope */
        if (generation == 0 || word_generation(word) != generation || (word & DEAD) != 0) {
            return false;
        }
    } while (!cas_acquire(&s->word, &word, word + 1)); /* acquire: pairs with count_born */
    return true;
}

void count_pin_open(scope *s) {
    fetch_add_relaxed(&s->word,
                      UINT64_C(1)); /* relaxed: the caller's hold keeps it alive meanwhile */
}

void count_unbias(scope *s) {
    uint32_t home = load_relaxed(&s->home); /* relaxed: cleared under the lock we hold */
    if (home == 0) {
        return;
    }
    belay_executor *ex = s->executor;
    worker *w = &ex->sched.workers[home - 1];
    store_relaxed(&s->home,
                  0u); /* relaxed: ordered by the fence below, or by being the same thread */
    if (worker_current() != w) {
        if (!MUTANT(count_no_fence)) {
            port_fence_heavy(w->symmetric); /* pairs with the light fence in section_enter */
        }
        if (!MUTANT(count_no_quiesce)) {
            section_quiesce(w);
        }
    }
    port_tsan_acquire(&s->local);
    uint64_t change =
        (uint64_t)load_relaxed(&s->local) - BIAS; /* relaxed: nobody changes it any more */
    (void)fetch_add_acq_rel(&s->word,
                            change); /* acq_rel: with the leavers, which now use the word */
}

static bool set_flag(scope *s, uint64_t flag) {
    count_unbias(s);
    return (fetch_or_acq_rel(&s->word, flag) & flag) == 0; /* acq_rel: pairs with enter_shared */
}

bool count_seal(scope *s) {
    return set_flag(s, SEALED);
}

bool count_close(scope *s) {
    return set_flag(s, CLOSING);
}

bool count_watch(scope *s) {
    count_unbias(s);
    uint64_t word =
        load_acquire(&s->word); /* pairs with the leavers' subtraction: their tasks are done */
    do {
        if ((word & COUNT_MASK) == 0) {
            /* watched: the one who brought it there still has to take the lock */
            return (word & WATCHED) != 0 && !MUTANT(count_late_ignored);
        }
    } while (!cas_acq_rel(&s->word, &word, word | WATCHED)); /* acq_rel: pairs with count_leave */
    return true;
}

static void wake_all(list *arms) {
    while (!list_empty(arms)) {
        list *node = arms->next;
        list_remove(node);
        (void)arm_wake(arm_of(node));
    }
}

static void wake_waiters(scope *s) {
    (void)fetch_and_acq_rel(&s->word, ~WATCHED); /* acq_rel: pairs with count_watch */
    wake_all(&s->waiters);
    wake_all(&s->takers);
}

/* We may be late: another who brought it to zero has woken the waiters, and those who wait now, perhaps in another
 * life of the slot, wait for later tasks. So only a count that is zero under the lock is told; if it is not, the flag
 * stays set and whoever brings it to zero comes here. */
void scope_drained(scope *s) {
    lock_take(&s->lock);
    /* acquire: pairs with count_born, and with leaving */
    bool zero = (load_acquire(&s->word) & (COUNT_MASK | DEAD)) == 0 || MUTANT(count_no_second_look);
    if (zero) {
        wake_waiters(s);
    }
    bool over = zero && owner_ends(s);
    lock_release(&s->lock);
    if (over) {
        owner_end(s);
    }
}

uint64_t count_read(scope *s) {
    int64_t sum = (int64_t)(load_acquire(&s->word) & COUNT_MASK); /* a snapshot */
    if (load_relaxed(&s->home) != 0) {
        sum += load_relaxed(&s->local) - (int64_t)BIAS;
    }
    sum -= (int64_t)owed_all(s);
    return sum > 0 ? (uint64_t)sum : 0;
}

bool count_is_open(const scope *s) {
    uint64_t word = load_relaxed(&s->word); /* relaxed: a snapshot */
    return word_generation(word) != 0 && (word & DEAD) == 0;
}

/* Every schedule of a small scenario, depth first, for a growing number of preemptions.
 *
 * A run follows a path: a list of branches, each with the number of its options and the one taken.
 * The next run takes the same up to the last branch that has an option left, and that option there.
 *
 * Three things keep the tree small, and lose nothing:
 *   A preemption is tried only before a step that another thread could tell from a later one: a load
 *   of a word that another thread has written, any other access to a word that another thread has
 *   used, a step at which a delayed store to such a word must land, and the heavy fence. Which words
 *   these are is learned from the runs; whenever a new one turns up the search for this number of
 *   preemptions begins anew. Before there is a second thread nothing counts.
 *   A delayed store lands as late as possible: when its own thread must wait for it, or, if that is
 *   decided, when another thread looks at the word (S. Burckhardt, R. Alur, M. Martin, "CheckFence").
 *   A thread that spins is not run again until some store has landed, because it would find what it
 *   found before. Among those that may run after it the next one in turn is taken; another one costs
 *   a preemption, or two threads that spin could take turns for ever.
 *
 * Time: a deadline comes when nobody can run. */
#include "port/sim/sim_internal.h"

enum { DEPTH_MAX = 1 << 16, WORDS_MAX = 1 << 12, DEFAULT_MOST = 10000000 };

typedef struct branch {
    uint32_t options;
    uint32_t taken;
} branch;

/* Who has used a word, over all runs. The addresses are the same in each run. */
typedef struct word {
    uintptr_t address;
    uint64_t loaded;
    uint64_t written;
} word;

static struct {
    branch path[DEPTH_MAX];
    uint32_t depth;  /* of the path */
    uint32_t follow; /* the next branch of the path in this run */
    uint32_t preemptions;
    uint32_t most_preemptions;
    bool cut; /* an option was left out because it would be one preemption more */
    bool grown;
    word words[WORDS_MAX];
} search;

uint64_t sim_search_branch(uint64_t bound) {
    if (bound <= 1) {
        return 0;
    }
    if (search.follow == search.depth) {
        sim_check(search.depth < DEPTH_MAX, "search: too many decisions for one schedule");
        search.path[search.depth++] = (branch){.options = (uint32_t)bound};
    }
    branch *b = &search.path[search.follow++];
    sim_check(b->options == bound, "search: the scenario does not do the same each time");
    return b->taken;
}

static bool path_advance(void) {
    while (search.depth > 0) {
        branch *b = &search.path[search.depth - 1];
        if (b->taken + 1 < b->options) {
            b->taken++;
            return true;
        }
        search.depth--;
    }
    return false;
}

/* ---- which steps matter ------------------------------------------------------------------------- */

static word *word_at(uintptr_t address) {
    uint32_t at = (uint32_t)((address >> 2) * 0x9E3779B1u) % WORDS_MAX;
    for (uint32_t tries = 0; tries < WORDS_MAX; tries++, at = (at + 1) % WORDS_MAX) {
        if (search.words[at].address == address || search.words[at].address == 0) {
            search.words[at].address = address;
            return &search.words[at];
        }
    }
    sim_fail("search: too many words");
}

static bool is_write(sim_op op) {
    return op == SIM_OP_STORE || op == SIM_OP_RMW;
}

/* Notes the access; whether another thread could tell it from a later one. */
static bool is_shared(sim_op op, const volatile void *address) {
    word *w = word_at((uintptr_t)address);
    uint64_t self = sim_bit(sim.current);
    uint64_t *mask = is_write(op) ? &w->written : &w->loaded;
    search.grown |= (*mask & self) == 0;
    *mask |= self;
    uint64_t others = op == SIM_OP_LOAD ? w->written : w->written | w->loaded;
    return (others & ~self) != 0;
}

/* The step may empty the thread's own buffer: a store does when the buffer is full, or its word is a local. */
static bool empties(sim_op op) {
    return op != SIM_OP_LOAD && op != SIM_OP_FENCE_LIGHT && op != SIM_OP_CLOCK &&
           op != SIM_OP_YIELD && op != SIM_OP_RELAX;
}

/* Another thread uses a word for which the current one has a delayed store. */
static bool holds_back(void) {
    const sim_buffer *own = &sim.current->buffer;
    for (uint32_t i = 0; i < own->count; i++) {
        const word *w = word_at(own->pending[(own->head + i) % SIM_BUFFER_MAX].address);
        if (((w->written | w->loaded) & ~sim_bit(sim.current)) != 0) {
            return true;
        }
    }
    return false;
}

static bool matters(sim_op op, const volatile void *address) {
    if ((sim.used & (sim.used - 1)) == 0) {
        return false;
    }
    bool shared = false;
    if (op == SIM_OP_LOAD || op == SIM_OP_STORE || op == SIM_OP_RMW || op == SIM_OP_WAIT ||
        op == SIM_OP_WAKE) {
        shared = is_shared(op, address) && (op != SIM_OP_STORE || sim.config.no_store_buffers);
    }
    return shared || op == SIM_OP_FENCE_ALL || (empties(op) && holds_back());
}

/* ---- branches ----------------------------------------------------------------------------------- */

static sim_thread *nth(uint64_t mask, uint64_t n) {
    for (; n > 0; n--) {
        mask &= mask - 1;
    }
    return &sim.threads[__builtin_ctzll(mask)];
}

/* One of the threads of the mask other than the usual one, for a preemption; or the usual one. */
static sim_thread *usual_or(sim_thread *usual, uint64_t mask) {
    mask &= ~sim_bit(usual);
    if (mask == 0) {
        return usual;
    }
    if (search.preemptions == search.most_preemptions) {
        search.cut = true;
        return usual;
    }
    uint64_t n = sim_search_branch(1 + (uint64_t)__builtin_popcountll(mask));
    if (n == 0) {
        return usual;
    }
    search.preemptions++;
    return nth(mask, n - 1);
}

/* Others' delayed stores to the word, or to those that this step will write. */
static uint64_t in_the_way(sim_op op, const volatile void *address) {
    uint64_t mask =
        address != NULL && op != SIM_OP_STORE ? sim_delayed_by_others((uintptr_t)address, 1) : 0;
    const sim_buffer *own = &sim.current->buffer;
    for (uint32_t i = 0; empties(op) && i < own->count; i++) {
        const sim_pending *p = &own->pending[(own->head + i) % SIM_BUFFER_MAX];
        mask |= sim_delayed_by_others(p->address, p->size);
    }
    return mask;
}

static void land_one(sim_op op, sim_thread *thread) {
    sim_decided(SIM_DRAIN, op, thread->number);
    sim_drain_one(thread);
}

/* Each thread's stores land in order, up to one that is in the way; then there may be a next one. */
static void land(sim_op op, const volatile void *address) {
    if ((sim.buffered & ~sim_bit(sim.current)) == 0) {
        return;
    }
    for (uint64_t mask = in_the_way(op, address); mask != 0; mask = in_the_way(op, address)) {
        uint64_t n = sim_search_branch(1 + (uint64_t)__builtin_popcountll(mask));
        if (n == 0) {
            return;
        }
        sim_thread *thread = nth(mask, n - 1);
        uintptr_t landed;
        do {
            landed = thread->buffer.pending[thread->buffer.head].address;
            land_one(op, thread);
        } while (landed != (uintptr_t)address && (in_the_way(op, address) & sim_bit(thread)) != 0);
    }
}

void sim_search_step(sim_op op, const volatile void *address) {
    if (matters(op, address)) {
        sim_thread *next = usual_or(sim.current, sim.ready & ~sim.yielded);
        if (next != sim.current) {
            sim_decided(SIM_SWITCH, op, next->number);
            sim_continue_with(next);
        }
    }
    land(op, address);
}

static sim_thread *in_turn(uint64_t mask) {
    uint64_t above = mask & ~(sim_bit(sim.current) | (sim_bit(sim.current) - 1));
    return &sim.threads[__builtin_ctzll(above != 0 ? above : mask)];
}

void sim_search_give_way(sim_op op) {
    sim.yielded |= sim_bit(sim.current);
    uint64_t others = sim.ready & ~sim.yielded;
    if (others == 0) { /* all spin: time passes, and what is delayed lands */
        while (sim.buffered != 0) {
            land_one(op, &sim.threads[__builtin_ctzll(sim.buffered)]);
        }
        sim.yielded = 0;
        others = sim.ready & ~sim_bit(sim.current);
        if (others == 0 && sim_leap()) {
            sim_decided(SIM_LEAP, op, 0);
        }
        others = others != 0 ? others : sim.ready;
    }
    sim_thread *next = usual_or(in_turn(others), others);
    if ((sim.ready & ~sim_bit(sim.current)) != 0) {
        sim_decided(SIM_NEXT, op, next->number);
    }
    sim_continue_with(next);
}

/* After one that blocks: each of those that do not spin. */
sim_thread *sim_search_next(uint64_t mask) {
    uint64_t able = mask & ~sim.yielded;
    able = able != 0 ? able : mask;
    return nth(able, sim_search_branch((uint64_t)__builtin_popcountll(able)));
}

/* ---- the search --------------------------------------------------------------------------------- */

/* All schedules with at most so many preemptions; a fresh start when a new shared word turned up. */
static sim_result search_bound(const sim_config *config, sim_search *s, void (*reset)(void *arg),
                               void (*scenario)(void *arg), void *arg) {
    sim_result result = {.ok = true};
    bool more = true;
    while (more && result.ok && s->schedules < s->most) {
        search.follow = 0;
        search.preemptions = 0;
        search.grown = false;
        if (reset != NULL) {
            reset(arg);
        }
        sim.mode = SIM_MODE_SEARCH;
        result = sim_run(config, scenario, arg);
        s->schedules++;
        search.depth = search.grown ? 0 : search.follow;
        search.cut &= !search.grown;
        more = search.grown || path_advance();
    }
    sim.mode = SIM_MODE_CHANCE;
    s->complete = !more;
    return result;
}

sim_result sim_exhaust(const sim_config *config, sim_search *s, void (*reset)(void *arg),
                       void (*scenario)(void *arg), void *arg) {
    sim_result result = {.ok = true};
    s->most = s->most != 0 ? s->most : DEFAULT_MOST;
    s->schedules = 0;
    s->complete = true;
    s->unbounded = false;
    for (uint32_t i = 0; i < WORDS_MAX; i++) {
        search.words[i] = (word){0};
    }
    for (uint32_t bound = 0; bound <= s->preemptions && result.ok && s->complete && !s->unbounded;
         bound++) {
        search.depth = 0;
        search.cut = false;
        search.most_preemptions = bound;
        result = search_bound(config, s, reset, scenario, arg);
        s->reached = bound;
        s->unbounded = s->complete && !search.cut;
    }
    s->complete &= result.ok;
    return result;
}

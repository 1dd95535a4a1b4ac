/* See flow/source.h and docs/protocols/select.md. */
#include "flow/source.h"
#include "base/mutant.h"

#include "flow/enter.h"

/* One select call. */
typedef struct choice {
    belay_task *self;
    belay_clause *clauses;
    size_t count;
    bool fair;
    bool timed;         /* a time clause comes before the deadline, or with it */
    belay_time wake_at; /* the earlier of both */
    waiter waiter;
} choice;

/* ---- time ------------------------------------------------------------------------------------------------------ */

/* Links nothing: the waiter's own timer serves all time clauses. */
static bool time_poll(belay_clause *c) {
    c->status = BELAY_OK;
    return c->time <= 0 || (c->time != BELAY_NEVER && c->time <= port_clock_now());
}
static bool time_link(belay_clause *c) {
    (void)c;
    return false;
}
static void time_unlink(belay_clause *c) {
    (void)c;
}

const source time_source = {.poll = time_poll, .link = time_link, .unlink = time_unlink};

static bool none_poll(belay_clause *c) {
    (void)c;
    return false;
}

static const source none_source = {.poll = none_poll, .link = time_link, .unlink = time_unlink};

static const source *source_of(const belay_clause *c) {
    enum { KINDS = BELAY_CLAUSE_TOKEN + 1 }; /* one more kind does not fit in unnoticed */
    static const source *const sources[KINDS] = {
        [BELAY_CLAUSE_NONE] = &none_source,         [BELAY_CLAUSE_TIME] = &time_source,
        [BELAY_CLAUSE_JOIN] = &join_source,         [BELAY_CLAUSE_SEND] = &channel_send_source,
        [BELAY_CLAUSE_RECV] = &channel_recv_source, [BELAY_CLAUSE_TOKEN] = &token_source,
        [BELAY_CLAUSE_EVENT] = &event_source};
    return c->kind < KINDS ? sources[c->kind] : NULL;
}

/* ---- begin and end ----------------------------------------------------------------------------------------------- */

static void end_some(belay_clause *clauses, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const source *s = source_of(&clauses[i]);
        if (s->end != NULL) {
            s->end(&clauses[i]);
        }
    }
}

static belay_status begin_one(belay_task *self, belay_clause *c) {
    const source *s = source_of(c);
    if (s == NULL) {
        return BELAY_EINVAL;
    }
    return s->begin != NULL ? s->begin(self, c) : BELAY_OK;
}

/* All or none. */
static belay_status begin_all(belay_task *self, belay_clause *clauses, size_t count) {
    for (size_t i = 0; i < count; i++) {
        belay_status status = begin_one(self, &clauses[i]);
        if (status != BELAY_OK) {
            end_some(clauses, i);
            return status;
        }
    }
    return BELAY_OK;
}

/* ---- the order of looking ---------------------------------------------------------------------------------------- */

/* G. Marsaglia, "Xorshift RNGs", 2003; a worker's own state, or what a foreign thread has at hand. */
static uint32_t random_start(void) {
    worker *w = worker_current();
    uint32_t x = w != NULL ? load_relaxed(&w->rng) /* relaxed: own word */
                           : (uint32_t)port_clock_now() * 2654435761u + port_thread_hash() + 1u;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    if (w != NULL) {
        store_relaxed(&w->rng, x);
    }
    return x;
}

/* Where a clause keeps its part of the permutation: after all that a source may use. */
static uint64_t *order_of(belay_clause *c) {
    return &c->reserved[sizeof c->reserved / sizeof *c->reserved - 1];
}

/* A random permutation of the clauses' numbers, spread over them (R. Durstenfeld, "Algorithm 235", 1964). */
static void shuffle(belay_clause *clauses, size_t count) {
    uint32_t x = random_start();
    for (size_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        size_t j = (size_t)(((uint64_t)x * (i + 1)) >> 32);
        *order_of(&clauses[i]) = *order_of(&clauses[j]);
        *order_of(&clauses[j]) = i;
    }
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static bool poll_all(belay_clause *clauses, size_t count, bool fair, size_t *index) {
    if (fair) {
        shuffle(clauses, count);
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = fair ? (size_t)*order_of(&clauses[i]) : i;
        if (source_of(&clauses[at])->poll(&clauses[at])) {
            *index = at;
            return true;
        }
    }
    return false;
}

/* Links arms until a clause is ready; returns how many. */
static size_t link_all(choice *c) {
    for (size_t i = 0; i < c->count; i++) {
        belay_clause *clause = &c->clauses[i];
        arm_init(clause_arm(clause), &c->waiter);
        if (source_of(clause)->link(clause)) {
            return i;
        }
    }
    return c->count;
}

/* Afterwards the locks of all arms were passed: no claimer is under way. */
static void unlink_some(choice *c, size_t linked) {
    for (size_t i = 0; i < linked; i++) {
        source_of(&c->clauses[i])->unlink(&c->clauses[i]);
    }
}

static size_t take_fired(choice *c) {
    size_t i = 0;
    while (clause_arm(&c->clauses[i]) != c->waiter.fired) {
        i++;
        CHECK(i < c->count);
    }
    belay_clause *clause = &c->clauses[i];
    clause->status = BELAY_OK;
    if (source_of(clause)->fired != NULL) {
        source_of(clause)->fired(clause);
    }
    return i;
}

/* The first clause whose time was waited for. */
static size_t take_time(choice *c) {
    size_t i = 0;
    while (c->clauses[i].kind != BELAY_CLAUSE_TIME || c->clauses[i].time > c->wake_at) {
        i++;
        CHECK(i < c->count);
    }
    c->clauses[i].status = BELAY_OK;
    return i;
}

/* A clause became ready while we linked, and whoever did it may have passed us by: all is looked at anew. Two selects
 * that only wait for each other could go on like that in step; so they fall out of step. */
static void stagger(uint32_t round) {
    uint32_t ticks = round < 2 ? 0 : random_start() & ((1u << (round < 10 ? round : 10)) - 1);
    for (uint32_t i = 0; i < ticks; i++) {
        port_cpu_relax();
    }
}

static belay_status choose(choice *c, size_t *index) {
    for (uint32_t round = 0;; round++) {
        if (poll_all(c->clauses, c->count, c->fair, index)) {
            flow_ready(c->self);
            return BELAY_OK;
        }
        if (c->wake_at <= 0) {
            return BELAY_ETIMEDOUT;
        }
        waiter_init(&c->waiter, c->self, false);
        size_t linked = link_all(c);
        wait_word result = linked == c->count
                               ? waiter_block(&c->waiter, c->wake_at, WAIT_FOR_SELECT)
                               : waiter_finish(&c->waiter);
        unlink_some(c, MUTANT(select_loser_linked) && linked != 0 ? linked - 1 : linked);
        if (result == WAIT_OK && c->waiter.fired != NULL &&
            !(MUTANT(select_winner_lost) && linked != c->count)) {
            *index = take_fired(c);
            return BELAY_OK;
        }
        if (result == WAIT_TIMEDOUT && c->timed && !(c->self != NULL && task_canceled(c->self))) {
            *index = take_time(c);
            return BELAY_OK;
        }
        if (result != WAIT_OK) {
            return flow_gave_up(c->self, result);
        }
        stagger(round);
    }
}

static void find_deadline(choice *c, belay_time deadline) {
    c->wake_at = deadline;
    for (size_t i = 0; i < c->count; i++) {
        if (c->clauses[i].kind == BELAY_CLAUSE_TIME && c->clauses[i].time <= c->wake_at &&
            c->clauses[i].time != BELAY_NEVER) {
            c->wake_at = c->clauses[i].time;
            c->timed = true;
        }
    }
}

static bool bad_call(const belay_clause *clauses, size_t count, uint32_t flags,
                     const size_t *index) {
    return index == NULL || (clauses == NULL && count != 0) || (flags & ~BELAY_SELECT_FAIR) != 0;
}

/* Is there something that a foreign thread could wait for? */
static bool is_hopeless(const choice *c) {
    bool hope = c->self != NULL || c->wake_at != BELAY_NEVER;
    for (size_t i = 0; i < c->count && !hope; i++) {
        hope = c->clauses[i].kind != BELAY_CLAUSE_NONE && c->clauses[i].kind != BELAY_CLAUSE_TIME;
    }
    return !hope;
}

belay_status belay_select_until(belay_task *self, belay_clause *clauses, size_t count,
                                uint32_t flags, belay_time deadline, size_t *index) {
    if (bad_call(clauses, count, flags, index)) {
        return BELAY_EINVAL;
    }
    belay_status status = check_waiter(self);
    if (status == BELAY_OK) {
        status = begin_all(self, clauses, count);
    }
    if (status != BELAY_OK) {
        return status;
    }
    choice c = {
        .self = self, .clauses = clauses, .count = count, .fair = (flags & BELAY_SELECT_FAIR) != 0};
    find_deadline(&c, deadline);
    status = is_hopeless(&c) ? BELAY_EINVAL : flow_begin(self);
    if (status == BELAY_OK) {
        status = choose(&c, index);
    }
    end_some(clauses, count);
    return status;
}

belay_status belay_select(belay_task *self, belay_clause *clauses, size_t count, uint32_t flags,
                          size_t *index) {
    return belay_select_until(self, clauses, count, flags, BELAY_NEVER, index);
}

belay_status belay_try_select(belay_clause *clauses, size_t count, uint32_t flags, size_t *index) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (bad_call(clauses, count, flags, index)) {
        return BELAY_EINVAL;
    }
    belay_status status = begin_all(NULL, clauses, count);
    if (status == BELAY_OK) {
        bool ready = poll_all(clauses, count, (flags & BELAY_SELECT_FAIR) != 0, index);
        status = ready ? BELAY_OK : BELAY_EAGAIN;
        end_some(clauses, count);
    }
    return status;
}

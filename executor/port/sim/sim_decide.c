/* Decisions: written down, and taken from what was written down.
 *
 * A run's text is a list of words, one for each decision: how many steps after the last one it was
 * taken, the letter of the operation that was about to happen, the letter of what was decided, and
 * which. `12lS3`: twelve steps after the last decision, before a load, thread 3 went on. What is
 * not in the list happens by itself: the thread goes on. Because steps are counted from decision to
 * decision, a small change of the program moves what follows along. A decision that does not fit
 * any more waits a few steps for an operation of its kind; failing that it is taken where it stands,
 * or left out; result.drift counts both.
 *
 *     S thread goes on                  N thread is next after one that blocked or gave way
 *     D thread's oldest store lands     W sleeper is woken by a wake
 *     R sleeper wakes without cause     C the scenario's choice
 *     L the clock leaps                 G seed of a generator
 *     E a wait returns at once          P pages are handed out again
 *     F a call for a resource fails
 *
 * Bytes: a step's decision takes two, what and when the next; every other one byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/sim/sim_internal.h"

enum {
    DECISIONS_MAX = 1 << 16,
    PATIENCE = 16, /* steps that a decision waits for its operation */
    AHEAD = 16,    /* decisions that may have been left out by a change */
    LATE = 64      /* steps after which a decision that nobody asked for is left out */
};

typedef struct decision {
    uint64_t value;
    uint32_t gap;
    uint8_t kind;
    char op;
} decision;

static const char letters[SIM_KINDS + 1] = "SDRLNWCGPEF";

static struct {
    uint64_t last; /* the step of the last decision */
    uint32_t count;
    uint32_t next;     /* replay: the first that was not taken */
    size_t byte;       /* the first that was not read */
    uint64_t byte_due; /* the step of the next two */
    decision list[DECISIONS_MAX];
} script;

static bool of_step(const decision *d) {
    return d->kind <= SIM_LEAP;
}

/* ---- writing -------------------------------------------------------------------------------- */

void sim_decided(sim_kind kind, sim_op op, uint64_t value) {
    if (sim.config.record && sim.mode != SIM_MODE_REPLAY && script.count < DECISIONS_MAX) {
        script.list[script.count++] = (decision){.value = value,
                                                 .gap = (uint32_t)(sim.result.steps - script.last),
                                                 .kind = (uint8_t)kind,
                                                 .op = sim_op_letter(op)};
        script.last = sim.result.steps;
    }
}

size_t sim_decisions(char *out, size_t size) {
    size_t length = 0;
    size_t line = 0;
    for (uint32_t i = 0; i < script.count; i++) {
        const decision *d = &script.list[i];
        char word[48];
        size_t n = (size_t)snprintf(word, sizeof word, "%u%c%c%llu%c", (unsigned)d->gap, d->op,
                                    letters[d->kind], (unsigned long long)d->value,
                                    length + 80 > line + 160 ? '\n' : ' ');
        line = word[n - 1] == '\n' ? length + n : line;
        if (length + n < size) {
            memcpy(out + length, word, n + 1);
        }
        length += n;
    }
    return length;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool decision_parse(const char **text, decision *out) {
    char *rest;
    out->gap = (uint32_t)strtoul(*text, &rest, 10);
    if (rest == *text || rest[0] == 0) {
        return false;
    }
    out->op = rest[0];
    const char *kind = rest[1] != 0 ? strchr(letters, rest[1]) : NULL;
    if (kind == NULL) {
        return false;
    }
    out->kind = (uint8_t)(kind - letters);
    *text = rest + 2;
    out->value = strtoull(*text, &rest, 10);
    bool whole = rest != *text;
    *text = rest;
    return whole;
}

static void parse_all(const char *text) {
    while (text != NULL && script.count < DECISIONS_MAX &&
           decision_parse(&text, &script.list[script.count])) {
        script.count++;
    }
}

/* Steps need no look before the one at which the next decision is due. */
static void due_find(void) {
    sim.next_event = sim.config.step_limit;
    if (script.next < script.count) {
        const decision *d = &script.list[script.next];
        uint64_t due = script.last + d->gap + (of_step(d) ? 0 : LATE);
        sim.next_event = due < sim.next_event ? due : sim.next_event;
    }
    if (sim.config.log_events != 0) {
        sim.next_event = 0;
    }
}

void sim_decide_reset(void) {
    script.last = 0;
    script.count = 0;
    script.next = 0;
    script.byte = 0;
    script.byte_due = 0;
    if (sim.mode == SIM_MODE_REPLAY) {
        parse_all(sim.config.decisions);
        due_find();
    }
}

static const decision *take(void) {
    const decision *d = &script.list[script.next++];
    script.last = sim.result.steps;
    due_find();
    return d;
}

/* The next decision, if it is of this kind; after a change of the program, one of the next few.
 * NULL: there is none. */
static const decision *take_kind(sim_kind kind) {
    for (uint32_t i = script.next; i < script.count && i < script.next + AHEAD; i++) {
        if (script.list[i].kind == kind) {
            sim.result.drift += i - script.next;
            script.next = i;
            return take();
        }
    }
    sim.result.drift++;
    return NULL;
}

/* ---- replay at a step ------------------------------------------------------------------------ */

static void apply(const decision *d) {
    uint32_t number = (uint32_t)(d->value % SIM_THREADS_MAX);
    sim_thread *thread = &sim.threads[number];
    uint64_t bit = UINT64_C(1) << number; /* a place that is not used yet has no number */
    if (d->kind == SIM_LEAP) {
        sim.result.drift += !sim_leap();
    } else if (d->kind == SIM_DRAIN && (sim.buffered & bit) != 0) {
        sim.result.drains++;
        sim_drain_one(thread);
    } else if (d->kind == SIM_ROUSE && (sim.sleeping & bit) != 0) {
        sim.result.spurious++;
        sim_make_ready(thread);
    } else if (d->kind == SIM_SWITCH && (sim.ready & bit) != 0) {
        sim_continue_with(thread);
    } else {
        sim.result.drift++;
    }
}

static void replay_step(sim_op op) {
    while (script.next < script.count) {
        const decision *d = &script.list[script.next];
        uint64_t due = script.last + d->gap;
        if (sim.result.steps < due) {
            break;
        }
        if (!of_step(d)) {
            if (sim.result.steps < due + LATE) {
                break;
            }
            sim.result.drift++;
            script.next++;
            continue;
        }
        bool fits = d->op == sim_op_letter(op);
        if (!fits && sim.result.steps < due + PATIENCE) {
            sim.next_event = sim.result.steps + 1;
            return;
        }
        sim.result.drift += !fits || sim.result.steps != due;
        apply(take());
    }
    due_find();
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static bool byte_next(uint32_t *out) {
    bool more = script.byte < sim.config.byte_count;
    *out = more ? sim.config.bytes[script.byte++] : 0;
    return more;
}

static sim_thread *nth(uint64_t mask, uint32_t n) {
    for (n %= (uint32_t)__builtin_popcountll(mask); n > 0; n--) {
        mask &= mask - 1;
    }
    return &sim.threads[__builtin_ctzll(mask)];
}

/* The ready thread after the current one, in turn. */
static sim_thread *in_turn(uint64_t mask) {
    uint64_t above = mask & ~(sim_bit(sim.current) | (sim_bit(sim.current) - 1));
    return &sim.threads[__builtin_ctzll(above != 0 ? above : mask)];
}

static void byte_event(sim_op op, uint32_t what) {
    uint32_t which = what >> 3;
    sim_thread *thread;
    switch (what & 7) {
    case 7:
        if (which % 2 == 0 || sim.sleeping == 0 || sim.config.no_spurious) {
            if (sim_leap()) {
                sim_decided(SIM_LEAP, op, 0);
            }
        } else {
            thread = nth(sim.sleeping, which / 2);
            sim_decided(SIM_ROUSE, op, thread->number);
            sim.result.spurious++;
            sim_make_ready(thread);
        }
        break;
    case 6:
    case 5:
        if (sim.buffered != 0) {
            thread = nth(sim.buffered, which);
            sim_decided(SIM_DRAIN, op, thread->number);
            sim.result.drains++;
            sim_drain_one(thread);
        }
        break;
    default:
        thread = nth(sim.ready, which);
        sim_decided(SIM_SWITCH, op, thread->number);
        sim_continue_with(thread);
        break;
    }
}

/* What it decides, and how long until the next: 1 to 4,096 steps. */
static void byte_step(sim_op op) {
    if (sim.result.steps < script.byte_due) {
        return;
    }
    uint32_t what;
    uint32_t when;
    bool more = byte_next(&what) && byte_next(&when);
    script.byte_due = more ? sim.result.steps + ((1 + (when & 31)) << (when >> 5)) : UINT64_MAX;
    uint64_t limit = sim.config.step_limit;
    sim.next_event = script.byte_due < limit ? script.byte_due : limit;
    if (sim.config.log_events != 0) {
        sim.next_event = 0;
    }
    if (more) {
        byte_event(op, what);
    }
}

void sim_script_step(sim_op op) {
    if (sim.mode == SIM_MODE_REPLAY) {
        replay_step(op);
    } else {
        byte_step(op);
    }
}

/* ---- the decisions of others ------------------------------------------------------------------ */

static sim_thread *thread_from_script(sim_kind kind, uint64_t mask) {
    const decision *d = take_kind(kind);
    if (d != NULL && (mask >> d->value % SIM_THREADS_MAX & 1) != 0) {
        return &sim.threads[d->value % SIM_THREADS_MAX];
    }
    sim.result.drift += d != NULL;
    return in_turn(mask);
}

static sim_thread *thread_from_bytes(uint64_t mask) {
    uint32_t byte;
    if (byte_next(&byte)) {
        return nth(mask, byte);
    }
    sim_drain(sim.current); /* who spins must see, in the end, what it waits for */
    return in_turn(mask);
}

sim_thread *sim_decide_thread(sim_kind kind, uint64_t mask) {
    sim_thread *thread =
        sim.mode == SIM_MODE_CHANCE   ? sim_any(mask)
        : sim.mode == SIM_MODE_REPLAY ? thread_from_script(kind, mask)
        : sim.mode == SIM_MODE_BYTES  ? thread_from_bytes(mask)
        : kind == SIM_NEXT
            ? sim_search_next(mask)
            : nth(mask, (uint32_t)sim_search_branch((uint64_t)__builtin_popcountll(mask)));
    sim_decided(kind, SIM_OP_END, thread->number);
    return thread;
}

static uint64_t number_from_script(sim_kind kind) {
    const decision *d = take_kind(kind);
    return d != NULL ? d->value : 0;
}

static uint64_t number_from_bytes(void) {
    uint32_t byte;
    byte_next(&byte);
    return byte;
}

/* Most bounds are small; a seed has 64 bits. */
uint64_t sim_decide_number(sim_kind kind, uint64_t bound) {
    uint64_t number = sim.mode == SIM_MODE_CHANCE   ? sim_random() >> 1
                      : sim.mode == SIM_MODE_REPLAY ? number_from_script(kind)
                      : sim.mode == SIM_MODE_BYTES  ? number_from_bytes()
                      : kind == SIM_CHOICE          ? sim_search_branch(bound)
                                                    : 1;
    number %= bound;
    sim_decided(kind, SIM_OP_END, number);
    return number;
}

/* Only what came true is written down, with its step. */
static bool chance_from_script(sim_kind kind) {
    if (script.next == script.count || script.list[script.next].kind != kind ||
        sim.result.steps < script.last + script.list[script.next].gap) {
        return false;
    }
    take();
    return true;
}

bool sim_decide_chance(sim_kind kind, uint32_t rate) {
    bool yes = sim.mode == SIM_MODE_CHANCE   ? rate != 0 && (sim_random() >> 44) < rate
               : sim.mode == SIM_MODE_REPLAY ? chance_from_script(kind)
               : sim.mode == SIM_MODE_BYTES  ? rate != 0 && number_from_bytes() == UINT8_MAX
                                             : false;
    if (yes) {
        sim_decided(kind, SIM_OP_END, 1);
    }
    return yes;
}

bool sim_refuse(uint64_t count, uint64_t fail) {
    return count == fail || sim_decide_chance(SIM_REFUSE, sim.config.fail_rate);
}

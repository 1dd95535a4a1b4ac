/* What the stress programs share: options, seeded randomness, drivers, the accounting, the watchdog.
 *
 * A program is a plan: a round that attacks one promise, repeated by a few foreign threads (drivers) until
 * the time is up. Every random choice comes from the driver's generator, seeded by --seed and the driver's
 * number, so that a seed names a program, though not a schedule. What is left open on the command line
 * (workers, kind of fences, spinning) is drawn from the seed as well: --seed 1, 2, 3 ... wanders through
 * the configurations.
 *
 *     PROGRAM [--seed S] [--seconds N] [--workers N] [--patience N]
 *
 * At the end the library's own accounts must agree with themselves and with the program's: spawned =
 * value + error + cancelled + skipped = spawns the program saw accepted; destructors called = accepted
 * spawns that had one; nothing alive; destroy returns BELAY_OK. A wrong result, or no round completed for --patience
 * seconds (a lost wakeup, a lost cancel), prints the live tasks and aborts.
 *
 * A program may use what any program may: the public headers. The atomics below are its own. */
#ifndef BELAY_STRESS_COMMON_STRESS_H
#define BELAY_STRESS_COMMON_STRESS_H

#include <belay/belay.h>

/* ---- randomness ------------------------------------------------------------------------------ */

typedef struct stress_rng {
    uint64_t state;
} stress_rng;

/* G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
static inline uint64_t stress_random(stress_rng *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. n-1; n is not 0. */
static inline uint32_t stress_below(stress_rng *r, uint32_t n) {
    return (uint32_t)(stress_random(r) >> 32) % n;
}

static inline bool stress_chance(stress_rng *r, uint32_t percent) {
    return stress_below(r, 100) < percent;
}

/* ---- words that tasks share ------------------------------------------------------------------ */

/* Relaxed: counts and hints; what is read after a join or close is ordered by that. */
static inline uint64_t stress_get(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
/* NOLINTNEXTLINE(readability-non-const-parameter): written by the builtin */
static inline void stress_put(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
/* NOLINTNEXTLINE(readability-non-const-parameter): written by the builtin */
static inline uint64_t stress_add(uint64_t *word, uint64_t value) {
    return __atomic_fetch_add(word, value, __ATOMIC_RELAXED);
}
/* A flag that carries an order: what came before the set is visible after a get that finds it. */
static inline bool stress_is_set(const uint64_t *flag) {
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE) != 0;
}
/* NOLINTNEXTLINE(readability-non-const-parameter): written by the builtin */
static inline void stress_set(uint64_t *flag) {
    __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

/* ---- the plan -------------------------------------------------------------------------------- */

typedef struct stress_driver {
    belay_executor *executor; /* NULL if the plan makes its own */
    uint32_t index;
    uint32_t workers;
    stress_rng rng;
    void *own; /* the program's, for what lives from round to round; starts as NULL */
} stress_driver;

typedef struct stress_plan {
    const char *name;
    uint32_t drivers;
    bool own_executors; /* rounds create their executors: there is none to account for */
    void (*configure)(belay_config *config, stress_rng *rng); /* may be NULL */
    void (*round)(stress_driver *d);
    void (*finish)(stress_driver *d); /* after the driver's last round; may be NULL */
} stress_plan;

int stress_main(int argc, char **argv, const stress_plan *plan);

/* The options of --workers and the seed in a fresh configuration, for plans with executors of their own. */
void stress_configure(belay_config *config, stress_rng *rng);

/* The accounts of a drained executor agree with each other. */
void stress_audit(belay_executor *executor);

/* Tells the watchdog that something was completed; called after every round as well. */
void stress_progress(void);
/* Is the time up? For rounds that are long. */
bool stress_over(void);

/* ---- failing --------------------------------------------------------------------------------- */

/* Prints what is wrong, the live tasks and how to try again, and aborts. Any thread or task. */
_Noreturn void stress_fail(const char *what, int64_t got, int64_t expected);

static inline void stress_check(bool fine, const char *what) {
    if (!fine) {
        stress_fail(what, 0, 1);
    }
}
/* One of two. */
static inline void stress_either(belay_status got, belay_status a, belay_status b,
                                 const char *what) {
    if (got != a && got != b) {
        stress_fail(what, got, a);
    }
}
static inline void stress_equal(int64_t got, int64_t expected, const char *what) {
    if (got != expected) {
        stress_fail(what, got, expected);
    }
}

/* ---- spawning, with accounts ----------------------------------------------------------------- */

/* Books spawns that were accepted without stress_spawn (a locked instruction each would calm the hot
 * path that some programs are after). */
void stress_accepted(uint64_t spawns);

/* An argument's destructor that is counted. It leaves the argument alone. */
void stress_drop(void *arg);

/* Spawns with stress_drop, and books. flags and pin as in belay_task_options; start_at 0: now. */
typedef struct stress_how {
    belay_time start_at;
    int32_t pin;
    uint32_t flags;
} stress_how;
#define stress_spawn(self, scope, body, arg, how, out)                                             \
    stress_spawn_from((self), (scope), (body), (arg), (how), (out), BELAY_SITE_OF(body))
belay_status stress_spawn_from(belay_task *self, belay_scope scope, belay_body *body, void *arg,
                               const stress_how *how, belay_task_handle *out, const char *site);

/* belay_executor_run, booked; the body must succeed. */
void stress_run(belay_executor *executor, belay_body *body, void *arg);

/* Computes for about that long without a yield point. */
void stress_burn(int64_t nanoseconds);

#endif

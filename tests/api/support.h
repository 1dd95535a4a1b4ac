/* What the tests of the public surface share: executors with a captured log, facts recorded by tasks, gates, and a
 * watchdog.
 *
 * cmocka's assertions work on the main thread only. Tasks say EXPECT and EXPECT_STATUS: a broken expectation is printed
 * at once and fails the test in its teardown, which also checks the executor's books: every accepted spawn has one
 * outcome, no task and no scope is left. Nothing here waits by sleeping for a guessed time: tests await facts. */
#ifndef BELAY_TESTS_API_SUPPORT_H
#define BELAY_TESTS_API_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <belay/belay.h>

/* ---- facts ------------------------------------------------------------------------------------------------------ */

/* A number that tasks change and the main thread awaits. */
typedef struct tally {
    uint64_t value;
} tally;

static inline uint64_t tally_add(tally *t) {
    return __atomic_add_fetch(&t->value, 1, __ATOMIC_ACQ_REL);
}
static inline uint64_t tally_read(const tally *t) {
    return __atomic_load_n(&t->value, __ATOMIC_ACQUIRE);
}
static inline void tally_set(tally *t, uint64_t value) {
    __atomic_store_n(&t->value, value, __ATOMIC_RELEASE);
}
/* From the main thread. */
static inline void tally_await(const tally *t, uint64_t least) {
    while (tally_read(t) < least) {
        sched_yield();
    }
}
/* The same in a task, which shares its worker meanwhile. False: cancelled. */
static inline bool tally_await_in(belay_task *self, const tally *t, uint64_t least) {
    while (tally_read(t) < least) {
        if (belay_sleep_until(self, belay_after(BELAY_MILLISECOND / 10)) != BELAY_OK) {
            return false;
        }
    }
    return true;
}
/* A drop hook whose value is a tally. */
static inline void tally_drop(void *value) {
    (void)tally_add(value);
}

/* ---- expectations ------------------------------------------------------------------------------------------------ */

static tally support_broken;

static inline bool expect_at(bool holds, const char *text, const char *file, int line) {
    if (!holds) {
        fprintf(stderr, "%s:%d: expected: %s\n", file, line, text);
        (void)tally_add(&support_broken);
    }
    return holds;
}

static inline void expect_status_at(belay_status got, belay_status want, const char *text,
                                    const char *file, int line) {
    if (got != want) {
        fprintf(stderr, "%s:%d: %s gave %d (%s), expected %d (%s)\n", file, line, text, got,
                belay_status_text(got), want, belay_status_text(want));
        (void)tally_add(&support_broken);
    }
}

#define EXPECT(condition) expect_at((condition), #condition, __FILE__, __LINE__)
#define EXPECT_STATUS(call, want) expect_status_at((call), (want), #call, __FILE__, __LINE__)

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    tally lines;
    char text[8192];
    size_t length;
} support_log = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void support_log_line(belay_log_level level, const char *line, void *arg) {
    (void)level;
    (void)arg;
    pthread_mutex_lock(&support_log.lock);
    size_t room = sizeof support_log.text - support_log.length;
    int n = snprintf(support_log.text + support_log.length, room, "%s\n", line);
    support_log.length += n > 0 && (size_t)n < room ? (size_t)n : 0;
    (void)tally_add(&support_log.lines);
    pthread_mutex_unlock(&support_log.lock);
}

static inline bool log_holds(const char *part) {
    pthread_mutex_lock(&support_log.lock);
    bool found = strstr(support_log.text, part) != NULL;
    pthread_mutex_unlock(&support_log.lock);
    return found;
}

static inline void log_clear(void) {
    pthread_mutex_lock(&support_log.lock);
    support_log.length = 0;
    tally_set(&support_log.lines, 0);
    support_log.text[0] = '\0';
    pthread_mutex_unlock(&support_log.lock);
}

/* ---- executors --------------------------------------------------------------------------------------------------- */

typedef struct fixture {
    uint32_t workers;
    belay_executor *ex;
} fixture;

/* For the watchdog: whom to ask when a test hangs. */
static belay_executor *support_watched;

static inline belay_config test_config(uint32_t workers) {
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.ignore_env = 1;
    config.workers = workers;
    config.log = support_log_line;
    return config;
}

static inline belay_executor *executor_make(const belay_config *config) {
    belay_executor *ex = NULL;
    assert_int_equal(belay_executor_create(config, &ex), BELAY_OK);
    assert_non_null(ex);
    __atomic_store_n(&support_watched, ex, __ATOMIC_RELEASE);
    return ex;
}

/* Ends an executor and checks its books. False, with a line for each, if something is wrong. */
static inline bool executor_end(belay_executor *ex) {
    belay_stats s;
    uint64_t before = tally_read(&support_broken);
    EXPECT_STATUS(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    EXPECT_STATUS(belay_executor_stats(ex, &s, sizeof s), BELAY_OK);
    EXPECT(s.spawned == s.value + s.error + s.canceled + s.skipped);
    EXPECT(s.args_dropped <= s.spawned);
    EXPECT(s.alive == 0);
    EXPECT(s.scopes_open == 1);
    __atomic_store_n(&support_watched, NULL, __ATOMIC_RELEASE);
    EXPECT_STATUS(belay_executor_destroy(ex), BELAY_OK);
    return tally_read(&support_broken) == before;
}

static inline int fixture_start(void **state) {
    fixture *f = *state;
    belay_config config = test_config(f->workers);
    tally_set(&support_broken, 0);
    log_clear();
    f->ex = executor_make(&config);
    return 0;
}

static inline int fixture_stop(void **state) {
    fixture *f = *state;
    return executor_end(f->ex) && tally_read(&support_broken) == 0 ? 0 : -1;
}

/* For tests that make their own executors. */
static inline int fixture_begin(void **state) {
    (void)state;
    tally_set(&support_broken, 0);
    log_clear();
    return 0;
}

static inline int fixture_end(void **state) {
    (void)state;
    __atomic_store_n(&support_watched, NULL, __ATOMIC_RELEASE);
    return tally_read(&support_broken) == 0 ? 0 : -1;
}

static fixture fixture_one = {.workers = 1};
static fixture fixture_several = {.workers = 4};

/* A test with one worker and with several: two entries of a group. */
#define BOTH(test)                                                                                 \
    {#test ", 1 worker", test, fixture_start, fixture_stop, &fixture_one}, {                       \
#test ", 4 workers", test, fixture_start, fixture_stop, &fixture_several                   \
    }
/* The same, where the test makes its executors itself from the fixture's number of workers. */
#define BOTH_BARE(test)                                                                            \
    {#test ", 1 worker", test, fixture_begin, fixture_end, &fixture_one}, {                        \
#test ", 4 workers", test, fixture_begin, fixture_end, &fixture_several                    \
    }

static inline belay_executor *executor_of(void **state) {
    return ((fixture *)*state)->ex;
}
static inline uint32_t workers_of(void **state) {
    return ((fixture *)*state)->workers;
}

/* Runs a body to its end, which must be a value. */
static inline void run(belay_executor *ex, belay_body *body, void *arg) {
    belay_outcome outcome;
    assert_int_equal(belay_executor_run(ex, body, arg, &outcome), BELAY_OK);
    assert_int_equal(outcome.status, BELAY_OK);
    assert_int_equal(outcome.kind, BELAY_OUTCOME_VALUE);
}

static inline belay_task_handle spawn_outside(belay_executor *ex, belay_body *body, void *arg) {
    belay_task_handle task;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), body, arg, NULL, &task), BELAY_OK);
    return task;
}

static inline belay_outcome join_outside(belay_task_handle task) {
    belay_outcome outcome = {0};
    assert_int_equal(belay_join(NULL, task, &outcome), BELAY_OK);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    return outcome;
}

/* The task has ended and all handles are released; its own reference goes a moment after its joiners were woken. */
static inline void await_stale(belay_task_handle task) {
    while (belay_task_retain(task) == BELAY_OK) {
        (void)belay_task_release(task);
        sched_yield();
    }
}

/* ---- bodies that many tests want --------------------------------------------------------------------------------- */

static inline belay_status body_nothing(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static inline belay_status body_tally(belay_task *self, void *arg) {
    (void)self;
    (void)tally_add(arg);
    return BELAY_OK;
}

/* Waits until it is cancelled. */
static inline belay_status body_sleep(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

/* ---- gates: many wait until one opens ---------------------------------------------------------------------------- */

/* A task that sleeps until it is cancelled; who joins it waits at the gate. */
static inline belay_task_handle gate_make(belay_executor *ex) {
    return spawn_outside(ex, body_sleep, NULL);
}
static inline belay_status gate_pass(belay_task *self, belay_task_handle gate) {
    belay_status status = belay_join(self, gate, NULL);
    return status == BELAY_ESTALE ? BELAY_OK : status; /* open since long */
}
static inline void gate_open(belay_task_handle gate) {
    (void)belay_task_cancel(gate, BELAY_OK, "the gate opens");
    (void)belay_task_release(gate);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

/* How many live tasks wait on this. */
static inline size_t count_waiting(belay_executor *ex, const char *on) {
    belay_task_info infos[64];
    size_t count = 0, found = 0;
    if (belay_snapshot(ex, infos, 64, &count) != BELAY_OK) {
        return 0;
    }
    for (size_t i = 0; i < count && i < 64; i++) {
        found += infos[i].waiting_on != NULL && strcmp(infos[i].waiting_on, on) == 0;
    }
    return found;
}

static inline void await_waiting(belay_executor *ex, const char *on, size_t least) {
    while (count_waiting(ex, on) < least) {
        sched_yield();
    }
}

/* ---- the watchdog ------------------------------------------------------------------------------------------------ */

enum { WATCHDOG_SECONDS = 100 };

static inline void *watchdog_main(void *arg) {
    (void)arg;
    struct timespec limit = {.tv_sec = WATCHDOG_SECONDS};
    while (nanosleep(&limit, &limit) != 0 && errno == EINTR) {
    }
    belay_executor *ex = __atomic_load_n(&support_watched, __ATOMIC_ACQUIRE);
    belay_task_info infos[64];
    size_t count = 0;
    fprintf(stderr, "watchdog: %d seconds are over; log:\n%s", WATCHDOG_SECONDS, support_log.text);
    if (ex != NULL && belay_snapshot(ex, infos, 64, &count) == BELAY_OK) {
        fprintf(stderr, "watchdog: %zu live tasks\n", count);
    }
    for (size_t i = 0; i < count && i < 64; i++) {
        char line[256];
        (void)belay_task_info_text(&infos[i], line, sizeof line);
        fprintf(stderr, "  %s\n", line);
    }
    abort();
}

/* First in main: ends a hanging program with a dump, before ctest's limit ends it with none. */
static inline void watchdog_start(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, watchdog_main, NULL) == 0) {
        pthread_detach(thread);
    }
}

#endif

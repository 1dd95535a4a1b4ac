/* A scheduler without the floors above it. The upcalls defined here find nothing, and take the place of the library's:
 * so the tests that include this also prove that the lower floors need nothing else from above.
 *
 * Entries are runnables that count how often they came out of a queue. cmocka's assertions work on the main thread
 * only, so other threads count, and the main thread looks. Nothing waits for a guessed time: a lost wake shows as a
 * hang, which an alarm ends. */
#ifndef BELAY_TESTS_SCHED_BARE_H
#define BELAY_TESTS_SCHED_BARE_H

#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "sched/private.h"
#include "sched/sched.h"

enum { BARE_LIMIT_SECONDS = 100 };

/* ---- upcalls and driver -------------------------------------------------------------------------- */

void upcall_submit(sched *s, runnable *r) {
    sched_submit(s, r);
}
bool upcall_bulk(worker *w) {
    (void)w;
    return false;
}
runnable *upcall_steal_fork(worker *w, worker *victim, bool force) {
    (void)w;
    (void)victim;
    (void)force;
    return NULL;
}
runnable *upcall_steal_orphan(worker *w) {
    (void)w;
    return NULL;
}
bool upcall_forks_visible(const worker *victim, bool *hidden) {
    (void)victim;
    *hidden = false;
    return false;
}
void upcall_ask_forks(worker *victim) {
    (void)victim;
}
bool upcall_orphans_visible(const sched *s) {
    (void)s;
    return false;
}

static ATOMIC(int64_t) bare_deadline = {PORT_NEVER}; /* of every worker's timers */

static bool bare_driver_poll(worker *w) {
    (void)w;
    return false;
}
static int64_t bare_driver_deadline(worker *w) {
    (void)w;
    return load_relaxed(&bare_deadline); /* relaxed: set while nobody else runs */
}
static void bare_driver_busy(sched *s, bool wanted) {
    (void)s;
    (void)wanted;
}

static const driver bare_driver = {
    .poll = bare_driver_poll, .deadline = bare_driver_deadline, .busy = bare_driver_busy};

/* ---- a scheduler --------------------------------------------------------------------------------- */

static inline void bare_open(sched *s, uint32_t workers, bool symmetric, int64_t spin) {
    memset(s, 0, sizeof *s);
    store_relaxed(&bare_deadline, PORT_NEVER); /* relaxed: nobody else runs */
    assert_true(sched_init(s, workers, 0, symmetric, spin, &bare_driver, allocator_default()));
}

static inline void bare_close(sched *s) {
    port_current_set(NULL);
    sched_fini(s);
}

/* Has membarrier, so that the asymmetric fences can be tested as well? */
static inline bool bare_asymmetric(void) {
    return port_membarrier_init();
}

/* ---- entries ------------------------------------------------------------------------------------- */

typedef struct entry {
    runnable run;
    ATOMIC(uint32_t) seen;   /* how often it came out */
    ATOMIC(uint32_t) worker; /* where it last did, + 1 */
    uint32_t number;
} entry;

static inline entry *entry_of(runnable *r) {
    return list_entry(r, entry, run);
}

static inline void entries_reset(entry *entries, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        entries[i].run.link.next = NULL;
        init_plain(&entries[i].seen, 0u);
        init_plain(&entries[i].worker, 0u);
        entries[i].number = i;
    }
}

static inline void entry_mark(runnable *r) {
    fetch_add_relaxed(&entry_of(r)->seen, 1u); /* relaxed: a number */
}

/* Entries that did not come out exactly once. */
static inline uint32_t entries_wrong(const entry *entries, uint32_t count) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < count; i++) {
        wrong += load_relaxed(&entries[i].seen) != 1; /* relaxed: a number */
    }
    return wrong;
}

#define assert_entry(r, want)                                                                      \
    do {                                                                                           \
        runnable *entry_ = (r);                                                                    \
        assert_non_null(entry_);                                                                   \
        assert_int_equal(entry_of(entry_)->number, (want));                                        \
    } while (0)

#endif

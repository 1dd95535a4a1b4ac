/* The recipes of docs/structured-concurrency.md, as a program. What stands between "guide:" and "end" is shown on the
 * page, letter for letter (tests/docs/guide_test.sh sees to that); beside it stands what proves that it does what the
 * page says. */
#ifndef GUIDE_H
#define GUIDE_H

#include <belay/belay.h>

#include <stdio.h>

/* Says what does not hold; the program then fails at its end. From any thread. */
#define CHECK(condition) guide_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_STATUS(call, want) guide_check_status((call), (want), #call, __FILE__, __LINE__)
bool guide_check(bool holds, const char *text, const char *file, int line);
void guide_check_status(belay_status got, belay_status want, const char *text, const char *file,
                        int line);

/* Counters that several tasks change. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the checker does not see that the builtin writes. */
static inline int guide_add(int *counter, int n) {
    return __atomic_add_fetch(counter, n, __ATOMIC_ACQ_REL);
}
static inline int guide_read(const int *counter) {
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* Waits in a task until the counter has reached this. False: cancelled. */
bool guide_await(belay_task *self, const int *counter, int least);

/* The executor's hook for errors that nobody observes counts here. */
extern int guide_unobserved;

/* Each page of recipes runs its own as tasks of the executor, or, the last two, on the main thread. */
extern belay_body guide_several, guide_answers, guide_time, guide_ownership, guide_services,
    guide_cleanup, guide_context, guide_outside, guide_channels, guide_locks, guide_system;
void guide_shutdown(void);
void guide_hanging(belay_executor *executor);

#endif

/* Looking inside: counters and live tasks. Reads, never steers; takes no lock that tasks need. */
#ifndef BELAY_OBSERVE_H
#define BELAY_OBSERVE_H

#include <belay/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counters since create. Later versions add fields at the end. Sums over workers that go on counting
 * meanwhile: exact when nothing runs. */
typedef struct belay_stats {
    uint64_t spawned; /* accepted spawns */
    uint64_t value;   /* outcomes, by kind; spawned = value + error + canceled + skipped + alive */
    uint64_t error;
    uint64_t canceled;
    uint64_t skipped;
    uint64_t alive;
    uint64_t args_dropped; /* argument destructors called */
    uint64_t suspensions;  /* waits that gave up the worker */
    uint64_t yields;
    uint64_t steals;       /* successful thefts of queued tasks or forks */
    uint64_t stolen_tasks; /* queued tasks taken by them */
    uint64_t stolen_forks;
    uint64_t injected; /* spawns and wakes from foreign threads */
    uint64_t parks;    /* times a worker went to sleep */
    uint64_t wakes;    /* times one was woken */
    uint64_t timers_fired;
    uint64_t stalls;          /* tasks reported by the watchdog */
    uint64_t ignored_cancels; /* tasks reported because they go on waiting though cancelled */
    uint64_t scopes_open;     /* the root included */
    uint64_t stacks;          /* stacks that exist */
    uint64_t stacks_peak;     /* most in use at once */
    uint64_t memory_peak;     /* bytes: task records, scopes and stacks in use at the peak, about */
    uint64_t block_hints;     /* block hints begun, nested ones not counted */
    uint64_t block_unserved;  /* those of them for which no spare worker was to be had */
} belay_stats;

/* Copies the counters: the first `size` bytes, sizeof(belay_stats) of the program.
 * BELAY_OK, BELAY_EINVAL. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_executor_stats(const belay_executor *executor, belay_stats *out,
                                            size_t size);

typedef enum belay_task_state {
    BELAY_STATE_QUEUED = 1, /* ready, not started or not resumed yet */
    BELAY_STATE_DEFERRED,   /* waits for its start_at */
    BELAY_STATE_RUNNING,
    BELAY_STATE_SUSPENDED, /* waits; waiting_on says for what */
    BELAY_STATE_FINISHING  /* the body has returned */
} belay_task_state;

typedef struct belay_task_info {
    /* Weak. All zero for a task that never had a handle (spawned with NULL for it): its record's generation is not
     * used up, so a handle made now could name the record's next task. */
    belay_task_handle task;
    belay_scope scope;
    belay_task_state state;
    bool cancel_requested;
    const char *name;       /* as given to spawn, or NULL */
    const char *site;       /* "body@file.c:42" */
    const char *waiting_on; /* "sleep", "join", "scope close", ...; NULL if it does not wait */
    int64_t age;            /* nanoseconds since spawn, to about 10 ms */
} belay_task_info;

/* Lists live tasks: at most `capacity` into infos, the true number into *count. Not one instant: tasks
 * that begin or end meanwhile may or may not be in it; each entry is consistent.
 * BELAY_OK, BELAY_EINVAL (NULL; infos may be NULL if capacity is 0). Does not wait. Any thread. */
BELAY_API belay_status belay_snapshot(const belay_executor *executor, belay_task_info *infos,
                                      size_t capacity, size_t *count);

/* The same for the tasks in one scope and below: who keeps a close from returning.
 * Also BELAY_ESTALE. */
BELAY_API belay_status belay_scope_stragglers(belay_scope scope, belay_task_info *infos,
                                              size_t capacity, size_t *count);

/* One line of text, without a newline, valid during the call. May call what does not wait. */
typedef void belay_line_hook(const char *line, void *arg);

/* The live tree, top down, a line for each scope and each task: name, site, state, what it waits on, age. Not one
 * instant: what begins or ends meanwhile may be missing. BELAY_OK, BELAY_EINVAL (NULL), BELAY_ENOMEM, BELAY_ESTALE
 * (destroyed), BELAY_ECHILD. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_tree(const belay_executor *executor, belay_line_hook *line, void *arg);

/* One line about a task: name, site, state, what it waits on, age. Returns the length it would have, like
 * snprintf. Does not wait. Any thread, any context. */
BELAY_API size_t belay_task_info_text(const belay_task_info *info, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif

/* Configuration of an executor.
 *
 * Every option has a field here and a variable in the environment; a field left at its initial value
 * ("unset") is filled from the variable, and from the default if that is unset too. One table holds
 * name, syntax, range, default and meaning of each: docs/tuning.md is printed from it. */
#ifndef BELAY_CONFIG_H
#define BELAY_CONFIG_H

#include <belay/detail/fast.h>
#include <belay/failure.h>
#include <belay/time.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An integer option that nobody set. */
#define BELAY_UNSET INT64_MIN

/* Where the library's memory comes from, task records, stacks and queues excepted, which are mapped.
 * Called from any thread; may call nothing of belay's. allocate returns memory aligned to `alignment`
 * (a power of two) or NULL; its content is unspecified. release gets what allocate was asked. Both or
 * neither. */
typedef void *belay_allocate_hook(size_t size, size_t alignment, void *arg);
typedef void belay_release_hook(void *memory, size_t size, size_t alignment, void *arg);

typedef enum belay_log_level {
    BELAY_LOG_INFO = 0,
    BELAY_LOG_WARNING = 1,
    BELAY_LOG_ERROR = 2
} belay_log_level;

/* One line, without a newline, valid during the call. From any thread; may call nothing of belay's. */
typedef void belay_log_hook(belay_log_level level, const char *line, void *arg);

/* Called on each worker thread before its first task and after its last, spare workers (see blocking.h) included,
 * whose numbers are from `workers` on. May call what does not wait. */
typedef void belay_thread_hook(uint32_t worker, void *arg);

typedef enum belay_deadlock_kind {
    BELAY_DEADLOCK_CYCLE = 1, /* tasks wait for each other's end, without a limit of time */
    /* Nothing runs, all tasks are suspended, and nothing inside the library could wake one: no timer, descriptor,
     * blocking call or foreign operation; only another thread of the program could. */
    BELAY_DEADLOCK_IDLE
} belay_deadlock_kind;

/* A deadlock, or what looks like one, of so many tasks. belay_tree and belay_snapshot say which. A cycle is looked for
 * when a task begins to wait (in libraries built with full checks), and both when the executor has been idle for
 * idle_report. Nothing is done about it: a cancel may resolve it. On any thread; may call what does not wait. */
typedef void belay_deadlock_hook(belay_executor *executor, belay_deadlock_kind kind, size_t tasks,
                                 void *arg);

typedef struct belay_config {
    uint32_t size;   /* written by belay_config_init: sizeof(belay_config) of the program */
    uint32_t layout; /* written by belay_config_init: BELAY_LAYOUT of the program */

    int64_t workers; /* BELAY_WORKERS: threads that run tasks */
    /* BELAY_STACK_SIZE: bytes of address space of a task's stack, guard included. */
    int64_t stack_size;
    int64_t stack_cache; /* BELAY_STACK_CACHE: unused stacks kept warm */
    int64_t max_stacks;  /* BELAY_MAX_STACKS: tasks that may be suspended at once, about */
    int64_t max_tasks;   /* BELAY_MAX_TASKS: tasks that can exist at once, at least */
    int64_t max_scopes;  /* BELAY_MAX_SCOPES: scopes that can be open at once, at least */
    int64_t spin;        /* BELAY_SPIN: nanoseconds an idle worker looks for work before it parks */
    /* BELAY_MEMBARRIER: 1 asymmetric fences if the system has them, 0 ordinary. */
    int64_t membarrier;
    /* BELAY_STALL: nanoseconds after which a task that reaches no yield point is reported; 0 off. */
    int64_t stall;
    /* BELAY_IDLE_REPORT: nanoseconds of idleness with suspended tasks that nothing can wake until that is reported; 0
     * off. */
    int64_t idle_report;
    /* BELAY_FORK_DEPTH: forked calls outstanding in one task before they run inline. */
    int64_t fork_depth;
    /* BELAY_DISPLAY_ENV: 0 silent, 1 what was changed, 2 (verbose) every option. */
    int64_t display_env;
    int64_t strict; /* BELAY_STRICT: 1 makes a bad value an error of belay_executor_create */
    int64_t blocking_threads; /* BELAY_BLOCKING_THREADS: threads for blocking functions, at most */
    int64_t
        spare_workers; /* BELAY_SPARE_WORKERS: workers in the place of those inside block hints, at most */
    int64_t ignore_env; /* no variable: 1 reads no environment at all */

    const char *name; /* the executor's name in reports and thread names; copied; NULL: "belay" */

    /* NULL: malloc, or jemalloc's functions where the program has them. */
    belay_allocate_hook *allocate;
    belay_release_hook *release;
    void *allocator_arg;
    belay_log_hook *log; /* NULL: standard error, for bad environment values only */
    void *log_arg;
    belay_thread_hook *thread_start;
    belay_thread_hook *thread_stop;
    void *thread_arg;

    /* NULL, or called once for each task that ended with an error which nobody has observed: it was a member of a
     * scope with the policy supervise, the root among them, and nobody has taken its outcome with belay_join,
     * belay_scope_next or a done callback. Called on the thread that drops the last reference to the task, before the
     * scope's close returns if there never was a handle. May call what does not wait. */
    belay_unobserved_hook *unobserved;
    void *unobserved_arg;

    belay_deadlock_hook *deadlock; /* NULL: reports go to the log hook only */
    void *deadlock_arg;
} belay_config;

/* Fills every field with "unset" or NULL. Call it before anything else, with sizeof(belay_config): a
 * library newer than the program then knows which fields the program has. NULL is ignored.
 * Does not wait. Any thread. */
static inline void belay_config_init(belay_config *config, size_t size);

/* What belay_config_init calls, with the layout the program was compiled with. */
BELAY_API void belay_config_init_layout(belay_config *config, size_t size, uint32_t layout);

static inline void belay_config_init(belay_config *config, size_t size) {
    belay_config_init_layout(config, size, BELAY_LAYOUT);
}

#ifdef __cplusplus
}
#endif
#endif

/* What an executor was configured with, after the program, the environment and the defaults were merged.
 *
 * One table (options_table.c) holds each option's name, variable, syntax, range, default and documentation; the
 * struct below, the parser, BELAY_DISPLAY_ENV's output and docs/tuning.md come from it. */
#ifndef BELAY_OPTIONS_H
#define BELAY_OPTIONS_H

#include <belay/config.h>

#include "mem/alloc.h"

typedef struct options {
    uint32_t workers;
    uint64_t stack_size;
    uint32_t stack_cache;
    uint32_t max_stacks; /* 0: no limit */
    uint32_t max_tasks;
    uint32_t max_scopes;
    int64_t spin;
    bool membarrier;
    int64_t stall;       /* 0: off */
    int64_t idle_report; /* 0: off */
    uint32_t fork_depth;
    uint32_t blocking_threads;
    uint32_t spare_workers;
    char name[32];
    allocator alloc;
    belay_log_hook *log; /* never NULL */
    void *log_arg;
    bool log_is_default; /* then only bad environment values are printed */
    belay_thread_hook *thread_start;
    belay_thread_hook *thread_stop;
    void *thread_arg;
    belay_unobserved_hook *unobserved; /* NULL: none */
    void *unobserved_arg;
    belay_deadlock_hook *deadlock; /* NULL: none */
    void *deadlock_arg;
} options;

/* Merges; reports bad variables (or fails, when strict). config may be NULL. BELAY_OK or BELAY_EINVAL. */
belay_status options_resolve(const belay_config *config, options *out);

/* Writes the table as Markdown through `line`, one call a line: docs/tuning.md. */
void options_document(void (*line)(const char *text, void *arg), void *arg);

/* Formats and hands one line to the log hook, unless the hook is the default one, which prints nothing but
 * bad environment values. */
void options_log(const options *o, belay_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

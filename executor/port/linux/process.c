/* The process: fork detection, the last words, and the environment. */
#define _GNU_SOURCE 1

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/lock.h"
#include "port/port.h"

/* Written in a child by its only thread, before fork() returns there; cleared by whoever starts
 * anew in that child. Relaxed throughout: no other thread exists when it is set. */
atomic_u32 port_fork_flag;

static lock watch_lock;
static bool watching; /* under watch_lock */

static void note_fork(void) {
    store_relaxed(&port_fork_flag, 1); /* relaxed: see above */
}

/* When the system has no memory for the handler the next call tries again. */
void port_fork_watch(void) {
    lock_take(&watch_lock);
    if (!watching) {
        watching = pthread_atfork(NULL, NULL, note_fork) == 0;
    }
    lock_release(&watch_lock);
}

void port_forked_clear(void) {
    lock_init(&watch_lock);            /* whoever held it stayed in the parent */
    store_relaxed(&port_fork_flag, 0); /* relaxed: see above */
}

/* One system call, so that lines of several threads do not mix, and nothing that a signal handler
 * or a thread with a broken heap could not call. */
void port_log_stderr(const char *line) {
    struct iovec parts[2] = {
        {.iov_base = (char *)(uintptr_t)line, .iov_len = strlen(line)},
        {.iov_base = "\n", .iov_len = 1},
    };
    ssize_t written = writev(STDERR_FILENO, parts, 2);
    (void)written; /* nobody is left to be told */
}

_Noreturn void port_panic(const char *message) {
    port_log_stderr(message);
    abort();
}

const char *port_env_get(const char *name) {
    return getenv(name);
}

void port_env_each(const char *prefix, void (*visit)(const char *entry, void *arg), void *arg) {
    size_t length = strlen(prefix);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, prefix, length) == 0) {
            visit(*entry, arg);
        }
    }
}

/* Running something in a forked child, for tests of what ends a process. */
#ifndef BELAY_TESTS_PORT_CHILD_H
#define BELAY_TESTS_PORT_CHILD_H

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_OUTPUT = 1024 };

/* What ended the child: its exit code, or 1000 and the signal's number. `output`, when not NULL,
 * has CHILD_OUTPUT bytes and receives what the child wrote to standard error. */
static inline int child_run(void (*body)(void *arg), void *arg, char *output) {
    int ends[2];
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer may have its own idea of it */
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        body(arg);
        _exit(0);
    }
    close(ends[1]);
    char text[CHILD_OUTPUT] = "";
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0) {
        length += (size_t)got;
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (output != NULL) {
        memcpy(output, text, sizeof text);
    }
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif

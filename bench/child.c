/* Finding the programs, running one, reading what it prints. */
#include "child.h"

#include "common/bench.h"

#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void add_program(programs *found, const char *path) {
    if (found->count < PROGRAMS_MAX && access(path, X_OK) == 0) {
        found->path[found->count] = strdup(path);
        bench_require(found->path[found->count] != NULL, "no memory");
        found->count++;
    }
}

void programs_find(programs *found) {
    char self[PATH_MAX];
    char pattern[PATH_MAX + 16];
    glob_t peers;
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    bench_require(length > 0, "/proc/self/exe is missing");
    self[length] = '\0';
    found->count = 0;
    add_program(found, self);
    snprintf(pattern, sizeof(pattern), "%s/peer-*", dirname(self));
    if (glob(pattern, 0, NULL, &peers) == 0) {
        for (size_t i = 0; i < peers.gl_pathc; i++) {
            add_program(found, peers.gl_pathv[i]);
        }
        globfree(&peers);
    }
}

void programs_free(programs *found) {
    while (found->count > 0) {
        free(found->path[--found->count]);
    }
}

const char *program_name(const programs *found, size_t index) {
    const char *peer = strrchr(found->path[index], '/');
    return index == 0 ? "belay" : peer + strlen("/peer-");
}

/* Starts the child with its standard output in a pipe, whose reading end is returned. */
static FILE *start(const char *path, const char *workload, int workers, int reps, pid_t *child) {
    int ends[2];
    char workers_text[16];
    char reps_text[16];
    snprintf(workers_text, sizeof(workers_text), "%d", workers);
    snprintf(reps_text, sizeof(reps_text), "%d", reps);
    bench_require(pipe(ends) == 0, "no pipe");
    *child = fork();
    bench_require(*child >= 0, "no process");
    if (*child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl(path, path, "--child", workload, workers_text, reps_text, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    return fdopen(ends[0], "r");
}

static bool read_results(FILE *from, results *all) {
    char line[512];
    bool understood = true;
    while (fgets(line, sizeof(line), from)) {
        understood = results_add_line(all, line) && understood;
    }
    return understood;
}

static bool ended_well(int status) {
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == BENCH_SKIP);
}

bool program_run(const char *path, const char *workload, int workers, int reps, results *all) {
    pid_t child;
    int status = 0;
    FILE *from = start(path, workload, workers, reps, &child);
    bench_require(from != NULL, "no stream");
    bool understood = read_results(from, all);
    fclose(from);
    waitpid(child, &status, 0);
    if (!ended_well(status)) {
        fprintf(stderr, "bench: %s: %s with %d worker(s) ended with %s %d\n", path, workload,
                workers, WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    } else if (!understood) {
        fprintf(stderr, "bench: %s: %s printed something else than results\n", path, workload);
    }
    return ended_well(status) && understood;
}

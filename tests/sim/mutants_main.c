/* Plants the faults of mutant_table.h one by one, and says which were found: sim_mutants SCENARIOS [NAME...], where
 * SCENARIOS is the program sim_scenarios and a name is a fault's or a protocol's; without one all are made.
 * sim_mutants --table prints the table as docs/verification.md has it.
 *
 * Each fault is made in a process of its own, as many at a time as there are processors. Exit status 1: one was not
 * found. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mutant.h"

enum { MOST_AT_ONCE = 64, PATIENCE = 100 /* seconds for one fault */ };

typedef struct mutant {
    const char *name;
    const char *protocol;
    const char *file;
    const char *what;
    const char *scenario;
    unsigned limit;
} mutant;

#define MUTANT_ROW(name, protocol, file, what, scenario, seeds)                                    \
    {#name, protocol, file, what, scenario, seeds},
static const mutant mutants[] = {MUTANTS(MUTANT_ROW)};
enum { COUNT = sizeof mutants / sizeof *mutants };

typedef struct trial {
    const mutant *of;
    pid_t pid;
    int output;
} trial;

static void print_table(void) {
    puts("| Fault | Protocol | What is done wrong | Found by | Within |");
    puts("|---|---|---|---|---|");
    for (int i = 0; i < COUNT; i++) {
        const mutant *m = &mutants[i];
        printf("| %s | %s, `%s` | %s | %s | %u |\n", m->name, m->protocol, m->file, m->what,
               m->scenario, m->limit);
    }
}

static bool wanted(const mutant *m, char **names, int count) {
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], m->name) == 0 || strcmp(names[i], m->protocol) == 0) {
            return true;
        }
    }
    return count == 0;
}

/* In the child. */
static void become(const mutant *m, char *program, int output) {
    char seeds[16];
    snprintf(seeds, sizeof seeds, "%u", m->limit);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    alarm(PATIENCE);
    execl(program, program, "--mutant", m->name, "--seed", "1", "--seeds", seeds, "--log", "0",
          m->scenario, (char *)NULL);
    perror(program);
    _exit(127);
}

static bool start(trial *t, const mutant *m, char *program) {
    int ends[2];
    if (pipe(ends) != 0) {
        return false;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        become(m, program, ends[1]);
    }
    close(ends[1]);
    *t = (trial){.of = m, .pid = pid, .output = ends[0]};
    return pid > 0;
}

/* The few lines that a trial has printed, which a pipe holds until it is read. */
static void read_all(int fd, char *text, size_t size) {
    size_t used = 0;
    ssize_t n;
    while (used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0) {
        used += (size_t)n;
    }
    text[used] = '\0';
    close(fd);
}

/* Found means that a check of the simulation failed, and nothing else. */
static bool judge(const trial *t, int status) {
    char text[4096];
    read_all(t->output, text, sizeof text);
    const char *again = strstr(text, "again: sim_scenarios --seed ");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && again != NULL) {
        printf("found      %-24s after %7lu of %7u schedules, %s\n", t->of->name,
               strtoul(again + strlen("again: sim_scenarios --seed "), NULL, 10), t->of->limit,
               t->of->scenario);
        return true;
    }
    printf("NOT FOUND  %-24s in %u schedules, %s\n%s", t->of->name, t->of->limit, t->of->scenario,
           text);
    return false;
}

static bool finish_one(trial *trials, int *running) {
    int status;
    pid_t pid = wait(&status);
    for (int i = 0; i < *running; i++) {
        if (trials[i].pid == pid) {
            bool found = judge(&trials[i], status);
            trials[i] = trials[--*running];
            return found;
        }
    }
    return false;
}

static int try_all(char *program, char **names, int count) {
    trial trials[MOST_AT_ONCE];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int at_once = cpus < 1 ? 1 : cpus < MOST_AT_ONCE ? (int)cpus : MOST_AT_ONCE;
    int running = 0, made = 0, found = 0;
    for (int i = 0; i < COUNT; i++) {
        if (wanted(&mutants[i], names, count)) {
            found += running == at_once && finish_one(trials, &running);
            made += start(&trials[running], &mutants[i], program);
            running++;
        }
    }
    while (running > 0) {
        found += finish_one(trials, &running);
    }
    printf("%d faults planted, %d found\n", made, found);
    return made == 0 ? 2 : made == found ? 0 : 1;
}

int main(int count, char **args) {
    if (count == 2 && strcmp(args[1], "--table") == 0) {
        print_table();
        return 0;
    }
    if (count < 2) {
        fprintf(stderr, "usage: %s --table, or %s SCENARIOS [NAME...]\n", args[0], args[0]);
        return 2;
    }
    return try_all(args[1], args + 2, count - 2);
}

/* Seeds by the thousand, in several processes.
 *
 * A unit of work is some seeds of one scenario. The parent puts all units into a pipe, from which the
 * children take one after the other; they answer through a second one. A record is shorter than what
 * a pipe passes on in one piece. */
#include "runner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, UNITS_A_SCENARIO = 4 };

typedef struct unit {
    uint32_t scenario;
    uint64_t seed;
    uint64_t count;
} unit;

typedef struct answer {
    uint32_t scenario;
    bool ok;
    uint64_t schedules;
    uint64_t steps;
    uint64_t seed; /* that failed, and under which scheduler */
    sim_scheduler scheduler;
    double seconds;
    char failure[128];
} answer;

typedef struct sums {
    uint64_t schedules;
    uint64_t steps;
    double seconds;
} sums;

static const named_scenario **chosen;

static void note(answer *a, const sim_result *result, sim_scheduler scheduler) {
    if (!result->ok) {
        a->ok = false;
        a->seed = result->seed;
        a->scheduler = scheduler;
        snprintf(a->failure, sizeof a->failure, "%.127s", result->failure);
    }
}

static answer unit_run(const request *r, const unit *u) {
    const named_scenario *s = chosen[u->scenario];
    answer a = {.scenario = u->scenario, .ok = true};
    double begin = runner_seconds(true);
    sim_result first = runner_measure(s);
    note(&a, &first, SIM_RANDOM);
    for (uint64_t i = 0; i < u->count && a.ok; i++) {
        sim_config config = runner_config(r, u->seed + i, first.steps);
        sim_result result = runner_run(&config, s);
        a.schedules++;
        a.steps += result.steps;
        note(&a, &result, r->scheduler);
    }
    a.seconds = runner_seconds(true) - begin;
    return a;
}

static void child_main(const request *r, int units, int answers) {
    unit u;
    bool ok = true;
    while (ok && read(units, &u, sizeof u) == (ssize_t)sizeof u) {
        answer a = unit_run(r, &u);
        ok = write(answers, &a, sizeof a) == (ssize_t)sizeof a && a.ok;
    }
    _exit(0);
}

static void units_write(const request *r, size_t count, int to) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t all = runner_count(r, chosen[i]);
        uint64_t each = (all + UNITS_A_SCENARIO - 1) / UNITS_A_SCENARIO;
        for (uint64_t done = 0; done < all; done += each) {
            unit u = {.scenario = i,
                      .seed = r->seed + done,
                      .count = all - done < each ? all - done : each};
            if (write(to, &u, sizeof u) != (ssize_t)sizeof u) {
                return;
            }
        }
    }
}

static void line_print(const named_scenario *s, const sums *n) {
    printf("%-40s %9llu schedules %7.0f steps each %9.0f a second\n", s->name,
           (unsigned long long)n->schedules, (double)n->steps / (double)n->schedules,
           (double)n->schedules / n->seconds);
    fflush(stdout);
}

/* Takes all answers. NULL: nothing failed; else the scenario, and its answer in *bad. */
static const named_scenario *collect(const request *r, int answers, sums *each, sums *total,
                                     answer *bad) {
    answer a;
    while (read(answers, &a, sizeof a) == (ssize_t)sizeof a) {
        sums *n = &each[a.scenario];
        n->schedules += a.schedules;
        n->steps += a.steps;
        n->seconds += a.seconds;
        total->schedules += a.schedules;
        total->seconds += a.seconds;
        if (!a.ok) {
            *bad = a;
            return chosen[a.scenario];
        }
        if (n->schedules == runner_count(r, chosen[a.scenario])) {
            line_print(chosen[a.scenario], n);
        }
    }
    return NULL;
}

static void fork_children(const request *r, const int *units, const int *answers, pid_t *child) {
    for (uint32_t i = 0; i < r->jobs; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            close(units[1]);
            close(answers[0]);
            child_main(r, units[0], answers[1]);
        }
    }
    close(units[0]);
    close(answers[1]);
}

/* A process of its own writes the units, because the pipe is shorter than their list. */
static pid_t fork_writer(const request *r, size_t count, const int *units, const int *answers) {
    pid_t writer = fork();
    if (writer == 0) {
        signal(SIGPIPE, SIG_DFL);
        close(units[0]);
        close(answers[0]);
        close(answers[1]);
        units_write(r, count, units[1]);
        _exit(0);
    }
    return writer;
}

static void end_children(const request *r, const pid_t *child, pid_t writer, bool stop) {
    for (uint32_t i = 0; i <= r->jobs; i++) {
        pid_t one = i < r->jobs ? child[i] : writer;
        if (one > 0) {
            if (stop) {
                kill(one, SIGKILL);
            }
            waitpid(one, NULL, 0);
        }
    }
}

static void failure_print(const request *r, const named_scenario *s, const answer *bad) {
    request again = *r;
    again.scheduler = bad->scheduler;
    printf("FAILED %s: %s\n  again: sim_scenarios --seed %llu --seeds 1%s %s\n", s->name,
           bad->failure, (unsigned long long)bad->seed,
           bad->scheduler == SIM_RANDOM ? " --scheduler random"
           : bad->scheduler == SIM_PCT  ? " --scheduler pct"
                                        : "",
           s->name);
    runner_again(&again, s, bad->seed);
}

/* A process that dies outside of a run says nothing. */
static bool all_answered(const request *r, size_t count, const sums *each) {
    for (size_t i = 0; i < count; i++) {
        if (each[i].schedules != runner_count(r, chosen[i])) {
            printf("FAILED %s: a process ended in the middle of it\n", chosen[i]->name);
            return false;
        }
    }
    return true;
}

int runner_seeds(const request *r) {
    size_t count = runner_wanted(r, &chosen);
    sums *each = calloc(count + 1, sizeof *each);
    sums total = {0};
    pid_t child[JOBS_MAX];
    int units[2];
    int answers[2];
    if (count == 0 || each == NULL || pipe(units) != 0 || pipe(answers) != 0) {
        fprintf(stderr, "sim_scenarios: nothing to run\n");
        return 2;
    }
    fflush(stdout);
    double begin = runner_seconds(false);
    pid_t writer = fork_writer(r, count, units, answers);
    fork_children(r, units, answers, child);
    close(units[1]);
    answer bad;
    const named_scenario *failed = collect(r, answers[0], each, &total, &bad);
    end_children(r, child, writer, failed != NULL);
    double took = runner_seconds(false) - begin;
    if (failed != NULL) {
        failure_print(r, failed, &bad);
    }
    bool ok = failed == NULL && all_answered(r, count, each);
    free(each);
    printf("%llu schedules of %zu scenarios, seeds %llu to %llu, %.1f s, %.1f s of CPU: %s\n",
           (unsigned long long)total.schedules, count, (unsigned long long)r->seed,
           (unsigned long long)(r->seed + r->seeds - 1), took, total.seconds,
           ok ? "no failure" : "a failure");
    return ok ? 0 : 1;
}

/* The benchmark: belay beside its peers, in one run, workload by workload.
 *
 *     bench [NAME...] [--workers N] [--reps N] [--subject NAME] [--json FILE] [--list]
 *
 * Without names all workloads run; a name also stands for those that begin with it and a hyphen
 * ("skynet" for skynet-fork and skynet-spawn). Without --workers each runs with one worker and with two.
 * Subjects take turns within a workload, so that a machine that slows down slows all of them.
 * The exit status is 1 if any result was wrong or any subject failed. See common/bench.h. */
#include "child.h"
#include "common/bench.h"
#include "workloads/belay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct workload_text {
    const char *name;
    const char *text;
} workload_text;

static const workload_text catalog[] = {
    {"fib", "fork and sync and nothing else, typed form"},
    {"fib-generic", "the same in the form with a body and a pointer"},
    {"nqueens", "queens on a 12 by 12 board, a task for each valid placement"},
    {"uts", "unbalanced tree search, tree T1: 4,130,071 nodes, SHA-1"},
    {"skynet-fork", "a tree of 1,111,111 nodes by fork-join"},
    {"skynet-spawn", "the same by spawned tasks, a scope for each node"},
    {"flat-fork", "a million empty forks, a thousand at a time"},
    {"flat-spawn", "a million empty tasks spawned and joined from inside"},
    {"external-1", "a million tasks from one foreign thread"},
    {"external-4", "a million tasks from four foreign threads"},
    {"yield-2", "two tasks that yield in turns"},
    {"yield-1000", "a thousand tasks that yield in turns"},
    {"mutex", "eight tasks that lock and unlock one mutex"},
    {"channel", "a round trip over two channels without a buffer"},
    {"channel-buffered", "the same with room for one item in each"},
    {"wake", "from handing a task to a parked pool until it runs; 20,000 samples"},
    {"sleepers", "a million sleeping tasks: begin them, memory of each, wake them"},
    {"sleepers-cancel", "cancel a million sleeping tasks and join them"},
    {"sleepers-deferred", "a million tasks with a start time: begin them, memory, cancel them"},
    {"idle", "CPU time that an idle executor uses in five seconds"},
};

enum { CATALOG = sizeof(catalog) / sizeof(catalog[0]) };

typedef struct options {
    bool chosen[CATALOG];
    bool any_chosen;
    bool list;
    int workers; /* 0: 1 and 2 */
    int reps;    /* 0: as each workload likes */
    const char *subject;
    const char *json;
} options;

static int usage(void) {
    fprintf(stderr,
            "usage: bench [NAME...] [--workers N] [--reps N] [--subject NAME] [--json FILE] "
            "[--list]\n");
    return 2;
}

static bool choose(options *chosen, const char *name) {
    size_t length = strlen(name);
    bool found = false;
    for (int i = 0; i < CATALOG; i++) {
        const char *rest = catalog[i].name + length;
        if (strncmp(catalog[i].name, name, length) == 0 && (*rest == '\0' || *rest == '-')) {
            chosen->chosen[i] = true;
            found = true;
        }
    }
    chosen->any_chosen |= found;
    return found;
}

static bool parse_count(const char *text, int *out) {
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > BENCH_REPS_MAX) {
        return false;
    }
    *out = (int)value;
    return true;
}

/* An option with a value. */
static bool parse_pair(options *parsed, const char *name, const char *value) {
    if (strcmp(name, "--workers") == 0) {
        return parse_count(value, &parsed->workers);
    }
    if (strcmp(name, "--reps") == 0) {
        return parse_count(value, &parsed->reps);
    }
    if (strcmp(name, "--json") == 0) {
        parsed->json = value;
        return true;
    }
    parsed->subject = value;
    return strcmp(name, "--subject") == 0;
}

static bool parse(options *parsed, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool good;
        if (strcmp(argv[i], "--list") == 0) {
            good = parsed->list = true;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            good = i + 1 < argc && parse_pair(parsed, argv[i], argv[i + 1]);
            i++;
        } else {
            good = choose(parsed, argv[i]);
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

static int list(const programs *found) {
    for (int i = 0; i < CATALOG; i++) {
        printf("%-18s %s\n", catalog[i].name, catalog[i].text);
    }
    printf("\nsubjects:");
    for (size_t i = 0; i < found->count; i++) {
        printf(" %s", program_name(found, i));
    }
    printf("\n");
    return 0;
}

static bool run_subjects(const programs *found, const options *asked, const char *workload,
                         int workers, results *all) {
    bool good = true;
    for (size_t i = 0; i < found->count; i++) {
        if (!asked->subject || strcmp(asked->subject, program_name(found, i)) == 0) {
            good = program_run(found->path[i], workload, workers, asked->reps, all) && good;
        }
    }
    return good;
}

static bool run_workload(const programs *found, const options *asked, const char *workload,
                         results *all) {
    size_t first = all->count;
    int from = asked->workers ? asked->workers : 1;
    int to = asked->workers ? asked->workers : 2;
    bool good = true;
    for (int workers = from; workers <= to; workers++) {
        good = run_subjects(found, asked, workload, workers, all) && good;
    }
    results_print(all, first);
    return good;
}

static int run(const programs *found, const options *asked) {
    static results all;
    bool good = true;
    for (int i = 0; i < CATALOG; i++) {
        if (asked->chosen[i] || !asked->any_chosen) {
            good = run_workload(found, asked, catalog[i].name, &all) && good;
        }
    }
    if (asked->json && !results_write(&all, asked->json)) {
        fprintf(stderr, "bench: cannot write %s\n", asked->json);
        return 1;
    }
    return good ? 0 : 1;
}

int main(int argc, char **argv) {
    options asked = {0};
    programs found;
    if (argc > 1 && strcmp(argv[1], "--child") == 0) {
        return bench_subject_main(&belay_subject, argc, argv);
    }
    if (!parse(&asked, argc, argv)) {
        return usage();
    }
    programs_find(&found);
    int status = asked.list ? list(&found) : run(&found, &asked);
    programs_free(&found);
    return status;
}

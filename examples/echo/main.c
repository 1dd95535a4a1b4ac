/* echo serve [--port N] [--idle MS] [--grace MS]
 * echo load --port N [--connections N] [--messages N] [--hold]
 *
 * The server says its port on standard output, serves until SIGTERM or SIGINT, and reports. Both use 127.0.0.1 only.
 * Exit status: 0 all well, 1 something went wrong, 2 usage. */
#include "echo.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int usage(void) {
    fprintf(stderr, "usage: echo serve [--port N] [--idle MS] [--grace MS]\n"
                    "       echo load --port N [--connections N] [--messages N] [--hold]\n");
    return 2;
}

static bool set_option(settings *o, const char *name, const char *value) {
    long number = strtol(value, NULL, 10);
    if (strcmp(name, "--port") == 0) {
        o->port = (int)number;
    } else if (strcmp(name, "--connections") == 0) {
        o->connections = (int)number;
    } else if (strcmp(name, "--messages") == 0) {
        o->messages = (int)number;
    } else if (strcmp(name, "--idle") == 0) {
        o->idle = number * BELAY_MILLISECOND;
    } else if (strcmp(name, "--grace") == 0) {
        o->grace = number * BELAY_MILLISECOND;
    } else {
        return false;
    }
    return number >= 0 && number <= 1000000;
}

static bool parse(settings *o, int count, char **words) {
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--hold") == 0) {
            o->hold = 1;
        } else if (i + 1 == count || !set_option(o, words[i], words[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    return true;
}

/* A descriptor a connection: as many as the system lets us have. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Before there is another thread, so that all block the signals: the server reads them from a descriptor. */
static void block_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

bool report_tasks(belay_executor *executor) {
    belay_stats s;
    if (belay_executor_shutdown(executor, 0, BELAY_NEVER) != BELAY_OK ||
        belay_executor_stats(executor, &s, sizeof s) != BELAY_OK) {
        return false;
    }
    printf("tasks: spawned %llu, cancelled %llu, alive %llu\n", (unsigned long long)s.spawned,
           (unsigned long long)s.canceled, (unsigned long long)s.alive);
    return s.alive == 0;
}

static int run(belay_body *body, settings *o) {
    belay_executor *executor;
    belay_status status = belay_executor_create(NULL, &executor);
    if (status != BELAY_OK) {
        fprintf(stderr, "echo: no executor: %s\n", belay_status_text(status));
        return 1;
    }
    belay_outcome outcome = {.status = BELAY_EINVAL};
    status = belay_executor_run(executor, body, o, &outcome);
    bool clean = report_tasks(executor);
    status = status == BELAY_OK ? outcome.status : status;
    if (status != BELAY_OK) {
        fprintf(stderr, "echo: %s\n", belay_status_text(status));
    }
    return belay_executor_destroy(executor) == BELAY_OK && clean && status == BELAY_OK ? 0 : 1;
}

int main(int argc, char **argv) {
    settings o = {
        .connections = 100, .messages = 10, .idle = 30 * BELAY_SECOND, .grace = 2 * BELAY_SECOND};
    if (argc < 2 || !parse(&o, argc - 2, argv + 2)) {
        return usage();
    }
    raise_descriptor_limit();
    if (strcmp(argv[1], "serve") == 0) {
        block_signals();
        return run(serve, &o);
    }
    return strcmp(argv[1], "load") == 0 && o.port != 0 ? run(load, &o) : usage();
}

/* See stress.h. */
#include "common/stress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_DRIVERS = 16, MOST_WORKERS = 4, DUMPED_TASKS = 64 };

static struct {
    const stress_plan *plan;
    int64_t seed;
    int64_t seconds;
    int64_t workers; /* 0: from the seed */
    int64_t patience;
    belay_executor *executor;
    belay_time end;
    uint64_t progress;
    uint64_t rounds;
    uint64_t accepted;
    uint64_t with_drop;
    uint64_t dropped;
    uint64_t over;
} run = {.seed = 1, .seconds = 2, .patience = 30};

/* ---- failing --------------------------------------------------------------------------------- */

static void print_stats(const belay_stats *s) {
    fprintf(stderr,
            "  spawned %llu value %llu error %llu cancelled %llu skipped %llu alive %llu "
            "arguments destroyed %llu parks %llu wakes %llu scopes %llu\n",
            (unsigned long long)s->spawned, (unsigned long long)s->value,
            (unsigned long long)s->error, (unsigned long long)s->canceled,
            (unsigned long long)s->skipped, (unsigned long long)s->alive,
            (unsigned long long)s->args_dropped, (unsigned long long)s->parks,
            (unsigned long long)s->wakes, (unsigned long long)s->scopes_open);
}

static void dump(belay_executor *executor) {
    belay_stats stats;
    if (executor == NULL || belay_executor_stats(executor, &stats, sizeof stats) != BELAY_OK) {
        return;
    }
    print_stats(&stats);
    belay_task_info infos[DUMPED_TASKS];
    size_t count = 0;
    (void)belay_snapshot(executor, infos, DUMPED_TASKS, &count);
    for (size_t i = 0; i < count && i < DUMPED_TASKS; i++) {
        char line[256];
        (void)belay_task_info_text(&infos[i], line, sizeof line);
        fprintf(stderr, "  %s\n", line);
    }
}

_Noreturn void stress_fail(const char *what, int64_t got, int64_t expected) {
    fprintf(stderr, "%s: %s: %lld, expected %lld; again with --seed %lld --workers %lld\n",
            run.plan->name, what, (long long)got, (long long)expected, (long long)run.seed,
            (long long)run.workers);
    dump(run.executor);
    abort();
}

void stress_progress(void) {
    (void)stress_add(&run.progress, 1);
}

bool stress_over(void) {
    return belay_now() >= run.end;
}

static void pause_briefly(void) {
    struct timespec pause = {.tv_nsec = 50000000};
    (void)nanosleep(&pause, NULL);
}

static void *watch(void *unused) {
    uint64_t seen = 0;
    belay_time since = belay_now();
    while (!stress_is_set(&run.over)) {
        pause_briefly();
        uint64_t progress = stress_get(&run.progress);
        if (progress != seen) {
            seen = progress;
            since = belay_now();
        } else if (belay_now() - since > run.patience * BELAY_SECOND) {
            stress_fail("seconds without progress", run.patience, 0);
        }
    }
    return unused;
}

/* ---- accounts -------------------------------------------------------------------------------- */

void stress_accepted(uint64_t spawns) {
    (void)stress_add(&run.accepted, spawns);
}

void stress_drop(void *arg) {
    (void)arg;
    (void)stress_add(&run.dropped, 1);
}

belay_status stress_spawn_from(belay_task *self, belay_scope scope, belay_body *body, void *arg,
                               const stress_how *how, belay_task_handle *out, const char *site) {
    static const stress_how plain;
    const stress_how *h = how != NULL ? how : &plain;
    belay_task_options options = {
        .arg_drop = stress_drop, .start_at = h->start_at, .pin = h->pin, .flags = h->flags};
    belay_status status = belay_spawn_from(self, scope, body, arg, &options, out, site);
    if (status == BELAY_OK) {
        (void)stress_add(&run.accepted, 1);
        (void)stress_add(&run.with_drop, 1);
    }
    return status;
}

void stress_run(belay_executor *executor, belay_body *body, void *arg) {
    belay_outcome outcome;
    belay_status status = belay_executor_run(executor, body, arg, &outcome);
    stress_equal(status, BELAY_OK, "belay_executor_run");
    stress_equal(outcome.status, BELAY_OK, "outcome of the root task");
    stress_accepted(1);
}

void stress_audit(belay_executor *executor) {
    belay_stats s;
    stress_equal(belay_executor_stats(executor, &s, sizeof s), BELAY_OK, "belay_executor_stats");
    stress_equal((int64_t)(s.value + s.error + s.canceled + s.skipped), (int64_t)s.spawned,
                 "sum of the outcomes against spawned");
    stress_equal((int64_t)s.alive, 0, "alive");
    stress_equal((int64_t)s.scopes_open, 1, "open scopes, with the root");
    size_t count = 1;
    while (count != 0) { /* the last of them still leave their records; the watchdog bounds this */
        stress_equal(belay_snapshot(executor, NULL, 0, &count), BELAY_OK, "belay_snapshot");
    }
}

void stress_burn(int64_t nanoseconds) {
    belay_time end = belay_after(nanoseconds);
    while (belay_now() < end) {
    }
}

/* ---- running --------------------------------------------------------------------------------- */

void stress_configure(belay_config *config, stress_rng *rng) {
    belay_config_init(config, sizeof *config);
    uint32_t drawn = 1 + stress_below(rng, MOST_WORKERS);
    bool asymmetric = stress_chance(rng, 50);
    bool park_at_once = stress_chance(rng, 50);
    config->workers = run.workers != 0 ? run.workers : drawn;
    if (getenv("BELAY_MEMBARRIER") == NULL) {
        config->membarrier = asymmetric;
    }
    if (park_at_once && getenv("BELAY_SPIN") == NULL) {
        config->spin = 0;
    }
}

static void *drive(void *arg) {
    stress_driver *d = arg;
    while (!stress_over()) {
        run.plan->round(d);
        stress_progress();
        (void)stress_add(&run.rounds, 1);
    }
    if (run.plan->finish != NULL) {
        run.plan->finish(d);
    }
    return NULL;
}

static void start_executor(stress_rng *rng, uint32_t *workers) {
    belay_config config;
    stress_configure(&config, rng);
    *workers = (uint32_t)config.workers;
    if (run.plan->own_executors) {
        return;
    }
    if (run.plan->configure != NULL) {
        run.plan->configure(&config, rng);
    }
    stress_equal(belay_executor_create(&config, &run.executor), BELAY_OK, "belay_executor_create");
    *workers = belay_executor_workers(run.executor);
}

static void finish_executor(uint32_t workers) {
    belay_stats s = {0};
    if (run.executor != NULL) {
        belay_time limit = belay_after(run.patience * BELAY_SECOND);
        stress_equal(belay_executor_shutdown(run.executor, 0, limit), BELAY_OK, "shutdown");
        stress_audit(run.executor);
        (void)belay_executor_stats(run.executor, &s, sizeof s);
        stress_equal((int64_t)s.spawned, (int64_t)stress_get(&run.accepted), "spawned");
        stress_equal((int64_t)s.args_dropped, (int64_t)stress_get(&run.with_drop), "destructors");
        stress_equal((int64_t)stress_get(&run.dropped), (int64_t)stress_get(&run.with_drop),
                     "calls of the destructor");
        belay_executor *last = run.executor;
        run.executor = NULL;
        stress_equal(belay_executor_destroy(last), BELAY_OK, "belay_executor_destroy");
    }
    printf("%s: seed %lld, %u workers: %llu rounds, %llu tasks, %llu steals, %llu forks stolen, "
           "%llu parks\n",
           run.plan->name, (long long)run.seed, (unsigned)workers,
           (unsigned long long)stress_get(&run.rounds), (unsigned long long)s.spawned,
           (unsigned long long)s.steals, (unsigned long long)s.stolen_forks,
           (unsigned long long)s.parks);
}

static void run_drivers(uint32_t workers) {
    static stress_driver drivers[MOST_DRIVERS];
    static pthread_t threads[MOST_DRIVERS];
    stress_check(run.plan->drivers <= MOST_DRIVERS, "number of drivers");
    for (uint32_t i = 0; i < run.plan->drivers; i++) {
        drivers[i] = (stress_driver){.executor = run.executor, .index = i, .workers = workers};
        drivers[i].rng.state = (uint64_t)run.seed * 1000003 + i;
        stress_equal(pthread_create(&threads[i], NULL, drive, &drivers[i]), 0, "pthread_create");
    }
    for (uint32_t i = 0; i < run.plan->drivers; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

static int64_t *option_named(const char *name) {
    return strcmp(name, "--seed") == 0       ? &run.seed
           : strcmp(name, "--seconds") == 0  ? &run.seconds
           : strcmp(name, "--workers") == 0  ? &run.workers
           : strcmp(name, "--patience") == 0 ? &run.patience
                                             : NULL;
}

static bool read_arguments(int argc, char **argv) {
    for (int i = 1; i < argc; i += 2) {
        int64_t *option = option_named(argv[i]);
        char *end = NULL;
        int64_t value = option != NULL && i + 1 < argc ? strtoll(argv[i + 1], &end, 10) : -1;
        if (end == NULL || end == argv[i + 1] || *end != '\0' || value < 0) {
            fprintf(stderr, "usage: %s [--seed S] [--seconds N] [--workers N] [--patience N]\n",
                    argv[0]);
            return false;
        }
        *option = value;
    }
    return true;
}

int stress_main(int argc, char **argv, const stress_plan *plan) {
    run.plan = plan;
    if (!read_arguments(argc, argv)) {
        return 2;
    }
    stress_rng rng = {.state = (uint64_t)run.seed *
                               29}; /* first seeds: 4, 4, 3, 3 workers, various fences */
    uint32_t workers;
    start_executor(&rng, &workers);
    run.end = belay_after(run.seconds * BELAY_SECOND);
    pthread_t watchdog;
    stress_equal(pthread_create(&watchdog, NULL, watch, NULL), 0, "pthread_create");
    run_drivers(workers);
    finish_executor(workers);
    stress_set(&run.over);
    (void)pthread_join(watchdog, NULL);
    return 0;
}

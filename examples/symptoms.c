/* Makes on purpose the mistakes that docs/debugging.md explains, and prints what the library says to each.
 * tests/docs/debugging_test.sh checks that the page shows these very lines. */
#include <belay/belay.h>

#include <stdio.h>
#include <string.h>

/* How many reports of each kind there were. Nothing here is left to time: each mistake lasts until its report has come.
 * */
static int stalls, cycles, idles;

static void count(int *reports) {
    __atomic_add_fetch(reports, 1, __ATOMIC_RELEASE); /* pairs with reached */
}

static bool reached(const int *reports, int n) {
    return __atomic_load_n(reports, __ATOMIC_ACQUIRE) >= n; /* pairs with count */
}

static void await(const int *reports, int n) {
    while (!reached(reports, n)) {
        belay_sleep_until(NULL, belay_after(BELAY_MILLISECOND));
    }
}

static void print_log(belay_log_level level, const char *line, void *arg) {
    (void)level;
    (void)arg;
    puts(line);
    if (strstr(line, "task cruncher (") != NULL) {
        count(&stalls);
    }
}

static void count_deadlock(belay_executor *executor, belay_deadlock_kind kind, size_t tasks,
                           void *arg) {
    (void)executor;
    (void)tasks;
    (void)arg;
    count(kind == BELAY_DEADLOCK_IDLE ? &idles : &cycles);
}

static void print_unobserved(const belay_failure *failure, void *arg) {
    (void)arg;
    printf("unobserved: task %s (%s) ended with %d\n", failure->name, failure->site,
           (int)failure->status);
}

static belay_executor *create(int64_t workers, int64_t max_stacks) {
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.workers = workers;
    config.max_stacks = max_stacks;
    config.stall = 20 * BELAY_MILLISECOND;
    config.ignore_env = 1;
    config.log = print_log;
    config.idle_report = 20 * BELAY_MILLISECOND;
    config.deadlock = count_deadlock;
    config.unobserved = print_unobserved;
    belay_executor *executor = NULL;
    (void)belay_executor_create(&config, &executor);
    return executor;
}

static void print_stragglers(belay_scope scope) {
    belay_task_info infos[8];
    size_t count = 0;
    if (belay_scope_stragglers(scope, infos, 8, &count) != BELAY_OK) {
        return;
    }
    for (size_t i = 0; i < count && i < 8; i++) {
        char line[256];
        belay_task_info_text(&infos[i], line, sizeof line);
        printf("straggler: %s\n", line);
    }
}

static belay_status wait_for_ever(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

/* Has everybody in the scope begun to wait? */
static bool all_wait(belay_scope scope) {
    belay_task_info infos[8];
    size_t count = 0;
    if (belay_scope_stragglers(scope, infos, 8, &count) != BELAY_OK) {
        return true;
    }
    for (size_t i = 0; i < count && i < 8; i++) {
        if (infos[i].state != BELAY_STATE_SUSPENDED && infos[i].state != BELAY_STATE_DEFERRED) {
            return false;
        }
    }
    return true;
}

/* A close that runs out of time: who is still in there? */
static belay_status slow_close(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    belay_scope_options options = {.name = "request"};
    belay_task_options reader = {.name = "reader"};
    belay_task_options ticker = {.name = "ticker", .start_at = belay_after(3600 * BELAY_SECOND)};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    belay_spawn(self, scope, wait_for_ever, NULL, &reader, NULL);
    belay_spawn(self, scope, wait_for_ever, NULL, &ticker, NULL);
    while (!all_wait(scope)) {
        (void)belay_yield(self);
    }
    status = belay_scope_close_until(self, scope, belay_after(50 * BELAY_MILLISECOND));
    printf("timed close: %s\n", belay_status_text(status));
    print_stragglers(scope);
    belay_scope_cancel(scope, BELAY_OK, "enough");
    return belay_scope_close(self, scope);
}

/* Computes without a yield point, until the watchdog has told of it. */
static belay_status crunch(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    while (!reached(&stalls, 1)) {
    }
    return BELAY_OK;
}

/* The same, until it is let go. */
static int holding, let_go;

static belay_status hold(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    count(&holding);
    while (!reached(&let_go, 1)) {
    }
    return BELAY_OK;
}

/* Does not take the hint: waits again and again although it is cancelled. */
static belay_status stubborn(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 1100; i++) {
        (void)belay_sleep_until(self, belay_after(BELAY_SECOND));
    }
    return BELAY_OK;
}

static belay_status cancel_stubborn(belay_task *self, void *arg) {
    (void)arg;
    belay_task_options options = {.name = "stubborn", .flags = BELAY_TASK_RUN_CANCELED};
    belay_task_handle task;
    belay_status status =
        belay_spawn(self, belay_scope_current(self), stubborn, NULL, &options, &task);
    if (status == BELAY_OK) {
        belay_task_cancel(task, BELAY_ECANCELED, "please");
        status = belay_join(self, task, NULL);
        belay_task_release(task);
        printf("join after the release: %s\n", belay_status_text(belay_join(self, task, NULL)));
    }
    return status;
}

static belay_status forgetful(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    return belay_scope_open(self, NULL, &scope);
}

/* More suspended tasks than stacks. */
static belay_status crowd(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    belay_scope_options options = {.name = "crowd"};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    for (int i = 0; i < 20 && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, wait_for_ever, NULL, NULL, NULL);
    }
    printf("close of the crowd: %s\n", belay_status_text(belay_scope_close(self, scope)));
    return status;
}

/* Two tasks that wait for each other's end. */
typedef struct pair {
    belay_task_handle task[2];
    belay_latch spawned;
} pair;

static belay_status join_second(belay_task *self, void *arg) {
    pair *p = arg;
    belay_status status = belay_latch_wait(self, &p->spawned);
    return status != BELAY_OK ? status : belay_join(self, p->task[1], NULL);
}

static belay_status join_first(belay_task *self, void *arg) {
    pair *p = arg;
    belay_status status = belay_latch_wait(self, &p->spawned);
    return status != BELAY_OK ? status : belay_join(self, p->task[0], NULL);
}

static void run_pair(belay_executor *executor) {
    pair p;
    belay_task_options hen = {.name = "hen"};
    belay_task_options egg = {.name = "egg"};
    belay_scope root = belay_executor_root(executor);
    if (belay_latch_init(&p.spawned, 1) != BELAY_OK ||
        belay_spawn(NULL, root, join_second, &p, &hen, &p.task[0]) != BELAY_OK) {
        return;
    }
    bool both = belay_spawn(NULL, root, join_first, &p, &egg, &p.task[1]) == BELAY_OK;
    belay_latch_count_down(&p.spawned, 1);
    await(&cycles, 1);
    belay_task_cancel(p.task[0], BELAY_ECANCELED, "a way out");
    for (int i = 0; i < (both ? 2 : 1); i++) {
        belay_join(NULL, p.task[i], NULL);
        belay_task_release(p.task[i]);
    }
}

/* A task that waits for what nobody does. */
static belay_status wait_for_nobody(belay_task *self, void *arg) {
    return belay_event_wait(self, arg);
}

static void run_forgotten(belay_executor *executor) {
    belay_event never = {{0}};
    belay_task_options waiter = {.name = "waiter"};
    belay_task_handle task;
    int before = __atomic_load_n(&idles, __ATOMIC_ACQUIRE); /* pairs with count */
    if (belay_spawn(NULL, belay_executor_root(executor), wait_for_nobody, &never, &waiter, &task) ==
        BELAY_OK) {
        await(&idles, before + 1);
        belay_event_set(&never);
        belay_join(NULL, task, NULL);
        belay_task_release(task);
    }
}

/* Cleanup that takes longer than its scope allows. */
static belay_status long_farewell(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(3600 * BELAY_SECOND));
}

static belay_status goes_late(belay_task *self, void *arg) {
    belay_status status = belay_defer(self, long_farewell, arg);
    return status != BELAY_OK ? status : belay_sleep_until(self, BELAY_NEVER);
}

static belay_status short_budget(belay_task *self, void *arg) {
    belay_scope scope;
    belay_scope_options options = {.name = "brief", .cleanup_budget = 10 * BELAY_MILLISECOND};
    belay_task_options late = {.name = "late", .flags = BELAY_TASK_RUN_CANCELED};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status == BELAY_OK) {
        belay_spawn(self, scope, goes_late, arg, &late, NULL);
        belay_scope_cancel(scope, BELAY_OK, "enough");
        status = belay_scope_close(self, scope);
    }
    return status;
}

/* An error in a scope where nobody asks. */
static belay_status fail(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 7;
}

static belay_status nobody_asks(belay_task *self, void *arg) {
    belay_task_options loner = {.name = "loner"};
    return belay_spawn(self, belay_executor_root(belay_task_executor(self)), fail, arg, &loner,
                       NULL);
}

static void run(belay_executor *executor, belay_body *body, const char *name) {
    belay_task_options options = {.name = name};
    belay_task_handle task;
    if (belay_spawn(NULL, belay_executor_root(executor), body, NULL, &options, &task) == BELAY_OK) {
        belay_join(NULL, task, NULL);
        belay_task_release(task);
    }
}

/* A shutdown that runs out of time. */
static void run_shutdown(belay_executor *executor) {
    belay_task_options left = {.name = "left"};
    for (int i = 0; i < 2; i++) {
        belay_spawn(NULL, belay_executor_root(executor), hold, NULL, &left, NULL);
    }
    await(&holding, 2);
    belay_time grace = belay_after(5 * BELAY_MILLISECOND);
    belay_status status = belay_executor_shutdown(executor, grace, grace + 5 * BELAY_MILLISECOND);
    printf("timed shutdown: %s\n", belay_status_text(status));
    count(&let_go);
}

int main(void) {
    belay_executor *executor = create(2, 0);
    belay_executor *narrow = create(1, 8);
    if (executor == NULL || narrow == NULL) {
        return 1;
    }
    run(executor, slow_close, "slow_close");
    run(executor, crunch, "cruncher");
    run(executor, cancel_stubborn, "asker");
    run(executor, forgetful, "forgetful");
    run_pair(narrow);
    run_forgotten(narrow);
    run(narrow, crowd, "crowd");
    run(executor, short_budget, "short_budget");
    run(executor, nobody_asks, "nobody_asks");
    run_shutdown(executor);
    belay_executor_destroy(narrow);
    return belay_executor_destroy(executor) == BELAY_OK ? 0 : 1;
}

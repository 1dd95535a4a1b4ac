/* Makes on purpose the mistakes that docs/debugging.md explains, and prints what the library says to each.
 * tests/docs/debugging_test.sh checks that the page shows these very lines. */
#include <belay/belay.h>

#include <stdio.h>

static void print_log(belay_log_level level, const char *line, void *arg) {
    (void)level;
    (void)arg;
    puts(line);
}

static belay_executor *create(int64_t workers, int64_t max_stacks) {
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.workers = workers;
    config.max_stacks = max_stacks;
    config.stall = 20 * BELAY_MILLISECOND;
    config.ignore_env = 1;
    config.log = print_log;
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
    status = belay_scope_close_until(self, scope, belay_after(50 * BELAY_MILLISECOND));
    printf("timed close: %s\n", belay_status_text(status));
    print_stragglers(scope);
    belay_scope_cancel(scope, BELAY_OK, "enough");
    return belay_scope_close(self, scope);
}

/* Computes without a yield point. */
static belay_status crunch(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    belay_time end = belay_after(60 * BELAY_MILLISECOND);
    while (belay_now() < end) {
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

static void run(belay_executor *executor, belay_body *body, const char *name) {
    belay_task_options options = {.name = name};
    belay_task_handle task;
    if (belay_spawn(NULL, belay_executor_root(executor), body, NULL, &options, &task) == BELAY_OK) {
        belay_join(NULL, task, NULL);
        belay_task_release(task);
    }
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
    run(narrow, crowd, "crowd");
    belay_task_options left = {.name = "left"};
    belay_spawn(NULL, belay_executor_root(executor), crunch, NULL, &left, NULL);
    belay_spawn(NULL, belay_executor_root(executor), crunch, NULL, &left, NULL);
    belay_time grace = belay_after(5 * BELAY_MILLISECOND);
    belay_status status = belay_executor_shutdown(executor, grace, grace + 5 * BELAY_MILLISECOND);
    printf("timed shutdown: %s\n", belay_status_text(status));
    belay_executor_destroy(narrow);
    return belay_executor_destroy(executor) == BELAY_OK ? 0 : 1;
}

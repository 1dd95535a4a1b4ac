/* Runs every recipe, and fails if one of them does not do what the page says. */
#include "guide.h"

int guide_unobserved;

static int broken;

bool guide_check(bool holds, const char *text, const char *file, int line) {
    if (!holds) {
        fprintf(stderr, "%s:%d: expected: %s\n", file, line, text);
        (void)guide_add(&broken, 1);
    }
    return holds;
}

void guide_check_status(belay_status got, belay_status want, const char *text, const char *file,
                        int line) {
    if (got != want) {
        fprintf(stderr, "%s:%d: %s gave %d (%s), expected %d (%s)\n", file, line, text, (int)got,
                belay_status_text(got), (int)want, belay_status_text(want));
        (void)guide_add(&broken, 1);
    }
}

bool guide_await(belay_task *self, const int *counter, int least) {
    while (guide_read(counter) < least) {
        if (belay_sleep_until(self, belay_after(BELAY_MILLISECOND / 5)) != BELAY_OK) {
            return false;
        }
    }
    return true;
}

static void count_unobserved(const belay_failure *failure, void *arg) {
    (void)failure;
    (void)guide_add(arg, 1);
}

static void run(belay_executor *executor, const char *name, belay_body *recipes) {
    int before = guide_read(&broken);
    belay_outcome outcome = {.kind = BELAY_OUTCOME_ERROR};
    CHECK_STATUS(belay_executor_run(executor, recipes, NULL, &outcome), BELAY_OK);
    CHECK_STATUS(outcome.status, BELAY_OK);
    printf("%s: %s\n", name, guide_read(&broken) == before ? "as the page says" : "NOT SO");
}

int main(void) {
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.workers = 3; /* also where there are fewer processors: some recipes occupy one */
    config.unobserved = count_unobserved;
    config.unobserved_arg = &guide_unobserved;
    belay_executor *executor;
    if (belay_executor_create(&config, &executor) != BELAY_OK) {
        return 1;
    }
    run(executor, "several", guide_several);

    run(executor, "answers", guide_answers);
    run(executor, "time", guide_time);
    run(executor, "ownership", guide_ownership);
    run(executor, "services", guide_services);
    run(executor, "cleanup", guide_cleanup);
    run(executor, "context", guide_context);
    run(executor, "outside", guide_outside);
    run(executor, "channels", guide_channels);
    run(executor, "locks", guide_locks);
    run(executor, "system", guide_system);
    guide_hanging(executor);
    CHECK_STATUS(belay_executor_destroy(executor), BELAY_OK);
    guide_shutdown();
    return guide_read(&broken) == 0 ? 0 : 1;
}

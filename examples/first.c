/* A first program: tasks in a scope, with a deadline. */
#include <belay/belay.h>

#include <stdio.h>

/* Sleeps as many tenths of a second as it is told, unless the scope is cancelled first. */
static belay_status nap(belay_task *self, void *arg) {
    int *tenths = arg;
    belay_status status = belay_sleep_until(self, belay_after(*tenths * 100 * BELAY_MILLISECOND));
    printf("%d00 ms: %s\n", *tenths, status == BELAY_OK ? "slept well" : "woken early");
    return status;
}

/* When close has returned, no task of the scope is left: `tenths` may live on this task's stack. */
static belay_status first(belay_task *self, void *arg) {
    (void)arg;
    int tenths[] = {1, 2, 3, 50};
    belay_scope scope;
    belay_scope_options options = {.name = "naps", .deadline = belay_after(BELAY_SECOND / 2)};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    for (size_t i = 0; status == BELAY_OK && i < sizeof(tenths) / sizeof(tenths[0]); i++) {
        status = belay_spawn(self, scope, nap, &tenths[i], NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    printf("scope closed: %s\n", belay_status_text(closed));
    return status;
}

int main(void) {
    belay_executor *executor;
    belay_status status = belay_executor_create(NULL, &executor);
    if (status == BELAY_OK) {
        status = belay_executor_run(executor, first, NULL, NULL);
        belay_executor_destroy(executor);
    }
    return status == BELAY_OK ? 0 : 1;
}

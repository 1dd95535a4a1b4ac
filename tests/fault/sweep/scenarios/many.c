/* So many tasks, scopes and stacks at once that what holds them must grow. */
#include "scenarios.h"

enum { TASKS = 100, SCOPES = 80 };

static belay_status await_open(belay_task *self, void *arg) {
    return MAY(belay_event_wait(self, arg), BELAY_OK, BELAY_ECANCELED);
}

/* All at the gate at once: each has a stack. */
static belay_status crowd(belay_task *self, void *arg) {
    const belay_scope_options options = {.policy = BELAY_SUPERVISE};
    belay_event gate = {{0}};
    belay_scope scope;
    (void)arg;
    if (MAY(belay_scope_open(self, &options, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    for (int i = 0; i < TASKS; i++) {
        (void)fault_spawn(self, scope, await_open, &gate, NULL, NULL);
    }
    (void)belay_sleep_until(self, belay_after(BELAY_MILLISECOND));
    MAY(belay_event_set(&gate), BELAY_OK);
    MAY(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

/* Each in the one before. */
static belay_status nest(belay_task *self, void *arg) {
    belay_scope scopes[SCOPES];
    int open = 0;
    (void)arg;
    while (open < SCOPES &&
           MAY(belay_scope_open(self, NULL, &scopes[open]), BELAY_OK, BELAY_ENOMEM) == BELAY_OK) {
        open++;
    }
    while (open-- > 0) {
        MAY(belay_scope_close(self, scopes[open]), BELAY_OK);
    }
    return BELAY_OK;
}

void scenario_many(void) {
    belay_executor *ex = fault_executor();
    if (ex != NULL) {
        (void)fault_run(ex, crowd, NULL);
        (void)fault_run(ex, nest, NULL);
    }
    fault_executor_end(ex);
}

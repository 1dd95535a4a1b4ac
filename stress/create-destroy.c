/* The life of executors: any number come and go side by side, and nothing of one reaches another.
 *
 * Each driver creates executors, leaves tasks in them in every state (queued, sleeping, deferred, joining, with open
 * scopes, waiting on a task of another driver's executor), and destroys them, sometimes after timed shutdowns. Handles
 * of live and destroyed executors pass through a shared board, and every driver and task tries those of the others.
 *
 * Would catch: a guest that looks at an executor's slots while they are unmapped; a worker or monitor that touches
 * freed queues or wheels; a handle of an earlier executor in the same entry that still works; a waiter whose wake
 * is sent to the wrong executor; destroy that returns with tasks alive, or never. */
#include "common/stress.h"

enum { BOARD = 16, TASKS = 12 };

/* Handles by chance half written: four words each of two handles. That must be harmless as well. */
typedef struct posted {
    uint64_t task[2];
    uint64_t scope[2];
} posted;

static posted board[BOARD];

static void post_words(uint64_t *to, uint32_t slot, uint32_t executor, uint64_t generation) {
    stress_put(&to[0], (uint64_t)slot << 32 | executor);
    stress_put(&to[1], generation);
}

static belay_task_handle task_from(const uint64_t *from) {
    uint64_t first = stress_get(&from[0]);
    return (belay_task_handle){(uint32_t)(first >> 32), (uint32_t)first, stress_get(&from[1])};
}

static belay_scope scope_from(const uint64_t *from) {
    uint64_t first = stress_get(&from[0]);
    return (belay_scope){(uint32_t)(first >> 32), (uint32_t)first, stress_get(&from[1])};
}

static belay_status do_nothing(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static belay_status sleep_for_ever(belay_task *self, void *arg) {
    (void)arg;
    stress_equal(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED, "sleep without end");
    return BELAY_ECANCELED;
}

static belay_status sleep_briefly(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_sleep_until(self, belay_after(50000));
    return BELAY_OK;
}

static belay_status leave_scope_open(belay_task *self, void *arg) {
    belay_scope scope;
    stress_equal(belay_scope_open(self, NULL, &scope), BELAY_OK, "scope_open");
    stress_equal(belay_spawn(self, scope, sleep_for_ever, arg, NULL, NULL), BELAY_OK, "spawn");
    return BELAY_OK;
}

/* By handles of any executor: every status but a wrong one is possible, and the call comes back. */
static void meddle(belay_task *self, stress_rng *rng) {
    const posted *p = &board[stress_below(rng, BOARD)];
    belay_task_handle task = task_from(p->task);
    uint64_t count;
    switch (stress_below(rng, 6)) {
    case 0:
        (void)belay_join_until(self, task, belay_after(stress_below(rng, 100000)), NULL);
        break;
    case 1:
        (void)belay_task_cancel(task, 1, "from elsewhere");
        break;
    case 2:
        if (belay_task_retain(task) == BELAY_OK) {
            /* A reference keeps the task, not the executor. */
            stress_either(belay_task_release(task), BELAY_OK, BELAY_ESTALE,
                          "release of a gained reference");
        }
        break;
    case 3:
        (void)belay_spawn(self, scope_from(p->scope), do_nothing, NULL, NULL, NULL);
        break;
    case 4:
        (void)belay_scope_wait_until(self, scope_from(p->scope), belay_after(20000));
        break;
    default:
        (void)belay_scope_count(scope_from(p->scope), &count);
    }
}

static belay_status meddler(belay_task *self, void *arg) {
    stress_rng rng = {.state = (uint64_t)(uintptr_t)arg};
    for (int i = 0; i < 6 && !belay_canceled(self); i++) {
        meddle(self, &rng);
    }
    return BELAY_OK;
}

static void post(stress_rng *rng, belay_task_handle task, belay_scope scope) {
    posted *p = &board[stress_below(rng, BOARD)];
    post_words(p->task, task.slot, task.executor, task.generation);
    post_words(p->scope, scope.slot, scope.executor, scope.generation);
}

static void fill(belay_executor *executor, stress_rng *rng) {
    static belay_body *const bodies[] = {do_nothing,       sleep_for_ever, sleep_briefly,
                                         leave_scope_open, meddler,        meddler};
    belay_scope root = belay_executor_root(executor);
    for (int i = 0; i < TASKS; i++) {
        belay_task_options options = {.start_at = stress_chance(rng, 20) ? belay_after(30000) : 0};
        void *seed = (void *)(uintptr_t)stress_random(rng);
        belay_task_handle task;
        stress_equal(belay_spawn(NULL, root, bodies[stress_below(rng, 6)], seed, &options, &task),
                     BELAY_OK, "spawn");
        post(rng, task, root);
        if (stress_chance(rng, 80)) {
            stress_equal(belay_task_release(task), BELAY_OK, "release");
        }
        if (stress_chance(rng, 30)) {
            meddle(NULL, rng);
        }
    }
}

static void shut_down(belay_executor *executor, stress_rng *rng) {
    belay_status status = BELAY_EBUSY;
    while (status == BELAY_EBUSY && stress_chance(rng, 80)) {
        status = belay_executor_shutdown(executor, 0, belay_after(stress_below(rng, 200000)));
        stress_either(status, BELAY_OK, BELAY_EBUSY, "shutdown");
    }
    if (status == BELAY_OK) {
        stress_audit(executor);
    }
}

static void play(stress_driver *d) {
    belay_config config;
    stress_configure(&config, &d->rng);
    belay_executor *executor;
    stress_equal(belay_executor_create(&config, &executor), BELAY_OK, "create");
    belay_scope root = belay_executor_root(executor);
    fill(executor, &d->rng);
    stress_burn(stress_below(&d->rng, 300000));
    shut_down(executor, &d->rng);
    stress_equal(belay_executor_destroy(executor), BELAY_OK, "destroy");
    uint64_t count;
    stress_equal(belay_scope_count(root, &count), BELAY_ESTALE, "the root of a destroyed executor");
    stress_equal(belay_spawn(NULL, root, do_nothing, NULL, NULL, NULL), BELAY_ESTALE,
                 "spawn into a destroyed executor");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {
        .name = "create-destroy", .drivers = 3, .own_executors = true, .round = play};
    return stress_main(argc, argv, &plan);
}

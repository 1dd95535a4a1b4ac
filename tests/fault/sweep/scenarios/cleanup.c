/* What is put down for the end: deferred calls, resources, services, a start that says when it is ready. */
#include "scenarios.h"

/* Spawns something of its own. */
static belay_status clean_up(belay_task *self, void *arg) {
    belay_scope scope;
    fault_ended(arg);
    if (self != NULL &&
        MAY(belay_scope_open(self, NULL, &scope), BELAY_OK, BELAY_ENOMEM) == BELAY_OK) {
        (void)fault_spawn(self, scope, fault_nap, NULL, NULL, NULL);
        MAY(belay_scope_close(self, scope), BELAY_OK, BELAY_ENOMEM, BELAY_ENOSTACK,
            BELAY_ECANCELED);
    }
    return BELAY_OK;
}

static void bind_to(belay_scope scope) {
    belay_registration first = {0}, second;
    fault_ticket *t = fault_ticket_new("a resource");
    (void)fault_settle(
        t, MAY(belay_resource_bind(scope, fault_ended, t, &first), BELAY_OK, BELAY_ENOMEM));
    t = fault_ticket_new("another resource");
    (void)fault_settle(
        t, MAY(belay_resource_bind(scope, fault_ended, t, &second), BELAY_OK, BELAY_ENOMEM));
    if (first.generation != 0) {
        MAY(belay_resource_release(first), BELAY_OK);
    }
    t = fault_ticket_new("a scope's deferred call");
    (void)fault_settle(t, MAY(belay_scope_defer(scope, clean_up, t), BELAY_OK, BELAY_ENOMEM));
}

static belay_status put_down(belay_task *self, void *arg) {
    const belay_scope_options options = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    (void)arg;
    for (int i = 0; i < 3; i++) {
        fault_ticket *t = fault_ticket_new("a deferred call");
        (void)fault_settle(t, MAY(belay_defer(self, clean_up, t), BELAY_OK, BELAY_ENOMEM));
    }
    if (MAY(belay_scope_open(self, &options, &scope), BELAY_OK, BELAY_ENOMEM) == BELAY_OK) {
        bind_to(scope);
        (void)fault_spawn(self, scope, fault_nap, NULL, NULL, NULL);
        MAY(belay_scope_close(self, scope), BELAY_OK);
    }
    return BELAY_OK;
}

/* ---- services and starts ----------------------------------------------------------------------------------------- */

static belay_status serve(belay_task *self, void *arg) {
    (void)arg;
    MAY(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static belay_status serve_all(belay_task *self, void *arg) {
    const belay_task_options service = {.flags = BELAY_TASK_SERVICE};
    belay_scope scope;
    (void)arg;
    if (MAY(belay_scope_open(self, NULL, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    for (int i = 0; i < 3; i++) {
        (void)fault_spawn(self, scope, serve, NULL, &service, NULL);
    }
    (void)fault_spawn(self, scope, fault_nap, NULL, NULL, NULL);
    MAY(belay_scope_close(self, scope), BELAY_OK, BELAY_ENOMEM, BELAY_ENOSTACK);
    return BELAY_OK;
}

static belay_status get_ready(belay_task *self, void *arg) {
    fault_ticket *t = arg;
    t->ran++;
    (void)belay_yield(self);
    if (t->arg != NULL) {
        return 9; /* before it is ready */
    }
    MAY(belay_started(self, &t->ran), BELAY_OK, BELAY_ECANCELED);
    return fault_nap(self, NULL);
}

/* The starter's argument is gone in any case. */
static belay_status start_one(belay_task *self, void *arg) {
    fault_ticket *t = fault_ticket_new("a starter's argument");
    const belay_task_options options = {.arg_drop = fault_ended};
    belay_task_handle task;
    void *value;
    t->arg = arg;
    (void)fault_settle(t, BELAY_OK);
    belay_status status =
        belay_start(self, belay_scope_current(self), get_ready, t, &options, &task, &value);
    MAY(status, arg != NULL ? 9 : BELAY_OK, BELAY_ENOMEM, BELAY_ENOSTACK);
    CHECKED((value != NULL) == (status == BELAY_OK));
    fault_join(self, task);
    return BELAY_OK;
}

void scenario_cleanup(void) {
    belay_executor *ex = fault_executor();
    if (ex != NULL) {
        (void)fault_run(ex, put_down, NULL);
        (void)fault_run(ex, serve_all, NULL);
        (void)fault_run(ex, start_one, NULL);
        (void)fault_run(ex, start_one, ex);
        bind_to(belay_executor_root(ex));
    }
    fault_executor_end(ex);
}

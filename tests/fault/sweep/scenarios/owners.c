/* Owners, tokens, sources, callbacks on cancel, descriptors of tokens. */
#include "scenarios.h"

static void hears(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    CHECKED(((fault_ticket *)arg)->ended == 0);
}

static belay_registration on_cancel(belay_token token) {
    belay_registration r = {0};
    fault_ticket *t = fault_ticket_new("a callback on cancel");
    (void)fault_settle(t,
                       MAY(belay_on_cancel(token, BELAY_HARD_CANCELED, hears, t, fault_ended, &r),
                           BELAY_OK, BELAY_ENOMEM));
    return r;
}

/* ---- owners ------------------------------------------------------------------------------------------------------ */

static void own_one(belay_executor *ex) {
    belay_owner owner;
    fault_ticket *t = fault_ticket_new("a drained hook");
    const belay_owner_options options = {
        .scope = {.policy = BELAY_SUPERVISE}, .drained = fault_ended, .arg = t};
    if (fault_settle(t, MAY(belay_owner_create(ex, &options, &owner), BELAY_OK, BELAY_ENOMEM)) !=
        BELAY_OK) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        (void)fault_spawn(NULL, belay_owner_scope(owner), i == 0 ? fault_nap : fault_sleeper, NULL,
                          NULL, NULL);
    }
    (void)on_cancel(belay_scope_token(belay_owner_scope(owner)));
    MAY(belay_owner_retain(owner), BELAY_OK);
    MAY(belay_owner_release(owner), BELAY_OK);
    MAY(belay_owner_release(owner), BELAY_OK);
    MAY(belay_owner_wait_until(NULL, owner, BELAY_NEVER), BELAY_OK, BELAY_ENOMEM);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static belay_status await_token(belay_task *self, void *arg) {
    return MAY(belay_token_wait_until(self, *(belay_token *)arg, BELAY_HARD_CANCELED, BELAY_NEVER),
               BELAY_OK, BELAY_ENOMEM);
}

/* A scope follows the token: it is cancelled with it. */
static belay_status follow_token(belay_task *self, void *arg) {
    const belay_scope_options options = {.token = *(belay_token *)arg};
    belay_scope scope;
    if (MAY(belay_scope_open(self, &options, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    (void)fault_spawn(self, scope, fault_sleeper, NULL, NULL, NULL);
    MAY(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    MAY(belay_scope_close(self, scope), BELAY_ECANCELED, BELAY_ENOSTACK, BELAY_ENOMEM);
    return BELAY_OK;
}

static void follow_descriptor(belay_token token) {
    belay_registration r;
    int fd;
    belay_status status = belay_token_fd(token, BELAY_HARD_CANCELED, &fd, &r);
    if (status == BELAY_OK) {
        MAY(belay_token_fd_close(r, fd), BELAY_OK);
    } else {
        CHECKED(status == BELAY_ENOMEM && (fault_struck() || !fault_port_has(FAULT_GUARDS)));
    }
}

static void use_source(belay_executor *ex, belay_source source) {
    belay_token token = belay_source_token(source);
    belay_task_handle tasks[2] = {{0}};
    belay_source child = {0};
    belay_registration taken_back = on_cancel(token);
    (void)on_cancel(token);
    follow_descriptor(token);
    MAY(belay_source_create(ex, &token, 1, &child), BELAY_OK, BELAY_ENOMEM);
    (void)fault_spawn(NULL, belay_executor_root(ex), await_token, &token, NULL, &tasks[0]);
    (void)fault_spawn(NULL, belay_executor_root(ex), follow_token, &token, NULL, &tasks[1]);
    if (taken_back.generation != 0) {
        MAY(belay_on_cancel_remove(NULL, taken_back), BELAY_OK);
    }
    MAY(belay_source_cancel(source, BELAY_HARD_CANCELED, 3, "so that they end"), BELAY_OK);
    if (child.generation != 0) {
        MAY(belay_token_wait_until(NULL, belay_source_token(child), BELAY_HARD_CANCELED, 0),
            BELAY_OK, BELAY_ENOMEM);
        MAY(belay_source_release(child), BELAY_OK);
    }
    fault_join(NULL, tasks[0]);
    fault_join(NULL, tasks[1]);
}

static void source_of_two(belay_executor *ex) {
    belay_source source;
    if (MAY(belay_source_create(ex, NULL, 0, &source), BELAY_OK, BELAY_ENOMEM) == BELAY_OK) {
        use_source(ex, source);
        MAY(belay_source_release(source), BELAY_OK);
    }
}

void scenario_owners(void) {
    belay_executor *ex = fault_executor();
    if (ex != NULL) {
        own_one(ex);
        source_of_two(ex);
        (void)on_cancel(belay_scope_token(belay_executor_root(ex)));
    }
    fault_executor_end(ex);
}

/* What must be finished or given back although a cancel comes. */
#include "guide.h"

#include <stdlib.h>

typedef struct store {
    int writes, synced, rolled_back, closed;
    int committing, go_on;
} store;

static belay_status write_page(belay_task *self, store *s) {
    s->writes++;
    (void)guide_add(&s->committing, 1);
    return guide_await(self, &s->go_on, 1) ? BELAY_OK : BELAY_ECANCELED;
}

static belay_status sync_pages(belay_task *self, store *s) {
    s->synced++;
    return belay_sleep_until(self, belay_after(BELAY_MILLISECOND));
}

/* guide: shield */
static belay_status commit(belay_task *self, store *s) {
    belay_scope shield;
    belay_status status = belay_shield_open(self, belay_after(2 * BELAY_SECOND), &shield);
    if (status != BELAY_OK) {
        return status;
    }
    status = write_page(self, s); /* these wait although we are cancelled, */
    if (status == BELAY_OK) {
        status = sync_pages(self, s); /* but not for longer than two seconds */
    }
    belay_status closed = belay_scope_close(self, shield);
    return closed != BELAY_OK ? closed : status;
}
/* end */

static belay_status commit_and_go_on(belay_task *self, void *arg) {
    belay_status status = commit(self, arg);
    CHECK_STATUS(status, BELAY_OK);
    return belay_checkpoint(self); /* the cancel was kept, not lost */
}

static void check_shield(belay_task *self) {
    store s = {0};
    belay_task_handle task;
    belay_outcome outcome = {0};
    CHECK_STATUS(belay_spawn(self, belay_scope_current(self), commit_and_go_on, &s, NULL, &task),
                 BELAY_OK);
    CHECK(guide_await(self, &s.committing, 1));
    CHECK_STATUS(belay_task_cancel(task, BELAY_ECANCELED, "now"), BELAY_OK);
    (void)guide_add(&s.go_on, 1);
    CHECK_STATUS(belay_join(self, task, &outcome), BELAY_OK);
    CHECK_STATUS(belay_task_release(task), BELAY_OK);
    CHECK(s.synced == 1);
    CHECK(outcome.kind == BELAY_OUTCOME_CANCELED);
}

static belay_status change_much(belay_task *self, store *s) {
    (void)guide_add(&s->committing, 1);
    return belay_sleep_until(self, BELAY_NEVER);
}

/* guide: defer */
static belay_status roll_back(belay_task *self, void *arg) {
    store *s = arg;
    belay_status status = belay_sleep_until(self, belay_after(BELAY_MILLISECOND)); /* may wait */
    s->rolled_back += status == BELAY_OK;
    return status;
}

static belay_status transaction(belay_task *self, void *arg) {
    belay_status status = belay_defer(self, roll_back, arg); /* whatever happens from now on */
    if (status == BELAY_OK) {
        status = change_much(self, arg);
    }
    return status;
}

/* Of the scope it runs in: how long cleanup may take, once it has been cancelled. */
static const belay_scope_options patient = {.cleanup_budget = BELAY_SECOND};
/* end */

static void check_defer(belay_task *self) {
    store s = {0};
    belay_scope scope;
    CHECK_STATUS(belay_scope_open(self, &patient, &scope), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, transaction, &s, NULL, NULL), BELAY_OK);
    CHECK(guide_await(self, &s.committing, 1));
    CHECK_STATUS(belay_scope_cancel(scope, 7, "changed our mind"), BELAY_OK);
    CHECK_STATUS(belay_scope_close(self, scope), 7);
    CHECK(s.rolled_back == 1);
}

static void close_store(void *arg) {
    ((store *)arg)->closed++;
}

/* guide: exactly once */
static belay_status use_store(belay_task *self, store *s, bool done_early) {
    belay_scope scope;
    belay_status status = belay_scope_open(self, NULL, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    belay_registration resource;
    status = belay_resource_bind(scope, close_store, s, &resource); /* refused: it stays ours */
    if (status == BELAY_OK && done_early) {
        (void)belay_resource_release(resource); /* now; a second time: BELAY_ESTALE */
    }
    belay_status closed = belay_scope_close(self, scope); /* at the latest here */
    return closed != BELAY_OK ? closed : status;
}
/* end */

static void check_exactly_once(belay_task *self) {
    store early = {0}, late = {0};
    CHECK_STATUS(use_store(self, &early, true), BELAY_OK);
    CHECK_STATUS(use_store(self, &late, false), BELAY_OK);
    CHECK(early.closed == 1 && late.closed == 1);
}

belay_status guide_cleanup(belay_task *self, void *arg) {
    (void)arg;
    check_shield(self);
    check_defer(self);
    check_exactly_once(self);
    return BELAY_OK;
}

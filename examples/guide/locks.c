/* Data that several tasks use. */
#include "guide.h"

/* guide: mutex */
typedef struct account {
    belay_mutex lock; /* all zero is a free mutex */
    int64_t balance;
} account;

static void repair(account *a) {
    a->balance = 0; /* whatever "in order" means here */
}

static belay_status deposit(belay_task *self, account *a, int64_t amount) {
    belay_status status = belay_mutex_lock(self, &a->lock);
    if (status == BELAY_EOWNERDEAD) { /* ours, but a task ended while it held it */
        repair(a);
        status = BELAY_OK;
    }
    if (status == BELAY_OK) {
        a->balance += amount;
        status = belay_mutex_unlock(self, &a->lock);
    }
    return status;
}
/* end */

static account shared;

static belay_status save(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = BELAY_OK;
    for (int i = 0; i < 1000 && status == BELAY_OK; i++) {
        status = deposit(self, &shared, 1);
    }
    return status;
}

static belay_status die_with_it(belay_task *self, void *arg) {
    (void)arg;
    return belay_mutex_lock(self, &shared.lock);
}

static void check_mutex(belay_task *self) {
    belay_scope scope;
    CHECK_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < 4; i++) {
        CHECK_STATUS(belay_spawn(self, scope, save, NULL, NULL, NULL), BELAY_OK);
    }
    CHECK_STATUS(belay_scope_wait(self, scope), BELAY_OK);
    CHECK(shared.balance == 4000);
    CHECK_STATUS(belay_spawn(self, scope, die_with_it, NULL, NULL, NULL), BELAY_OK);
    CHECK_STATUS(belay_scope_close(self, scope), BELAY_OK);
    CHECK_STATUS(deposit(self, &shared, 5), BELAY_OK);
    CHECK(shared.balance == 5); /* repaired first */
}

static int parses;

/* guide: once */
static belay_once parsed = BELAY_ONCE_INIT;
static int limits[2];

static belay_status parse_limits(belay_task *self, void *arg) {
    (void)arg;
    (void)guide_add(&parses, 1);
    limits[0] = 1;
    limits[1] = 64;
    return belay_yield(self); /* may wait, and may fail: then the next one tries */
}

static belay_status upper_limit(belay_task *self, int *out) {
    belay_status status = belay_once_run(self, &parsed, parse_limits, NULL);
    if (status == BELAY_OK) {
        *out = limits[1];
    }
    return status;
}
/* end */

static belay_status ask_limit(belay_task *self, void *arg) {
    (void)arg;
    int limit = 0;
    CHECK_STATUS(upper_limit(self, &limit), BELAY_OK);
    CHECK(limit == 64);
    return BELAY_OK;
}

static void check_once(belay_task *self) {
    belay_scope scope;
    CHECK_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < 8; i++) {
        CHECK_STATUS(belay_spawn(self, scope, ask_limit, NULL, NULL, NULL), BELAY_OK);
    }
    CHECK_STATUS(belay_scope_close(self, scope), BELAY_OK);
    CHECK(guide_read(&parses) == 1);
}

belay_status guide_locks(belay_task *self, void *arg) {
    (void)arg;
    check_mutex(self);
    check_once(self);
    return BELAY_OK;
}

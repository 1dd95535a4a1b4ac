/* Several tasks, and what the failure of one means for the others. */
#include "guide.h"

typedef struct part {
    int number;
    belay_status fails_with; /* BELAY_OK: it succeeds */
    bool waits;              /* first, until it is cancelled */
    bool loaded;
} part;

static belay_status load(belay_task *self, void *arg) {
    part *p = arg;
    belay_status status =
        p->waits ? belay_sleep_until(self, belay_after(30 * BELAY_SECOND)) : belay_yield(self);
    if (status == BELAY_OK) {
        status = p->fails_with;
    }
    p->loaded = status == BELAY_OK;
    return status;
}

/* guide: first error */
static belay_status load_all(belay_task *self, part *parts, size_t n) {
    belay_scope scope;
    belay_status status = belay_scope_open(self, NULL, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    for (size_t i = 0; i < n && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, load, &parts[i], NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    return closed != BELAY_OK ? closed : status;
}
/* end */

static void check_first_error(belay_task *self) {
    part good[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    CHECK_STATUS(load_all(self, good, 3), BELAY_OK);
    CHECK(good[0].loaded && good[1].loaded && good[2].loaded);
    part bad[] = {{.number = 1, .waits = true}, {.number = 2, .fails_with = 7}};
    belay_time begin = belay_now();
    CHECK_STATUS(load_all(self, bad, 2), 7);
    CHECK(belay_now() - begin < 20 * BELAY_SECOND); /* the first did not sleep to its end */
    CHECK(!bad[0].loaded);
    CHECK_STATUS(belay_checkpoint(self), BELAY_OK); /* and we are not cancelled */
}

/* guide: fail alone */
static belay_status serve_all(belay_task *self, part *clients, size_t n) {
    belay_scope scope;
    belay_scope_options options = {.name = "clients", .policy = BELAY_SUPERVISE};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    for (size_t i = 0; i < n && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, load, &clients[i], NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    return closed != BELAY_OK ? closed : status;
}
/* end */

static void check_fail_alone(belay_task *self) {
    part clients[] = {{.number = 1, .fails_with = 7}, {.number = 2}, {.number = 3}};
    int before = guide_read(&guide_unobserved);
    CHECK_STATUS(serve_all(self, clients, 3), BELAY_OK);
    CHECK(!clients[0].loaded && clients[1].loaded && clients[2].loaded);
    CHECK(guide_read(&guide_unobserved) == before + 1);
}

/* guide: all errors */
static belay_status check_all(belay_task *self, part *parts, size_t n) {
    belay_scope scope;
    belay_scope_options options = {.name = "checks", .policy = BELAY_COLLECT};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    for (size_t i = 0; i < n && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, load, &parts[i], NULL, NULL);
    }
    belay_failures failures;
    belay_status closed = belay_scope_close_report(self, scope, BELAY_NEVER, &failures);
    for (uint32_t i = 0; i < failures.listed; i++) {
        printf("  error %d of %s\n", (int)failures.list[i].status, failures.list[i].site);
    }
    return closed != BELAY_OK ? closed : status;
}
/* end */

static void check_all_errors(belay_task *self) {
    part parts[] = {{.number = 1, .fails_with = 7}, {.number = 2}, {.number = 3, .fails_with = 7}};
    CHECK_STATUS(check_all(self, parts, 3), 7);
    CHECK(parts[1].loaded);
}

/* guide: as they come */
static belay_status sum_as_they_come(belay_task *self, belay_body *body, int *args, size_t n,
                                     int *sum) {
    belay_scope scope;
    belay_scope_options options = {.name = "sum", .flags = BELAY_SCOPE_KEEP_OUTCOMES};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    for (size_t i = 0; i < n && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, body, &args[i], NULL, NULL);
    }
    while (status == BELAY_OK) {
        belay_outcome outcome;
        status = belay_scope_next(self, scope, &outcome, NULL);
        if (status == BELAY_OK && outcome.kind == BELAY_OUTCOME_VALUE) {
            *sum += *(int *)outcome.result;
        }
    }
    belay_status closed = belay_scope_close(self, scope);
    return closed != BELAY_OK || status == BELAY_ENOENT ? closed : status;
}
/* end */

static belay_status give_number(belay_task *self, void *arg) {
    return belay_set_result(self, arg, NULL);
}

static void check_as_they_come(belay_task *self) {
    int numbers[] = {3, 1, 2};
    int sum = 0;
    CHECK_STATUS(sum_as_they_come(self, give_number, numbers, 3, &sum), BELAY_OK);
    CHECK(sum == 6);
}

belay_status guide_several(belay_task *self, void *arg) {
    (void)arg;
    check_first_error(self);
    check_fail_alone(self);
    check_all_errors(self);
    check_as_they_come(self);
    return BELAY_OK;
}

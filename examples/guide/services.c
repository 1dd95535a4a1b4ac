/* Tasks that serve others. */
#include "guide.h"

static int open_port(void) {
    return 8080;
}

/* guide: ready */
static belay_status server(belay_task *self, void *arg) {
    int *port = arg;
    *port = open_port();
    if (*port < 0) {
        return BELAY_EPIPE; /* goes to the starter, and to nobody else */
    }
    belay_status status = belay_started(self, port); /* from here on the starter goes on, too */
    while (status == BELAY_OK) {
        status = belay_sleep_until(self, BELAY_NEVER); /* serve */
    }
    return status;
}

static belay_status with_server(belay_task *self, belay_scope scope, int *port) {
    void *ready;
    belay_status status = belay_start_until(self, scope, server, port, NULL,
                                            belay_after(30 * BELAY_SECOND), NULL, &ready);
    if (status == BELAY_OK) {
        printf("  serving on port %d\n", *(int *)ready);
    }
    return status;
}
/* end */

static void check_ready(belay_task *self) {
    belay_scope scope;
    int port = 0;
    CHECK_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    CHECK_STATUS(with_server(self, scope, &port), BELAY_OK);
    CHECK(port == 8080);
    CHECK_STATUS(belay_scope_cancel(scope, BELAY_OK, "enough"), BELAY_OK);
    CHECK_STATUS(belay_scope_close(self, scope), BELAY_OK);
}

typedef struct journal {
    int written, flushed_at;
} journal;

static belay_status write_much(belay_task *self, void *arg) {
    journal *j = arg;
    for (int i = 0; i < 10; i++) {
        belay_status status = belay_yield(self);
        if (status != BELAY_OK) {
            return status;
        }
        (void)guide_add(&j->written, 1);
    }
    return BELAY_OK;
}

/* guide: service */
static belay_status flush(belay_task *self, void *arg) {
    journal *j = arg;
    belay_status status = BELAY_OK;
    while (status == BELAY_OK) { /* until nobody writes any more */
        status = belay_sleep_until(self, belay_after(5 * BELAY_MILLISECOND));
        j->flushed_at = guide_read(&j->written);
    }
    return status;
}

static belay_status write_journal(belay_task *self, journal *j) {
    belay_scope scope;
    belay_task_options service = {.name = "flusher",
                                  .flags = BELAY_TASK_SERVICE | BELAY_TASK_RUN_CANCELED};
    belay_status status = belay_scope_open(self, NULL, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    status = belay_spawn(self, scope, flush, j, &service, NULL);
    for (int i = 0; i < 4 && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, write_much, j, NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope); /* writers first, then the flusher */
    return closed != BELAY_OK ? closed : status;
}
/* end */

static void check_service(belay_task *self) {
    journal j = {0};
    CHECK_STATUS(write_journal(self, &j), BELAY_OK);
    CHECK(j.written == 40 && j.flushed_at == 40);
}

belay_status guide_services(belay_task *self, void *arg) {
    (void)arg;
    check_ready(self);
    check_service(self);
    return BELAY_OK;
}

/* The end of a program, on its main thread. */
#include "guide.h"

static int accepting, finished, gave_up, in_request;

/* guide: shutdown */
static belay_status request(belay_task *self, void *arg) {
    (void)arg;
    (void)guide_add(&in_request, 1);
    belay_status status = belay_sleep_until(self, belay_after(10 * BELAY_MILLISECOND));
    (void)guide_add(status == BELAY_OK ? &finished : &gave_up, 1);
    return status;
}

static belay_status accept_loop(belay_task *self, void *arg) {
    belay_scope idle, requests;
    belay_scope_options soft = {.name = "idle", .flags = BELAY_SCOPE_SOFT};
    belay_status status = belay_scope_open(self, NULL, &requests);
    while (status == BELAY_OK) {
        status = belay_spawn(self, requests, request, arg, NULL, NULL);
        if (status == BELAY_OK && (status = belay_scope_open(self, &soft, &idle)) == BELAY_OK) {
            (void)guide_add(&accepting, 1);
            (void)belay_sleep_until(self, BELAY_NEVER); /* for the next one */
            status = belay_scope_close(self, idle);     /* ends at once when asked softly */
        }
    }
    belay_status closed = belay_scope_close(self, requests); /* has its grace to end */
    return closed != BELAY_OK ? closed : status;
}

static belay_status stop(belay_executor *executor) {
    belay_time grace = belay_after(20 * BELAY_SECOND); /* soft until then, and hard afterwards */
    belay_status status = belay_executor_shutdown(executor, grace, grace + 5 * BELAY_SECOND);
    if (status == BELAY_EBUSY) {
        fprintf(stderr, "not all tasks have ended\n"); /* the log hook has their names */
    }
    return status;
}
/* end */

void guide_shutdown(void) {
    belay_executor *executor;
    if (!CHECK(belay_executor_create(NULL, &executor) == BELAY_OK)) {
        return;
    }
    CHECK_STATUS(belay_spawn(NULL, belay_executor_root(executor), accept_loop, NULL, NULL, NULL),
                 BELAY_OK);
    while (guide_read(&accepting) < 1) {
        (void)belay_sleep_until(NULL, belay_after(BELAY_MILLISECOND));
    }
    belay_time begin = belay_now();
    CHECK_STATUS(stop(executor), BELAY_OK);
    CHECK(belay_now() - begin < 15 * BELAY_SECOND); /* nobody waited for the grace to pass */
    CHECK(guide_read(&finished) == 1 && guide_read(&gave_up) == 0);
    CHECK_STATUS(belay_executor_destroy(executor), BELAY_OK);
    printf("shutdown: as the page says\n");
}

/* Who is still there, and why. */
#include "guide.h"

#include <string.h>

static int lines_with_reader;

/* guide: hang */
static void print_line(const char *line, void *arg) {
    (void)arg;
    (void)guide_add(&lines_with_reader, strstr(line, "reader") != NULL);
    printf("  %s\n", line);
}

static belay_status close_or_say_why(belay_task *self, belay_scope scope) {
    belay_status status = belay_scope_close_until(self, scope, belay_after(50 * BELAY_MILLISECOND));
    if (status == BELAY_EBUSY) { /* it stays closing: this may be called again */
        (void)belay_tree(belay_task_executor(self), print_line, NULL);
    }
    return status;
}
/* end */

static belay_status read_for_ever(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

static belay_status hang(belay_task *self, void *arg) {
    (void)arg;
    belay_scope scope;
    belay_scope_options options = {.name = "request"};
    belay_task_options reader = {.name = "reader"};
    CHECK_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, read_for_ever, NULL, &reader, NULL), BELAY_OK);
    CHECK_STATUS(close_or_say_why(self, scope), BELAY_EBUSY);
    CHECK(guide_read(&lines_with_reader) == 1);
    (void)belay_scope_cancel(scope, BELAY_OK, "enough");
    CHECK_STATUS(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

void guide_hanging(belay_executor *executor) {
    CHECK_STATUS(belay_executor_run(executor, hang, NULL, NULL), BELAY_OK);
    printf("hanging: as the page says\n");
}

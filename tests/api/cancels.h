/* What the tests of cancellation and ownership share. */
#ifndef BELAY_TESTS_API_CANCELS_H
#define BELAY_TESTS_API_CANCELS_H

#include "api/support.h"

#define SOON (5 * BELAY_MILLISECOND)
#define LONG (60 * BELAY_SECOND) /* longer than any test: it does not come */

/* A scope in the root, by the main thread. */
static inline belay_scope scope_make(belay_executor *ex, const belay_scope_options *options) {
    belay_scope scope = {0};
    assert_int_equal(belay_scope_open_root(ex, options, &scope), BELAY_OK);
    return scope;
}

static inline belay_task_handle spawn_into(belay_scope scope, belay_body *body, void *arg) {
    belay_task_handle task = {0};
    assert_int_equal(belay_spawn(NULL, scope, body, arg, NULL, &task), BELAY_OK);
    return task;
}

static inline belay_source source_make(belay_executor *ex, const belay_token *parents,
                                       size_t count) {
    belay_source source = {0};
    assert_int_equal(belay_source_create(ex, parents, count, &source), BELAY_OK);
    return source;
}

static inline belay_cancel_level level_of(belay_token token) {
    belay_cancel_level level = BELAY_NOT_CANCELED;
    EXPECT_STATUS(belay_token_level(token, &level), BELAY_OK);
    return level;
}

/* A cancel callback whose argument is a tally. */
static inline void count_cancel(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    (void)tally_add(arg);
}

/* A body that refuses to end on a soft cancel and sleeps until a hard one. */
static inline belay_status body_until_hard(belay_task *self, void *arg) {
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    if (arg != NULL) {
        (void)tally_add(arg);
    }
    return status;
}

/* Sleeps so long, whatever becomes of it. */
static inline belay_status nap(belay_task *self, belay_time length) {
    return belay_sleep_until(self, belay_after(length));
}

#endif

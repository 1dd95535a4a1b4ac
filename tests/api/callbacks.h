/* What the tests of callbacks on cancel share: a callback that notes what it saw. */
#ifndef BELAY_TESTS_API_CALLBACKS_H
#define BELAY_TESTS_API_CALLBACKS_H

#include "api/cancels.h"

typedef struct seen {
    belay_cancel_reason reason;
    tally calls, drops;
} seen;

static inline void note(const belay_cancel_reason *reason, void *arg) {
    seen *s = arg;
    s->reason = *reason;
    (void)tally_add(&s->calls);
}

static inline void note_drop(void *arg) {
    (void)tally_add(&((seen *)arg)->drops);
}

static inline belay_registration put(belay_scope scope, belay_cancel_level level, seen *s) {
    belay_registration r = {0};
    assert_int_equal(belay_on_cancel(belay_scope_token(scope), level, note, s, note_drop, &r),
                     BELAY_OK);
    return r;
}

#endif

/* What the tests of shields share. */
#ifndef BELAY_TESTS_API_SHIELDS_H
#define BELAY_TESTS_API_SHIELDS_H

#include "api/cancels.h"

typedef struct shielded {
    belay_scope scope;
    belay_token token;
    tally inside; /* the shield is open, the task about to wait */
    tally go;     /* the cancel was made */
    tally ended, members;
} shielded;

static inline belay_scope shield(belay_task *self, belay_time length) {
    belay_scope s;
    EXPECT_STATUS(belay_shield_open(self, belay_after(length), &s), BELAY_OK);
    return s;
}

static inline void enter(belay_task *self, shielded *p) {
    (void)tally_add(&p->inside);
    EXPECT(tally_await_in(self, &p->go, 1));
}

/* Shielded waits succeed; after the close, none. */
static inline belay_status wait_shielded(belay_task *self, void *arg) {
    shielded *p = arg;
    belay_scope s = shield(self, LONG);
    enter(self, p);
    EXPECT(!belay_canceled(self) && !belay_stopping(self));
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND), BELAY_OK);
    EXPECT_STATUS(belay_yield(self), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, s), BELAY_OK);
    EXPECT(belay_canceled(self));
    EXPECT_STATUS(belay_yield(self), BELAY_ECANCELED);
    (void)tally_add(&p->ended);
    return BELAY_ECANCELED;
}

#endif

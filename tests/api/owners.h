/* What the tests of owners share: an object with background tasks. */
#ifndef BELAY_TESTS_API_OWNERS_H
#define BELAY_TESTS_API_OWNERS_H

#include <belay/owner.h>

#include "api/cancels.h"

typedef struct object {
    belay_owner owner;
    belay_task_handle gate;
    tally drained, ended, deferred;
} object;

static inline void object_drained(void *arg) {
    object *o = arg;
    EXPECT_STATUS(belay_owner_retain(o->owner), BELAY_ESTALE);
    (void)tally_add(&o->drained);
}

static inline void object_make(belay_executor *ex, object *o) {
    belay_owner_options options = {
        .scope = {.name = "object"}, .drained = object_drained, .arg = o};
    assert_int_equal(belay_owner_create(ex, &options, &o->owner), BELAY_OK);
}

static inline belay_status background(belay_task *self, void *arg) {
    object *o = arg;
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    EXPECT(tally_read(&o->drained) == 0);
    (void)tally_add(&o->ended);
    return status;
}

static inline void object_task(object *o, belay_body *body) {
    assert_int_equal(belay_spawn(NULL, belay_owner_scope(o->owner), body, o, NULL, NULL), BELAY_OK);
}

#endif

/* What tasks find in the scopes they are in. */
#include "guide.h"

static int seen_right;

/* guide: inherited */
typedef struct request {
    uint64_t id;
} request;

static const belay_key request_key = {"request", sizeof(request)};

static void log_line(const belay_task *self, const char *text) {
    const request *r = belay_value(self, &request_key); /* NULL: not bound */
    printf("  [%llu] %s\n", r != NULL ? (unsigned long long)r->id : 0, text);
}

static belay_status query(belay_task *self, void *arg) {
    log_line(self, arg);
    return BELAY_OK;
}

static belay_status handle_request(belay_task *self, uint64_t id) {
    request r = {.id = id}; /* stays until the scope has closed */
    belay_binding binding = {.key = &request_key, .value = &r};
    belay_scope_options options = {.name = "request", .bindings = &binding};
    belay_scope scope;
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    status = belay_spawn(self, scope, query, "a task below knows whom it works for", NULL, NULL);
    belay_status closed = belay_scope_close(self, scope);
    return closed != BELAY_OK ? closed : status;
}
/* end */

static belay_status compare(belay_task *self, void *arg) {
    const request *r = belay_value(self, &request_key);
    (void)guide_add(&seen_right, r != NULL && r->id == *(uint64_t *)arg);
    return BELAY_OK;
}

static belay_status compare_below(belay_task *self, void *arg) {
    return belay_spawn(self, belay_scope_current(self), compare, arg, NULL, NULL);
}

static void check_inherited(belay_task *self) {
    CHECK_STATUS(handle_request(self, 42), BELAY_OK);
    CHECK(belay_value(self, &request_key) == NULL);
    uint64_t id = 43;
    request r = {.id = id};
    belay_binding binding = {.key = &request_key, .value = &r};
    belay_scope_options options = {.bindings = &binding};
    belay_scope scope;
    CHECK_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, compare_below, &id, NULL, NULL), BELAY_OK);
    CHECK_STATUS(belay_scope_close(self, scope), BELAY_OK);
    CHECK(guide_read(&seen_right) == 1);
}

belay_status guide_context(belay_task *self, void *arg) {
    (void)arg;
    check_inherited(self);
    return BELAY_OK;
}

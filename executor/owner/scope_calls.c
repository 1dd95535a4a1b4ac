/* Scopes by handle: holding one, and the calls that only look or mark. */
#include "owner/scope.h"

scope *scope_hold(belay_scope h, belay_executor **ex) {
    *ex = registry_open(h.executor, h.generation);
    if (*ex == NULL) {
        return NULL;
    }
    scope *s = scope_at(*ex, h);
    if (s != NULL && count_pin(s, (uint32_t)(h.generation & SLOT_GENERATION))) {
        return s;
    }
    registry_done(*ex);
    return NULL;
}

void scope_done(belay_executor *ex, scope *s) {
    count_leave(NULL, s);
    registry_done(ex);
}

belay_status belay_scope_seal(belay_scope h) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    lock_take(&s->lock);
    bool first = count_seal(s);
    lock_release(&s->lock);
    scope_done(ex, s);
    return first ? BELAY_OK : BELAY_EALREADY;
}

belay_status belay_scope_cancel_from(belay_scope h, belay_status code, const char *text,
                                     const char *site) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    belay_cancel_reason reason = {.code = code, .text = text, .site = site, .origin = h};
    belay_status status = scope_cancel_tree(s, &reason);
    scope_done(ex, s);
    return status;
}

belay_status belay_scope_soft_cancel_from(belay_scope h, belay_status code, const char *text,
                                          const char *site) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    belay_cancel_reason reason = {.code = code, .text = text, .site = site, .origin = h};
    belay_status status = scope_soft_cancel_tree(s, &reason);
    scope_done(ex, s);
    return status;
}

/* Under the scope's lock. *now: it has passed, and the caller goes on with deadline_pass. */
static belay_status change_deadline(scope *s, belay_time deadline, bool *now) {
    if (scope_canceled(s) || (s->armed && !timer_disarm(&s->deadline.timer))) {
        return BELAY_EALREADY; /* cancelled, or its timer fires now */
    }
    *now = !s->ended && deadline_is_past(deadline);
    if (*now || s->ended) {
        s->armed = false;
        s->deadline_at = deadline;
    } else {
        deadline_arm(s, deadline);
    }
    return BELAY_OK;
}

belay_status belay_scope_set_deadline(belay_scope h, belay_time deadline) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    lock_take(&s->lock);
    bool now = false;
    belay_status status = change_deadline(s, deadline, &now);
    lock_release(&s->lock);
    if (now) {
        status = deadline_pass(s);
    }
    scope_done(ex, s);
    return status;
}

belay_scope belay_scope_current(belay_task *self) {
    if (self == NULL) {
        return (belay_scope){0};
    }
    const scope *s = scope_public(load_relaxed(&self->inner)); /* relaxed: own */
    return scope_handle(s->executor, s);
}

belay_status belay_scope_count(belay_scope h, uint64_t *out) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    belay_executor *ex;
    scope *s = scope_hold(h, &ex);
    if (s == NULL) {
        return BELAY_ESTALE;
    }
    uint64_t n = count_read(s);
    *out = n > 1 ? n - 1 : 0; /* our own hold */
    scope_done(ex, s);
    return BELAY_OK;
}

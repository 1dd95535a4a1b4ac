/* Events, manual and automatic, and their clause of select. `set` changes under the line's lock; a manual event that is
 * set is seen without it. */
#include <belay/event.h>

#include "flow/line.h"
#include "base/mutant.h"
#include "flow/source.h"

typedef struct event_state {
    line line;
    ATOMIC(uint32_t) set;
    uint32_t automatic; /* constant */
} event_state;

_Static_assert(sizeof(event_state) == sizeof(belay_event), "layout");

static event_state *in(belay_event *e) {
    return (event_state *)(void *)e;
}

/* Without the lock: a manual one. */
static bool passes(const event_state *e) {
    /* acquire: pairs with the release in belay_event_set */
    return e->automatic == 0 && load_acquire(&e->set) != 0;
}

/* Under the lock. */
static bool take(event_state *e) {
    if (load_relaxed(&e->set) == 0) { /* relaxed: under the lock */
        return false;
    }
    if (e->automatic != 0) {
        store_relaxed(&e->set, 0u);
    }
    return true;
}

static bool take_now(event_state *e) {
    if (passes(e)) {
        return true;
    }
    line_take(&e->line);
    bool taken = take(e);
    line_release(&e->line);
    return taken;
}

static wait_word take_or_wait(event_state *e, belay_task *self, belay_time deadline) {
    wait_how how = {.self = self, .deadline = deadline, .kind = WAIT_FOR_EVENT};
    place p = {0};
    wait_word result = WAIT_OK;
    line_take(&e->line);
    if (!take(e)) {
        result = line_wait(&e->line, &e->line.waiting, &p, &how);
    }
    line_release(&e->line);
    return result;
}

belay_status belay_event_wait_until(belay_task *self, belay_event *event, belay_time deadline) {
    belay_status status = event == NULL ? BELAY_EINVAL : flow_begin(self);
    if (status != BELAY_OK) {
        return status;
    }
    if (passes(in(event))) {
        flow_ready(self);
        return BELAY_OK;
    }
    return line_status(self, take_or_wait(in(event), self, deadline));
}

belay_status belay_event_wait(belay_task *self, belay_event *event) {
    return belay_event_wait_until(self, event, BELAY_NEVER);
}

belay_status belay_event_try_wait(belay_event *event) {
    if (event == NULL || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    return take_now(in(event)) ? BELAY_OK : BELAY_EAGAIN;
}

belay_status belay_event_set(belay_event *event) {
    if (event == NULL || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    line *l = &in(event)->line;
    line_take(l);
    if (in(event)->automatic == 0) {
        store_release(&in(event)->set, 1u); /* pairs with passes and belay_event_is_set */
        line_wake_all(&l->waiting);
    } else if (!line_wake(&l->waiting) && !MUTANT(event_set_lost)) {
        store_release(&in(event)->set, 1u); /* pairs with belay_event_is_set */
    }
    line_release(l);
    return BELAY_OK;
}

belay_status belay_event_clear(belay_event *event) {
    if (event == NULL || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    line_take(&in(event)->line);
    store_relaxed(&in(event)->set, 0u); /* relaxed: under the lock */
    line_release(&in(event)->line);
    return BELAY_OK;
}

bool belay_event_is_set(const belay_event *event) {
    const struct event_state *e = (const struct event_state *)(const void *)event;
    return e != NULL && load_acquire(&e->set) != 0; /* pairs with the release in belay_event_set */
}

belay_status belay_event_init(belay_event *event, belay_event_reset reset) {
    if (event == NULL || (unsigned)reset > BELAY_EVENT_AUTO) {
        return BELAY_EINVAL;
    }
    *event = (belay_event){{0}};
    in(event)->automatic = reset;
    return BELAY_OK;
}

belay_status belay_event_fini(belay_event *event) {
    return event == NULL ? BELAY_EINVAL : line_fini(&in(event)->line);
}

/* ---- as a clause ------------------------------------------------------------------------------------------------- */

static belay_status event_begin(belay_task *self, belay_clause *c) {
    (void)self;
    return c->object == NULL ? BELAY_EINVAL : BELAY_OK;
}

static bool event_poll(belay_clause *c) {
    c->status = BELAY_OK;
    return take_now(in(c->object));
}

static bool event_link(belay_clause *c) {
    event_state *e = in(c->object);
    line_take(&e->line);
    bool ready = load_relaxed(&e->set) != 0; /* relaxed: under the lock */
    if (!ready) {
        list_append(&e->line.waiting, &clause_arm(c)->link);
        e->line.inside++;
    }
    line_release(&e->line);
    return ready;
}

static void event_unlink(belay_clause *c) {
    event_state *e = in(c->object);
    line_take(&e->line);
    list_remove(&clause_arm(c)->link);
    e->line.inside--;
    line_release(&e->line);
}

const source event_source = {
    .begin = event_begin, .poll = event_poll, .link = event_link, .unlink = event_unlink};

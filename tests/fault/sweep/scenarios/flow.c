/* Channels, of the executor's memory and of malloc's; acknowledged ones; select over everything it knows. */
#include "scenarios.h"

enum { ITEMS = 6 };

typedef struct flow {
    belay_channel *channel;
    belay_channel *leased;
    belay_event event;
} flow;

static void item_dropped(void *item, void *arg) {
    (void)arg;
    fault_ended(*(fault_ticket **)item);
}

static belay_channel *channel_make(belay_executor *ex, size_t capacity, uint32_t flags) {
    const belay_channel_options options = {.capacity = capacity,
                                           .element = sizeof(fault_ticket *),
                                           .flags = flags,
                                           .drop = item_dropped,
                                           .executor = ex};
    belay_channel *channel = NULL;
    MAY(belay_channel_create(&options, &channel), BELAY_OK, BELAY_ENOMEM);
    return channel;
}

/* ---- channels ---------------------------------------------------------------------------------------------------- */

static belay_status produce(belay_task *self, void *arg) {
    belay_status status = BELAY_OK;
    for (int i = 0; i < ITEMS && status == BELAY_OK; i++) {
        fault_ticket *t = fault_ticket_new("an item");
        status = fault_settle(t, MAY(belay_channel_send(self, arg, &t), BELAY_OK, BELAY_ECANCELED));
    }
    MAY(belay_channel_close(arg, BELAY_CLOSE_DRAIN), BELAY_OK);
    return status;
}

static belay_status consume(belay_task *self, void *arg) {
    fault_ticket *t;
    belay_status status;
    while ((status = belay_channel_recv(self, arg, &t)) == BELAY_OK) {
        fault_ended(t);
    }
    MAY(status, BELAY_EPIPE, BELAY_ECANCELED);
    return status == BELAY_EPIPE ? BELAY_OK : status;
}

/* If one of the two cannot come, the other is told. */
static belay_status pass_on(belay_task *self, void *arg) {
    belay_scope scope;
    if (MAY(belay_scope_open(self, NULL, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    if (fault_spawn(self, scope, produce, arg, NULL, NULL) != BELAY_OK ||
        fault_spawn(self, scope, consume, arg, NULL, NULL) != BELAY_OK) {
        (void)belay_scope_cancel(scope, BELAY_OK, "alone");
    }
    MAY(belay_scope_close(self, scope), BELAY_OK, BELAY_ENOSTACK, BELAY_ENOMEM, BELAY_ECANCELED);
    return BELAY_OK;
}

static void try_channel(belay_executor *ex, belay_executor *memory, size_t capacity) {
    belay_channel *channel = channel_make(memory, capacity, 0);
    if (channel != NULL) {
        (void)fault_run(ex, pass_on, channel);
        MAY(belay_channel_destroy(channel), BELAY_OK);
    }
}

static belay_status acknowledge(belay_task *self, void *arg) {
    belay_channel *channel = arg;
    belay_lease lease;
    fault_ticket *t = fault_ticket_new("a leased item");
    bool joined =
        MAY(belay_channel_consumer_add(self, channel), BELAY_OK, BELAY_ENOMEM) == BELAY_OK;
    if (fault_settle(t, belay_channel_send(self, channel, &t)) == BELAY_OK) {
        MAY(belay_channel_lease(self, channel, &t, &lease), BELAY_OK);
        MAY(belay_lease_return(lease), BELAY_OK);
        MAY(belay_channel_lease(self, channel, &t, &lease), BELAY_OK);
        MAY(belay_lease_done(lease), BELAY_OK);
        fault_ended(t);
        MAY(belay_channel_join(self, channel), BELAY_OK);
    }
    MAY(belay_channel_consumer_remove(self, channel), joined ? BELAY_OK : BELAY_ENOENT);
    return BELAY_OK;
}

/* ---- select ------------------------------------------------------------------------------------------------------ */

static belay_status set_event(belay_task *self, void *arg) {
    (void)belay_yield(self);
    return belay_event_set(arg);
}

static belay_status choose(belay_task *self, void *arg) {
    flow *f = arg;
    fault_ticket *item;
    belay_task_handle setter = {0}, sleeper = {0};
    belay_scope scope = belay_scope_current(self);
    (void)fault_spawn(self, scope, set_event, &f->event, NULL, &setter);
    (void)fault_spawn(self, scope, fault_sleeper, NULL, NULL, &sleeper);
    belay_clause clauses[] = {belay_on_recv(f->channel, &item), belay_on_event(&f->event),
                              belay_on_join(sleeper, NULL),
                              belay_on_token(belay_scope_token(scope), BELAY_HARD_CANCELED),
                              belay_on_time(belay_after(BELAY_MILLISECOND))};
    size_t which = 9;
    if (sleeper.generation == 0) {
        clauses[2].kind = BELAY_CLAUSE_NONE;
    }
    MAY(belay_select(self, clauses, sizeof clauses / sizeof *clauses, BELAY_SELECT_FAIR, &which),
        BELAY_OK);
    CHECKED(which == 1 || which == 4 || (which == 2 && fault_struck()));
    if (sleeper.generation != 0) {
        MAY(belay_cancel_and_join(self, sleeper, BELAY_OK, NULL, NULL), BELAY_OK);
        MAY(belay_task_release(sleeper), BELAY_OK);
    }
    fault_join(self, setter);
    return BELAY_OK;
}

static void send_from_outside(void *arg) {
    fault_ticket *t = fault_ticket_new("an item from outside");
    (void)fault_settle(t, MAY(belay_channel_send_until(NULL, arg, &t, belay_after(BELAY_SECOND)),
                              BELAY_OK, BELAY_ETIMEDOUT));
}

static void from_outside(belay_channel *channel) {
    port_thread thread;
    fault_ticket *t;
    if (fault_thread(&thread, send_from_outside, channel)) {
        if (MAY(belay_channel_recv(NULL, channel, &t), BELAY_OK) == BELAY_OK) {
            fault_ended(t);
        }
        port_thread_join(&thread);
    }
}

void scenario_flow(void) {
    belay_executor *ex = fault_executor();
    if (ex == NULL) {
        return;
    }
    flow f = {.channel = channel_make(ex, 2, 0),
              .leased = channel_make(ex, 2, BELAY_CHANNEL_ACKNOWLEDGED)};
    MAY(belay_event_init(&f.event, BELAY_EVENT_AUTO), BELAY_OK);
    try_channel(ex, ex, 2);
    try_channel(ex, NULL, 0);
    if (f.channel != NULL) {
        (void)fault_run(ex, choose, &f);
        from_outside(f.channel);
        MAY(belay_channel_destroy(f.channel), BELAY_OK);
    }
    if (f.leased != NULL) {
        (void)fault_run(ex, acknowledge, f.leased);
        MAY(belay_channel_destroy(f.leased), BELAY_OK);
    }
    fault_executor_end(ex);
}

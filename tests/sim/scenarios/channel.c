/* Channels: handing over against cancels, deadlines and closing. What was sent is received, dropped, or was refused. */
#include "scenario.h"

static belay_channel *channel;
static belay_task_handle victim;
static tally sent, received, dropped;
static tally through;

static void reset(void) {
    tally_reset(&sent);
    tally_reset(&received);
    tally_reset(&dropped);
}

static void drop_item(void *item, void *arg) {
    (void)arg;
    tally_add(&dropped, *(uint32_t *)item);
}

static void open_channel(belay_executor *ex, uint32_t flags) {
    belay_channel_options o = {.capacity = sim_choose(3) + (flags != 0 ? 1 : 0),
                               .element = sizeof(uint32_t),
                               .flags = flags,
                               .drop = drop_item,
                               .executor = ex};
    sim_check(belay_channel_create(&o, &channel) == BELAY_OK, "not created");
}

static void close_channel(void) {
    belay_status status = belay_channel_destroy(channel);
    sim_check(status == BELAY_OK, "somebody waits");
    sim_check(tally_read(&sent) == tally_read(&received) + tally_read(&dropped),
              "an item was lost or had twice");
}

static bool stopped(belay_status status) {
    return status == BELAY_ECANCELED || status == BELAY_EPIPE;
}

/* Sends n items, with deadlines now and then, until it is stopped. */
static void send_some(belay_task *self, uint32_t first, uint32_t n) {
    for (uint32_t i = first; i < first + n; i++) {
        belay_time deadline =
            sim_choose(3) == 0 ? belay_after((int64_t)sim_choose(3) * 10000) : BELAY_NEVER;
        belay_status status = belay_channel_send_until(self, channel, &i, deadline);
        if (status == BELAY_OK) {
            tally_add(&sent, i);
        } else if (stopped(status)) {
            return;
        }
        sim_check(status == BELAY_OK || deadline != BELAY_NEVER, "another end");
    }
}

static void recv_some(belay_task *self, uint32_t n) {
    uint32_t last[2] = {0, 0};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t item = 0;
        belay_time deadline =
            sim_choose(3) == 0 ? belay_after((int64_t)sim_choose(3) * 10000) : BELAY_NEVER;
        belay_status status = belay_channel_recv_until(self, channel, &item, deadline);
        if (status == BELAY_OK) {
            sim_check(item > last[item / 100], "out of order");
            last[item / 100] = item;
            tally_add(&received, item);
        } else if (stopped(status)) {
            sim_check(item == 0, "touched");
            return;
        }
        sim_check(status == BELAY_OK || deadline != BELAY_NEVER, "another end");
    }
}

static belay_status sender(belay_task *self, void *arg) {
    send_some(self, *(uint32_t *)arg, 3);
    return BELAY_OK;
}

static belay_status receiver(belay_task *self, void *arg) {
    (void)arg;
    recv_some(self, 1000);
    return BELAY_OK;
}

static void cancel_victim(void *arg) {
    (void)arg;
    (void)belay_task_cancel(victim, BELAY_ECANCELED, NULL);
}

static uint32_t low = 1, high = 101;

static void send_foreign(void *arg) {
    (void)arg;
    send_some(NULL, high, 3);
}

/* One receiver is cancelled while two senders send; another takes the rest. */
static void cancel_receiver(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    open_channel(ex, 0);
    belay_task_handle other;
    sim_check(world_spawn(NULL, root, receiver, NULL, &victim) == BELAY_OK, "refused");
    sim_check(world_spawn(NULL, root, receiver, NULL, &other) == BELAY_OK, "refused");
    port_thread canceller = world_thread(cancel_victim, NULL, "canceller");
    port_thread thread = world_thread(send_foreign, NULL, "sender");
    send_some(NULL, low, 3);
    port_thread_join(&thread);
    port_thread_join(&canceller);
    sim_check(belay_channel_close(channel, BELAY_CLOSE_DRAIN) == BELAY_OK, "not closed");
    sim_check(belay_join(NULL, victim, NULL) == BELAY_OK, "not joined");
    sim_check(belay_join(NULL, other, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    sim_check(belay_task_release(other) == BELAY_OK, "not released");
    close_channel();
    world_close(ex);
}

/* A sender is cancelled while its item may be taken. */
static void cancel_sender(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    open_channel(ex, 0);
    sim_check(world_spawn(NULL, root, sender, &low, &victim) == BELAY_OK, "refused");
    port_thread canceller = world_thread(cancel_victim, NULL, "canceller");
    for (int i = 0; i < 4; i++) {
        uint32_t item;
        belay_time deadline = belay_after((int64_t)sim_choose(3) * 10000);
        if (belay_channel_recv_until(NULL, channel, &item, deadline) == BELAY_OK) {
            tally_add(&received, item);
        }
    }
    sim_check(belay_channel_close(channel, BELAY_CLOSE_NOW) == BELAY_OK, "not closed");
    port_thread_join(&canceller);
    sim_check(belay_join(NULL, victim, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    close_channel();
    world_close(ex);
}

static void close_some(void *arg) {
    (void)arg;
    belay_close_mode mode = sim_choose(2) == 0 ? BELAY_CLOSE_DRAIN : BELAY_CLOSE_NOW;
    sim_check(belay_channel_close(channel, mode) == BELAY_OK, "not closed");
}

/* Closing against senders and receivers: all come back. */
static void close_against_all(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    open_channel(ex, 0);
    belay_task_handle task[3];
    sim_check(world_spawn(NULL, root, sender, &low, &task[0]) == BELAY_OK, "refused");
    sim_check(world_spawn(NULL, root, sender, &high, &task[1]) == BELAY_OK, "refused");
    sim_check(world_spawn(NULL, root, receiver, NULL, &task[2]) == BELAY_OK, "refused");
    port_thread closer = world_thread(close_some, NULL, "closer");
    recv_some(NULL, 1000);
    port_thread_join(&closer);
    for (int i = 0; i < 3; i++) {
        sim_check(belay_join(NULL, task[i], NULL) == BELAY_OK, "not joined");
        sim_check(belay_task_release(task[i]) == BELAY_OK, "not released");
    }
    close_channel();
    world_close(ex);
}

/* Nobody receives, but once: the place of that item goes to a sender who waits, and close sends the others away. */
static belay_status send_one(belay_task *self, void *arg) {
    uint32_t item = *(const uint32_t *)arg;
    belay_status status = belay_channel_send(self, channel, &item);
    sim_check(status == BELAY_OK || status == BELAY_EPIPE, "another end");
    if (status == BELAY_OK) {
        tally_add(&sent, item);
        tally_add(&through, 1);
    }
    return BELAY_OK;
}

static void senders_and_close(void) {
    tally_reset(&through);
    belay_executor *ex = world_open();
    belay_channel_options o = {
        .capacity = 1, .element = sizeof(uint32_t), .drop = drop_item, .executor = ex};
    sim_check(belay_channel_create(&o, &channel) == BELAY_OK, "not created");
    for (int i = 0; i < 3; i++) {
        sim_check(world_spawn(NULL, belay_executor_root(ex), send_one, &low, NULL) == BELAY_OK,
                  "refused");
    }
    uint32_t item = 0;
    sim_check(belay_channel_recv(NULL, channel, &item) == BELAY_OK, "not received");
    tally_add(&received, item);
    tally_wait(&through, 2); /* the item that was received, and the one in the buffer */
    close_some(NULL);
    sim_check(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER) == BELAY_OK, "not drained");
    close_channel();
    world_close(ex);
    sim_check(tally_read(&through) == 2, "accepted without room");
}

/* ---- who got the last item may destroy ----------------------------------------------------------- */

static belay_status last_receiver(belay_task *self, void *arg) {
    uint32_t item = 0;
    (void)arg;
    sim_check(belay_channel_recv(self, channel, &item) == BELAY_OK && item == 7, "not received");
    belay_status status = belay_channel_destroy(channel);
    while (status == BELAY_EBUSY) { /* the sender has not seen yet that it was served */
        sim_check(belay_sleep_until(self, belay_after(10000)) == BELAY_OK, "cancelled");
        status = belay_channel_destroy(channel);
    }
    sim_check(status == BELAY_OK, "not destroyed");
    return BELAY_OK;
}

static void destroy_after_last(void) {
    belay_executor *ex = world_open();
    belay_channel_options o = {.element = sizeof(uint32_t), .executor = ex};
    sim_check(belay_channel_create(&o, &channel) == BELAY_OK, "not created");
    sim_check(world_spawn(NULL, belay_executor_root(ex), last_receiver, NULL, &victim) == BELAY_OK,
              "refused");
    uint32_t item = 7;
    sim_check(belay_channel_send(NULL, channel, &item) == BELAY_OK, "not sent");
    sim_check(belay_join(NULL, victim, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    world_close(ex);
}

/* ---- acknowledged mode ------------------------------------------------------------------------------ */

static belay_status worker_of_items(belay_task *self, void *arg) {
    (void)arg;
    for (;;) {
        uint32_t item = 0;
        belay_lease lease;
        if (stopped(belay_channel_lease(self, channel, &item, &lease))) {
            return BELAY_OK;
        }
        bool back = sim_choose(3) == 0;
        if (!back) {
            tally_add(&received, item);
        }
        sim_check((back ? belay_lease_return(lease) : belay_lease_done(lease)) == BELAY_OK,
                  "the lease had ended");
    }
}

/* Two consumers, one of them cancelled, return some items; join waits for all. */
static void leases(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    open_channel(ex, BELAY_CHANNEL_ACKNOWLEDGED);
    belay_task_handle other;
    sim_check(world_spawn(NULL, root, worker_of_items, NULL, &victim) == BELAY_OK, "refused");
    sim_check(world_spawn(NULL, root, worker_of_items, NULL, &other) == BELAY_OK, "refused");
    port_thread canceller = world_thread(cancel_victim, NULL, "canceller");
    send_some(NULL, low, 3);
    sim_check(belay_channel_join(NULL, channel) == BELAY_OK, "not joined");
    sim_check(tally_read(&sent) == tally_read(&received), "joined too early");
    port_thread_join(&canceller);
    sim_check(belay_channel_close(channel, BELAY_CLOSE_DRAIN) == BELAY_OK, "not closed");
    sim_check(belay_join(NULL, victim, NULL) == BELAY_OK, "not joined");
    sim_check(belay_join(NULL, other, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    sim_check(belay_task_release(other) == BELAY_OK, "not released");
    close_channel();
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"cancel_receiver", reset, cancel_receiver, 2},
    {"cancel_sender", reset, cancel_sender, 2},
    {"close_against_all", reset, close_against_all, 2},
    {"senders_and_close", reset, senders_and_close, 2},
    {"destroy_after_last", reset, destroy_after_last, 2},
    {"leases", reset, leases, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("channel", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

/* Select: one clause takes effect, losers none, whoever comes at the same time. */
#include "scenario.h"

static belay_channel *channel[2];
static belay_task_handle victim;
static tally sent, received, chosen;

static void reset(void) {
    tally_reset(&sent);
    tally_reset(&received);
    tally_reset(&chosen);
}

static void open_channels(belay_executor *ex, size_t capacity) {
    for (int i = 0; i < 2; i++) {
        belay_channel_options o = {
            .capacity = capacity, .element = sizeof(uint32_t), .executor = ex};
        sim_check(belay_channel_create(&o, &channel[i]) == BELAY_OK, "not created");
    }
}

static void close_channels(void) {
    for (int i = 0; i < 2; i++) {
        sim_check(belay_channel_destroy(channel[i]) == BELAY_OK, "somebody waits");
    }
    sim_check(tally_read(&sent) == tally_read(&received), "an item was lost or had twice");
}

/* Receives from both until both are closed. */
static belay_status receive_both(belay_task *self, void *arg) {
    (void)arg;
    bool open[2] = {true, true};
    while (open[0] || open[1]) {
        uint32_t in[2] = {0, 0};
        size_t which = 9;
        belay_clause c[2] = {belay_on_recv(channel[0], &in[0]), belay_on_recv(channel[1], &in[1])};
        for (int i = 0; i < 2; i++) {
            c[i].kind = open[i] ? c[i].kind : (uint32_t)BELAY_CLAUSE_NONE;
        }
        if (belay_select(self, c, 2, 0, &which) == BELAY_ECANCELED) {
            sim_check(in[0] == 0 && in[1] == 0, "touched");
            return BELAY_OK;
        }
        sim_check(which < 2 && in[1 - which] == 0, "two effects");
        open[which] = c[which].status == BELAY_OK;
        tally_add(&received, in[which]);
    }
    return BELAY_OK;
}

static void send_to(uint32_t which, uint32_t n) {
    for (uint32_t i = 1; i <= n; i++) {
        belay_time deadline = belay_after((int64_t)sim_choose(3) * 10000);
        if (belay_channel_send_until(NULL, channel[which], &i, deadline) == BELAY_OK) {
            tally_add(&sent, i);
        }
    }
    sim_check(belay_channel_close(channel[which], BELAY_CLOSE_DRAIN) == BELAY_OK, "not closed");
}

static void send_second(void *arg) {
    (void)arg;
    send_to(1, 3);
}

static void join_victim(void) {
    sim_check(belay_join(NULL, victim, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
}

/* Two senders serve one select at once. */
static void two_sources(void) {
    belay_executor *ex = world_open();
    open_channels(ex, sim_choose(2));
    sim_check(world_spawn(NULL, belay_executor_root(ex), receive_both, NULL, &victim) == BELAY_OK,
              "refused");
    port_thread thread = world_thread(send_second, NULL, "sender");
    send_to(0, 3);
    port_thread_join(&thread);
    join_victim();
    close_channels();
    world_close(ex);
}

static void cancel_victim(void *arg) {
    (void)arg;
    (void)belay_task_cancel(victim, BELAY_ECANCELED, NULL);
}

/* The select is cancelled while a sender may serve it. */
static void cancelled(void) {
    belay_executor *ex = world_open();
    open_channels(ex, 0);
    sim_check(world_spawn(NULL, belay_executor_root(ex), receive_both, NULL, &victim) == BELAY_OK,
              "refused");
    port_thread thread = world_thread(cancel_victim, NULL, "canceller");
    send_to(0, 3);
    port_thread_join(&thread);
    join_victim();
    close_channels();
    world_close(ex);
}

/* Sends on one channel or receives from the other; the partner the other way round. */
static void exchange(belay_task *self, uint32_t own, bool mirrored) {
    uint32_t in = 0, out = own + 1;
    size_t which = 9;
    belay_clause c[2] = {belay_on_send(channel[own], &out), belay_on_recv(channel[1 - own], &in)};
    if (mirrored) {
        c[1] = c[0];
        c[0] = belay_on_recv(channel[1 - own], &in);
    }
    sim_check(belay_select(self, c, 2, 0, &which) == BELAY_OK, "not selected");
    sim_check(c[which].status == BELAY_OK, "another end");
    bool has_sent = c[which].kind == BELAY_CLAUSE_SEND;
    sim_check(has_sent == (in == 0), "two effects");
    tally_add(has_sent ? &sent : &received, has_sent ? out : in);
    tally_add(&chosen, 1);
}

static belay_status exchange_task(belay_task *self, void *arg) {
    (void)arg;
    exchange(self, 1, sim_choose(2) == 0);
    return BELAY_OK;
}

static void two_selects(void) {
    belay_executor *ex = world_open();
    open_channels(ex, 0);
    sim_check(world_spawn(NULL, belay_executor_root(ex), exchange_task, NULL, &victim) == BELAY_OK,
              "refused");
    exchange(NULL, 0, sim_choose(2) == 0);
    join_victim();
    sim_check(tally_read(&chosen) == 2, "not both");
    close_channels();
    world_close(ex);
}

/* Both ends of one rendezvous: each select sends to it and receives from it, and must not meet itself. */
static void both_ends(belay_task *self) {
    uint32_t in = 0, out = 1;
    size_t which = 9;
    belay_clause c[2] = {belay_on_send(channel[0], &out), belay_on_recv(channel[0], &in)};
    sim_check(belay_select(self, c, 2, BELAY_SELECT_FAIR, &which) == BELAY_OK, "not selected");
    sim_check((which == 0) == (in == 0), "two effects");
    tally_add(which == 0 ? &sent : &received, 1);
    tally_add(&chosen, 1);
}

static belay_status both_ends_task(belay_task *self, void *arg) {
    (void)arg;
    both_ends(self);
    return BELAY_OK;
}

static void one_rendezvous(void) {
    belay_executor *ex = world_open();
    belay_scope root = belay_executor_root(ex);
    open_channels(ex, 0);
    for (int i = 0; i < 3; i++) {
        sim_check(world_spawn(NULL, root, both_ends_task, NULL, NULL) == BELAY_OK, "refused");
    }
    both_ends(NULL);
    sim_check(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER) == BELAY_OK, "not drained");
    sim_check(tally_read(&chosen) == 4 && tally_read(&sent) == 2, "not in pairs");
    close_channels();
    world_close(ex);
}

/* A select that only sends meets receivers that only receive, and nobody has a deadline. */
static belay_status send_either(belay_task *self, void *arg) {
    (void)arg;
    for (uint32_t i = 1; i <= 3; i++) {
        size_t which = 9;
        belay_clause c[2] = {belay_on_send(channel[0], &i), belay_on_send(channel[1], &i)};
        sim_check(belay_select(self, c, 2, 0, &which) == BELAY_OK, "not selected");
        sim_check(c[which].status == BELAY_OK, "another end");
        tally_add(&sent, i);
    }
    return BELAY_OK;
}

static void senders_only(void) {
    belay_executor *ex = world_open();
    open_channels(ex, 0);
    sim_check(world_spawn(NULL, belay_executor_root(ex), send_either, NULL, &victim) == BELAY_OK,
              "refused");
    for (int i = 0; i < 3; i++) {
        uint32_t in = 0;
        sim_check(belay_channel_recv(NULL, channel[sim_choose(2)], &in) == BELAY_OK,
                  "not received");
        tally_add(&received, in);
    }
    join_victim();
    close_channels();
    world_close(ex);
}

/* A task's end, a time and a channel at once. */
static belay_status quick(belay_task *self, void *arg) {
    (void)arg;
    return sim_choose(2) == 0 ? belay_sleep_until(self, belay_after(10000)) : BELAY_OK;
}

static void mixed(void) {
    belay_executor *ex = world_open();
    open_channels(ex, 0);
    sim_check(world_spawn(NULL, belay_executor_root(ex), quick, NULL, &victim) == BELAY_OK,
              "refused");
    port_thread thread = world_thread(send_second, NULL, "sender");
    uint32_t in = 0;
    size_t which = 9;
    belay_outcome outcome = {.status = 77};
    belay_clause c[3] = {belay_on_join(victim, &outcome), belay_on_recv(channel[1], &in),
                         belay_on_time(belay_after(10000))};
    sim_check(belay_select(NULL, c, 3, 0, &which) == BELAY_OK, "not selected");
    sim_check((which == 0) == (outcome.status == BELAY_OK), "an outcome was touched, or not");
    sim_check((which == 1 && c[1].status == BELAY_OK) == (in != 0), "an item was taken, or not");
    tally_add(&received, in);
    port_thread_join(&thread);
    join_victim();
    close_channels();
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"two_sources", reset, two_sources, 2},   {"cancelled", reset, cancelled, 2},
    {"two_selects", reset, two_selects, 2},   {"one_rendezvous", reset, one_rendezvous, 2},
    {"senders_only", reset, senders_only, 2}, {"mixed", reset, mixed, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("select", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

/* Select: exactly one clause takes effect, whatever happens at the same time.
 *
 * Tasks and a foreign thread select at random over three channels: each call has a few clauses, in a random order, that
 * send to or receive from them (the same channel may be in it several times, in both directions), sometimes a time or
 * the end of a task. Partners are other such selects and plain calls. Some tasks are cancelled. At the end the channels
 * are drained.
 *
 * Would catch: an item that is taken though its clause lost; two clauses of one call that both take effect; an item
 * lost between two selects that serve each other; a select that meets itself; a deadlock or a livelock of selects that
 * wait for each other; a waiter left linked in a channel. */
#include "common/stress.h"

enum { CHANNELS = 3, PLAYERS = 5, CLAUSES = 5, CALLS = 60 };

typedef struct table {
    belay_channel *ch[CHANNELS];
    belay_task_handle gate;
    uint64_t seeds;
    uint64_t sent_sum, received_sum; /* of items accepted and received */
    uint64_t next;                   /* item */
} table;

static stress_rng own_rng(table *t) {
    return (stress_rng){.state = stress_add(&t->seeds, UINT64_C(0x9e3779b97f4a7c15))};
}

/* The items of one call: each clause has its own place. */
typedef struct call {
    belay_clause clause[CLAUSES];
    uint64_t item[CLAUSES];
    uint32_t count;
} call;

static void fill_clause(table *t, call *c, uint32_t i, stress_rng *rng) {
    belay_channel *ch = t->ch[stress_below(rng, CHANNELS)];
    uint32_t kind = stress_below(rng, 20);
    c->item[i] = 0;
    if (kind == 0) {
        c->clause[i] = belay_on_time(belay_after(stress_below(rng, 3000)));
    } else if (kind == 1) {
        c->clause[i] = belay_on_join(t->gate, NULL);
    } else if (kind % 2 == 0) {
        c->item[i] = stress_add(&t->next, 1) + 1;
        c->clause[i] = belay_on_send(ch, &c->item[i]);
    } else {
        c->clause[i] = belay_on_recv(ch, &c->item[i]);
    }
}

/* Losers kept what they had: receivers nothing, senders their item. */
static void account(table *t, const call *c, size_t which) {
    for (uint32_t i = 0; i < c->count; i++) {
        bool receives = c->clause[i].kind == BELAY_CLAUSE_RECV;
        bool took = i == which && c->clause[i].status == BELAY_OK;
        if (receives) {
            stress_check((c->item[i] != 0) == took, "a receive clause that lost, or took nothing");
        }
        if (took && receives) {
            (void)stress_add(&t->received_sum, c->item[i]);
        } else if (took && c->clause[i].kind == BELAY_CLAUSE_SEND) {
            (void)stress_add(&t->sent_sum, c->item[i]);
        }
    }
}

static belay_status call_once(belay_task *self, table *t, stress_rng *rng) {
    call c = {.count = 1 + stress_below(rng, CLAUSES)};
    for (uint32_t i = 0; i < c.count; i++) {
        fill_clause(t, &c, i, rng);
    }
    size_t which = CLAUSES;
    uint32_t flags = stress_chance(rng, 50) ? BELAY_SELECT_FAIR : 0;
    belay_status status;
    if (stress_chance(rng, 20)) {
        status = belay_try_select(c.clause, c.count, flags, &which);
    } else {
        belay_time deadline = belay_after(stress_below(rng, 20000));
        status = belay_select_until(self, c.clause, c.count, flags, deadline, &which);
    }
    stress_check((status == BELAY_OK) == (which < c.count), "status and index");
    account(t, &c, which);
    return status;
}

static void game(belay_task *self, table *t) {
    stress_rng rng = own_rng(t);
    for (int i = 0; i < CALLS; i++) {
        belay_status status = call_once(self, t, &rng);
        if (status == BELAY_ECANCELED) {
            return;
        }
        stress_check(status == BELAY_OK || status == BELAY_ETIMEDOUT || status == BELAY_EAGAIN,
                     "status of a select");
    }
}

static belay_status player(belay_task *self, void *arg) {
    game(self, arg);
    return BELAY_OK;
}

static belay_status sleeper(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

static void drain(table *t, belay_channel *ch) {
    uint64_t value;
    while (belay_channel_try_recv(ch, &value) == BELAY_OK) {
        (void)stress_add(&t->received_sum, value);
    }
    belay_channel_info info;
    stress_equal(belay_channel_read(ch, &info, sizeof info), BELAY_OK, "read");
    stress_check(info.senders == 0 && info.receivers == 0, "somebody is left");
    stress_equal((int64_t)info.sent, (int64_t)info.received, "items sent and received");
    belay_status status = belay_channel_destroy(ch);
    stress_equal(status, BELAY_OK, "destroy");
}

static void play(stress_driver *d) {
    table t = {.seeds = stress_random(&d->rng)};
    belay_scope root = belay_executor_root(d->executor);
    belay_task_handle task[PLAYERS];
    for (int i = 0; i < CHANNELS; i++) {
        belay_channel_options o = {.capacity = stress_below(&d->rng, 3),
                                   .element = sizeof(uint64_t)};
        stress_equal(belay_channel_create(&o, &t.ch[i]), BELAY_OK, "create");
    }
    stress_equal(stress_spawn(NULL, root, sleeper, NULL, NULL, &t.gate), BELAY_OK, "spawn");
    for (int i = 0; i < PLAYERS; i++) {
        stress_equal(stress_spawn(NULL, root, player, &t, NULL, &task[i]), BELAY_OK, "spawn");
    }
    game(NULL, &t);
    if (stress_chance(&d->rng, 30)) {
        (void)belay_task_cancel(task[0], 3, NULL);
    }
    if (stress_chance(&d->rng, 30)) {
        (void)belay_task_cancel(t.gate, BELAY_OK, NULL);
    }
    for (int i = 0; i < PLAYERS; i++) {
        stress_equal(belay_join(NULL, task[i], NULL), BELAY_OK, "join");
        stress_equal(belay_task_release(task[i]), BELAY_OK, "release");
    }
    (void)belay_task_cancel(t.gate, BELAY_OK, NULL);
    stress_equal(belay_join(NULL, t.gate, NULL), BELAY_OK, "join");
    stress_equal(belay_task_release(t.gate), BELAY_OK, "release");
    for (int i = 0; i < CHANNELS; i++) {
        drain(&t, t.ch[i]);
    }
    stress_equal((int64_t)t.sent_sum, (int64_t)t.received_sum, "sums sent and received");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "select-losers", .drivers = 3, .round = play};
    return stress_main(argc, argv, &plan);
}

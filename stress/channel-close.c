/* Closing a channel against senders and receivers: every item is accounted for, and everybody comes back.
 *
 * Tasks and a foreign thread send numbered items through a channel of random capacity and policy, others receive, with
 * and without deadlines; some are cancelled; at a random moment the channel is closed, in either mode. Each item has a
 * mark that is counted up by whoever gets it: a receiver, the drop hook, or its sender when it was refused. Every third
 * channel is in acknowledged mode, with consumers that return items now and then.
 *
 * Would catch: an item lost or had twice in a race of hand-over, cancel, deadline and close; a waiter that close leaves
 * behind; an item out of its sender's order; a lease that ends twice; a channel that can be destroyed while somebody is
 * in it. */
#include "common/stress.h"

enum { SENDERS = 3, RECEIVERS = 3, ITEMS = 40, PERIOD = 60000 };

typedef struct market {
    belay_channel *ch;
    uint64_t seeds;
    bool leases;
    uint64_t mark[SENDERS][ITEMS]; /* who had it: 1 received, 1 << 8 dropped, 1 << 16 refused */
} market;

typedef struct trader {
    market *m;
    uint32_t number;
} trader;

typedef struct item {
    market *m;
    uint32_t from, number;
} item;

static stress_rng own_rng(market *m) {
    return (stress_rng){.state = stress_add(&m->seeds, UINT64_C(0x9e3779b97f4a7c15))};
}

static void drop_item(void *value, void *arg) {
    item *i = value;
    stress_check(i->m == arg, "the hook's argument");
    (void)stress_add(&i->m->mark[i->from][i->number], 1u << 8);
}

static belay_time some_deadline(stress_rng *rng) {
    return stress_chance(rng, 50) ? BELAY_NEVER : belay_after(stress_below(rng, 4000));
}

static void sell(belay_task *self, const trader *t) {
    market *m = t->m;
    stress_rng rng = own_rng(m);
    for (uint32_t i = 0; i < ITEMS; i++) {
        item it = {m, t->number, i};
        belay_status status = stress_chance(&rng, 20)
                                  ? belay_channel_try_send(m->ch, &it)
                                  : belay_channel_send_until(self, m->ch, &it, some_deadline(&rng));
        stress_check(status == BELAY_OK || status == BELAY_EPIPE || status == BELAY_ETIMEDOUT ||
                         status == BELAY_ECANCELED || status == BELAY_EAGAIN,
                     "status of a send");
        if (status != BELAY_OK) {
            (void)stress_add(&m->mark[t->number][i], 1u << 16);
        }
        if (stress_chance(&rng, 30)) {
            stress_burn(stress_below(&rng, 1000));
        }
    }
}

static belay_status seller(belay_task *self, void *arg) {
    sell(self, arg);
    return BELAY_OK;
}

/* Items that were returned may come again, so order and count are looked at where they are taken for good. */
static void take(market *m, const item *it, int64_t last[SENDERS]) {
    stress_check(it->m == m && it->from < SENDERS && it->number < ITEMS, "a torn item");
    if (!m->leases) {
        stress_check(last[it->from] < (int64_t)it->number, "out of its sender's order");
    }
    last[it->from] = it->number;
    (void)stress_add(&m->mark[it->from][it->number], 1);
}

static belay_status buy_one(belay_task *self, market *m, stress_rng *rng, int64_t last[SENDERS]) {
    item it;
    belay_lease lease;
    belay_time deadline = some_deadline(rng);
    belay_status status = m->leases ? belay_channel_lease_until(self, m->ch, &it, &lease, deadline)
                                    : belay_channel_recv_until(self, m->ch, &it, deadline);
    if (status != BELAY_OK) {
        return status;
    }
    if (m->leases && stress_chance(rng, 25)) {
        stress_equal(belay_lease_return(lease), BELAY_OK, "return");
        return BELAY_OK;
    }
    take(m, &it, last);
    if (m->leases) {
        stress_equal(belay_lease_done(lease), BELAY_OK, "done");
    }
    return BELAY_OK;
}

static void buy(belay_task *self, market *m) {
    stress_rng rng = own_rng(m);
    int64_t last[SENDERS] = {-1, -1, -1};
    belay_status status = BELAY_OK;
    while (status == BELAY_OK || status == BELAY_ETIMEDOUT) {
        status = buy_one(self, m, &rng, last);
    }
    stress_either(status, BELAY_EPIPE, BELAY_ECANCELED, "the end of a receiver");
}

static belay_status buyer(belay_task *self, void *arg) {
    buy(self, arg);
    return BELAY_OK;
}

static void make_channel(market *m, stress_driver *d) {
    m->leases = stress_chance(&d->rng, 33);
    belay_channel_options o = {.capacity = stress_below(&d->rng, 4) + (m->leases ? 1 : 0),
                               .element = sizeof(item),
                               .overflow = (belay_overflow)stress_below(&d->rng, m->leases ? 2 : 4),
                               .flags = m->leases ? BELAY_CHANNEL_ACKNOWLEDGED : 0,
                               .drop = drop_item,
                               .drop_arg = m,
                               .executor = stress_chance(&d->rng, 50) ? d->executor : NULL};
    stress_equal(belay_channel_create(&o, &m->ch), BELAY_OK, "create");
}

static void check_items(const market *m) {
    for (int s = 0; s < SENDERS; s++) {
        for (int i = 0; i < ITEMS; i++) {
            uint64_t mark = stress_get(&m->mark[s][i]);
            stress_check(mark == 1 || mark == 1u << 8 || mark == 1u << 16,
                         "an item was lost, or had twice");
        }
    }
}

static void destroy_channel(belay_channel *ch) {
    belay_status status = belay_channel_destroy(ch);
    while (status == BELAY_EBUSY) { /* the watchdog bounds this */
        status = belay_channel_destroy(ch);
    }
    stress_equal(status, BELAY_OK, "destroy");
}

static void play(stress_driver *d) {
    market m = {.seeds = stress_random(&d->rng)};
    make_channel(&m, d);
    trader traders[SENDERS];
    belay_task_handle task[SENDERS + RECEIVERS];
    belay_scope root = belay_executor_root(d->executor);
    uint32_t count = 0;
    for (uint32_t i = 0; i < SENDERS; i++) {
        traders[i] = (trader){&m, i};
    }
    for (uint32_t i = 0; i < SENDERS - 1; i++) {
        stress_equal(stress_spawn(NULL, root, seller, &traders[i], NULL, &task[count++]), BELAY_OK,
                     "spawn");
    }
    for (uint32_t i = 0; i < RECEIVERS; i++) {
        stress_equal(stress_spawn(NULL, root, buyer, &m, NULL, &task[count++]), BELAY_OK, "spawn");
    }
    bool cancels = stress_chance(&d->rng, 40);
    bool sells = stress_chance(&d->rng, 50);
    if (sells) {
        sell(NULL, &traders[SENDERS - 1]);
    }
    stress_burn(stress_below(&d->rng, PERIOD));
    /* One that was skipped has refused nothing: so cancel only receivers, the last one never. */
    if (cancels) {
        (void)belay_task_cancel(task[SENDERS - 1], 3, "a receiver less");
    }
    belay_close_mode mode = stress_chance(&d->rng, 50) ? BELAY_CLOSE_DRAIN : BELAY_CLOSE_NOW;
    stress_equal(belay_channel_close(m.ch, mode), BELAY_OK, "close");
    for (uint32_t i = 0; i < count; i++) {
        stress_equal(belay_join(NULL, task[i], NULL), BELAY_OK, "join");
        stress_equal(belay_task_release(task[i]), BELAY_OK, "release");
    }
    for (uint32_t i = 0; i < ITEMS && !sells; i++) {
        m.mark[SENDERS - 1][i] = 1;
    }
    destroy_channel(m.ch);
    check_items(&m);
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "channel-close", .drivers = 3, .round = play};
    return stress_main(argc, argv, &plan);
}

/* Readiness against cancel against deadline against close, on numbers that are used again and again.
 *
 * Several tasks wait for their ends of a few socket pairs, with and without deadlines, while the driver writes, reads,
 * cancels some of them, and replaces pairs: it hangs up, waits until nobody uses the pair, closes it, and opens
 * another, which gets the same numbers, of which some are still armed from waits that timed out or were cancelled. At
 * the end everybody waits once more for what will never be ready, and the driver closes under them. Tasks compute now
 * and then, so that the worker in the poller changes.
 *
 * Would catch: a wake that is lost (a hang: each pair is hung up or closed in the end); a wake without readiness,
 * before its deadline, or from the former file of a number (in the last wait everybody must hear of the close); a
 * refusal without a cancel; a waiter's node used after it has left. */
#include "common/stress.h"

#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 8, SILENT = 4, WAITERS = 24, STEPS = 100 };

/* `word` is 2 * users, and odd while the pair is being replaced: then nobody may begin to use it. */
typedef struct pair {
    uint64_t word;
    int fd;   /* the waiters' end; changed by the driver while nobody uses it */
    int peer; /* the driver's */
} pair;

typedef struct game {
    pair pairs[PAIRS];
    pair silent[SILENT]; /* never ready: for the last wait */
    uint64_t seeds;
    uint64_t last;   /* from now on: the last wait */
    uint64_t ending; /* who has come to the last wait, */
    uint64_t told;   /* and has left it */
} game;

static void open_pair(pair *p) {
    int both[2];
    stress_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both), 0,
                 "socketpair");
    p->fd = both[0];
    p->peer = both[1];
}

static bool enter(pair *p) {
    if ((__atomic_fetch_add(&p->word, 2, __ATOMIC_ACQ_REL) & 1) == 0) {
        return true;
    }
    (void)__atomic_fetch_sub(&p->word, 2, __ATOMIC_ACQ_REL);
    return false;
}

static void leave(pair *p) {
    (void)__atomic_fetch_sub(&p->word, 2, __ATOMIC_ACQ_REL);
}

static void replace(pair *p) {
    (void)__atomic_fetch_or(&p->word, 1, __ATOMIC_ACQ_REL);
    stress_equal(shutdown(p->peer, SHUT_RDWR), 0, "shutdown");
    while (__atomic_load_n(&p->word, __ATOMIC_ACQUIRE) != 1) {
        (void)sched_yield();
    }
    (void)close(p->peer); /* in the plain way: nobody waits */
    stress_equal(belay_fd_close(p->fd), BELAY_OK, "fd_close");
    open_pair(p);
    (void)__atomic_fetch_and(&p->word, ~UINT64_C(1), __ATOMIC_ACQ_REL);
}

/* One wait: every status must have a cause. */
static void wait_once(belay_task *self, const pair *p, stress_rng *rng) {
    uint32_t interest = stress_chance(rng, 80) ? BELAY_FD_READ : BELAY_FD_HANGUP;
    bool timed = stress_chance(rng, 50);
    belay_time deadline = timed ? belay_after(stress_below(rng, 300000)) : BELAY_NEVER;
    uint32_t ready = 0;
    belay_status status = belay_wait_fd_until(self, p->fd, interest, deadline, &ready);
    if (status == BELAY_OK) {
        stress_check((ready & interest) != 0, "ready for nothing");
    } else if (status == BELAY_ETIMEDOUT) {
        stress_check(timed && belay_now() >= deadline, "timed out without or before a deadline");
    } else {
        stress_equal(status, BELAY_ECANCELED, "wait_fd");
        stress_check(belay_canceled(self), "refused, and not cancelled");
    }
}

static belay_status waiter(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = {.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
    while (!stress_is_set(&g->last) && !belay_canceled(self)) {
        pair *p = &g->pairs[stress_below(&rng, PAIRS)];
        if (enter(p)) {
            wait_once(self, p, &rng);
            leave(p);
        }
        if (stress_chance(&rng, 20)) {
            stress_burn(stress_below(&rng, 100000));
        }
        (void)belay_yield(self);
    }
    (void)stress_add(&g->ending, 1);
    uint32_t last = stress_below(&rng, SILENT);
    belay_status status = belay_wait_fd(self, g->silent[last].fd, BELAY_FD_READ, NULL);
    stress_equal(status, belay_canceled(self) ? BELAY_ECANCELED : BELAY_EBADF, "the last wait");
    (void)stress_add(&g->told, 1);
    return belay_canceled(self) ? BELAY_ECANCELED : BELAY_OK;
}

static void meddle(game *g, stress_rng *rng) {
    pair *p = &g->pairs[stress_below(rng, PAIRS)];
    char bytes[64];
    switch (stress_below(rng, 4)) {
    case 0:
        (void)!write(p->peer, "x", 1);
        break;
    case 1:
        (void)!read(p->fd, bytes, sizeof bytes);
        break;
    default:
        replace(p);
        break;
    }
}

/* All are in the last wait, or have left it. */
static void await_last_waits(belay_executor *ex, game *g) {
    while (stress_get(&g->ending) < WAITERS) {
        (void)sched_yield();
    }
    for (;;) {
        belay_task_info infos[WAITERS];
        size_t count = 0, waiting = 0;
        stress_equal(belay_snapshot(ex, infos, WAITERS, &count), BELAY_OK, "snapshot");
        for (size_t i = 0; i < count && i < WAITERS; i++) {
            waiting +=
                infos[i].waiting_on != NULL && strcmp(infos[i].waiting_on, "descriptor") == 0;
        }
        if (waiting + stress_get(&g->told) >= WAITERS) {
            return;
        }
        (void)sched_yield();
    }
}

static void play(stress_driver *d) {
    game g = {.seeds = stress_random(&d->rng)};
    belay_task_handle tasks[WAITERS];
    for (uint32_t i = 0; i < PAIRS; i++) {
        open_pair(&g.pairs[i]);
    }
    for (uint32_t i = 0; i < SILENT; i++) {
        open_pair(&g.silent[i]);
    }
    for (uint32_t i = 0; i < WAITERS; i++) {
        stress_how how = {.flags = BELAY_TASK_RUN_CANCELED};
        stress_equal(
            stress_spawn(NULL, belay_executor_root(d->executor), waiter, &g, &how, &tasks[i]),
            BELAY_OK, "spawn");
    }
    for (uint32_t i = 0; i < STEPS; i++) {
        meddle(&g, &d->rng);
        if (stress_chance(&d->rng, 5)) {
            (void)belay_task_cancel(tasks[stress_below(&d->rng, WAITERS)], BELAY_ECANCELED,
                                    "the test");
        }
        stress_burn(stress_below(&d->rng, 50000));
    }
    stress_set(&g.last);
    for (uint32_t i = 0; i < PAIRS; i++) {
        (void)__atomic_fetch_or(&g.pairs[i].word, 1, __ATOMIC_ACQ_REL);
        stress_equal(shutdown(g.pairs[i].peer, SHUT_RDWR), 0, "shutdown");
    }
    await_last_waits(d->executor, &g);
    for (uint32_t i = 0; i < SILENT; i++) {
        stress_equal(belay_fd_close(g.silent[i].fd), BELAY_OK, "fd_close");
        (void)close(g.silent[i].peer);
    }
    for (uint32_t i = 0; i < WAITERS; i++) {
        stress_equal(belay_join(NULL, tasks[i], NULL), BELAY_OK, "join");
        stress_equal(belay_task_release(tasks[i]), BELAY_OK, "release");
    }
    for (uint32_t i = 0; i < PAIRS; i++) {
        (void)close(g.pairs[i].fd);
        (void)close(g.pairs[i].peer);
    }
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "fd-cancel", .drivers = 1, .round = play};
    return stress_main(argc, argv, &plan);
}

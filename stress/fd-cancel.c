/* Readiness against cancel against deadline against close, on numbers that are used again and again.
 *
 * Several tasks wait for the two ends of a few socket pairs, with and without deadlines, while a driver writes, reads,
 * cancels some of them, closes descriptors under them, and opens new pairs, whose numbers are those just closed. Two drivers
 * share the numbers, and tasks may wait for one that by then is another's: any status with a cause is right. Tasks compute
 * now and then, so that the worker in the poller changes.
 *
 * Would catch: a wake that is lost (a hang: each round ends with every descriptor closed or ready, and must end); a wake
 * without readiness or before its deadline; a refusal without a cancel; a waiter's node used after it has left. */
#include "common/stress.h"

#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 8, WAITERS = 24, ROUNDS = 12 };

typedef struct game {
    int fd[PAIRS];   /* the waiters' ends, written by the driver; */
    int peer[PAIRS]; /* the driver's */
    uint64_t seeds;
    uint64_t over; /* everything is closed */
} game;

static void open_pair(game *g, uint32_t i) {
    int both[2];
    stress_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both), 0,
                 "socketpair");
    g->peer[i] = both[1];
    __atomic_store_n(&g->fd[i], both[0], __ATOMIC_RELEASE);
}

/* One wait: every status must have a cause. */
static void wait_once(belay_task *self, game *g, stress_rng *rng) {
    uint32_t i = stress_below(rng, PAIRS);
    int fd = __atomic_load_n(&g->fd[i], __ATOMIC_ACQUIRE);
    uint32_t interest = stress_chance(rng, 80) ? BELAY_FD_READ : BELAY_FD_HANGUP;
    bool timed = stress_chance(rng, 50);
    belay_time deadline = timed ? belay_after(stress_below(rng, 300000)) : BELAY_NEVER;
    uint32_t ready = 0;
    switch (belay_wait_fd_until(self, fd, interest, deadline, &ready)) {
    case BELAY_OK:
        stress_check((ready & (interest | BELAY_FD_HANGUP | BELAY_FD_ERROR)) != 0,
                     "ready for nothing");
        break;
    case BELAY_ETIMEDOUT:
        stress_check(timed && belay_now() >= deadline, "timed out without or before a deadline");
        break;
    case BELAY_ECANCELED:
        stress_check(belay_canceled(self), "refused, and not cancelled");
        break;
    case BELAY_EBADF:
        break; /* closed by the driver */
    default:
        stress_fail("wait_fd", 0, 0);
    }
}

static belay_status waiter(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = {.state = stress_add(&g->seeds, UINT64_C(0x9e3779b97f4a7c15))};
    while (!stress_is_set(&g->over) && !belay_canceled(self)) {
        wait_once(self, g, &rng);
        if (stress_chance(&rng, 20)) {
            stress_burn(stress_below(&rng, 100000));
        }
        (void)belay_yield(self);
    }
    return belay_canceled(self) ? BELAY_ECANCELED : BELAY_OK;
}

static void close_under_waiters(game *g, uint32_t i) {
    stress_equal(belay_fd_close(g->fd[i]), BELAY_OK, "fd_close");
    stress_equal(belay_fd_close(g->peer[i]), BELAY_OK, "fd_close");
}

static void meddle(game *g, stress_rng *rng) {
    uint32_t i = stress_below(rng, PAIRS);
    char bytes[64];
    switch (stress_below(rng, 4)) {
    case 0:
        (void)!write(g->peer[i], "x", 1);
        break;
    case 1:
        (void)!read(g->fd[i], bytes, sizeof bytes);
        break;
    case 2:
        close_under_waiters(g, i);
        open_pair(g, i);
        break;
    default:
        (void)shutdown(g->peer[i], SHUT_WR);
        close_under_waiters(g, i);
        open_pair(g, i);
        break;
    }
}

static void play(stress_driver *d) {
    game g = {.seeds = stress_random(&d->rng)};
    belay_task_handle tasks[WAITERS];
    for (uint32_t i = 0; i < PAIRS; i++) {
        open_pair(&g, i);
    }
    for (uint32_t i = 0; i < WAITERS; i++) {
        stress_equal(
            stress_spawn(NULL, belay_executor_root(d->executor), waiter, &g, NULL, &tasks[i]),
            BELAY_OK, "spawn");
    }
    for (uint32_t i = 0; i < ROUNDS * PAIRS; i++) {
        meddle(&g, &d->rng);
        if (stress_chance(&d->rng, 5)) {
            (void)belay_task_cancel(tasks[stress_below(&d->rng, WAITERS)], BELAY_ECANCELED,
                                    "the test");
        }
        stress_burn(stress_below(&d->rng, 50000));
    }
    stress_set(&g.over);
    for (uint32_t i = 0; i < PAIRS; i++) {
        close_under_waiters(&g, i);
    }
    for (uint32_t i = 0; i < WAITERS; i++) {
        belay_outcome outcome;
        stress_equal(belay_join(NULL, tasks[i], &outcome), BELAY_OK, "join");
        stress_equal(belay_task_release(tasks[i]), BELAY_OK, "release");
    }
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "fd-cancel", .drivers = 2, .round = play};
    return stress_main(argc, argv, &plan);
}

/* What the scheduler asks of the floors above it: timers and descriptors, spare threads, and what the monitor
 * looks after. */
#include "threads.h"

static bool poll_timers(worker *w) {
    if (wheel_next(w->wheel) == PORT_NEVER) {
        return false;
    }
    int64_t now = port_clock_now();
    if (wheel_next(w->wheel) > now) {
        return false;
    }
    uint32_t fired = wheel_poll(w->wheel, now);
    count_own(&w->count, COUNT_TIMERS, fired);
    return fired != 0;
}

static bool driver_poll(worker *w) {
    bool fired = poll_timers(w);
    fd_table *fds = &executor_of_sched(w->sched)->fds;
    return (unlikely(fd_wanted(fds)) && fd_poll(fds)) || fired;
}

static bool driver_sleep(worker *w, uint32_t seen, int64_t deadline) {
    fd_table *fds = &executor_of_sched(w->sched)->fds;
    return unlikely(fd_wanted(fds)) && fd_sleep(fds, w, seen, deadline);
}

static void driver_arrived(worker *w) {
    fd_arrived(&executor_of_sched(w->sched)->fds);
}

static void driver_ring(sched *s) {
    port_poller_wake(&executor_of_sched(s)->fds.poller);
}

static int64_t driver_deadline(worker *w) {
    return wheel_next(w->wheel);
}

static void driver_busy(sched *s, bool wanted) {
    monitor *m = &executor_of_sched(s)->monitor;
    if (wanted && load_relaxed(&m->wanted) == 0) { /* relaxed: only ever set */
        store_relaxed(&m->wanted, 1u);
    }
    monitor_busy(m);
}

const driver executor_driver = {.poll = driver_poll,
                                .deadline = driver_deadline,
                                .busy = driver_busy,
                                .sleep = driver_sleep,
                                .arrived = driver_arrived,
                                .ring = driver_ring,
                                .hire = threads_hire};

int64_t upcall_tend(sched *s, int64_t now) {
    return stack_pool_age(executor_of_sched(s)->fibers.stacks, now);
}

bool upcall_untended(const sched *s) {
    return stack_pool_ages(executor_of_sched((sched *)s)->fibers.stacks);
}

void upcall_stalled(worker *w, int64_t held) {
    belay_task *t = load_relaxed(
        &w->task); /* relaxed, all: the record is type-stable, its strings are constants */
    if (t == NULL) {
        return;
    }
    const char *name = load_relaxed(&t->name);
    const char *site = load_relaxed(&t->site);
    options_log(&executor_of_sched(w->sched)->opt, BELAY_LOG_WARNING,
                "belay: task %s (%s) has held worker %u for %lld ms without a yield point",
                name != NULL ? name : "-", site != NULL ? site : "-", (unsigned)w->index,
                (long long)(held / 1000000));
}

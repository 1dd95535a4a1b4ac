/* Who polls: the role, and the worker that sleeps in the poller. See docs/protocols/fd.md. */
#include "event/fd.h"

enum { ROLE_SPINS = 256 };

static bool role_take(fd_table *t, fd_role role) {
    uint32_t none = FD_FREE;
    return cas_acquire(&t->role, &none, (uint32_t)role); /* pairs with role_leave: the events */
}

static void role_leave(fd_table *t) {
    store_release(&t->role, FD_FREE); /* pairs with role_take */
}

static bool deliver_all(fd_table *t) {
    uint32_t n = t->fetched;
    t->fetched = 0;
    for (uint32_t i = 0; i < n; i++) {
        fd_deliver(t, &t->events[i]);
    }
    return n != 0;
}

bool fd_poll(fd_table *t) {
    /* relaxed: a look that spares the swap; somebody polls if it is not free */
    if (load_relaxed(&t->role) != FD_FREE || !role_take(t, FD_POLLING)) {
        return false;
    }
    t->fetched = port_poller_wait(&t->poller, t->events, FD_EVENTS, 0);
    bool any = deliver_all(t);
    role_leave(t);
    return any;
}

/* Who is POLLING lets go soon. */
static bool take_to_sleep(fd_table *t) {
    for (uint32_t i = 0; i < ROLE_SPINS; i++) {
        if (role_take(t, FD_ASLEEP)) {
            return true;
        }
        if (load_relaxed(&t->role) ==
            FD_ASLEEP) { /* relaxed: who is there will look before it goes */
            return false;
        }
        port_cpu_relax();
    }
    return false;
}

bool fd_sleep(fd_table *t, worker *w, uint32_t seen, int64_t deadline) {
    if (!take_to_sleep(t)) {
        return false;
    }
    store_release(&w->in_poller, 1u); /* pairs with the waker in sched/idle.c: the poller is open */
    port_fence_light(true);           /* a full one: pairs with the waker's in sched/idle.c */
    if (ck_ec32_value(&w->ec) == seen) {
        t->fetched = port_poller_wait(&t->poller, t->events, FD_EVENTS, deadline);
    }
    store_relaxed(&w->in_poller, 0u); /* relaxed: a late wake makes one later wait short */
    return true;
}

void fd_arrived(fd_table *t) {
    (void)deliver_all(t);
    role_leave(t);
}

bool fd_look_after(fd_table *t) {
    if (!fd_wanted(t)) {
        return true;
    }
    (void)fd_poll(t);
    if (load_relaxed(&t->role) == FD_ASLEEP) { /* relaxed: looked at again in the next round */
        return true;
    }
    sched_rouse(t->sched);
    return false;
}

/* The count of a scope against the one who waits for zero: private count at home, shared count from
 * elsewhere, the bias taken off by a closer on a foreign thread, outsiders refused. No worker loop
 * runs: three virtual threads act as the home worker, another worker, and the closer. */
#include <string.h>

#include "scenario.h"

enum { ROUNDS = 4 };

static bench world;
static scope node;
static atomic_u32 alive;   /* members that have entered and not left; what the count stands for */
static atomic_u32 handed;  /* of the home worker's members, those that end elsewhere */
static atomic_u32 closing; /* outsiders are refused from now on */
static atomic_u32 dead;    /* the scope was freed */
static uint32_t life;      /* the generation that is open; written while nobody else is inside */

static void reset(void) {
    memset(&node, 0, sizeof node);
    life = 1;
    store_relaxed(&alive, 0u); /* relaxed, all: outside a run */
    store_relaxed(&handed, 0u);
    store_relaxed(&closing, 0u);
    store_relaxed(&dead, 0u);
}

static void never_run(worker *w, runnable *r) {
    (void)w;
    (void)r;
    sim_fail("no worker thread runs here");
}

/* A scope whose home is worker 0. */
static void open_scope(void) {
    bench_open(&world, 2, never_run);
    node.executor = world.executor;
    list_init(&node.waiters);
    list_init(&node.takers);
    list_init(&node.children);
    count_born(&node, 1);
}

static belay_status enter(worker *w, bool member) {
    belay_status status = count_enter(w, &node, life, member);
    if (status == BELAY_OK) {
        fetch_add_seq_cst(&alive, 1u); /* seq_cst: a check compares it */
        sim_check(load_seq_cst(&dead) == 0, "entered a scope that was closed");
    }
    return status;
}

static void leave(worker *w) {
    sim_check(load_seq_cst(&dead) == 0, "closed with a member alive");
    fetch_sub_seq_cst(&alive, 1u); /* seq_cst: as above */
    count_leave(w, &node);
}

/* A member spawns members: some end here, some elsewhere; then it ends itself. */
static void at_home(void *arg) {
    (void)arg;
    worker *w = &world.sched->workers[0];
    port_current_set(w);
    for (int i = 0; i < ROUNDS; i++) {
        sim_check(enter(w, true) == BELAY_OK, "a member was refused");
        if (i % 2 == 0) {
            leave(w);
        } else {
            fetch_add_seq_cst(&handed, 1u); /* seq_cst: it must be there before it can end */
        }
    }
    leave(w);
    port_current_set(NULL);
}

/* Ends what the home worker hands over: as a worker loop does, puts endings off while there is another member to
 * run. */
static void elsewhere(void *arg) {
    (void)arg;
    worker *w = &world.sched->workers[1];
    port_current_set(w);
    for (int i = 0; i < ROUNDS / 2;) {
        uint32_t n = load_seq_cst(&handed);
        if (n != 0) {
            fetch_sub_seq_cst(&handed, 1u); /* seq_cst: only this thread lowers it */
            sim_check(load_seq_cst(&dead) == 0, "closed with a member alive");
            fetch_sub_seq_cst(&alive, 1u); /* seq_cst: as in leave */
            count_leave_later(w, &node);
            i++;
        } else {
            loop_settle(w);
            port_thread_yield();
        }
    }
    loop_settle(w);
    port_current_set(NULL);
}

/* What close does, on a foreign thread. */
static void drain(void) {
    lock_take(&node.lock);
    (void)count_close(&node);
    store_seq_cst(&closing, 1u); /* seq_cst: outsiders compare it */
    do {
        while (count_watch(&node)) {
            waiter w;
            waiter_init(&w, NULL, true);
            list_append(&node.waiters, &w.arm.link);
            lock_release(&node.lock);
            sim_check(waiter_block(&w, PORT_NEVER, WAIT_FOR_CLOSE) == WAIT_OK, "not woken");
            lock_take(&node.lock);
            list_remove(&w.arm.link);
        }
    } while (!count_kill(&node));
    sim_check(list_empty(&node.waiters), "closed with somebody left to be woken");
    sim_check(load_seq_cst(&alive) == 0, "closed with a member alive");
    store_seq_cst(&dead, 1u); /* seq_cst: entering checks it */
    lock_release(&node.lock);
}

/* Waits for zero without closing, with or without a deadline. */
static void wait_zero(void *arg) {
    (void)arg;
    lock_take(&node.lock);
    if (count_is(&node, 1) && count_watch(&node)) {
        waiter w;
        waiter_init(&w, NULL, false);
        list_append(&node.waiters, &w.arm.link);
        lock_release(&node.lock);
        int64_t deadline = sim_choose(2) == 0 ? PORT_NEVER : port_clock_now() + 3000;
        (void)waiter_block(&w, deadline, WAIT_FOR_SCOPE);
        lock_take(&node.lock);
        list_remove(&w.arm.link);
    }
    lock_release(&node.lock);
}

/* An outsider is refused once the scope is closing. */
static void outsider(void *arg) {
    (void)arg;
    for (int i = 0; i < 2; i++) {
        bool refused = load_seq_cst(&closing) != 0;
        belay_status status = enter(NULL, false);
        if (status == BELAY_OK) {
            sim_check(!refused, "a closing scope accepts from outside");
            leave(NULL);
        } else {
            sim_check(status == BELAY_ESHUTDOWN || status == BELAY_ESTALE, "another refusal");
        }
    }
}

/* Pins by generation, as calls by handle do. */
static void pinner(void *arg) {
    (void)arg;
    for (int i = 0; i < 30 && count_pin(&node, 1); i++) {
        sim_check(load_seq_cst(&dead) == 0, "pinned a scope that was closed");
        count_leave(NULL, &node);
    }
}

static void close_beside(void (*extra)(void *arg)) {
    open_scope();
    port_current_set(&world.sched->workers[0]);
    sim_check(enter(&world.sched->workers[0], true) == BELAY_OK, "refused"); /* at_home's own */
    port_current_set(NULL);
    port_thread thread[3];
    thread[0] = world_thread(at_home, NULL, "home");
    thread[1] = world_thread(elsewhere, NULL, "elsewhere");
    if (extra != NULL) {
        thread[2] = world_thread(extra, NULL, "extra");
    }
    drain();
    for (int i = 0; i < (extra != NULL ? 3 : 2); i++) {
        port_thread_join(&thread[i]);
    }
    bench_close(&world);
}

static void close_members(void) {
    close_beside(NULL);
}

static void close_outsider(void) {
    close_beside(outsider);
}

static void close_waiter(void) {
    close_beside(wait_zero);
}

static void close_pinner(void) {
    close_beside(pinner);
}

/* In the second life: is told of zero when its member has left, and not by somebody who is late from the first. */
static void wait_second(void *arg) {
    (void)arg;
    lock_take(&node.lock);
    wait_word result = WAIT_OK;
    if (count_is(&node, 2) && count_watch(&node)) {
        waiter w;
        waiter_init(&w, NULL, false);
        list_append(&node.waiters, &w.arm.link);
        lock_release(&node.lock);
        result = waiter_block(&w, PORT_NEVER, WAIT_FOR_SCOPE);
        lock_take(&node.lock);
        list_remove(&w.arm.link);
    }
    lock_release(&node.lock);
    sim_check(result == WAIT_OK && load_seq_cst(&alive) == 0, "told too early");
}

static void leave_later(void *arg) {
    (void)arg;
    leave(NULL);
}

/* The slot is used again at once: nobody from the first life may still be on its way to the
 * waiters. */
static void second_life(void) {
    open_scope();
    port_current_set(&world.sched->workers[0]);
    sim_check(enter(&world.sched->workers[0], true) == BELAY_OK, "refused");
    port_current_set(NULL);
    port_thread thread[5];
    thread[0] = world_thread(leave_later, NULL, "first");
    thread[1] = world_thread(wait_zero, NULL, "waiter");
    thread[4] = world_thread(pinner, NULL, "pinner"); /* brings it to zero once more */
    drain();
    life = 2;
    store_seq_cst(&dead, 0u); /* seq_cst: entering checks it */
    count_born(&node, 0);
    sim_check(enter(NULL, true) == BELAY_OK, "refused");
    thread[2] = world_thread(wait_second, NULL, "waiter");
    thread[3] = world_thread(leave_later, NULL, "second");
    drain();
    for (int i = 0; i < 5; i++) {
        port_thread_join(&thread[i]);
    }
    bench_close(&world);
}

static const scenario list_of_scenarios[] = {
    {"members", reset, close_members, 1},   {"outsider", reset, close_outsider, 1},
    {"waiter", reset, close_waiter, 1},     {"pinner", reset, close_pinner, 1},
    {"second_life", reset, second_life, 1},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("count", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

/* The protocols at their smallest: a few operations by two or three threads, so that every schedule with
 * up to a few preemptions can be run (sim_scenarios --scheduler exhaustive small). No worker loop runs
 * but in `park`. What they check is what the larger scenarios of the same name check. */
#include <string.h>

#include "scenario.h"

static bench world;

static void never_run(worker *w, runnable *r) {
    (void)w;
    (void)r;
    sim_fail("no worker thread runs here");
}

/* ---- the run queue: a claim against a steal --------------------------------------------------- */

enum { ITEMS = 3 };

static runq queue;
static runnable items[ITEMS];
static uint32_t had[ITEMS]; /* plain: the simulator switches at its own steps only */

static void take(runnable *const *got, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        sim_check(had[got[i] - items]++ == 0, "had twice");
    }
}

static void steal(void *arg) {
    (void)arg;
    runnable *got[RUNQ_STEAL];
    take(got, runq_steal(&queue, got));
}

static void deque(void) {
    memset(had, 0, sizeof had);
    sim_check(runq_init(&queue, allocator_default()), "no memory");
    port_thread thief = world_thread(steal, NULL, "thief");
    runnable *got[RUNQ_CLAIM];
    for (uint32_t i = 0; i < ITEMS; i++) {
        sim_check(runq_push(&queue, &items[i]), "full");
    }
    for (uint32_t n = 1; n != 0;) {
        n = runq_claim(&queue, got);
        take(got, n);
    }
    port_thread_join(&thief);
    for (uint32_t i = 0; i < ITEMS; i++) {
        sim_check(had[i] == 1, "lost");
    }
    runq_fini(&queue);
}

/* ---- parking: a worker against an injection --------------------------------------------------- */

static tally ran;

static void run_one(worker *w, runnable *r) {
    (void)w;
    (void)r;
    tally_add(&ran, 1);
}

static void park(void) {
    tally_reset(&ran);
    bench_open(&world, 1, run_one);
    bench_start(&world, 1);
    sched_inject(world.sched, &items[0]);
    tally_wait(&ran, 1);
    bench_close(&world);
}

/* ---- the wait word: two who would end a wait, and its deadline --------------------------------- */

static lock guard;
static list line;
static uint32_t claims; /* plain, as above */

static void wake_first(void *arg) {
    (void)arg;
    lock_take(&guard);
    if (!list_empty(&line)) {
        claims += arm_wake((arm *)(void *)line.next);
    }
    lock_release(&guard);
}

/* Ended once, by one of them; a waker who came in vain knows. */
static void wait_ended(void) {
    lock_init(&guard);
    list_init(&line);
    claims = 0;
    waiter w;
    waiter_init(&w, NULL, false);
    list_append(&line, &w.arm.link);
    port_thread first = world_thread(wake_first, NULL, "first");
    port_thread second = world_thread(wake_first, NULL, "second");
    wait_word end = waiter_block(&w, sim_choose(2) == 0 ? PORT_NEVER : 1, WAIT_FOR_JOIN);
    lock_take(&guard);
    list_remove(&w.arm.link);
    lock_release(&guard);
    port_thread_join(&first);
    port_thread_join(&second);
    sim_check(end == (claims != 0 ? WAIT_OK : WAIT_TIMEDOUT), "the waiter and the waker disagree");
    sim_check(claims <= 1, "ended twice");
}

/* ---- a task's words: parking, a cancel, and the end of what it waits for ------------------------- */

static belay_task task;
static uint32_t resumed; /* who has made it runnable; plain, as above */

static void cancel_it(void *arg) {
    (void)arg;
    bool parked;
    (void)exchange_seq_cst(&task.cancel, 1u); /* before the wait word: pairs with park_it */
    resumed += wait_claim(&task.wait, WAIT_CANCELED, &parked) && parked;
}

static void finish_it(void *arg) {
    (void)arg;
    bool parked;
    resumed += wait_claim(&task.wait, WAIT_OK, &parked) && parked;
}

/* What its worker does: parks, and looks for a cancel that came before. */
static void park_it(void *arg) {
    (void)arg;
    uint32_t parked = wait_park_unstarted(&task);
    if (load_relaxed(&task.cancel) != 0) { /* relaxed: after the swap, as in wait.c */
        resumed += wait_take_back(&task, parked, WAIT_CANCELED);
    }
}

static void beside_parking(void (*one)(void *arg), void (*two)(void *arg)) {
    memset(&task, 0, sizeof task);
    resumed = 0;
    port_thread first = world_thread(one, NULL, "first");
    park_it(NULL);
    if (two != NULL) {
        two(NULL);
    }
    port_thread_join(&first);
    sim_check(resumed == 1, "not resumed once");
}

/* A cancel that comes at any time ends the wait. */
static void cancel_park(void) {
    beside_parking(cancel_it, NULL);
}

/* The end of what it waits for comes after parking; the cancel at any time. */
static void cancel_finish(void) {
    beside_parking(cancel_it, finish_it);
}

/* ---- the count of a scope: the last leave against the closer ----------------------------------- */

static scope node;
static bool closed; /* plain, as above */

static void open_scope(void) {
    memset(&node, 0, sizeof node);
    closed = false;
    bench_open(&world, 2, never_run);
    node.executor = world.executor;
    list_init(&node.waiters);
    list_init(&node.takers);
    list_init(&node.children);
    count_born(&node, 1);
}

static void drain(void) {
    lock_take(&node.lock);
    (void)count_close(&node);
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
    closed = true;
    lock_release(&node.lock);
}

static void leave_at_home(void *arg) {
    port_current_set(&world.sched->workers[0]);
    sim_check(!closed, "closed with a member inside");
    count_leave(&world.sched->workers[0], &node);
    port_current_set(NULL);
    (void)arg;
}

static void leave_abroad(void *arg) {
    (void)arg;
    sim_check(!closed, "closed with a member inside");
    count_leave(NULL, &node);
}

static void enter_one(worker *w) {
    port_current_set(w);
    sim_check(count_enter(w, &node, 1, true) == BELAY_OK, "a member was refused");
    port_current_set(NULL);
}

static void last_leave(void) {
    open_scope();
    enter_one(&world.sched->workers[0]);
    port_thread home = world_thread(leave_at_home, NULL, "home");
    drain();
    port_thread_join(&home);
    bench_close(&world);
}

static void last_leave_abroad(void) {
    open_scope();
    enter_one(&world.sched->workers[0]);
    port_thread abroad = world_thread(leave_abroad, NULL, "abroad");
    drain();
    port_thread_join(&abroad);
    bench_close(&world);
}

/* ---- a pin by handle against the end of the slot's life ----------------------------------------- */

static uint32_t life; /* plain, as above */

static void pin(void *arg) {
    (void)arg;
    if (count_pin(&node, 1)) {
        sim_check(life == 1 && !closed, "a handle of the first life has pinned the second");
        count_leave(NULL, &node);
    }
}

static void pin_reuse(void) {
    open_scope();
    life = 1;
    port_thread pinner = world_thread(pin, NULL, "pinner");
    drain();
    life = 2;
    closed = false;
    count_born(&node, 0);
    drain();
    port_thread_join(&pinner);
    bench_close(&world);
}

/* ---- locks: handing over -------------------------------------------------------------------------- */

static uint32_t inside; /* plain, as above */

static void hold(void *arg) {
    (void)arg;
    lock_take(&guard);
    sim_check(inside++ == 0, "two under the lock");
    (void)port_clock_now(); /* a step */
    inside--;
    lock_release(&guard);
}

static void lock_over(void) {
    lock_init(&guard);
    inside = 0;
    port_thread other = world_thread(hold, NULL, "other");
    hold(NULL);
    port_thread_join(&other);
}

static void lock_three(void) {
    lock_init(&guard);
    inside = 0;
    port_thread first = world_thread(hold, NULL, "first");
    port_thread second = world_thread(hold, NULL, "second");
    hold(NULL);
    port_thread_join(&first);
    port_thread_join(&second);
}

static belay_mutex mutex;

static void hold_mutex(void *arg) {
    (void)arg;
    sim_check(belay_mutex_lock(NULL, &mutex) == BELAY_OK, "not locked");
    sim_check(inside++ == 0, "two hold the mutex");
    (void)port_clock_now(); /* a step */
    inside--;
    sim_check(belay_mutex_unlock(NULL, &mutex) == BELAY_OK, "not unlocked");
}

static void mutex_over(void) {
    inside = 0;
    sim_check(belay_mutex_init(&mutex) == BELAY_OK, "no mutex");
    port_thread other = world_thread(hold_mutex, NULL, "other");
    hold_mutex(NULL);
    port_thread_join(&other);
    sim_check(belay_mutex_fini(&mutex) == BELAY_OK, "the mutex is not free");
}

static const scenario without_end[] = {
    {"deque", NULL, deque, 1},
    {"cancel_park", NULL, cancel_park, 1},
    {"cancel_finish", NULL, cancel_finish, 1},
    {"lock_over", NULL, lock_over, 1},
    {"lock_three", NULL, lock_three, 1},
    {"mutex_over", NULL, mutex_over, 1},
};

static const scenario with_six[] = {
    {"last_leave", NULL, last_leave, 1},
    {"last_leave_abroad", NULL, last_leave_abroad, 1},
    {"pin_reuse", NULL, pin_reuse, 1},
};

static const scenario with_five[] = {
    {"wait_ended", NULL, wait_ended, 1},
    {"park", NULL, park, 1},
};

/* The numbers are what can be searched in about a second. */
__attribute__((constructor)) static void add(void) {
    scenarios_add_exhaustive("small", without_end, sizeof without_end / sizeof *without_end, 100);
    scenarios_add_exhaustive("small", with_six, sizeof with_six / sizeof *with_six, 6);
    scenarios_add_exhaustive("small", with_five, sizeof with_five / sizeof *with_five, 5);
}

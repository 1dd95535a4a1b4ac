/* Owners: releases against the last task's end, retains and waits; foreign completions against aborts. */
#include <belay/foreign.h>
#include <belay/owner.h>

#include <string.h>

#include "scenario.h"

static belay_owner owner;
static belay_task_handle victim;
static tally ready, ended, drained;

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&ended);
    tally_reset(&drained);
}

enum { TASKS = 2 };

static void on_drained(void *arg) {
    (void)arg;
    sim_check(tally_read(&drained) == 0, "drained twice");
    sim_check(belay_owner_retain(owner) == BELAY_ESTALE, "wanted again");
    port_thread_yield();
    tally_add(&drained, 1);
}

static belay_status member(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_sleep_until(self, sim_choose(2) == 0 ? BELAY_NEVER : belay_after(10000));
    sim_check(tally_read(&drained) == 0, "drained before its tasks had ended");
    tally_add(&ended, 1);
    return BELAY_OK;
}

/* Gives its own reference back, from inside. */
static belay_status releasing_member(belay_task *self, void *arg) {
    (void)belay_yield(self);
    sim_check(belay_owner_release(owner) == BELAY_OK, "not released");
    return member(self, arg);
}

static belay_executor *begin(void) {
    belay_executor *ex = world_open();
    belay_owner_options o = {.drained = on_drained};
    sim_check(belay_owner_create(ex, &o, &owner) == BELAY_OK, "no owner");
    return ex;
}

static void fill(belay_body *first) {
    for (int i = 0; i < TASKS; i++) {
        belay_body *body = i == 0 ? first : member;
        sim_check(world_spawn(NULL, belay_owner_scope(owner), body, NULL, NULL) == BELAY_OK,
                  "refused");
    }
}

static void release(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    sim_check(belay_owner_release(owner) == BELAY_OK, "not released");
}

static void retain(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    while (belay_owner_retain(owner) == BELAY_OK) {
        sim_check(tally_read(&drained) == 0, "retained when it was drained");
        sim_check(belay_owner_release(owner) == BELAY_OK, "not released");
        port_thread_yield();
    }
    sim_check(belay_owner_retain(owner) == BELAY_ESTALE, "wanted again");
}

static void wait(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    sim_check(belay_owner_wait_until(NULL, owner, PORT_NEVER) == BELAY_OK, "not waited for");
    sim_check(tally_read(&drained) == 1, "gone and not drained");
}

static void against(void (*first)(void *arg), void (*second)(void *arg)) {
    belay_executor *ex = begin();
    fill(member);
    port_thread a = world_thread(first, NULL, "first");
    port_thread b = world_thread(second, NULL, "second");
    tally_add(&ready, 1);
    tally_wait(&drained, 1);
    port_thread_join(&a);
    port_thread_join(&b);
    world_close(ex);
    sim_check(tally_read(&drained) == 1, "not drained once");
}

static void release_retain(void) {
    against(release, retain);
}
static void release_wait(void) {
    against(release, wait);
}

static void two_releases(void) {
    belay_executor *ex = begin();
    sim_check(belay_owner_retain(owner) == BELAY_OK, "not retained");
    fill(releasing_member);
    port_thread a = world_thread(release, NULL, "releaser");
    port_thread b = world_thread(wait, NULL, "waiter");
    tally_add(&ready, 1);
    tally_wait(&drained, 1);
    port_thread_join(&a);
    port_thread_join(&b);
    world_close(ex);
    sim_check(tally_read(&drained) == 1, "not drained once");
}

/* A task that is skipped does not release: the slot is looked at meanwhile, and used again. */
static belay_status churn(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < 3; i++) {
        belay_scope s;
        uint64_t count;
        sim_check(belay_scope_open(self, NULL, &s) == BELAY_OK, "no scope");
        (void)belay_scope_count(belay_owner_scope(owner), &count);
        sim_check(belay_scope_close(self, s) == BELAY_OK, "not closed");
    }
    return BELAY_OK;
}

static void slot_reuse(void) {
    belay_executor *ex = begin();
    port_thread a = world_thread(release, NULL, "releaser");
    port_thread b = world_thread(wait, NULL, "waiter");
    tally_add(&ready, 1);
    world_run(ex, churn, NULL);
    port_thread_join(&a);
    port_thread_join(&b);
    world_close(ex);
    sim_check(tally_read(&drained) == 1, "not drained once");
}

/* ---- foreign waits ---------------------------------------------------------------------------- */

enum { OPEN, COMPLETED, ABORTED };
static atomic_u32 request; /* who gets it from OPEN decides */

static void reset_request(void) {
    reset();
    store_relaxed(&request, OPEN); /* relaxed: outside a run */
}

static void drive(void *arg) {
    uint32_t open = OPEN;
    if (sim_choose(2) == 0) {
        port_thread_yield();
    }
    if (cas_seq_cst(&request, &open, COMPLETED)) {
        belay_foreign_complete(arg, 77);
    }
}

static belay_abort_answer abort_request(belay_foreign *op, void *arg) {
    (void)op;
    (void)arg;
    uint32_t open = OPEN;
    return cas_seq_cst(&request, &open, ABORTED) ? BELAY_ABORT_DONE : BELAY_ABORT_PENDING;
}

static belay_status wait_foreign(belay_task *self, void *arg) {
    (void)arg;
    belay_foreign op;
    belay_foreign_init(&op);
    port_thread partner = world_thread(drive, &op, "driver");
    belay_time deadline = sim_choose(2) == 0 ? BELAY_NEVER : belay_after(10000);
    belay_status status = belay_foreign_wait_until(self, &op, deadline, abort_request, NULL);
    bool completed = load_seq_cst(&request) == COMPLETED;
    memset(&op, 0xa5, sizeof op);          /* it is ours again */
    belay_time later = belay_after(20000); /* and a wake that comes too late wakes nobody */
    sim_check(belay_sleep_until(self, later) != BELAY_OK || belay_now() >= later, "woken too late");
    sim_check((status == 77) == completed, "what took effect is not what was said");
    sim_check(completed || status == BELAY_ECANCELED || status == BELAY_ETIMEDOUT, "another end");
    port_thread_join(&partner);
    return BELAY_OK;
}

static void cancel_victim(void *arg) {
    (void)arg;
    (void)belay_task_cancel(victim, BELAY_ECANCELED, "scenario");
}

static void complete_against_abort(void) {
    belay_executor *ex = world_open();
    sim_check(world_spawn(NULL, belay_executor_root(ex), wait_foreign, NULL, &victim) == BELAY_OK,
              "refused");
    port_thread thread = world_thread(cancel_victim, NULL, "canceller");
    sim_check(belay_join(NULL, victim, NULL) == BELAY_OK, "not joined");
    port_thread_join(&thread);
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"release_retain", reset, release_retain, 2},
    {"release_wait", reset, release_wait, 2},
    {"two_releases", reset, two_releases, 2},
    {"slot_reuse", reset, slot_reuse, 2},
    {"complete_against_abort", reset_request, complete_against_abort, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("owners", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

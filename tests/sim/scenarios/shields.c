/* Shields and cleanup against cancels: what is kept out comes in at the end, whoever brings it about, and is never
 * lost. */
#include <belay/cleanup.h>
#include <belay/event.h>
#include <belay/shield.h>

#include "scenario.h"

enum { BUDGET = 15000 };

static belay_scope place;
static belay_task_handle victim;
static tally ready; /* `place` and `victim` are written */
static tally told;  /* the cancel has returned */
static tally cleaned;
static belay_event moved;

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&told);
    tally_reset(&cleaned);
    (void)belay_event_init(&moved, BELAY_EVENT_MANUAL);
}

static void cancel_victim(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    belay_status status = belay_task_cancel(victim, BELAY_ECANCELED, "scenario");
    sim_check(status == BELAY_OK || status == BELAY_EALREADY || status == BELAY_ESTALE,
              "the task was not cancelled");
    tally_add(&told, 1);
}

static void cancel_place(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    sim_check(belay_scope_cancel(place, BELAY_ECANCELED, "scenario") == BELAY_OK,
              "the scope was not cancelled");
    tally_add(&told, 1);
}

/* After a cancel has returned and no shield is left, waits fail. */
static belay_status farewell(belay_task *self, bool after) {
    belay_status status = belay_yield(self);
    sim_check(!after || status == BELAY_ECANCELED, "what a shield kept out is lost");
    return status == BELAY_OK ? belay_sleep_until(self, BELAY_NEVER) : status;
}

/* A wait behind the shield fails only after its time. */
static void wait_behind(belay_task *self, belay_time until, belay_time wake) {
    belay_status status = belay_sleep_until(self, wake);
    sim_check(status == BELAY_OK || belay_now() >= until, "a shield ended before its time");
}

static belay_status shield_and_leave(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s;
    belay_time until = belay_after(20000);
    sim_check(belay_shield_open(self, until, &s) == BELAY_OK, "no shield");
    wait_behind(self, until, belay_after(10000 + 10000 * (int64_t)sim_choose(3)));
    (void)belay_scope_close(self, s);
    return farewell(self, tally_read(&told) != 0);
}

static belay_status sleep_on(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    sim_check(status == BELAY_ECANCELED, "woke without a cancel");
    return status;
}

/* Only the end of the shield can wake the member. */
static belay_status shield_with_member(belay_task *self, void *arg) {
    (void)arg;
    belay_scope s, inner;
    belay_time until = belay_after(20000);
    sim_check(belay_shield_open(self, until, &s) == BELAY_OK, "no shield");
    sim_check(belay_scope_open(self, NULL, &inner) == BELAY_OK, "no scope");
    sim_check(world_spawn(self, inner, sleep_on, NULL, NULL) == BELAY_OK, "refused");
    (void)belay_scope_close(self, inner);
    sim_check(belay_now() >= until, "a shield ended before its time");
    (void)belay_scope_close(self, s);
    return farewell(self, true);
}

static belay_status shield_in_shield(belay_task *self, void *arg) {
    (void)arg;
    belay_scope outer, inner;
    belay_time until = belay_after(15000);
    sim_check(belay_shield_open(self, until, &outer) == BELAY_OK, "no shield");
    /* Woken from outside it may be on another worker, which then times the inner shield. */
    sim_check(belay_event_wait(self, &moved) == BELAY_OK || belay_now() >= until,
              "a shield ended before its time");
    sim_check(belay_shield_open(self, belay_after(60000), &inner) == BELAY_OK, "no shield");
    wait_behind(self, until, sim_choose(2) == 0 ? BELAY_NEVER : belay_after(15000));
    (void)belay_scope_close(self, inner);
    (void)belay_scope_close(self, outer);
    return farewell(self, tally_read(&told) != 0);
}

static void one_task(belay_body *body, void (*canceller)(void *arg)) {
    belay_executor *ex = world_open();
    sim_check(belay_scope_open_root(ex, NULL, &place) == BELAY_OK, "no scope");
    sim_check(world_spawn(NULL, place, body, NULL, &victim) == BELAY_OK, "refused");
    port_thread thread = world_thread(canceller, NULL, "canceller");
    tally_add(&ready, 1);
    sim_check(belay_event_set(&moved) == BELAY_OK, "not set");
    belay_outcome out;
    sim_check(belay_join(NULL, victim, &out) == BELAY_OK, "not joined");
    sim_check(out.kind == BELAY_OUTCOME_SKIPPED || out.kind == BELAY_OUTCOME_CANCELED,
              "another end");
    port_thread_join(&thread);
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    (void)belay_scope_close(NULL, place);
    world_close(ex);
}

static void task_against_end(void) {
    one_task(shield_and_leave, cancel_victim);
}
static void scope_against_end(void) {
    one_task(shield_and_leave, cancel_place);
}
static void task_member(void) {
    one_task(shield_with_member, cancel_victim);
}
static void scope_member(void) {
    one_task(shield_with_member, cancel_place);
}
static void task_nested(void) {
    one_task(shield_in_shield, cancel_victim);
}
static void scope_nested(void) {
    one_task(shield_in_shield, cancel_place);
}

/* The scope around two shields is cancelled, not the task: the outer one's end ends the inner one, too, or its own
 * time does. Afterwards nothing is left of either: a cancel of the task is effective at once. */
static belay_status after_both_ended(belay_task *self, void *arg) {
    (void)arg;
    belay_scope around, outer, inner;
    sim_check(belay_scope_open(self, NULL, &around) == BELAY_OK, "no scope");
    place = around;
    tally_add(&ready, 1);
    sim_check(belay_shield_open(self, belay_after(15000), &outer) == BELAY_OK, "no shield");
    sim_check(belay_shield_open(self, belay_after(60000), &inner) == BELAY_OK, "no shield");
    (void)belay_sleep_until(self, belay_after(10000 * (int64_t)sim_choose(4)));
    (void)belay_scope_close(self, inner);
    (void)belay_scope_close(self, outer);
    (void)belay_scope_close(self, around);
    sim_check(!belay_canceled(self), "the task was not cancelled");
    sim_check(belay_task_cancel(belay_task_self_handle(self), 1, "afterwards") == BELAY_OK,
              "not cancelled");
    sim_check(belay_yield(self) == BELAY_ECANCELED, "a shield that has ended keeps a cancel out");
    return BELAY_ECANCELED;
}

static void cancel_when_ready(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    belay_status status = belay_scope_cancel(place, BELAY_ECANCELED, "scenario");
    sim_check(status == BELAY_OK || status == BELAY_ESTALE, "the scope was not cancelled");
}

static void after_both(void) {
    belay_executor *ex = world_open();
    port_thread thread = world_thread(cancel_when_ready, NULL, "canceller");
    world_run(ex, after_both_ended, NULL);
    port_thread_join(&thread);
    world_close(ex);
}

/* ---- the budget of cleanup ------------------------------------------------------------------- */

static ATOMIC(int64_t) body_over; /* the cleanup comes after this time */

/* Ends by itself, or is refused when the budget is used up, which both calls share. */
static belay_status clean(belay_task *self, void *arg) {
    (void)arg;
    belay_time wake = belay_after(10000 * (int64_t)sim_choose(3));
    /* After the cancel nothing but the budget ends it. */
    belay_status status =
        belay_sleep_until(self, tally_read(&told) != 0 && sim_choose(2) == 0 ? BELAY_NEVER : wake);
    sim_check(status == BELAY_OK || belay_now() >= load_relaxed(&body_over) + BUDGET,
              "a budget ended early"); /* relaxed: own */
    tally_add(&cleaned, 1);
    return BELAY_OK;
}

static belay_status defer_two(belay_task *self, void *arg) {
    (void)arg;
    sim_check(belay_defer(self, clean, NULL) == BELAY_OK, "not deferred");
    sim_check(belay_defer(self, clean, NULL) == BELAY_OK, "not deferred");
    belay_status status =
        sim_choose(2) == 0 ? BELAY_OK : belay_sleep_until(self, belay_after(10000));
    store_relaxed(&body_over, belay_now()); /* relaxed: own */
    return status;
}

static void budget(void (*canceller)(void *arg)) {
    belay_executor *ex = world_open();
    belay_scope_options o = {.cleanup_budget = BUDGET};
    sim_check(belay_scope_open_root(ex, &o, &place) == BELAY_OK, "no scope");
    sim_check(world_spawn(NULL, place, defer_two, NULL, &victim) == BELAY_OK, "refused");
    port_thread thread = world_thread(canceller, NULL, "canceller");
    tally_add(&ready, 1);
    belay_outcome out;
    sim_check(belay_join(NULL, victim, &out) == BELAY_OK, "not joined");
    sim_check(tally_read(&cleaned) == (out.kind == BELAY_OUTCOME_SKIPPED ? 0u : 2u),
              "what was deferred did not run");
    port_thread_join(&thread);
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    (void)belay_scope_close(NULL, place);
    world_close(ex);
}

static void task_budget(void) {
    budget(cancel_victim);
}
static void scope_budget(void) {
    budget(cancel_place);
}

/* Further than the clock leaps, which goes to the next time that somebody sleeps for. */
#define FAR (10000 * BELAY_SECOND)

/* A scope in the cleanup was cancelled on its own, with a shield inside that kept that out: the budget's end ends
 * this one, too. */
static belay_status clean_below_marked(belay_task *self, void *arg) {
    (void)arg;
    belay_scope_options late = {.deadline = sim_choose(2) == 0 ? 1 : belay_after(BUDGET)};
    belay_scope marked, inner;
    sim_check(belay_scope_open(self, &late, &marked) == BELAY_OK, "no scope");
    sim_check(belay_shield_open(self, belay_after(FAR), &inner) == BELAY_OK, "no shield");
    if (sim_choose(2) == 0) {
        tally_wait(
            &told,
            1); /* else the clock may have leapt to the shield's end before the cancel came */
    }
    bool before = tally_read(&told) != 0;
    belay_time start = belay_now();
    (void)belay_sleep_until(self, BELAY_NEVER);
    sim_check(!before || belay_now() < start + FAR, "a budget does not end the shields inside");
    (void)belay_scope_close(self, inner);
    (void)belay_scope_close(self, marked);
    tally_add(&cleaned, 1);
    return BELAY_OK;
}

static belay_status defer_below_marked(belay_task *self, void *arg) {
    (void)arg;
    sim_check(belay_defer(self, clean_below_marked, NULL) == BELAY_OK, "not deferred");
    return sim_choose(2) == 0 ? BELAY_OK : belay_sleep_until(self, belay_after(10000));
}

static void below_marked(void) {
    belay_executor *ex = world_open();
    belay_scope_options o = {.cleanup_budget = sim_choose(2) == 0 ? 1 : BUDGET};
    belay_task_options run = {.flags = BELAY_TASK_RUN_CANCELED};
    sim_check(belay_scope_open_root(ex, &o, &place) == BELAY_OK, "no scope");
    sim_check(world_spawn_with(NULL, place, defer_below_marked, NULL, run, &victim) == BELAY_OK,
              "refused");
    void (*canceller)(void *arg) = sim_choose(2) == 0 ? cancel_victim : cancel_place;
    port_thread thread = world_thread(canceller, NULL, "canceller");
    tally_add(&ready, 1);
    sim_check(belay_join(NULL, victim, NULL) == BELAY_OK, "not joined");
    sim_check(tally_read(&cleaned) == 1, "what was deferred did not run");
    port_thread_join(&thread);
    sim_check(belay_task_release(victim) == BELAY_OK, "not released");
    (void)belay_scope_close(NULL, place);
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"task_against_end", reset, task_against_end, 2},
    {"scope_against_end", reset, scope_against_end, 2},
    {"task_member", reset, task_member, 2},
    {"scope_member", reset, scope_member, 2},
    {"task_nested", reset, task_nested, 2},
    {"scope_nested", reset, scope_nested, 2},
    {"after_both", reset, after_both, 2},
    {"task_budget", reset, task_budget, 2},
    {"scope_budget", reset, scope_budget, 2},
    {"below_marked", reset, below_marked, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("shields", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

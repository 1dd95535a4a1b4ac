/* Callbacks on cancel against removal and late registration; links between tokens against the close of who follows. */
#include "scenario.h"

static belay_source source;
static belay_registration put;
static tally ready, calls, running, drops, told;

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&calls);
    tally_reset(&running);
    tally_reset(&drops);
    tally_reset(&told);
}

static void callback(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    (void)arg;
    tally_add(&running, 1);
    port_thread_yield();
    tally_add(&running, 1);
    tally_add(&calls, 1);
}

static void drop(void *arg) {
    (void)arg;
    tally_add(&drops, 1);
}

static void cancel_source(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    if (sim_choose(2) == 0) {
        sim_check(belay_source_cancel(source, BELAY_SOFT_CANCELED, 1, NULL) == BELAY_OK,
                  "not soft");
    }
    sim_check(belay_source_cancel(source, BELAY_HARD_CANCELED, 1, NULL) == BELAY_OK, "not hard");
    tally_add(&told, 1);
}

/* Once a removal has returned the callback does not run, and never will. */
static void remove_it(belay_task *self) {
    belay_status status = belay_on_cancel_remove(self, put);
    sim_check(tally_read(&running) % 2 == 0, "removed while it runs");
    sim_check(tally_read(&drops) == 1 || status == BELAY_OK || status == BELAY_ESTALE,
              "removed before its argument");
    sim_check(status == BELAY_OK ? tally_read(&calls) == 0 : tally_read(&calls) == 1,
              "the answer is another");
}

static void remove_by_thread(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    remove_it(NULL);
}

static belay_status remove_by_task(belay_task *self, void *arg) {
    (void)arg;
    remove_it(self);
    return BELAY_OK;
}

static void open_source(belay_executor *ex) {
    sim_check(belay_source_create(ex, NULL, 0, &source) == BELAY_OK, "no source");
}

static void put_down(void) {
    belay_cancel_level level = sim_choose(2) == 0 ? BELAY_SOFT_CANCELED : BELAY_HARD_CANCELED;
    sim_check(belay_on_cancel(belay_source_token(source), level, callback, NULL, drop, &put) ==
                  BELAY_OK,
              "not put down");
}

static void removal(bool by_task) {
    belay_executor *ex = world_open();
    open_source(ex);
    put_down();
    port_thread canceller = world_thread(cancel_source, NULL, "canceller");
    port_thread remover;
    tally_add(&ready, 1);
    if (by_task) {
        world_run(ex, remove_by_task, NULL);
    } else {
        remover = world_thread(remove_by_thread, NULL, "remover");
        port_thread_join(&remover);
    }
    port_thread_join(&canceller);
    sim_check(tally_read(&drops) == 1, "not dropped once");
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
    world_close(ex);
}

static void removal_by_thread(void) {
    removal(false);
}
static void removal_by_task(void) {
    removal(true);
}

/* However late: once, and before the cancel or the registration has returned. */
static void late_registration(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    port_thread canceller = world_thread(cancel_source, NULL, "canceller");
    tally_add(&ready, 1);
    put_down();
    port_thread_join(&canceller);
    sim_check(tally_read(&calls) == 1 && tally_read(&drops) == 1, "not called once");
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
    world_close(ex);
}

/* The last reference against the cancel and a removal: called at most once, dropped once. */
static void release_source(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
}

static void removal_against_end(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    put_down();
    port_thread releaser = world_thread(release_source, NULL, "releaser");
    tally_add(&ready, 1);
    belay_status status = belay_on_cancel_remove(NULL, put);
    sim_check(status == BELAY_OK || status == BELAY_ESTALE, "another answer");
    port_thread_join(&releaser);
    sim_check(tally_read(&calls) == 0 && tally_read(&drops) == 1, "not dropped once");
    world_close(ex);
}

/* ---- links ------------------------------------------------------------------------------------ */

static belay_status sleep_on(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_sleep_until(self, BELAY_NEVER);
    sim_check(status == BELAY_ECANCELED, "woke without a cancel");
    return status;
}

/* Scopes that follow the source come and go; the last cannot end before its cancel has come. */
static belay_status follow(belay_task *self, void *arg) {
    (void)arg;
    belay_scope_options o = {.token = belay_source_token(source)};
    belay_scope s;
    for (int i = 0; i < 3; i++) {
        bool after = tally_read(&told) != 0;
        sim_check(belay_scope_open(self, &o, &s) == BELAY_OK, "no scope");
        sim_check(!after || belay_canceled(self), "a link lost the cancel");
        if (i == 2) {
            sim_check(world_spawn(self, s, sleep_on, NULL, NULL) == BELAY_OK, "refused");
        }
        (void)belay_scope_close(self, s);
        sim_check(belay_yield(self) == BELAY_OK, "it has left its scope");
    }
    return BELAY_OK;
}

static void link_against_close(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    port_thread canceller = world_thread(cancel_source, NULL, "canceller");
    tally_add(&ready, 1);
    world_run(ex, follow, NULL);
    port_thread_join(&canceller);
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
    world_close(ex);
}

static belay_status watch(belay_task *self, void *arg) {
    (void)arg;
    sim_check(belay_token_wait_until(self, belay_source_token(source), BELAY_HARD_CANCELED,
                                     BELAY_NEVER) == BELAY_OK,
              "the watcher did not hear of it");
    return BELAY_OK;
}

/* A source that is cancelled and at once released: who watched has heard the cancel. */
static void cancel_and_release(void *arg) {
    cancel_source(arg);
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
}

static belay_status watch_or_late(belay_task *self, void *arg) {
    (void)arg;
    belay_status status =
        belay_token_wait_until(self, belay_source_token(source), BELAY_HARD_CANCELED, BELAY_NEVER);
    sim_check(status == BELAY_OK || (status == BELAY_ESTALE && tally_read(&told) != 0),
              "the watcher did not hear of it");
    return BELAY_OK;
}

static void watcher(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    port_thread canceller = world_thread(cancel_source, NULL, "canceller");
    tally_add(&ready, 1);
    world_run(ex, watch, NULL);
    port_thread_join(&canceller);
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
    world_close(ex);
}

static void watcher_against_end(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    port_thread canceller = world_thread(cancel_and_release, NULL, "canceller");
    tally_add(&ready, 1);
    world_run(ex, watch_or_late, NULL);
    port_thread_join(&canceller);
    world_close(ex);
}

/* Nobody cancels: who watches hears that the source is gone. */
static belay_status watch_the_end(belay_task *self, void *arg) {
    (void)arg;
    sim_check(belay_token_wait_until(self, belay_source_token(source), BELAY_HARD_CANCELED,
                                     BELAY_NEVER) == BELAY_ESTALE,
              "nobody has cancelled it");
    return BELAY_OK;
}

static void watcher_of_end(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    port_thread releaser = world_thread(release_source, NULL, "releaser");
    tally_add(&ready, 1);
    world_run(ex, watch_the_end, NULL);
    port_thread_join(&releaser);
    world_close(ex);
}

/* Scopes that follow a token leave nothing there when they close. */
static belay_status follow_and_close(belay_task *self, void *arg) {
    (void)arg;
    belay_scope_options o = {.token = belay_source_token(source)};
    for (int i = 0; i < 2; i++) {
        belay_scope s;
        sim_check(belay_scope_open(self, &o, &s) == BELAY_OK, "no scope");
        (void)belay_yield(self);
        sim_check(belay_scope_close(self, s) == BELAY_OK, "not closed");
    }
    return BELAY_OK;
}

static void links_taken_back(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    belay_task_handle other;
    sim_check(world_spawn(NULL, belay_executor_root(ex), follow_and_close, NULL, &other) ==
                  BELAY_OK,
              "refused");
    world_run(ex, follow_and_close, NULL);
    sim_check(belay_join(NULL, other, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(other) == BELAY_OK, "not released");
    const scope *s = slab_at(&ex->scopes, source.slot);
    sim_check(list_empty(&s->on_cancel[CANCEL_SOFT]) && list_empty(&s->on_cancel[CANCEL_HARD]),
              "a token collects the dead");
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
    world_close(ex);
}

/* The registration of a cell that serves another call by now. */
static void remove_again(void *arg) {
    (void)arg;
    belay_registration old = put;
    for (int i = 0; i < 3; i++) {
        sim_check(belay_on_cancel_remove(NULL, old) == BELAY_ESTALE, "another's call was removed");
    }
}

static void stale_removal(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    put_down();
    sim_check(belay_on_cancel_remove(NULL, put) == BELAY_OK, "not removed");
    port_thread remover = world_thread(remove_again, NULL, "remover");
    for (int i = 0; i < 2; i++) {
        belay_registration next;
        sim_check(belay_on_cancel(belay_source_token(source), BELAY_HARD_CANCELED, callback, NULL,
                                  drop, &next) == BELAY_OK,
                  "not put down");
        sim_check(next.slot == put.slot, "another cell: this test is void");
        sim_check(belay_on_cancel_remove(NULL, next) == BELAY_OK, "another has removed it");
    }
    port_thread_join(&remover);
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"removal_by_thread", reset, removal_by_thread, 2},
    {"removal_by_task", reset, removal_by_task, 2},
    {"late_registration", reset, late_registration, 2},
    {"removal_against_end", reset, removal_against_end, 2},
    {"link_against_close", reset, link_against_close, 2},
    {"watcher", reset, watcher, 2},
    {"watcher_against_end", reset, watcher_against_end, 2},
    {"watcher_of_end", reset, watcher_of_end, 2},
    {"links_taken_back", reset, links_taken_back, 2},
    {"stale_removal", reset, stale_removal, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("callbacks", list_of_scenarios,
                  sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

/* Chains and diamonds of sources: cancelled from several places at once, released while the cancel passes through. */
#include "scenario.h"

static belay_source source;
static tally ready, calls, drops;

static void reset(void) {
    tally_reset(&ready);
    tally_reset(&calls);
    tally_reset(&drops);
}

static void callback(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    (void)arg;
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
}

static void open_source(belay_executor *ex) {
    sim_check(belay_source_create(ex, NULL, 0, &source) == BELAY_OK, "no source");
}

/* source -> left, right -> bottom: cancelled from the top and from the left at once. Whoever's cancel was the first
 * is through when it has returned, unless the other was under way; when both have, all are cancelled and each call
 * was made once. */
static belay_source left, right, bottom;

static belay_source below(belay_executor *ex, const belay_source *parents, size_t count) {
    belay_token tokens[2];
    belay_source made;
    for (size_t i = 0; i < count; i++) {
        tokens[i] = belay_source_token(parents[i]);
    }
    sim_check(belay_source_create(ex, tokens, count, &made) == BELAY_OK, "no source");
    return made;
}

static void cancel_left(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    belay_status status = belay_source_cancel(left, BELAY_HARD_CANCELED, 2, NULL);
    sim_check(status == BELAY_OK || status == BELAY_EALREADY, "not cancelled");
}

static void check_hard(belay_source of) {
    belay_cancel_level level;
    sim_check(belay_token_level(belay_source_token(of), &level) == BELAY_OK, "gone");
    sim_check(level == BELAY_HARD_CANCELED, "a link lost the cancel");
}

/* A second executor, whose memory is in the books of the first. */
static belay_executor *second_open(void) {
    belay_config config;
    world_config(&config);
    belay_executor *ex;
    sim_check(belay_executor_create(&config, &ex) == BELAY_OK, "not created");
    return ex;
}

static void second_close(belay_executor *ex) {
    sim_check(belay_executor_shutdown(ex, 0, BELAY_NEVER) == BELAY_OK, "the shutdown failed");
    sim_check(belay_executor_destroy(ex) == BELAY_OK, "not destroyed");
}

static void diamond(bool foreign) {
    belay_executor *ex = world_open(), *other = foreign ? second_open() : ex;
    open_source(ex);
    left = below(other, &source, 1);
    right = below(ex, &source, 1);
    belay_source sides[2] = {left, right};
    bottom = below(ex, sides, 2);
    sim_check(belay_on_cancel(belay_source_token(bottom), BELAY_HARD_CANCELED, callback, NULL, drop,
                              NULL) == BELAY_OK,
              "not put down");
    port_thread top = world_thread(cancel_source, NULL, "top");
    port_thread side = world_thread(cancel_left, NULL, "side");
    tally_add(&ready, 1);
    belay_source late = below(other, &bottom, 1); /* made while they are at it */
    port_thread_join(&top);
    port_thread_join(&side);
    sim_check(tally_read(&calls) == 1 && tally_read(&drops) == 1, "not called once");
    belay_source all[5] = {source, left, right, bottom, late};
    for (int i = 0; i < 5; i++) {
        check_hard(all[i]);
        sim_check(belay_source_release(all[i]) == BELAY_OK, "not released");
    }
    if (foreign) {
        second_close(other);
    }
    world_close(ex);
}

static void diamond_of_one(void) {
    diamond(false);
}
static void diamond_of_two(void) {
    diamond(true);
}

/* What follows is released while the cancel passes through it. */
static void release_bottom(void *arg) {
    (void)arg;
    tally_wait(&ready, 1);
    sim_check(belay_source_release(left) == BELAY_OK, "not released");
    sim_check(belay_source_release(bottom) == BELAY_OK, "not released");
}

static void chain_against_release(void) {
    belay_executor *ex = world_open();
    open_source(ex);
    left = below(ex, &source, 1);
    bottom = below(ex, &left, 1);
    sim_check(belay_on_cancel(belay_source_token(bottom), BELAY_SOFT_CANCELED, callback, NULL, drop,
                              NULL) == BELAY_OK,
              "not put down");
    port_thread top = world_thread(cancel_source, NULL, "top");
    port_thread releaser = world_thread(release_bottom, NULL, "releaser");
    tally_add(&ready, 1);
    port_thread_join(&top);
    port_thread_join(&releaser);
    sim_check(tally_read(&calls) <= 1 && tally_read(&drops) == 1, "not dropped once");
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
    world_close(ex);
}

/* The link leads to a scope with another one in it, in an executor that ends as soon as these have. The canceller is
 * no part of that one, and must not touch it when it has gone. */
static belay_status follow_nested(belay_task *self, void *arg) {
    belay_scope_options o = {.token = belay_source_token(source),
                             .flags = sim_choose(2) == 0 ? BELAY_SCOPE_SOFT : 0};
    belay_scope outer, inner;
    (void)arg;
    sim_check(belay_scope_open(self, &o, &outer) == BELAY_OK, "no scope");
    sim_check(belay_scope_open(self, NULL, &inner) == BELAY_OK, "no scope");
    tally_add(&ready, 1);
    sim_check(belay_sleep_until(self, BELAY_NEVER) == BELAY_ECANCELED, "woke without a cancel");
    (void)belay_scope_close(self, inner);
    (void)belay_scope_close(self, outer);
    return BELAY_OK;
}

static void executor_goes(void) {
    belay_executor *ex = world_open(), *other = second_open();
    open_source(ex);
    port_thread top = world_thread(cancel_source, NULL, "top");
    sim_check(belay_executor_run(other, follow_nested, NULL, NULL) == BELAY_OK, "not run");
    second_close(other);
    port_thread_join(&top);
    sim_check(belay_source_release(source) == BELAY_OK, "not released");
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"diamond_of_one", reset, diamond_of_one, 2},
    {"diamond_of_two", reset, diamond_of_two, 4},
    {"chain_against_release", reset, chain_against_release, 2},
    {"executor_goes", reset, executor_goes, 4},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("links", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

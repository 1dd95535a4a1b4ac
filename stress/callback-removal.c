/* Callbacks on cancel: exactly once or not at all, and not any more when the removal has returned.
 *
 * Each round makes a source with a few callbacks. A canceller (a task or the driver) cancels, softly first or not;
 * others, tasks and the driver, remove, forget or register meanwhile, and scopes follow the source and close. Each
 * callback counts on entry and on exit; whoever has removed one by waiting frees what it uses at once.
 *
 * Would catch: a callback that is called twice, or not though the registration was accepted before the cancel; a
 * removal that returns while the callback runs; a drop hook that is forgotten; a link that outlives the scope that
 * followed. */
#include "common/stress.h"

#include <stdlib.h>

enum { CALLBACKS = 16, FOLLOWERS = 4 };

typedef struct watcher {
    belay_registration registration;
    belay_cancel_level level;
    uint64_t entered;
    uint64_t left;
    uint64_t dropped;
    uint64_t removed; /* a removal that waits has returned */
} watcher;

typedef struct game {
    belay_source source;
    watcher watcher[CALLBACKS];
    uint64_t canceled; /* the hard cancel has returned */
    uint64_t seed;
} game;

/* Sums over all drivers, for the books at the end. */
static uint64_t registered, called, taken_back, drops;

static void on_cancel(const belay_cancel_reason *reason, void *arg) {
    watcher *w = arg;
    stress_equal(reason->code, 7, "the reason");
    stress_equal((int64_t)stress_add(&w->entered, 1), 0, "calls before this one");
    stress_burn(500);
    stress_check(!stress_is_set(&w->removed), "the callback runs, and was removed");
    stress_set(&w->left);
    (void)stress_add(&called, 1);
}

static void on_drop(void *arg) {
    watcher *w = arg;
    stress_equal((int64_t)stress_add(&w->dropped, 1), 0, "drops before this one");
    (void)stress_add(&drops, 1);
}

static void put_down(game *g, watcher *w) {
    belay_status status = belay_on_cancel(belay_source_token(g->source), w->level, on_cancel, w,
                                          on_drop, &w->registration);
    stress_equal(status, BELAY_OK, "on_cancel");
    (void)stress_add(&registered, 1);
}

static void take_back(belay_task *self, watcher *w, bool wait) {
    belay_status status = wait ? belay_on_cancel_remove(self, w->registration)
                               : belay_on_cancel_forget(w->registration);
    if (status == BELAY_OK) {
        (void)stress_add(&taken_back, 1);
        stress_equal((int64_t)stress_get(&w->entered), 0, "calls of one that was taken back");
    } else if (wait) {
        stress_either(status, BELAY_EALREADY, BELAY_ESTALE, "remove");
        stress_check(stress_is_set(&w->left) || stress_get(&w->entered) == 0, "the call has ended");
    } else {
        stress_either(status, BELAY_EALREADY, BELAY_ESTALE, "forget");
    }
    if (wait) {
        stress_equal((int64_t)(stress_get(&w->entered)), (int64_t)stress_get(&w->left),
                     "calls that have ended");
        stress_set(&w->removed);
    }
}

static belay_status remover(belay_task *self, void *arg) {
    game *g = arg;
    stress_rng rng = {.state = stress_add(&g->seed, 1) * 977};
    for (int i = 0; i < CALLBACKS / 2; i++) {
        take_back(self, &g->watcher[stress_below(&rng, CALLBACKS)], stress_chance(&rng, 50));
    }
    return BELAY_OK;
}

static belay_status canceller(belay_task *self, void *arg) {
    game *g = arg;
    (void)self;
    if (stress_get(&g->seed) % 2 == 0) {
        stress_equal(belay_source_cancel(g->source, BELAY_SOFT_CANCELED, 7, NULL), BELAY_OK,
                     "soft");
    }
    stress_equal(belay_source_cancel(g->source, BELAY_HARD_CANCELED, 7, NULL), BELAY_OK, "hard");
    stress_set(&g->canceled);
    return BELAY_OK;
}

static belay_status sleeper(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

/* Scopes that follow: the last member of each is woken by nothing but the link. */
static belay_status follower(belay_task *self, void *arg) {
    game *g = arg;
    belay_scope_options options = {.token = belay_source_token(g->source)};
    for (int i = 0; i < FOLLOWERS; i++) {
        belay_scope scope;
        bool after = stress_is_set(&g->canceled);
        stress_equal(belay_scope_open(self, &options, &scope), BELAY_OK, "open");
        stress_check(!after || belay_canceled(self), "it follows a cancelled source");
        if (i + 1 == FOLLOWERS) {
            stress_equal(stress_spawn(self, scope, sleeper, NULL, NULL, NULL), BELAY_OK, "spawn");
        }
        stress_either(belay_scope_close(self, scope), BELAY_OK, BELAY_ECANCELED, "close");
    }
    return BELAY_OK;
}

static void play(stress_driver *d) {
    game *g = calloc(1, sizeof *g);
    stress_check(g != NULL, "calloc");
    g->seed = stress_random(&d->rng) >> 8;
    stress_equal(belay_source_create(d->executor, NULL, 0, &g->source), BELAY_OK, "create");
    for (int i = 0; i < CALLBACKS; i++) {
        g->watcher[i].level = i % 2 == 0 ? BELAY_SOFT_CANCELED : BELAY_HARD_CANCELED;
        put_down(g, &g->watcher[i]);
    }
    belay_scope scope;
    belay_body *const bodies[] = {remover, follower, canceller, remover};
    stress_equal(belay_scope_open_root(d->executor, NULL, &scope), BELAY_OK, "open");
    for (int i = 0; i < 4; i++) {
        stress_equal(stress_spawn(NULL, scope, bodies[i], g, NULL, NULL), BELAY_OK, "spawn");
    }
    watcher late = {.level = BELAY_HARD_CANCELED};
    put_down(g, &late);
    for (int i = 0; i < CALLBACKS / 4; i++) {
        take_back(NULL, &g->watcher[stress_below(&d->rng, CALLBACKS)], stress_chance(&d->rng, 50));
    }
    stress_equal(belay_scope_close(NULL, scope), BELAY_OK, "close");
    stress_equal((int64_t)stress_get(&late.left), 1, "calls of the late one");
    stress_equal(belay_source_release(g->source), BELAY_OK, "release");
    for (int i = 0; i < CALLBACKS; i++) {
        stress_equal((int64_t)stress_get(&g->watcher[i].dropped), 1, "drops");
        stress_equal((int64_t)stress_get(&g->watcher[i].entered),
                     (int64_t)stress_get(&g->watcher[i].left), "calls that have ended");
    }
    free(g);
}

static void audit(void) {
    stress_equal((int64_t)(called + taken_back), (int64_t)registered, "calls and removals");
    stress_equal((int64_t)drops, (int64_t)registered, "drops");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "callback-removal", .drivers = 3, .round = play};
    int code = stress_main(argc, argv, &plan);
    audit();
    return code;
}

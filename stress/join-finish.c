/* Joining against finishing: every joiner hears of the end, and one of them gets the result.
 *
 * A task ends at a random moment around which several tasks and foreign threads join it, with and without a
 * deadline, keep or drop their references, or cancel it. It writes plain memory before it returns, and a
 * result that counts how often it was taken or dropped.
 *
 * Would catch: a joiner that links just as the task publishes its end and is never woken; a timed join that
 * loses against the end and says neither; a result taken twice, or dropped though taken, or lost; an outcome
 * that is read before it is whole; a record reaped under a joiner; a joiner resumed twice. */
#include "common/stress.h"

enum { TASK_JOINERS = 3, PERIOD = 40000 };

typedef struct match {
    belay_task_handle task;
    stress_rng rng;
    uint64_t seeds;
    uint64_t taken;    /* results that a join received */
    uint64_t dropped;  /* results that the library dropped */
    uint64_t written;  /* plain: ordered by the join */
    belay_status code; /* what the body returns */
    uint32_t duration;
    uint32_t with_result;
    uint32_t may_cancel;
} match;

static void drop_result(void *arg) {
    match *m = arg;
    stress_equal((int64_t)stress_get(&m->dropped), 0, "earlier drops of the result");
    stress_set(&m->dropped);
}

static stress_rng own_rng(match *m) {
    return (stress_rng){.state = stress_add(&m->seeds, UINT64_C(0x9e3779b97f4a7c15))};
}

static belay_status worker(belay_task *self, void *arg) {
    match *m = arg;
    if (m->duration % 2 != 0) {
        (void)belay_sleep_until(self, belay_after(m->duration));
    } else {
        stress_burn(m->duration);
    }
    m->written = 42;
    if (m->with_result != 0) {
        stress_equal(belay_set_result(self, m, drop_result), BELAY_OK, "set_result");
    }
    return m->code;
}

static void check_outcome(match *m, const belay_outcome *o) {
    stress_check(o->kind >= BELAY_OUTCOME_VALUE && o->kind <= BELAY_OUTCOME_SKIPPED, "kind");
    if (o->kind != BELAY_OUTCOME_SKIPPED) {
        stress_equal(o->status, m->code, "status of the outcome");
        stress_equal((int64_t)m->written, 42, "what the task wrote");
    } else {
        stress_check(m->may_cancel != 0, "skipped without a cancel");
    }
    if (o->has_result) {
        stress_check(o->result == m && o->result_drop == drop_result, "the result");
        (void)stress_add(&m->taken, 1);
    }
}

static void join_once(belay_task *self, match *m, stress_rng *rng) {
    belay_outcome outcome;
    bool look = stress_chance(rng, 70);
    bool timed = stress_chance(rng, 50);
    belay_time limit = belay_after(stress_below(rng, PERIOD));
    belay_status status = timed ? belay_join_until(self, m->task, limit, look ? &outcome : NULL)
                                : belay_join(self, m->task, look ? &outcome : NULL);
    if (status == BELAY_ETIMEDOUT) {
        stress_check(timed && belay_now() >= limit, "timed out early");
    } else {
        stress_equal(status, BELAY_OK, "join");
        if (look) {
            check_outcome(m, &outcome);
        }
    }
}

static belay_status joiner(belay_task *self, void *arg) {
    match *m = arg;
    stress_rng rng = own_rng(m);
    stress_burn(stress_below(&rng, PERIOD / 2));
    join_once(self, m, &rng);
    stress_equal(belay_task_release(m->task), BELAY_OK, "release");
    return BELAY_OK;
}

static belay_status cancel_it(belay_task *self, void *arg) {
    match *m = arg;
    stress_rng rng = own_rng(m);
    (void)belay_sleep_until(self, belay_after(stress_below(&rng, PERIOD)));
    belay_status status = belay_task_cancel(m->task, 5, "late");
    stress_either(status, BELAY_OK, BELAY_EALREADY, "task_cancel");
    stress_equal(belay_task_release(m->task), BELAY_OK, "release");
    return BELAY_OK;
}

/* Each helper owns a reference. */
static void start_helper(match *m, belay_scope scope, belay_body *body) {
    stress_equal(belay_task_retain(m->task), BELAY_OK, "retain");
    stress_equal(stress_spawn(NULL, scope, body, m, NULL, NULL), BELAY_OK, "spawn");
}

static void play(stress_driver *d) {
    static const belay_status codes[] = {BELAY_OK, 17, BELAY_ECANCELED};
    match m = {.rng = d->rng, .seeds = stress_random(&d->rng)};
    m.code = codes[stress_below(&d->rng, 3)];
    m.duration = stress_below(&d->rng, PERIOD);
    m.with_result = stress_below(&d->rng, 2);
    m.may_cancel = stress_chance(&d->rng, 30);
    belay_scope_options options = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    stress_equal(belay_scope_open_root(d->executor, &options, &scope), BELAY_OK, "scope_open_root");
    stress_equal(stress_spawn(NULL, scope, worker, &m, NULL, &m.task), BELAY_OK, "spawn");
    for (int i = 0; i < TASK_JOINERS; i++) {
        start_helper(&m, scope, joiner);
    }
    if (m.may_cancel != 0) {
        start_helper(&m, scope, cancel_it);
    }
    join_once(NULL, &m, &d->rng);
    stress_equal(belay_task_release(m.task), BELAY_OK, "release");
    stress_equal(belay_scope_close(NULL, scope), BELAY_OK, "close");
    /* The task drops its own reference after its scope's count; with the last one its result is dropped. */
    while (belay_join(NULL, m.task, NULL) == BELAY_OK) {
    }
    stress_equal(belay_join(NULL, m.task, NULL), BELAY_ESTALE, "join of a reaped task");
    bool result = m.written == 42 && m.with_result != 0;
    while (result && m.taken == 0 && !stress_is_set(&m.dropped)) { /* the watchdog bounds this */
    }
    stress_equal((int64_t)(m.taken + m.dropped), result, "results taken and dropped");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "join-finish", .drivers = 3, .round = play};
    return stress_main(argc, argv, &plan);
}

/* Races, quorums, joins of several, outcomes in the order of completion. */
#include "scenarios.h"

enum { ENTRIES = 4, HANDLES = 10 /* more than belay_join_any has room for */ };

static belay_status run_entry(belay_task *self, void *arg) {
    fault_ticket *t = arg;
    (void)__atomic_add_fetch(&t->ran, 1, __ATOMIC_ACQ_REL);
    return t->body(self, NULL);
}

static belay_status fail(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 7;
}

/* The others are quicker, unless they could not start. */
static belay_status come_last(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(20 * BELAY_MILLISECOND));
}

static void fill(belay_entry entries[ENTRIES]) {
    static belay_body *const bodies[ENTRIES] = {come_last, fail, fault_nap, fault_nap};
    for (int i = 0; i < ENTRIES; i++) {
        fault_ticket *t = fault_ticket_new("an entry's argument");
        t->body = bodies[i];
        entries[i] = (belay_entry){.body = run_entry, .arg = t, .arg_drop = fault_ended};
    }
}

/* For these the arguments stay with the caller. */
static void settle(const belay_entry entries[ENTRIES], belay_status status) {
    for (int i = 0; i < ENTRIES; i++) {
        fault_ticket *t = entries[i].arg;
        (void)fault_settle(t, status == BELAY_ENOMEM ? BELAY_ENOMEM : BELAY_OK);
    }
}

static belay_status race(belay_task *self, void *arg) {
    belay_entry entries[ENTRIES];
    belay_outcome outcome, outcomes[2];
    size_t winner, winners[2], got;
    (void)arg;
    fill(entries);
    settle(entries,
           MAY(belay_race(self, entries, ENTRIES, &winner, &outcome), BELAY_OK, BELAY_ENOMEM));
    fill(entries);
    settle(entries, MAY(belay_first_success(self, entries, ENTRIES, &winner, &outcome), BELAY_OK,
                        BELAY_ENOMEM, BELAY_ENOENT));
    fill(entries);
    settle(entries, MAY(belay_quorum(self, entries, ENTRIES, 2, winners, outcomes, &got), BELAY_OK,
                        BELAY_ENOMEM, BELAY_ENOENT));
    return BELAY_OK;
}

/* ---- joins ---------------------------------------------------------------------------------------------------------
 * */

static belay_status join_several(belay_task *self, void *arg) {
    belay_task_handle tasks[HANDLES];
    belay_outcome outcomes[HANDLES];
    size_t n = 0, which = 0;
    (void)arg;
    for (int i = 0; i < HANDLES; i++) {
        n += fault_spawn(self, belay_scope_current(self), fault_nap, NULL, NULL, &tasks[n]) ==
             BELAY_OK;
    }
    if (n != 0) {
        MAY(belay_join_any(self, tasks, n, &which, NULL), BELAY_OK, BELAY_ENOMEM);
    }
    MAY(belay_join_all(self, tasks, n, outcomes), BELAY_OK);
    for (size_t i = 0; i < n; i++) {
        MAY(outcomes[i].status, BELAY_OK, BELAY_ENOSTACK, BELAY_ENOMEM);
        MAY(belay_task_release(tasks[i]), BELAY_OK);
    }
    return BELAY_OK;
}

static belay_status take_in_order(belay_task *self, void *arg) {
    const belay_scope_options options = {.policy = BELAY_SUPERVISE,
                                         .flags = BELAY_SCOPE_KEEP_OUTCOMES};
    belay_scope scope;
    belay_task_handle task;
    belay_outcome outcome;
    uint32_t spawned = 0, taken = 0;
    (void)arg;
    if (MAY(belay_scope_open(self, &options, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    for (int i = 0; i < ENTRIES; i++) {
        spawned += fault_spawn(self, scope, fault_nap, NULL, NULL, NULL) == BELAY_OK;
    }
    while (belay_scope_next(self, scope, &outcome, &task) == BELAY_OK) {
        MAY(outcome.status, BELAY_OK, BELAY_ENOSTACK, BELAY_ENOMEM);
        MAY(belay_task_release(task), BELAY_OK);
        taken++;
    }
    CHECKED(taken == spawned);
    MAY(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

void scenario_races(void) {
    belay_executor *ex = fault_executor();
    if (ex != NULL) {
        (void)fault_run(ex, race, NULL);
        (void)fault_run(ex, join_several, NULL);
        (void)fault_run(ex, take_in_order, NULL);
    }
    fault_executor_end(ex);
}

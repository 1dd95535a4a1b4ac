/* Cancelling without memory: the cancel is effective, only what it would have said may be lost; a shield that is
 * refused leaves no mask on its task; a chain of links that could not be made whole ends where it does. */
#include "scenarios.h"

#include <belay/done.h>
#include <belay/shield.h>

enum { CODE = 7, CHAIN = 3 };

static const char why[] = "the reason";

static void heard(const belay_outcome *outcome, belay_task_handle task, void *arg) {
    (void)task;
    CHECKED(outcome->kind != BELAY_OUTCOME_VALUE && ((fault_ticket *)arg)->ended == 0);
}

static void on_done(belay_task_handle task) {
    fault_ticket *t = fault_ticket_new("a done callback");
    (void)fault_settle(
        t, MAY(belay_on_done(task, heard, t, fault_ended, NULL), BELAY_OK, BELAY_ENOMEM));
}

/* ---- a task's own cancel ----------------------------------------------------------------------------------------- */

static void read_reason(belay_task *self) {
    belay_cancel_reason reason = {0};
    MAY(belay_reason(self, &reason), BELAY_OK);
    bool whole = reason.code == CODE && reason.text == why;
    CHECKED(whole || (fault_struck() && reason.code == BELAY_ECANCELED && reason.text == NULL));
}

static belay_status hear_why(belay_task *self, void *arg) {
    belay_scope s;
    (void)arg;
    MAY(belay_sleep_until(self, BELAY_NEVER), BELAY_ECANCELED);
    read_reason(self);
    belay_time far = belay_after(100000 * BELAY_SECOND);
    if (MAY(belay_shield_open(self, far, &s), BELAY_OK, BELAY_ENOMEM) == BELAY_OK) {
        MAY(belay_yield(self), BELAY_OK);
        MAY(belay_scope_close(self, s), BELAY_OK);
    }
    MAY(belay_yield(self), BELAY_ECANCELED);
    return BELAY_ECANCELED;
}

static void cancel_one(belay_executor *ex) {
    belay_task_handle task = {0};
    if (fault_spawn(NULL, belay_executor_root(ex), hear_why, NULL, NULL, &task) != BELAY_OK) {
        return;
    }
    on_done(task);
    /* Without a stack for its wait it may have ended before. */
    if (MAY(belay_task_cancel(task, CODE, why), BELAY_OK, BELAY_EALREADY) == BELAY_OK) {
        MAY(belay_task_cancel(task, CODE + 1, NULL), BELAY_EALREADY);
    }
    fault_join(NULL, task);
}

/* ---- a chain -------------------------------------------------------- */

static void count_call(const belay_cancel_reason *reason, void *arg) {
    CHECKED(reason->code == CODE && reason->text == why && ((fault_ticket *)arg)->ran == 0);
    ((fault_ticket *)arg)->ran = 1;
}

/* Those that exist hear of it, whatever else could not be had. */
static void cancel_chain(belay_executor *ex) {
    belay_source made[CHAIN];
    fault_ticket *tickets[CHAIN];
    size_t n = 0;
    belay_token token = {0};
    while (n < CHAIN &&
           MAY(belay_source_create(ex, &token, 1, &made[n]), BELAY_OK, BELAY_ENOMEM) == BELAY_OK) {
        token = belay_source_token(made[n]);
        tickets[n] = fault_ticket_new("a call at the end of a link");
        (void)fault_settle(tickets[n], MAY(belay_on_cancel(token, BELAY_SOFT_CANCELED, count_call,
                                                           tickets[n], fault_ended, NULL),
                                           BELAY_OK, BELAY_ENOMEM));
        n++;
    }
    if (n != 0) {
        MAY(belay_source_cancel(made[0], BELAY_HARD_CANCELED, CODE, why), BELAY_OK);
    }
    for (size_t i = 0; i < n; i++) {
        belay_cancel_level level;
        MAY(belay_token_level(belay_source_token(made[i]), &level), BELAY_OK);
        CHECKED(level == BELAY_HARD_CANCELED && tickets[i]->ran == tickets[i]->accepted);
        MAY(belay_source_release(made[i]), BELAY_OK);
    }
}

void scenario_cancels(void) {
    belay_executor *ex = fault_executor();
    if (ex != NULL) {
        cancel_one(ex);
        cancel_chain(ex);
    }
    fault_executor_end(ex);
}

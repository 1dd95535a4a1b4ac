/* The start handshake.
 *
 * A handshake lies on the starter's stack. Its arm is the first in the child's ring of joiners from the moment the
 * child exists until the child is ready or done: the starter does not leave before, so whoever finds the arm there,
 * under the child's lock, may use the handshake. The child's record says only (STATE_STARTER) that it was spawned this
 * way.
 *
 *     PENDING -> READY      belay_started, which takes the arm out
 *     PENDING -> DONE       the child's ending is published, and goes to the starter alone
 *     PENDING -> given up   the starter was cancelled or timed out; the arm stays, belay_started is refused, the child
 *                           is cancelled; then DONE
 * All under the child's lock. The starter arms its waiter under that lock after it has looked; a wake that comes
 * earlier finds it idle and fails, which is right: the state says it all.
 *
 * The child gets the handshake as its argument, and puts its own in place before its body is called. */
#include <belay/start.h>

#include "owner/joins.h"
#include "base/mutant.h"

typedef struct handshake {
    arm arm;
    waiter waiter;
    belay_task *self; /* the starter; constant */
    belay_body *body; /* the child's own, constant */
    void *arg;
    belay_drop *drop;
    void *value;    /* under the child's lock, as the rest */
    bool ready;     /* the child has said so */
    wait_word quit; /* WAIT_OK, or why the starter gave up */
} handshake;

bool start_is_pending(const belay_task *t) {
    return t->joiners != NULL && t->joiners->mark == MARK_STARTER;
}

/* ---- the child's side -------------------------------------------------------------------------------------------- */

static belay_status start_body(belay_task *self, void *arg) {
    const handshake *h = arg;
    self->arg = h->arg; /* own: the task runs */
    self->v.drop = h->drop;
    return h->body(self, h->arg);
}

/* The body never runs. */
static void drop_unstarted(void *arg) {
    const handshake *h = arg;
    h->drop(h->arg);
}

/* Under the child's lock. */
static belay_status tell_starter(belay_task *t, void *value) {
    if (!start_is_pending(t)) {
        return BELAY_EALREADY;
    }
    handshake *h = list_entry(t->joiners, handshake, arm);
    if (h->quit != WAIT_OK && !MUTANT(start_quit_ignored)) {
        return BELAY_ECANCELED;
    }
    h->value = value;
    h->ready = true;
    joiner_remove(t, &h->arm);
    (void)arm_wake(&h->arm);
    return BELAY_OK;
}

belay_status belay_started(belay_task *self, void *value) {
    if (self == NULL || !is_current(self) || state_phase(self) != PHASE_RUNNING) {
        return port_forked() ? BELAY_ECHILD : BELAY_ECONTEXT;
    }
    belay_task *t = task_whole(self);
    if (!state_has(t, STATE_STARTER)) {
        return BELAY_EINVAL;
    }
    lock *l = task_lock(t);
    lock_take(l);
    belay_status status = tell_starter(t, value);
    lock_release(l);
    return status;
}

/* ---- the starter's side ------------------------------------------------------------------------------------------ */

/* The child's lock is held at the call and at the return, and let go of to cancel. */
static void give_up(handshake *h, belay_executor *ex, belay_task *t, lock *l, wait_word why) {
    const belay_cancel_reason reason = {.code = why == WAIT_CANCELED ? BELAY_ECANCELED
                                                                     : BELAY_ETIMEDOUT,
                                        .text = "its starter gave up"};
    h->quit = why;
    lock_release(l);
    (void)task_cancel(ex, t, &reason);
    lock_take(l);
}

/* Until the child is ready or done. The child's lock is held at the call and at the return. */
static void await(handshake *h, belay_executor *ex, belay_task *t, lock *l, int64_t deadline) {
    while (!h->ready && state_phase(t) != PHASE_DONE) {
        bool drain = h->quit != WAIT_OK;
        waiter_init(&h->waiter, h->self, drain);
        lock_release(l);
        wait_word result = waiter_block(&h->waiter, drain ? PORT_NEVER : deadline, WAIT_FOR_READY);
        lock_take(l);
        if (result != WAIT_OK && !h->ready && state_phase(t) != PHASE_DONE) {
            give_up(h, ex, t, l, result);
        }
    }
}

/* What the caller hears. Its own cancel is the only BELAY_ECANCELED. */
static belay_status verdict(const handshake *h, const belay_outcome *end) {
    if (h->quit != WAIT_OK) {
        return h->quit == WAIT_CANCELED ? BELAY_ECANCELED : BELAY_ETIMEDOUT;
    }
    return end->kind == BELAY_OUTCOME_ERROR && end->status != BELAY_ECANCELED ? end->status
                                                                              : BELAY_ENOTREADY;
}

static belay_status settle(handshake *h, belay_executor *ex, belay_task *t, int64_t deadline) {
    belay_outcome end = {0};
    lock *l = task_lock(t);
    lock_take(l);
    await(h, ex, t, l, deadline);
    bool ready = h->ready;
    if (!ready) {
        joins_read(t, &end);
    }
    lock_release(l);
    if (ready) {
        return BELAY_OK;
    }
    if (end.result_drop != NULL) {
        call_drop(end.result_drop, end.result);
    }
    if (h->quit == WAIT_CANCELED) {
        cancel_refused(h->self);
    }
    return verdict(h, &end);
}

/* The child exists, and the handle holds it. */
static belay_status shake(handshake *h, belay_task_handle child, int64_t deadline) {
    belay_executor *ex = registry_open(child.executor, child.generation);
    CHECK_ALWAYS(ex != NULL);
    belay_status status = settle(h, ex, slab_at(&ex->tasks, child.slot), deadline);
    registry_done(ex);
    return status;
}

static void handshake_init(handshake *h, belay_task *self, belay_body *body, void *arg,
                           belay_drop *drop) {
    *h = (handshake){.self = self, .body = body, .arg = arg, .drop = drop, .quit = WAIT_OK};
    waiter_init(&h->waiter, self, false);
    waiter_cancel(&h->waiter); /* until it is armed, nobody can claim */
    arm_init(&h->arm, &h->waiter);
    h->arm.mark = MARK_STARTER;
}

static belay_status check_starter(belay_task *self, belay_body *body) {
    belay_status status = check_waiter(self);
    if (status == BELAY_OK && body == NULL) {
        status = BELAY_EINVAL;
    }
    return status == BELAY_OK && joins_refused(self) ? BELAY_ECANCELED : status;
}

static belay_status start(belay_task *self, belay_scope where, belay_body *body, void *arg,
                          const belay_task_options *given, belay_time deadline,
                          belay_task_handle *out, void **value, const char *site) {
    handshake h;
    belay_task_options o = *given;
    belay_task_handle child = {0};
    belay_status status = check_starter(self, body);
    if (status == BELAY_OK) {
        handshake_init(&h, self, body, arg, o.arg_drop);
        o.arg_drop = o.arg_drop != NULL ? drop_unstarted : NULL;
        status = spawn_for_starter(self, where, start_body, &h, &o, &child, site, &h.arm);
    }
    if (status != BELAY_OK) {
        if (given->arg_drop != NULL && status != BELAY_ECHILD) {
            call_drop(given->arg_drop, arg);
        }
        return status;
    }
    status = shake(&h, child, deadline);
    if (status == BELAY_OK && value != NULL) {
        *value = h.value;
    }
    if (status == BELAY_OK && out != NULL) {
        *out = child;
    } else {
        (void)belay_task_release(child);
    }
    return status;
}

belay_status belay_start_from(belay_task *self, belay_scope where, belay_body *body, void *arg,
                              const belay_task_options *given, belay_time deadline,
                              belay_task_handle *out, void **value, const char *site) {
    static const belay_task_options none = {0};
    if (out != NULL) {
        *out = (belay_task_handle){0};
    }
    if (value != NULL) {
        *value = NULL;
    }
    return start(self, where, body, arg, given != NULL ? given : &none, deadline, out, value, site);
}

/* Join as a clause of select. The record is kept by a reference from begin to end, its executor by being its guest. */
#include "flow/source.h"

#include "owner/joins.h"

typedef struct join_clause {
    belay_executor *executor; /* NULL: the clause is ready as it is, with `refused` */
    belay_task *task;
    belay_status refused;
} join_clause;

_Static_assert(sizeof(join_clause) <= CLAUSE_SPACE, "fits into the clause");

static join_clause *space(belay_clause *c) {
    return clause_space(c);
}

static belay_status join_begin(belay_task *self, belay_clause *c) {
    join_clause *j = space(c);
    *j = (join_clause){.refused = BELAY_ESTALE};
    belay_executor *ex = registry_open(c->task.executor, c->task.generation);
    belay_task *t = ex != NULL ? task_open(ex, c->task) : NULL;
    if (t != NULL && !joins_itself(self, t)) {
        *j = (join_clause){.executor = ex, .task = t};
        return BELAY_OK;
    }
    if (t != NULL) {
        j->refused = BELAY_EDEADLK;
        task_close(ex, t);
    }
    if (ex != NULL) {
        registry_done(ex);
    }
    return BELAY_OK;
}

static void join_end(belay_clause *c) {
    join_clause *j = space(c);
    if (j->executor != NULL) {
        task_close(j->executor, j->task);
        registry_done(j->executor);
    }
}

/* The task is done: takes what the clause asks for. Under the task's lock. */
static void take(belay_clause *c, belay_task *t) {
    if (c->item.outcome != NULL) {
        joins_read(t, c->item.outcome);
    }
    c->status = BELAY_OK;
}

static bool join_poll(belay_clause *c) {
    join_clause *j = space(c);
    if (j->executor == NULL) {
        c->status = j->refused;
        return true;
    }
    lock *l = task_lock(j->task);
    lock_take(l);
    bool done = state_phase(j->task) == PHASE_DONE;
    if (done) {
        take(c, j->task);
    }
    lock_release(l);
    return done;
}

static bool join_link(belay_clause *c) {
    belay_task *t = space(c)->task;
    lock *l = task_lock(t);
    lock_take(l);
    bool done = state_phase(t) == PHASE_DONE;
    if (!done) {
        joiner_add(t, clause_arm(c));
    }
    lock_release(l);
    return done;
}

static void join_unlink(belay_clause *c) {
    belay_task *t = space(c)->task;
    lock *l = task_lock(t);
    lock_take(l);
    if (joiner_linked(t, clause_arm(c))) {
        joiner_remove(t, clause_arm(c));
    }
    lock_release(l);
}

static void join_fired(belay_clause *c) {
    belay_task *t = space(c)->task;
    lock *l = task_lock(t);
    lock_take(l);
    CHECK(state_phase(t) == PHASE_DONE);
    take(c, t);
    lock_release(l);
}

const source join_source = {join_begin, join_poll, join_link, join_unlink, join_fired, join_end};

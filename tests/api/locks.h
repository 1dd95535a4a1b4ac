/* What the tests of locks and their kin share: members of a crowd, of whom each does one thing at an object and says
 * how it ended. */
#ifndef BELAY_TESTS_API_LOCKS_H
#define BELAY_TESTS_API_LOCKS_H

#include "api/support.h"

/* One who waits: what he calls, and what came of it. */
typedef struct member {
    belay_status (*act)(belay_task *self, struct member *m);
    void *object;
    void *other;
    belay_time deadline;
    uint32_t n;
    uint32_t number;
    belay_status status;
    uint64_t turn;   /* the how manyth of those who share `turns` got what he wanted */
    tally *turns;    /* may be NULL */
    tally *finished; /* may be NULL */
    tally entered;   /* the body runs */
    tally leave;     /* he keeps what he got until this is raised */
    belay_task_handle task;
} member;

static inline belay_status member_body(belay_task *self, void *arg) {
    member *m = arg;
    (void)tally_add(&m->entered);
    m->status = m->act(self, m);
    if (m->finished != NULL) {
        (void)tally_add(m->finished);
    }
    return BELAY_OK;
}

static inline void member_start(belay_executor *ex, member *m) {
    m->task = spawn_outside(ex, member_body, m);
}

/* Starts it, and returns when it waits, as the `count`th, on something of that name. */
static inline void member_start_waiting(belay_executor *ex, member *m, const char *on,
                                        size_t count) {
    member_start(ex, m);
    await_waiting(ex, on, count);
}

static inline void member_cancel(member *m) {
    assert_int_equal(belay_task_cancel(m->task, BELAY_ECANCELED, "test"), BELAY_OK);
}

/* Its end; the status it got must be this. */
static inline void member_end(member *m, belay_status want) {
    (void)join_outside(m->task);
    assert_int_equal(m->status, want);
}

/* Books the turn. */
static inline void member_served(member *m) {
    if (m->turns != NULL) {
        m->turn = tally_add(m->turns);
    }
}

/* A thread that does what a member does, with self NULL. */
static inline void *member_thread(void *arg) {
    (void)member_body(NULL, arg);
    return NULL;
}

/* A body that calls a member's act when it already is cancelled. */
static inline belay_status member_canceled_body(belay_task *self, void *arg) {
    member *m = arg;
    belay_task_handle own = belay_task_self_handle(self);
    EXPECT_STATUS(belay_task_cancel(own, BELAY_ECANCELED, "before"), BELAY_OK);
    m->status = m->act(self, m);
    return BELAY_OK;
}

static inline void member_run_canceled(belay_executor *ex, member *m, belay_status want) {
    (void)join_outside(spawn_outside(ex, member_canceled_body, m));
    assert_int_equal(m->status, want);
}

/* An act: one round with a mutex. */
static inline belay_status lock_and_unlock(belay_task *self, member *m) {
    belay_status status = m->deadline == 0 ? belay_mutex_lock(self, m->object)
                                           : belay_mutex_lock_until(self, m->object, m->deadline);
    if (status == BELAY_OK || status == BELAY_EOWNERDEAD) {
        member_served(m);
        EXPECT_STATUS(belay_mutex_unlock(self, m->object), BELAY_OK);
    }
    return status;
}

static inline belay_time long_from_now(void) {
    return belay_after(60 * BELAY_SECOND);
}

#endif

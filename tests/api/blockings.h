/* What the tests of blocking calls share: a function that blocks until it is told. */
#ifndef BELAY_TESTS_API_BLOCKINGS_H
#define BELAY_TESTS_API_BLOCKINGS_H

#include "api/support.h"

/* A function that blocks until it is told, and a task that calls it. */
typedef struct block_case {
    tally started, go, ended, canceled_seen;
    bool until_canceled;
    belay_scope scope;
    belay_time deadline;
    belay_status status, result;
    int32_t worker;
    pthread_t thread;
} block_case;

static inline belay_status block(void *arg, const belay_blocking_context *context) {
    block_case *c = arg;
    c->worker = belay_worker_index();
    c->thread = pthread_self();
    (void)tally_add(&c->started);
    while (tally_read(&c->go) == 0) {
        if (belay_blocking_canceled(context)) {
            tally_set(&c->canceled_seen, 1);
            if (c->until_canceled) {
                break;
            }
        }
        sched_yield();
    }
    (void)tally_add(&c->ended);
    return 42;
}

static inline belay_status call_block(belay_task *self, void *arg) {
    block_case *c = arg;
    c->result = 99;
    c->status = belay_blocking_until(self, block, c, c->deadline, &c->result);
    return BELAY_OK;
}

static inline block_case case_make(void) {
    return (block_case){.deadline = BELAY_NEVER};
}

#endif

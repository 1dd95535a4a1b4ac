/* What the tests of select over channels share: a task that selects. */
#ifndef BELAY_TESTS_API_SELECTS_H
#define BELAY_TESTS_API_SELECTS_H

#include "channels.h"

/* A select over up to three channels in a task, and what came of it. */
typedef struct chosen {
    belay_channel *recv[3];
    belay_channel *send[3];
    int in[3], out[3];
    size_t which;
    belay_status status, clause;
    tally done;
} chosen;

/* Clauses 0..2 receive, 3..5 send. */
static inline belay_status select_body(belay_task *self, void *arg) {
    chosen *c = arg;
    belay_clause clauses[6];
    memset(clauses, 0, sizeof clauses);
    for (int i = 0; i < 3; i++) {
        if (c->recv[i] != NULL) {
            clauses[i] = belay_on_recv(c->recv[i], &c->in[i]);
        }
        if (c->send[i] != NULL) {
            clauses[3 + i] = belay_on_send(c->send[i], &c->out[i]);
        }
    }
    c->which = 99;
    c->status = belay_select(self, clauses, 6, 0, &c->which);
    c->clause = c->which < 6 ? clauses[c->which].status : BELAY_OK;
    (void)tally_add(&c->done);
    return BELAY_OK;
}

#endif

/* What the tests of deferred cleanup share: a trace of letters. */
#ifndef BELAY_TESTS_API_DEFERS_H
#define BELAY_TESTS_API_DEFERS_H

#include "api/cancels.h"

typedef struct trace {
    char text[32];
    tally length;
    belay_scope scope;
    tally ready, over;
} trace;

typedef struct mark {
    trace *t;
    char letter;
} mark;

static inline void write_letter(trace *t, char letter) {
    t->text[tally_add(&t->length) - 1] = letter;
}

static inline belay_status letter(belay_task *self, void *arg) {
    const mark *m = arg;
    (void)self;
    write_letter(m->t, m->letter);
    return BELAY_OK;
}

#endif

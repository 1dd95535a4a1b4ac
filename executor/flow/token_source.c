/* A cancel token as a clause of select: ready when it is cancelled so far, or gone. The executor is kept by being its
 * guest. */
#include "flow/source.h"

#include "owner/scope.h"

typedef struct token_clause {
    belay_executor *executor; /* NULL: gone since long */
    cancel_level level;
} token_clause;

_Static_assert(sizeof(token_clause) <= CLAUSE_SPACE, "fits into the clause");

static token_clause *space(belay_clause *c) {
    return clause_space(c);
}

/* A clause keeps the token in the place of a handle. */
static belay_token token_of(const belay_clause *c) {
    return (belay_token){c->task.slot, c->task.executor, c->task.generation};
}

static belay_status token_begin(belay_task *self, belay_clause *c) {
    (void)self;
    if (c->time != BELAY_SOFT_CANCELED && c->time != BELAY_HARD_CANCELED) {
        return BELAY_EINVAL;
    }
    token_clause *k = space(c);
    k->level = c->time == BELAY_SOFT_CANCELED ? CANCEL_SOFT : CANCEL_HARD;
    k->executor = registry_open(c->task.executor, c->task.generation);
    return BELAY_OK;
}

static void token_leave(belay_clause *c) {
    if (space(c)->executor != NULL) {
        registry_done(space(c)->executor);
    }
}

static bool token_poll(belay_clause *c) {
    token_clause *k = space(c);
    belay_status status =
        k->executor == NULL ? BELAY_ESTALE : token_state(k->executor, token_of(c), k->level);
    if (status != BELAY_EAGAIN) {
        c->status = status;
    }
    return status != BELAY_EAGAIN;
}

static bool token_arm(belay_clause *c) {
    token_clause *k = space(c);
    return k->executor == NULL ||
           token_watch(k->executor, token_of(c), k->level, clause_arm(c)) != BELAY_EAGAIN;
}

static void token_disarm(belay_clause *c) {
    token_unwatch(space(c)->executor, token_of(c), clause_arm(c));
}

static void token_fired(belay_clause *c) {
    c->status = token_was_canceled(clause_arm(c)) ? BELAY_OK : BELAY_ESTALE;
}

const source token_source = {token_begin,  token_poll,  token_arm,
                             token_disarm, token_fired, token_leave};

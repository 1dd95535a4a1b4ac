/* A latch. `count` changes under the line's lock; zero, which is for ever, is seen without it. */
#include <belay/latch.h>

#include "flow/line.h"
#include "base/mutant.h"

typedef struct latch_state {
    line line;
    ATOMIC(uint32_t) count;
    uint32_t unused;
} latch_state;

_Static_assert(sizeof(latch_state) == sizeof(belay_latch), "layout");

static latch_state *in(belay_latch *l) {
    return (latch_state *)(void *)l;
}

static bool is_open(const latch_state *l) {
    return load_acquire(&l->count) == 0; /* pairs with the release in lower */
}

/* Under the lock. */
static belay_status lower(latch_state *l, uint32_t n) {
    uint32_t count = load_relaxed(&l->count); /* relaxed: under the lock */
    if (n == 0 || n > count) {
        return BELAY_EINVAL;
    }
    store_release(&l->count, count - n); /* pairs with is_open; earlier calls' through the lock */
    if (count == n) {
        line_wake_all(&l->line.waiting);
    }
    return BELAY_OK;
}

belay_status belay_latch_count_down(belay_latch *latch, uint32_t n) {
    if (latch == NULL || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    line_take(&in(latch)->line);
    belay_status status = lower(in(latch), n);
    line_release(&in(latch)->line);
    return status;
}

/* Under the lock, at the call and at the return. */
static wait_word wait_open(latch_state *l, belay_task *self, belay_time deadline) {
    wait_how how = {.self = self, .deadline = deadline, .kind = WAIT_FOR_LATCH};
    place p = {0};
    return load_relaxed(&l->count) == 0 && !MUTANT(latch_no_look) /* relaxed: under the lock */
               ? WAIT_OK
               : line_wait(&l->line, &l->line.waiting, &p, &how);
}

belay_status belay_latch_wait_until(belay_task *self, belay_latch *latch, belay_time deadline) {
    belay_status status = latch == NULL ? BELAY_EINVAL : flow_begin(self);
    if (status != BELAY_OK) {
        return status;
    }
    if (is_open(in(latch))) {
        flow_ready(self);
        return BELAY_OK;
    }
    line_take(&in(latch)->line);
    wait_word result = wait_open(in(latch), self, deadline);
    line_release(&in(latch)->line);
    return line_status(self, result);
}

belay_status belay_latch_wait(belay_task *self, belay_latch *latch) {
    return belay_latch_wait_until(self, latch, BELAY_NEVER);
}

belay_status belay_latch_try_wait(const belay_latch *latch) {
    if (latch == NULL || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    return is_open((const struct latch_state *)(const void *)latch) ? BELAY_OK : BELAY_EAGAIN;
}

belay_status belay_latch_count_down_and_wait_until(belay_task *self, belay_latch *latch,
                                                   belay_time deadline) {
    belay_status status = latch == NULL ? BELAY_EINVAL : check_waiter(self);
    if (status != BELAY_OK) {
        return status;
    }
    wait_word result = WAIT_OK;
    line_take(&in(latch)->line);
    status = lower(in(latch), 1);
    if (status == BELAY_OK) {
        bool canceled = self != NULL && task_canceled(self);
        result = canceled ? WAIT_CANCELED : wait_open(in(latch), self, deadline);
    }
    line_release(&in(latch)->line);
    return status != BELAY_OK ? status : line_status(self, result);
}

belay_status belay_latch_count_down_and_wait(belay_task *self, belay_latch *latch) {
    return belay_latch_count_down_and_wait_until(self, latch, BELAY_NEVER);
}

belay_status belay_latch_init(belay_latch *latch, uint32_t count) {
    if (latch == NULL) {
        return BELAY_EINVAL;
    }
    *latch = (belay_latch){{0}};
    init_plain(&in(latch)->count, count);
    return BELAY_OK;
}

belay_status belay_latch_fini(belay_latch *latch) {
    return latch == NULL ? BELAY_EINVAL : line_fini(&in(latch)->line);
}

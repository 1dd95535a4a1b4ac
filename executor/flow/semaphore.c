/* A counting semaphore. All of it happens under the line's lock: see docs/protocols/locks.md. */
#include <belay/semaphore.h>

#include "flow/line.h"
#include "base/mutant.h"

typedef struct semaphore_state {
    line line;
    uint32_t permits; /* under the lock */
    uint32_t unused;
} semaphore_state;

_Static_assert(sizeof(semaphore_state) == sizeof(belay_semaphore), "layout");

static semaphore_state *in(belay_semaphore *s) {
    return (semaphore_state *)(void *)s;
}

/* Under the lock: the first of the line as long as there is enough for it. */
static void serve(semaphore_state *s) {
    bool parked;
    while (!list_empty(&s->line.waiting)) {
        place *p = place_of(s->line.waiting.next);
        if (p->need > s->permits) {
            return; /* it may be cancelled already: it serves when it leaves */
        }
        list_remove(&p->waiter.arm.link);
        if (arm_claim(&p->waiter.arm, &parked)) {
            s->permits -= p->need;
            line_resume(p, parked);
        }
    }
}

static bool take_now(semaphore_state *s, uint32_t n) {
    bool enough = list_empty(&s->line.waiting) && s->permits >= n;
    s->permits -= enough ? n : 0;
    return enough;
}

static wait_word queue_up(semaphore_state *s, belay_task *self, uint32_t n, belay_time deadline) {
    wait_how how = {.self = self, .deadline = deadline, .kind = WAIT_FOR_SEMAPHORE};
    place p = {.need = n};
    wait_word result = line_wait(&s->line, &s->line.waiting, &p, &how);
    if (result != WAIT_OK) {
        if (!MUTANT(semaphore_not_served)) {
            serve(s); /* those whom it held back */
        }
    }
    return result;
}

belay_status belay_semaphore_acquire_until(belay_task *self, belay_semaphore *semaphore, uint32_t n,
                                           belay_time deadline) {
    belay_status status = semaphore == NULL || n == 0 ? BELAY_EINVAL : flow_begin(self);
    if (status != BELAY_OK) {
        return status;
    }
    wait_word result = WAIT_OK;
    line_take(&in(semaphore)->line);
    if (!take_now(in(semaphore), n)) {
        result = queue_up(in(semaphore), self, n, deadline);
    }
    line_release(&in(semaphore)->line);
    return line_status(self, result);
}

belay_status belay_semaphore_acquire(belay_task *self, belay_semaphore *semaphore, uint32_t n) {
    return belay_semaphore_acquire_until(self, semaphore, n, BELAY_NEVER);
}

belay_status belay_semaphore_try_acquire(belay_semaphore *semaphore, uint32_t n) {
    if (semaphore == NULL || n == 0 || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    line_take(&in(semaphore)->line);
    bool taken = take_now(in(semaphore), n);
    line_release(&in(semaphore)->line);
    return taken ? BELAY_OK : BELAY_EAGAIN;
}

belay_status belay_semaphore_release(belay_semaphore *semaphore, uint32_t n) {
    if (semaphore == NULL || n == 0 || port_forked()) {
        return port_forked() ? BELAY_ECHILD : BELAY_EINVAL;
    }
    semaphore_state *s = in(semaphore);
    line_take(&s->line);
    bool fits = n <= UINT32_MAX - s->permits;
    if (fits) {
        s->permits += n;
        serve(s);
    }
    line_release(&s->line);
    return fits ? BELAY_OK : BELAY_EINVAL;
}

uint32_t belay_semaphore_permits(belay_semaphore *semaphore) {
    if (semaphore == NULL || port_forked()) {
        return 0;
    }
    line_take(&in(semaphore)->line);
    uint32_t permits = in(semaphore)->permits;
    line_release(&in(semaphore)->line);
    return permits;
}

belay_status belay_semaphore_init(belay_semaphore *semaphore, uint32_t permits) {
    if (semaphore == NULL) {
        return BELAY_EINVAL;
    }
    *semaphore = (belay_semaphore){{0}};
    in(semaphore)->permits = permits;
    return BELAY_OK;
}

belay_status belay_semaphore_fini(belay_semaphore *semaphore) {
    return semaphore == NULL ? BELAY_EINVAL : line_fini(&in(semaphore)->line);
}

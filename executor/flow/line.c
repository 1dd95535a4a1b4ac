/* See flow/line.h. */
#include "flow/line.h"
#include "base/mutant.h"

wait_word line_wait(line *l, list *waiting, place *p, const wait_how *how) {
    list *node = &p->waiter.arm.link;
    waiter_init(&p->waiter, how->self, how->drain);
    p->waiter.awaits = how->lock != NULL ? (uintptr_t)how->lock + AWAITS_LOCK : AWAITS_NOBODY;
    if (how->first) {
        list_prepend(waiting, node);
    } else {
        list_append(waiting, node);
    }
    l->inside++;
    line_release(l);
    wait_word result = waiter_block(&p->waiter, how->deadline, how->kind);
    line_take(l);
    list_remove(node);
    l->inside--;
    return result;
}

place *line_claim(list *waiting, bool *parked) {
    while (!list_empty(waiting)) {
        place *p = place_of(waiting->next);
        list_remove(&p->waiter.arm.link);
        if (arm_claim(&p->waiter.arm, parked)) {
            return p;
        }
    }
    return NULL;
}

bool line_wake(list *waiting) {
    while (!list_empty(waiting)) {
        list *node = waiting->next;
        list_remove(node);
        if (arm_wake(arm_of(node)) || MUTANT(line_wake_spent)) {
            return true;
        }
    }
    return false;
}

void line_wake_all(list *waiting) {
    while (line_wake(waiting)) {
    }
}

belay_status line_fini(line *l) {
    line_take(l);
    bool busy = l->inside != 0;
    line_release(l);
    return busy ? BELAY_EBUSY : BELAY_OK;
}

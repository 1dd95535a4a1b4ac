/* Locks, conditions, latches, events: they need no memory, but the tasks that wait for them need stacks. */
#include "scenarios.h"

enum { USERS = 4, ROUNDS = 2 };

typedef struct shared {
    belay_mutex mutex;
    belay_rwlock rwlock;
    belay_semaphore semaphore;
    belay_condition condition;
    belay_latch latch;
    belay_once once;
    uint32_t turn; /* under the mutex */
    uint32_t done; /* under the once */
} shared;

static belay_status do_once(belay_task *self, void *arg) {
    (void)belay_yield(self);
    ((shared *)arg)->done++;
    return BELAY_OK;
}

static belay_status use_rwlock(belay_task *self, shared *s, bool write) {
    belay_status status =
        write ? belay_rwlock_write(self, &s->rwlock) : belay_rwlock_read(self, &s->rwlock);
    if (MAY(status, BELAY_OK, BELAY_ECANCELED) == BELAY_OK) {
        (void)belay_yield(self);
        MAY(write ? belay_rwlock_write_unlock(self, &s->rwlock)
                  : belay_rwlock_read_unlock(self, &s->rwlock),
            BELAY_OK);
    }
    return status;
}

/* Waits until it is this user's turn, and gives it to the next. */
static belay_status take_turn(belay_task *self, shared *s, uint32_t mine) {
    belay_status status = MAY(belay_mutex_lock(self, &s->mutex), BELAY_OK, BELAY_ECANCELED);
    if (status != BELAY_OK) {
        return status;
    }
    while (status == BELAY_OK && s->turn != mine) {
        status =
            MAY(belay_condition_wait(self, &s->condition, &s->mutex), BELAY_OK, BELAY_ECANCELED);
    }
    s->turn += status == BELAY_OK;
    MAY(belay_condition_broadcast(&s->condition), BELAY_OK);
    MAY(belay_mutex_unlock(self, &s->mutex), BELAY_OK);
    return status;
}

typedef struct user {
    shared *shared;
    uint32_t number;
} user;

static belay_status use_all(belay_task *self, void *arg) {
    user *u = arg;
    shared *s = u->shared;
    belay_status status = take_turn(self, s, u->number);
    for (int i = 0; i < ROUNDS && status == BELAY_OK; i++) {
        status = use_rwlock(self, s, (u->number + (uint32_t)i) % 2 == 0);
    }
    if (status == BELAY_OK) {
        status = MAY(belay_once_run(self, &s->once, do_once, s), BELAY_OK, BELAY_ECANCELED);
    }
    if (status == BELAY_OK) {
        status = MAY(belay_semaphore_acquire(self, &s->semaphore, 1), BELAY_OK, BELAY_ECANCELED);
    }
    if (status == BELAY_OK) {
        (void)belay_yield(self);
        MAY(belay_semaphore_release(&s->semaphore, 1), BELAY_OK);
        status = MAY(belay_latch_count_down_and_wait(self, &s->latch), BELAY_OK, BELAY_ECANCELED);
    }
    return status;
}

/* Each depends on the others: if one cannot come, or cannot start, the scope is cancelled. */
static belay_status meet(belay_task *self, void *arg) {
    shared *s = arg;
    user users[USERS];
    belay_scope scope;
    if (MAY(belay_scope_open(self, NULL, &scope), BELAY_OK, BELAY_ENOMEM) != BELAY_OK) {
        return BELAY_OK;
    }
    for (uint32_t i = 0; i < USERS; i++) {
        users[i] = (user){s, USERS - 1 - i};
        if (fault_spawn(self, scope, use_all, &users[i], NULL, NULL) != BELAY_OK) {
            (void)belay_scope_cancel(scope, BELAY_OK, "one is missing");
            break;
        }
    }
    belay_status status =
        MAY(belay_scope_close(self, scope), BELAY_OK, BELAY_ENOSTACK, BELAY_ECANCELED);
    CHECKED(fault_struck() || (status == BELAY_OK && s->done == 1 && s->turn == USERS));
    return BELAY_OK;
}

void scenario_locks(void) {
    belay_executor *ex = fault_executor();
    shared s = {.turn = 0};
    MAY(belay_semaphore_init(&s.semaphore, 2), BELAY_OK);
    MAY(belay_latch_init(&s.latch, USERS), BELAY_OK);
    if (ex != NULL) {
        (void)fault_run(ex, meet, &s);
    }
    fault_executor_end(ex);
    MAY(belay_mutex_fini(&s.mutex), BELAY_OK);
    MAY(belay_rwlock_fini(&s.rwlock), BELAY_OK);
    MAY(belay_semaphore_fini(&s.semaphore), BELAY_OK);
    MAY(belay_condition_fini(&s.condition), BELAY_OK);
    MAY(belay_latch_fini(&s.latch), BELAY_OK);
    MAY(belay_once_fini(&s.once), BELAY_OK);
}

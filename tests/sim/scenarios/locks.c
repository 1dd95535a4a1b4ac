/* Locks: the hand-off against a cancel, a deadline and a late barger; every lock that was got is let go, nobody is left
 * waiting, and no two are inside. Objects outlive nobody: each is ended as soon as its users have said that they are
 * through. */
#include "scenario.h"

enum { TAKERS = 3, ROUNDS = 2 };

static belay_mutex mutex;
static belay_rwlock rwlock;
static belay_semaphore semaphore;
static belay_event event;
static belay_condition condition;
static belay_once once;

static belay_task_handle taker[TAKERS];
static atomic_u32 inside;
static tally got;
static tally refused;
static uint32_t items; /* plain, under the mutex */

static void reset(void) {
    store_relaxed(&inside, 0u); /* relaxed: outside a run */
    tally_reset(&got);
    tally_reset(&refused);
    items = 0;
    (void)belay_mutex_init(&mutex);
    (void)belay_rwlock_init(&rwlock);
    (void)belay_semaphore_init(&semaphore, 0);
    (void)belay_event_init(&event, BELAY_EVENT_AUTO);
    (void)belay_condition_init(&condition);
    (void)belay_once_init(&once);
}

static void alone_inside(void) {
    sim_check(fetch_add_seq_cst(&inside, 1u) == 0, "two are inside"); /* seq_cst: a check */
    fetch_sub_seq_cst(&inside, 1u);                                   /* seq_cst: as above */
}

static bool note(belay_status status) {
    sim_check(status == BELAY_OK || status == BELAY_ECANCELED || status == BELAY_ETIMEDOUT,
              "another refusal");
    tally_add(status == BELAY_OK ? &got : &refused, 1);
    return status == BELAY_OK;
}

static belay_time some_deadline(void) {
    return sim_choose(2) == 0 ? BELAY_NEVER : belay_after((int64_t)sim_choose(3000));
}

static belay_executor *begin(belay_body *body) {
    belay_executor *ex = world_open();
    belay_task_options o = {.flags = BELAY_TASK_RUN_CANCELED}; /* each says how it ended */
    for (int i = 0; i < TAKERS; i++) {
        sim_check(world_spawn_with(NULL, belay_executor_root(ex), body, NULL, o, &taker[i]) ==
                      BELAY_OK,
                  "refused");
    }
    return ex;
}

static void cancel_one(void *arg) {
    (void)arg;
    belay_status status = belay_task_cancel(taker[1], BELAY_ECANCELED, NULL);
    sim_check(status == BELAY_OK || status == BELAY_EALREADY, "not cancelled");
}

static void end(belay_executor *ex) {
    for (int i = 0; i < TAKERS; i++) {
        sim_check(belay_join(NULL, taker[i], NULL) == BELAY_OK, "not joined");
        sim_check(belay_task_release(taker[i]) == BELAY_OK, "not released");
    }
    world_close(ex);
}

/* ---- mutex ----------------------------------------------------------------------------------- */

static belay_status lock_some(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (note(belay_mutex_lock_until(self, &mutex, some_deadline()))) {
            sim_check(fetch_add_seq_cst(&inside, 1u) == 0, "two are inside"); /* seq_cst: a check */
            if (sim_choose(2) == 0) {
                (void)belay_yield(self);
            }
            fetch_sub_seq_cst(&inside, 1u); /* seq_cst: as above */
            sim_check(belay_mutex_unlock(self, &mutex) == BELAY_OK, "not unlocked");
        }
    }
    return BELAY_OK;
}

static void lock_outside(void *arg) {
    (void)lock_some(NULL, arg);
}

static void mutex_canceled(void) {
    belay_executor *ex = begin(lock_some);
    port_thread thread = world_thread(cancel_one, NULL, "canceller");
    lock_outside(NULL);
    port_thread_join(&thread);
    end(ex);
    sim_check(belay_mutex_fini(&mutex) == BELAY_OK, "the mutex is not free");
}

/* Ends with the mutex held: the next one hears of it, exactly one for each death. */
static tally deaths;

static belay_status lock_and_die(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_mutex_lock(self, &mutex);
    if (status == BELAY_OK || status == BELAY_EOWNERDEAD) {
        alone_inside();
        (void)belay_yield(self); /* so that others come to wait */
        tally_add(&got, 1);
        tally_add(&deaths, status == BELAY_EOWNERDEAD);
    }
    return BELAY_OK;
}

static void reset_deaths(void) {
    reset();
    tally_reset(&deaths);
}

static void mutex_deaths(void) {
    belay_executor *ex = begin(lock_and_die);
    cancel_one(NULL);
    end(ex);
    uint32_t all = tally_read(&got);
    sim_check(all == 0 || tally_read(&deaths) == all - 1, "a death was told not once");
    sim_check(belay_mutex_try_lock(NULL, &mutex) == (all == 0 ? BELAY_OK : BELAY_EOWNERDEAD),
              "the last death was not told");
    sim_check(belay_mutex_unlock(NULL, &mutex) == BELAY_OK, "not unlocked");
}

/* ---- semaphore ------------------------------------------------------------------------------- */

static belay_status acquire_some(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t n = 1 + (uint32_t)sim_choose(2);
        if (note(belay_semaphore_acquire_until(self, &semaphore, n, some_deadline()))) {
            (void)belay_yield(self);
            sim_check(belay_semaphore_release(&semaphore, n) == BELAY_OK, "not released");
        }
    }
    return BELAY_OK;
}

static void semaphore_canceled(void) {
    belay_executor *ex = begin(acquire_some);
    port_thread thread = world_thread(cancel_one, NULL, "canceller");
    sim_check(belay_semaphore_release(&semaphore, 1) == BELAY_OK, "not released");
    sim_check(belay_semaphore_release(&semaphore, 1) == BELAY_OK, "not released");
    port_thread_join(&thread);
    end(ex);
    sim_check(belay_semaphore_permits(&semaphore) == 2, "permits were lost or made");
    sim_check(belay_semaphore_fini(&semaphore) == BELAY_OK, "somebody is left");
}

/* ---- event ----------------------------------------------------------------------------------- */

static belay_status take_event(belay_task *self, void *arg) {
    (void)arg;
    (void)note(belay_event_wait_until(self, &event, some_deadline()));
    return BELAY_OK;
}

/* A set that was given to nobody stays. */
static void event_canceled(void) {
    belay_executor *ex = begin(take_event);
    port_thread thread = world_thread(cancel_one, NULL, "canceller");
    uint32_t sets = 0;
    while (tally_read(&got) + tally_read(&refused) < TAKERS) {
        if (!belay_event_is_set(&event)) {
            sim_check(belay_event_set(&event) == BELAY_OK, "not set");
            sets++;
        }
        port_thread_yield();
    }
    port_thread_join(&thread);
    end(ex);
    sim_check(sets == tally_read(&got) + belay_event_is_set(&event), "a set was lost or made");
    sim_check(belay_event_fini(&event) == BELAY_OK, "somebody is left");
}

/* ---- condition ------------------------------------------------------------------------------- */

/* Takes one item, or is cancelled: then it leaves the items, and the wake, to others. */
static belay_status take_item(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_mutex_lock(self, &mutex);
    if (status != BELAY_OK) {
        tally_add(&refused, 1);
        return BELAY_OK;
    }
    while (items == 0 && status == BELAY_OK) {
        status = belay_condition_wait(self, &condition, &mutex);
        alone_inside();
    }
    if (status == BELAY_OK) {
        items--;
    }
    (void)note(status);
    sim_check(belay_mutex_unlock(self, &mutex) == BELAY_OK, "the mutex was not held");
    return BELAY_OK;
}

static void condition_canceled(void) {
    belay_executor *ex = begin(take_item);
    port_thread thread = world_thread(cancel_one, NULL, "canceller");
    for (int i = 0; i < TAKERS; i++) {
        sim_check(belay_mutex_lock(NULL, &mutex) == BELAY_OK, "not locked");
        items++;
        sim_check(belay_mutex_unlock(NULL, &mutex) == BELAY_OK, "not unlocked");
        sim_check(belay_condition_signal(&condition) == BELAY_OK, "no signal");
    }
    port_thread_join(&thread);
    end(ex);
    sim_check(items == tally_read(&refused), "an item was lost");
    sim_check(belay_condition_fini(&condition) == BELAY_OK, "somebody is left");
    sim_check(belay_mutex_fini(&mutex) == BELAY_OK, "the mutex is not free");
}

/* ---- rwlock, once --------------------------------------------------------------------- */

static belay_status read_or_write(belay_task *self, void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (sim_choose(2) == 0) {
            if (note(belay_rwlock_write_until(self, &rwlock, some_deadline()))) {
                alone_inside();
                sim_check(belay_rwlock_write_unlock(self, &rwlock) == BELAY_OK, "not unlocked");
            }
        } else if (note(belay_rwlock_read_until(self, &rwlock, some_deadline()))) {
            sim_check(belay_rwlock_try_write(self, &rwlock) == BELAY_EAGAIN, "a writer came in");
            sim_check(belay_rwlock_read_unlock(self, &rwlock) == BELAY_OK, "not unlocked");
        }
    }
    return BELAY_OK;
}

static void rwlock_canceled(void) {
    belay_executor *ex = begin(read_or_write);
    port_thread thread = world_thread(cancel_one, NULL, "canceller");
    (void)read_or_write(NULL, NULL);
    port_thread_join(&thread);
    end(ex);
    sim_check(belay_rwlock_fini(&rwlock) == BELAY_OK, "the lock is not free");
}

static belay_status make(belay_task *self, void *arg) {
    (void)arg;
    alone_inside();
    if (self != NULL && (belay_yield(self) != BELAY_OK || sim_choose(2) == 0)) {
        return BELAY_ECANCELED;
    }
    items++;
    return BELAY_OK;
}

static belay_status run_once(belay_task *self, void *arg) {
    (void)arg;
    if (note(belay_once_run_until(self, &once, make, NULL, some_deadline()))) {
        sim_check(items == 1, "not done, or twice");
    }
    return BELAY_OK;
}

static void once_canceled(void) {
    belay_executor *ex = begin(run_once);
    port_thread thread = world_thread(cancel_one, NULL, "canceller");
    (void)belay_once_run(NULL, &once, make, NULL);
    port_thread_join(&thread);
    end(ex);
    sim_check(items == 1 && belay_once_is_done(&once), "not done, or twice");
    sim_check(belay_once_fini(&once) == BELAY_OK, "somebody is left");
}

static const scenario list_of_scenarios[] = {
    {"mutex_canceled", reset, mutex_canceled, 2},
    {"mutex_deaths", reset_deaths, mutex_deaths, 2},
    {"semaphore_canceled", reset, semaphore_canceled, 2},
    {"event_canceled", reset, event_canceled, 2},
    {"condition_canceled", reset, condition_canceled, 2},
    {"rwlock_canceled", reset, rwlock_canceled, 2},
    {"once_canceled", reset, once_canceled, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("locks", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}

/* A storm of signals with a handler that lets system calls be interrupted, over every thread that takes signals:
 * foreign threads in every waiting call, and workers, whose hook has let the signal through. No wait ends early, none
 * is lost. */
#include "api/support.h"

#include <dirent.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROUNDS = 3, STRANGERS = 3 };

#define MOMENT (2 * BELAY_MILLISECOND)

static tally storms; /* handlers that have run */
static tally over;

static void interrupt(int number) {
    (void)number;
    (void)__atomic_add_fetch(&storms.value, 1, __ATOMIC_RELAXED);
}

static void let_through(uint32_t index, void *arg) {
    sigset_t set;
    (void)index;
    (void)arg;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Every thread of the process but itself, over and over. */
static void *storm(void *arg) {
    long self = syscall(SYS_gettid);
    (void)arg;
    while (tally_read(&over) == 0) {
        DIR *tasks = opendir("/proc/self/task");
        for (struct dirent *e; tasks != NULL && (e = readdir(tasks)) != NULL;) {
            long tid = strtol(e->d_name, NULL, 10);
            if (tid > 0 && tid != self) {
                (void)syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
            }
        }
        if (tasks != NULL) {
            (void)closedir(tasks);
        }
    }
    return NULL;
}

/* ---- what is waited for ------------------------------------------------------------------------------------------ */

/* Something happens a moment later. */
static belay_status later(belay_task *self) {
    return belay_sleep_until(self, belay_after(MOMENT));
}

static belay_status end_later(belay_task *self, void *arg) {
    (void)arg;
    return later(self);
}

typedef struct place {
    belay_executor *ex;
    belay_channel *channel;
    belay_mutex mutex;
    belay_condition condition;
    belay_rwlock rwlock;
    belay_semaphore semaphore;
    belay_event event;
    belay_latch latch;
    belay_once once;
    int ends[2];
    bool ready; /* under the mutex */
} place;

/* Serves every wait of visit(), in its order, each a moment later. */
static belay_status serve(belay_task *self, void *arg) {
    place *p = arg;
    uint64_t item = 1;
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT_STATUS(belay_channel_send(self, p->channel, &item), BELAY_OK);
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT_STATUS(belay_channel_send(self, p->channel, &item), BELAY_OK);
    EXPECT_STATUS(belay_mutex_lock(self, &p->mutex), BELAY_OK);
    EXPECT_STATUS(later(self), BELAY_OK);
    p->ready = true;
    EXPECT_STATUS(belay_condition_signal(&p->condition), BELAY_OK);
    EXPECT_STATUS(belay_mutex_unlock(self, &p->mutex), BELAY_OK);
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_write_unlock(self, &p->rwlock), BELAY_OK);
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT_STATUS(belay_semaphore_release(&p->semaphore, 1), BELAY_OK);
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT_STATUS(belay_event_set(&p->event), BELAY_OK);
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT_STATUS(belay_latch_count_down(&p->latch, 1), BELAY_OK);
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT(write(p->ends[1], "ab", 2) == 2);
    return BELAY_OK;
}

/* The rwlock is held from the beginning by the task that will serve. */
static belay_status begin_to_serve(belay_task *self, void *arg) {
    place *p = arg;
    EXPECT_STATUS(belay_rwlock_write(self, &p->rwlock), BELAY_OK);
    EXPECT_STATUS(belay_started(self, NULL), BELAY_OK);
    return serve(self, arg);
}

static belay_status do_once(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(MOMENT));
}

/* ---- waiting, as a task or a stranger ---------------------------------------------------------------------------- */

static void wait_for_flow(belay_task *self, place *p) {
    uint64_t item = 0;
    size_t which;
    EXPECT_STATUS(belay_channel_recv(self, p->channel, &item), BELAY_OK);
    belay_clause clauses[] = {belay_on_recv(p->channel, &item)};
    EXPECT_STATUS(belay_select(self, clauses, 1, 0, &which), BELAY_OK);
    EXPECT_STATUS(clauses[0].status, BELAY_OK);
}

static void wait_for_locks(belay_task *self, place *p) {
    EXPECT_STATUS(belay_mutex_lock(self, &p->mutex), BELAY_OK);
    while (!p->ready) {
        EXPECT_STATUS(belay_condition_wait(self, &p->condition, &p->mutex), BELAY_OK);
    }
    EXPECT_STATUS(belay_mutex_unlock(self, &p->mutex), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_read(self, &p->rwlock), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_read_unlock(self, &p->rwlock), BELAY_OK);
    EXPECT_STATUS(belay_semaphore_acquire(self, &p->semaphore, 1), BELAY_OK);
    EXPECT_STATUS(belay_event_wait(self, &p->event), BELAY_OK);
    EXPECT_STATUS(belay_latch_wait(self, &p->latch), BELAY_OK);
    EXPECT_STATUS(belay_once_run(self, &p->once, do_once, NULL), BELAY_OK);
}

static void wait_for_files(belay_task *self, place *p) {
    char bytes[2];
    size_t count;
    EXPECT_STATUS(belay_wait_fd(self, p->ends[0], BELAY_FD_READ, NULL), BELAY_OK);
    EXPECT_STATUS(belay_read(self, p->ends[0], bytes, 2, &count, NULL), BELAY_OK);
    EXPECT_STATUS(belay_wait_fd_until(self, p->ends[0], BELAY_FD_READ, belay_after(MOMENT), NULL),
                  BELAY_ETIMEDOUT);
}

static void wait_for_time(belay_task *self) {
    belay_time until = belay_after(MOMENT);
    EXPECT_STATUS(belay_sleep_until(self, until), BELAY_OK);
    EXPECT(belay_now() >= until);
}

static void wait_for_tasks(belay_task *self, place *p) {
    belay_scope scope;
    belay_task_handle tasks[3];
    belay_source source;
    size_t which;
    EXPECT_STATUS(belay_scope_open_root(p->ex, NULL, &scope), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, end_later, NULL, NULL, &tasks[i]), BELAY_OK);
    }
    EXPECT_STATUS(belay_join(self, tasks[0], NULL), BELAY_OK);
    EXPECT_STATUS(belay_join_any(self, &tasks[1], 2, &which, NULL), BELAY_OK);
    EXPECT_STATUS(belay_join_all(self, tasks, 3, NULL), BELAY_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_task_release(tasks[i]), BELAY_OK);
    }
    EXPECT_STATUS(belay_spawn(self, scope, end_later, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_wait(self, scope), BELAY_OK);
    EXPECT_STATUS(belay_source_create(p->ex, NULL, 0, &source), BELAY_OK);
    EXPECT_STATUS(belay_token_wait_until(self, belay_source_token(source), BELAY_HARD_CANCELED,
                                         belay_after(MOMENT)),
                  BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_source_release(source), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, scope, end_later, NULL, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
}

static belay_status complete_later(belay_task *self, void *arg) {
    EXPECT_STATUS(later(self), BELAY_OK);
    belay_foreign_complete(arg, 7);
    return BELAY_OK;
}

static belay_status acknowledge_later(belay_task *self, void *arg) {
    belay_lease lease;
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT_STATUS(belay_channel_lease(self, arg, NULL, &lease), BELAY_OK);
    EXPECT_STATUS(later(self), BELAY_OK);
    EXPECT_STATUS(belay_lease_done(lease), BELAY_OK);
    return BELAY_OK;
}

static void wait_for_others(belay_task *self, place *p) {
    const belay_channel_options options = {.capacity = 1, .flags = BELAY_CHANNEL_ACKNOWLEDGED};
    belay_channel *channel;
    belay_foreign op;
    belay_ticker ticker;
    belay_task_handle task;
    belay_foreign_init(&op);
    EXPECT_STATUS(belay_spawn(self, belay_executor_root(p->ex), complete_later, &op, NULL, NULL),
                  BELAY_OK);
    EXPECT_STATUS(belay_foreign_wait(self, &op, NULL, NULL), 7);
    EXPECT_STATUS(belay_channel_create(&options, &channel), BELAY_OK);
    EXPECT_STATUS(
        belay_spawn(self, belay_executor_root(p->ex), acknowledge_later, channel, NULL, &task),
        BELAY_OK);
    EXPECT_STATUS(belay_channel_send(self, channel, NULL), BELAY_OK);
    EXPECT_STATUS(belay_channel_join(self, channel), BELAY_OK);
    EXPECT_STATUS(belay_join(self, task, NULL), BELAY_OK);
    EXPECT_STATUS(belay_task_release(task), BELAY_OK);
    while (belay_channel_destroy(channel) == BELAY_EBUSY) {
        sched_yield();
    }
    EXPECT_STATUS(belay_ticker_init(&ticker, MOMENT, BELAY_TICK_SKIP), BELAY_OK);
    EXPECT_STATUS(belay_ticker_wait(self, &ticker, NULL), BELAY_OK);
}

static void wait_for_an_owner(belay_task *self, place *p) {
    belay_owner owner;
    EXPECT_STATUS(belay_owner_create(p->ex, NULL, &owner), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, belay_owner_scope(owner), end_later, NULL, NULL, NULL),
                  BELAY_OK);
    EXPECT_STATUS(belay_owner_wait_until(self, owner, belay_after(MOMENT)), BELAY_ETIMEDOUT);
    EXPECT_STATUS(belay_owner_release(owner), BELAY_OK);
    EXPECT_STATUS(belay_owner_wait_until(self, owner, BELAY_NEVER), BELAY_OK);
}

/* To a point in time: what is left of a sleep that is interrupted all the time never comes to an end. */
static belay_status block(void *arg, const belay_blocking_context *context) {
    const belay_time until = belay_after(MOMENT);
    const struct timespec at = {.tv_sec = until / BELAY_SECOND, .tv_nsec = until % BELAY_SECOND};
    (void)arg;
    (void)context;
    let_through(0, NULL);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
    return BELAY_OK;
}

static void place_open(place *p, belay_executor *ex) {
    const belay_channel_options options = {.element = sizeof(uint64_t), .executor = ex};
    *p = (place){.ex = ex};
    EXPECT_STATUS(belay_channel_create(&options, &p->channel), BELAY_OK);
    EXPECT_STATUS(belay_semaphore_init(&p->semaphore, 0), BELAY_OK);
    EXPECT_STATUS(belay_latch_init(&p->latch, 1), BELAY_OK);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->ends) == 0);
}

static void place_close(place *p) {
    (void)close(p->ends[0]);
    (void)close(p->ends[1]);
    while (belay_channel_destroy(p->channel) == BELAY_EBUSY) { /* served, and not out yet */
        sched_yield();
    }
}

/* All waits in turn. */
static void visit(belay_task *self, belay_executor *ex) {
    place p;
    belay_task_handle server;
    place_open(&p, ex);
    EXPECT_STATUS(
        belay_start(self, belay_executor_root(ex), begin_to_serve, &p, NULL, &server, NULL),
        BELAY_OK);
    wait_for_flow(self, &p);
    wait_for_locks(self, &p);
    wait_for_files(self, &p);
    wait_for_time(self);
    wait_for_tasks(self, &p);
    wait_for_others(self, &p);
    wait_for_an_owner(self, &p);
    EXPECT_STATUS(belay_blocking(self, block, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_join(self, server, NULL), BELAY_OK);
    EXPECT_STATUS(belay_task_release(server), BELAY_OK);
    place_close(&p);
}

static belay_status visit_inside(belay_task *self, void *arg) {
    for (int i = 0; i < ROUNDS; i++) {
        visit(self, arg);
    }
    return BELAY_OK;
}

static void *visit_outside(void *arg) {
    for (int i = 0; i < ROUNDS; i++) {
        visit(NULL, arg);
    }
    return NULL;
}

static void weather(belay_executor *ex) {
    pthread_t strangers[STRANGERS];
    belay_task_handle tasks[STRANGERS];
    for (int i = 0; i < STRANGERS; i++) {
        assert_int_equal(pthread_create(&strangers[i], NULL, visit_outside, ex), 0);
        tasks[i] = spawn_outside(ex, visit_inside, ex);
    }
    for (int i = 0; i < STRANGERS; i++) {
        (void)join_outside(tasks[i]);
        assert_int_equal(pthread_join(strangers[i], NULL), 0);
    }
}

static void test_no_wait_ends_early_or_is_lost_in_a_storm_of_signals(void **state) {
    struct sigaction action = {.sa_handler = interrupt}; /* without SA_RESTART */
    belay_config config = test_config(workers_of(state));
    pthread_t thread;
    config.thread_start = let_through;
    tally_set(&storms, 0);
    tally_set(&over, 0);
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    belay_executor *ex = executor_make(&config);
    assert_int_equal(pthread_create(&thread, NULL, storm, NULL), 0);
    weather(ex);
    assert_true(executor_end(ex));
    tally_set(&over, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(tally_read(&storms) > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_no_wait_ends_early_or_is_lost_in_a_storm_of_signals),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Forks at any moment, while everything is in use: in the child each entry answers BELAY_ECHILD and does nothing, and
 * after the explicit new beginning everything works; the parent does not notice. What any lock or list of the parent's
 * looked like at that moment must not matter. */
#include "api/support.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREADS_IN_CHILDREN 0 /* ThreadSanitizer ends a forked child that starts a thread */
#endif
#endif
#if !defined(THREADS_IN_CHILDREN)
#define THREADS_IN_CHILDREN 1
#endif

enum { FORKS = 40, BUSY = 6, LIMIT_SECONDS = 60, FINE = 0 };

typedef struct world {
    belay_executor *ex;
    belay_channel *channel;
    belay_mutex mutex;
    belay_task_handle task;
    belay_scope scope;
    belay_owner owner;
    belay_source source;
    tally over, laps;
} world;

/* ---- what keeps everything in use -------------------------------------------------------------------------------- */

static belay_status small(belay_task *self, void *arg) {
    (void)arg;
    return belay_yield(self);
}

static void lap(belay_task *self, world *w) {
    belay_scope scope;
    uint64_t item = 0;
    EXPECT_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    for (int i = 0; i < 4; i++) {
        EXPECT_STATUS(belay_spawn(self, scope, small, NULL, NULL, NULL), BELAY_OK);
    }
    EXPECT_STATUS(belay_mutex_lock(self, &w->mutex), BELAY_OK);
    EXPECT_STATUS(belay_mutex_unlock(self, &w->mutex), BELAY_OK);
    (void)belay_channel_try_send(w->channel, &item);
    (void)belay_channel_try_recv(w->channel, &item);
    (void)belay_sleep_until(self, belay_after(20000));
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    (void)tally_add(&w->laps);
}

static belay_status busy(belay_task *self, void *arg) {
    world *w = arg;
    while (tally_read(&w->over) == 0) {
        lap(self, w);
    }
    return BELAY_OK;
}

/* Descriptors are closed, in all executors: the lock over them is mostly held. */
static void *close_often(void *arg) {
    world *w = arg;
    while (tally_read(&w->over) == 0) {
        EXPECT_STATUS(belay_fd_close(dup(STDERR_FILENO)), BELAY_OK);
    }
    return NULL;
}

/* Executors come and go: what is the process's, not an executor's. */
static void *bustle(void *arg) {
    world *w = arg;
    while (tally_read(&w->over) == 0) {
        belay_config config = test_config(1);
        belay_executor *ex;
        int ends[2];
        EXPECT_STATUS(belay_executor_create(&config, &ex), BELAY_OK);
        EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        EXPECT_STATUS(belay_wait_fd_until(NULL, ends[0], BELAY_FD_READ, belay_after(20000), NULL),
                      BELAY_ETIMEDOUT);
        EXPECT_STATUS(belay_fd_close(ends[0]), BELAY_OK);
        EXPECT_STATUS(belay_fd_close(ends[1]), BELAY_OK);
        EXPECT_STATUS(belay_executor_destroy(ex), BELAY_OK);
    }
    return NULL;
}

/* ---- the child --------------------------------------------------------------------------------------------------- */

#define REFUSED(call)                                                                              \
    do {                                                                                           \
        if ((call) != BELAY_ECHILD) {                                                              \
            return __LINE__ % 250 + 1;                                                             \
        }                                                                                          \
    } while (0)

static int refuses_tasks(belay_task *self, world *w) {
    belay_scope scope;
    belay_executor *ex;
    REFUSED(belay_executor_create(NULL, &ex));
    REFUSED(belay_executor_shutdown(w->ex, 0, 0));
    REFUSED(belay_executor_destroy(w->ex));
    REFUSED(belay_spawn(self, w->scope, small, NULL, NULL, NULL));
    REFUSED(belay_join(self, w->task, NULL));
    REFUSED(belay_task_cancel(w->task, 0, NULL));
    REFUSED(belay_task_retain(w->task));
    REFUSED(belay_scope_open_root(w->ex, NULL, &scope));
    REFUSED(belay_scope_cancel(w->scope, 0, NULL));
    REFUSED(belay_scope_close(self, w->scope));
    REFUSED(belay_scope_wait(self, w->scope));
    REFUSED(belay_owner_retain(w->owner));
    REFUSED(belay_owner_release(w->owner));
    REFUSED(belay_source_cancel(w->source, BELAY_HARD_CANCELED, 0, NULL));
    return FINE;
}

static int refuses_waits(belay_task *self, world *w) {
    uint64_t item = 0;
    belay_event event = {{0}};
    belay_foreign op;
    belay_foreign_init(&op);
    REFUSED(belay_sleep_until(self, 0));
    REFUSED(belay_channel_send(self, w->channel, &item));
    REFUSED(belay_channel_try_recv(w->channel, &item));
    REFUSED(belay_channel_close(w->channel, BELAY_CLOSE_NOW));
    REFUSED(belay_mutex_lock(self, &w->mutex));
    REFUSED(belay_event_wait(self, &event));
    REFUSED(belay_wait_fd(self, STDIN_FILENO, BELAY_FD_READ, NULL));
    REFUSED(belay_fd_close(STDIN_FILENO));
    REFUSED(belay_foreign_wait(self, &op, NULL, NULL));
    return FINE;
}

static int begins_anew(world *w) {
    belay_config config = test_config(2);
    belay_executor *ex;
    if (belay_restart_in_child() != BELAY_OK || belay_task_retain(w->task) != BELAY_ESTALE) {
        return 251;
    }
    if (!THREADS_IN_CHILDREN) {
        return FINE;
    }
    int ends[2];
    if (belay_executor_create(&config, &ex) != BELAY_OK ||
        belay_executor_run(ex, small, NULL, NULL) != BELAY_OK ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 ||
        belay_wait_fd_until(NULL, ends[0], BELAY_FD_READ, belay_after(1000), NULL) !=
            BELAY_ETIMEDOUT ||
        belay_fd_close(ends[0]) != BELAY_OK) {
        return 252;
    }
    return belay_executor_destroy(ex) == BELAY_OK ? FINE : 253;
}

static int live_as_child(belay_task *self, world *w) {
    (void)alarm(LIMIT_SECONDS);
    int failed = refuses_tasks(self, w);
    if (failed == FINE) {
        failed = refuses_waits(self, w);
    }
    if (failed == FINE && self == NULL) {
        failed = begins_anew(w);
    } else if (failed == FINE && belay_restart_in_child() != BELAY_ECONTEXT) {
        failed = 254;
    }
    return failed;
}

static void have_child(belay_task *self, world *w) {
    pid_t child = fork();
    int status = -1;
    if (child == 0) {
        _exit(live_as_child(self, w));
    }
    EXPECT(child > 0 && waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != FINE) {
        fprintf(stderr, "a child %s ended with status %x\n", self != NULL ? "of a task" : "",
                status);
    }
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == FINE);
}

/* ---- the parent -------------------------------------------------------------------------------------------------- */

static belay_status fork_inside(belay_task *self, void *arg) {
    world *w = arg;
    for (int i = 0; i < FORKS / 4; i++) {
        have_child(self, w);
        EXPECT_STATUS(belay_sleep_until(self, belay_after(50000 * (i % 3))), BELAY_OK);
    }
    return BELAY_OK;
}

static void world_open(world *w) {
    const belay_channel_options options = {
        .capacity = 2, .element = sizeof(uint64_t), .executor = w->ex};
    w->task = gate_make(w->ex);
    EXPECT_STATUS(belay_channel_create(&options, &w->channel), BELAY_OK);
    EXPECT_STATUS(belay_scope_open_root(w->ex, NULL, &w->scope), BELAY_OK);
    EXPECT_STATUS(belay_owner_create(w->ex, NULL, &w->owner), BELAY_OK);
    EXPECT_STATUS(belay_source_create(w->ex, NULL, 0, &w->source), BELAY_OK);
}

static void world_close(world *w) {
    EXPECT_STATUS(belay_scope_close(NULL, w->scope), BELAY_OK);
    EXPECT_STATUS(belay_owner_release(w->owner), BELAY_OK);
    EXPECT_STATUS(belay_source_release(w->source), BELAY_OK);
    gate_open(w->task);
    while (belay_channel_destroy(w->channel) == BELAY_EBUSY) {
        sched_yield();
    }
}

static void test_forks_in_the_middle_of_everything(void **state) {
    world w = {.ex = executor_of(state)};
    pthread_t threads[2];
    belay_task_handle tasks[BUSY];
    world_open(&w);
    for (int i = 0; i < BUSY; i++) {
        tasks[i] = spawn_outside(w.ex, busy, &w);
    }
    assert_int_equal(pthread_create(&threads[0], NULL, bustle, &w), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, close_often, &w), 0);
    for (int i = 0; i < FORKS; i++) {
        uint64_t laps = tally_read(&w.laps);
        have_child(NULL, &w);
        tally_await(&w.laps, laps + 1); /* the parent goes on */
    }
    run(w.ex, fork_inside, &w);
    tally_set(&w.over, 1);
    assert_int_equal(pthread_join(threads[0], NULL), 0);
    assert_int_equal(pthread_join(threads[1], NULL), 0);
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(join_outside(tasks[i]).status, BELAY_OK);
    }
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_forks_in_the_middle_of_everything),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

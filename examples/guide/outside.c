/* Cancels that come from outside, and waits for what comes from outside. */
#include "guide.h"

#include <poll.h>
#include <pthread.h>

static int disconnected;

/* guide: source */
static void disconnect(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    (void)guide_add(arg, 1); /* a callback: it may not wait */
}

static belay_status work_until(belay_task *self, belay_token stop, belay_body *body, int *calls) {
    belay_registration callback;
    belay_status status =
        belay_on_cancel(stop, BELAY_HARD_CANCELED, disconnect, calls, NULL, &callback);
    if (status != BELAY_OK) {
        return status;
    }
    belay_scope scope;
    belay_scope_options options = {.token = stop}; /* cancelled with the token, as from outside */
    status = belay_scope_open(self, &options, &scope);
    if (status == BELAY_OK) {
        status = body(self, NULL);
        belay_status closed = belay_scope_close(self, scope);
        status = closed != BELAY_OK ? closed : status;
    }
    (void)belay_on_cancel_remove(self, callback); /* it does not run any more */
    return status;
}
/* end */

static belay_source stop;
static int at_work;

static belay_status work(belay_task *self, void *arg) {
    (void)arg;
    (void)guide_add(&at_work, 1);
    return belay_sleep_until(self, BELAY_NEVER);
}

static belay_status cancel_when_at_work(belay_task *self, void *arg) {
    (void)arg;
    CHECK(guide_await(self, &at_work, 1));
    return belay_source_cancel(stop, BELAY_HARD_CANCELED, BELAY_ECANCELED, "the peer is gone");
}

static void check_source(belay_task *self) {
    CHECK_STATUS(belay_source_create(belay_task_executor(self), NULL, 0, &stop), BELAY_OK);
    CHECK_STATUS(
        belay_spawn(self, belay_scope_current(self), cancel_when_at_work, NULL, NULL, NULL),
        BELAY_OK);
    CHECK_STATUS(work_until(self, belay_source_token(stop), work, &disconnected), BELAY_ECANCELED);
    CHECK(guide_read(&disconnected) == 1);
    CHECK_STATUS(belay_checkpoint(self), BELAY_OK);
    CHECK_STATUS(belay_source_release(stop), BELAY_OK);
}

/* guide: descriptor of a token */
static bool stopped_within(belay_token stop_token, int milliseconds) {
    int fd;
    belay_registration registration;
    if (belay_token_fd(stop_token, BELAY_SOFT_CANCELED, &fd, &registration) != BELAY_OK) {
        return true;
    }
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}}; /* and those of the loop */
    bool stopped = poll(fds, 1, milliseconds) == 1;
    (void)belay_token_fd_close(registration, fd);
    return stopped;
}
/* end */

static void *poll_loop(void *arg) {
    belay_token token = belay_source_token(*(belay_source *)arg);
    CHECK(!stopped_within(token, 0));
    (void)guide_add(&at_work, 1);
    CHECK(stopped_within(token, 30000));
    return NULL;
}

static void check_descriptor(belay_task *self) {
    pthread_t thread;
    __atomic_store_n(&at_work, 0, __ATOMIC_RELEASE);
    CHECK_STATUS(belay_source_create(belay_task_executor(self), NULL, 0, &stop), BELAY_OK);
    if (CHECK(pthread_create(&thread, NULL, poll_loop, &stop) == 0)) {
        CHECK(guide_await(self, &at_work, 1));
        CHECK_STATUS(belay_source_cancel(stop, BELAY_SOFT_CANCELED, BELAY_OK, "good night"),
                     BELAY_OK);
        pthread_join(thread, NULL);
    }
    CHECK_STATUS(belay_source_release(stop), BELAY_OK);
}

/* A driver with a thread and callbacks of its own: it completes the operation, unless it is withdrawn first. */
typedef struct driver {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    belay_foreign *op;
    int answers;
} driver;

static void *drive(void *arg) {
    driver *d = arg;
    pthread_mutex_lock(&d->lock);
    while (d->answers > 0) {
        while (d->op == NULL) {
            pthread_cond_wait(&d->changed, &d->lock);
        }
        belay_foreign *op = d->op;
        d->op = NULL;
        d->answers--;
        pthread_mutex_unlock(&d->lock);
        belay_foreign_complete(op, 7);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

static void driver_submit(driver *d, belay_foreign *op) {
    pthread_mutex_lock(&d->lock);
    d->op = op;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static bool driver_withdraw(driver *d, belay_foreign *op) {
    pthread_mutex_lock(&d->lock);
    bool there = d->op == op;
    d->op = there ? NULL : d->op;
    pthread_mutex_unlock(&d->lock);
    return there;
}

/* guide: foreign */
static belay_abort_answer withdraw(belay_foreign *op, void *arg) {
    return driver_withdraw(arg, op) ? BELAY_ABORT_DONE : BELAY_ABORT_PENDING;
}

static belay_status ask(belay_task *self, driver *d, belay_time deadline) {
    belay_foreign op;
    belay_foreign_init(&op);
    driver_submit(d, &op); /* its thread will call belay_foreign_complete(&op, status) */
    return belay_foreign_wait_until(self, &op, deadline, withdraw, d);
}
/* end */

static void check_foreign(belay_task *self) {
    driver d = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0};
    CHECK_STATUS(ask(self, &d, belay_after(BELAY_MILLISECOND)), BELAY_ETIMEDOUT); /* no answers */
    CHECK(d.op == NULL);
    d.answers = 1;
    pthread_t thread;
    if (CHECK(pthread_create(&thread, NULL, drive, &d) == 0)) {
        CHECK_STATUS(ask(self, &d, BELAY_NEVER), 7);
        pthread_join(thread, NULL);
    }
}

belay_status guide_outside(belay_task *self, void *arg) {
    (void)arg;
    check_source(self);
    check_descriptor(self);
    check_foreign(self);
    return BELAY_OK;
}

/* Waiting for descriptors: tasks through their executor's table (event/fd.h), foreign threads in the port's poll.
 *
 * A task first asks the system, which also finds what is closed or never blocks; only what is not ready is linked. */
#include "io/io.h"

typedef struct task_wait {
    fd_node node;
    waiter waiter;
} task_wait;

typedef struct thread_wait {
    fd_node node;
    port_bell bell;
} thread_wait;

belay_status io_begin(belay_task *self) {
    belay_status status = check_waiter(self);
    return status != BELAY_OK || self == NULL ? status : belay_checkpoint(self);
}

static belay_status result_of(uint32_t ready, uint32_t *out) {
    if ((ready & PORT_FD_BAD) != 0) {
        return BELAY_EBADF;
    }
    *out = ready;
    return BELAY_OK;
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

/* Under the slot's lock. */
static void wake_task(fd_node *n) {
    (void)waiter_wake(&list_entry(n, task_wait, node)->waiter);
}

static belay_status not_linked(fd_linked why, uint32_t interest, uint32_t *ready) {
    switch (why) {
    case FD_ALWAYS:
        return result_of(interest & (PORT_FD_READ | PORT_FD_WRITE), ready);
    case FD_CLOSED:
        return BELAY_EBADF;
    case FD_NOMEM:
        return BELAY_ENOMEM;
    case FD_LINKED:
    case FD_NOPOLLER:
        break;
    }
    return BELAY_EAGAIN;
}

/* The executor is the task's, whichever worker it is on afterwards. */
static belay_status wait_task(belay_task *self, int fd, uint32_t interest, belay_time deadline,
                              uint32_t *ready) {
    fd_table *fds = &executor_of_sched(worker_current()->sched)->fds;
    task_wait w = {.node = {.fd = fd, .interest = interest, .wake = wake_task}};
    waiter_init(&w.waiter, self, false);
    fd_linked linked = fd_link(fds, &w.node);
    if (linked != FD_LINKED) {
        waiter_cancel(&w.waiter);
        return not_linked(linked, interest, ready);
    }
    wait_word end = waiter_block(&w.waiter, deadline, WAIT_FOR_FD);
    fd_unlink(fds, &w.node);
    if (end == WAIT_CANCELED) {
        cancel_refused(self);
        return BELAY_ECANCELED;
    }
    return end == WAIT_OK ? result_of(w.node.ready, ready) : BELAY_ETIMEDOUT;
}

/* ---- foreign threads --------------------------------------------------------------------------------------------- */

/* Under the lock of fd_close. */
static void wake_thread(fd_node *n) {
    port_bell_ring(&list_entry(n, thread_wait, node)->bell);
}

static belay_status wait_thread(int fd, uint32_t interest, belay_time deadline, uint32_t *ready) {
    thread_wait w = {.node = {.fd = fd, .interest = interest, .wake = wake_thread}};
    if (!port_bell_open(&w.bell)) {
        return BELAY_EAGAIN;
    }
    fd_link_foreign(&w.node);
    uint32_t found = port_fd_poll(fd, interest, &w.bell, deadline);
    fd_unlink_foreign(&w.node);
    port_bell_close(&w.bell);
    if (w.node.ready != 0) {
        return BELAY_EBADF; /* closed meanwhile; what was found may be another file's */
    }
    return found == 0 ? BELAY_ETIMEDOUT : result_of(found, ready);
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

belay_status io_wait(belay_task *self, int fd, uint32_t interest, belay_time deadline,
                     uint32_t *ready) {
    return self != NULL ? wait_task(self, fd, interest, deadline, ready)
                        : wait_thread(fd, interest, deadline, ready);
}

belay_status belay_wait_fd_until(belay_task *self, int fd, uint32_t interest, belay_time deadline,
                                 uint32_t *ready) {
    const uint32_t all = BELAY_FD_READ | BELAY_FD_WRITE | BELAY_FD_HANGUP;
    uint32_t unwanted = 0;
    uint32_t *out = ready != NULL ? ready : &unwanted;
    *out = 0;
    belay_status status = check_waiter(self);
    if (status == BELAY_OK && (interest == 0 || (interest & ~all) != 0)) {
        status = BELAY_EINVAL;
    }
    if (status == BELAY_OK) {
        status = io_begin(self);
    }
    if (status != BELAY_OK) {
        return status;
    }
    uint32_t now = fd < 0 ? PORT_FD_BAD : port_fd_poll(fd, interest, NULL, 0);
    if (now != 0) {
        return result_of(now, out);
    }
    return deadline <= 0 ? BELAY_ETIMEDOUT : io_wait(self, fd, interest, deadline, out);
}

belay_status belay_wait_fd(belay_task *self, int fd, uint32_t interest, uint32_t *ready) {
    return belay_wait_fd_until(self, fd, interest, BELAY_NEVER, ready);
}

belay_status belay_fd_close(int fd) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    return fd >= 0 && fd_close(fd) ? BELAY_OK : BELAY_EBADF;
}

/* Threads for blocking functions, descriptors, timers, looking inside. */
#include "scenarios.h"

static belay_status block(void *arg, const belay_blocking_context *context) {
    (void)context;
    (void)__atomic_add_fetch((uint32_t *)arg, 1, __ATOMIC_RELAXED);
    return 4;
}

static belay_status call_blocking(belay_task *self, void *arg) {
    uint32_t ran = 0;
    belay_status result = 0;
    (void)arg;
    belay_status status =
        MAY(belay_blocking(self, block, &ran, &result), BELAY_OK, BELAY_ENOMEM, BELAY_EAGAIN);
    CHECKED(ran == (status == BELAY_OK) && (status != BELAY_OK || result == 4));
    return BELAY_OK;
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static belay_status await_fd(belay_task *self, void *arg) {
    int fd = *(int *)arg;
    uint32_t ready = 0;
    size_t count = 0;
    char byte;
    belay_status status =
        MAY(belay_wait_fd(self, fd, BELAY_FD_READ, &ready), BELAY_OK, BELAY_ENOMEM, BELAY_EAGAIN);
    CHECKED(status != BELAY_OK || (ready & BELAY_FD_READ) != 0);
    if (status == BELAY_OK) {
        MAY(belay_read(self, fd, &byte, 1, &count, NULL), BELAY_OK);
        CHECKED(count == 1);
        MAY(belay_wait_fd_until(self, fd, BELAY_FD_READ, belay_after(50), NULL), BELAY_ETIMEDOUT,
            BELAY_ENOMEM, BELAY_EAGAIN);
    }
    return BELAY_OK;
}

static belay_status make_ready(belay_task *self, void *arg) {
    (void)belay_yield(self);
    fault_fd_ready(*(int *)arg);
    return BELAY_OK;
}

static void await_outside(void *arg) {
    MAY(belay_wait_fd(NULL, *(int *)arg, BELAY_FD_READ, NULL), BELAY_OK, BELAY_EAGAIN);
}

/* Two wait for different ones, one inside and one outside; the third wait is ended by a close. */
static void use_descriptors(belay_executor *ex) {
    int inside = fault_fd_open(), outside = fault_fd_open();
    belay_task_handle tasks[2] = {{0}};
    port_thread thread;
    bool started = fault_thread(&thread, await_outside, &outside);
    if (fault_spawn(NULL, belay_executor_root(ex), await_fd, &inside, NULL, &tasks[0]) ==
        BELAY_OK) {
        (void)fault_spawn(NULL, belay_executor_root(ex), make_ready, &outside, NULL, &tasks[1]);
        fault_fd_ready(inside);
    }
    if (tasks[1].generation == 0 || !started) {
        fault_fd_ready(outside);
    }
    fault_join(NULL, tasks[0]);
    fault_join(NULL, tasks[1]);
    if (started) {
        fault_fd_ready(outside); /* if the task that should have could not start */
        port_thread_join(&thread);
    }
    fault_fd_close(inside);
    fault_fd_close(outside);
}

/* If it begins to wait only now, the number may have become the library's own, of which nothing comes: hence the
 * deadline. Or a plain file's, which is always ready. */
static belay_status await_closed(belay_task *self, void *arg) {
    MAY(belay_wait_fd_until(self, *(int *)arg, BELAY_FD_READ, belay_after(BELAY_SECOND), NULL),
        BELAY_EBADF, BELAY_ENOMEM, BELAY_EAGAIN, BELAY_ETIMEDOUT, BELAY_OK);
    return BELAY_OK;
}

static void close_under_a_wait(belay_executor *ex) {
    int fd = fault_fd_open();
    belay_task_handle task;
    (void)fault_spawn(NULL, belay_executor_root(ex), await_closed, &fd, NULL, &task);
    fault_fd_close(fd);
    fault_join(NULL, task);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static void count_line(const char *line, void *arg) {
    (void)line;
    ++*(uint32_t *)arg;
}

static void look(belay_executor *ex) {
    belay_task_info infos[4];
    belay_task_handle task = {0};
    size_t count;
    uint32_t lines = 0;
    (void)fault_spawn(NULL, belay_executor_root(ex), fault_sleeper, NULL, NULL, &task);
    MAY(belay_snapshot(ex, infos, 4, &count), BELAY_OK);
    belay_status status = MAY(belay_tree(ex, count_line, &lines), BELAY_OK, BELAY_ENOMEM);
    CHECKED((lines != 0) == (status == BELAY_OK));
    if (task.generation != 0) {
        (void)belay_task_cancel(task, BELAY_OK, NULL); /* it may have ended without a stack */
    }
    fault_join(NULL, task);
}

void scenario_system(void) {
    belay_executor *ex = fault_executor();
    belay_task_handle tasks[3] = {{0}};
    if (ex == NULL) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        (void)fault_spawn(NULL, belay_executor_root(ex), call_blocking, NULL, NULL, &tasks[i]);
    }
    use_descriptors(ex);
    close_under_a_wait(ex);
    look(ex);
    for (int i = 0; i < 3; i++) {
        fault_join(NULL, tasks[i]);
    }
    fault_executor_end(ex);
}

/* Descriptors, and calls that block. */
#include "guide.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* guide: descriptor */
static belay_status read_line(belay_task *self, int fd, char *line, size_t size) {
    belay_time deadline = belay_after(30 * BELAY_SECOND); /* for the line, not for each read */
    size_t length = 0;
    while (length + 1 < size) {
        size_t count = 0;
        int error;
        belay_status status =
            belay_read_until(self, fd, line + length, 1, deadline, &count, &error);
        if (status != BELAY_OK) {
            return status; /* BELAY_ESYSTEM: `error` is the errno */
        }
        if (count == 0 || line[length] == '\n') {
            break;
        }
        length++;
    }
    line[length] = '\0';
    return BELAY_OK;
}
/* end */

static belay_status write_slowly(belay_task *self, void *arg) {
    const char *text = "hello\n";
    belay_status status = BELAY_OK;
    for (size_t i = 0; text[i] != '\0' && status == BELAY_OK; i++) {
        size_t count;
        status = belay_sleep_until(self, belay_after(BELAY_MILLISECOND));
        if (status == BELAY_OK) {
            status = belay_write(self, *(int *)arg, text + i, 1, &count, NULL);
        }
    }
    return status;
}

static void check_descriptor(belay_task *self) {
    int fds[2];
    char line[32] = "";
    belay_scope scope;
    if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0)) {
        return;
    }
    CHECK_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, write_slowly, &fds[1], NULL, NULL), BELAY_OK);
    CHECK_STATUS(read_line(self, fds[0], line, sizeof line), BELAY_OK);
    CHECK(strcmp(line, "hello") == 0);
    CHECK_STATUS(belay_scope_close(self, scope), BELAY_OK);
    CHECK_STATUS(belay_fd_close(fds[0]), BELAY_OK);
    CHECK_STATUS(belay_fd_close(fds[1]), BELAY_OK);
}

typedef struct file {
    int blocks, copied;
} file;

static void copy_block(file *f) {
    struct timespec slow_disk = {.tv_nsec = 1000000};
    (void)nanosleep(&slow_disk, NULL);
    f->copied++;
}

/* guide: blocking */
static belay_status copy_file(void *arg, const belay_blocking_context *context) {
    file *f = arg; /* on a thread of its own: this may block */
    while (f->copied < f->blocks) {
        if (belay_blocking_canceled(context)) {
            return BELAY_ECANCELED;
        }
        copy_block(f);
    }
    return BELAY_OK;
}

static belay_status copy(belay_task *self, file *f) {
    belay_status result;
    belay_status status = belay_blocking(self, copy_file, f, &result);
    return status != BELAY_OK ? status : result;
}
/* end */

static belay_status copy_for_ever(belay_task *self, void *arg) {
    return copy(self, arg);
}

static void check_blocking(belay_task *self) {
    file small = {.blocks = 3}, endless = {.blocks = INT32_MAX};
    CHECK_STATUS(copy(self, &small), BELAY_OK);
    CHECK(small.copied == 3);
    belay_task_handle task;
    belay_outcome outcome = {0};
    CHECK_STATUS(belay_spawn(self, belay_scope_current(self), copy_for_ever, &endless, NULL, &task),
                 BELAY_OK);
    CHECK_STATUS(belay_sleep_until(self, belay_after(5 * BELAY_MILLISECOND)), BELAY_OK);
    CHECK_STATUS(belay_cancel_and_join(self, task, BELAY_ECANCELED, NULL, &outcome), BELAY_OK);
    CHECK(outcome.kind == BELAY_OUTCOME_CANCELED || outcome.kind == BELAY_OUTCOME_SKIPPED);
    CHECK_STATUS(belay_task_release(task), BELAY_OK);
}

belay_status guide_system(belay_task *self, void *arg) {
    (void)arg;
    check_descriptor(self);
    check_blocking(self);
    return BELAY_OK;
}

/* What the tests of descriptors share: pairs of sockets, and a task that waits once. */
#ifndef BELAY_TESTS_API_FDS_H
#define BELAY_TESTS_API_FDS_H

#include "api/support.h"

#include <sys/socket.h>
#include <unistd.h>

/* A connected pair of non-blocking sockets. */
typedef struct pair {
    int near, far;
} pair;

static inline pair pair_open(void) {
    int both[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both), 0);
    return (pair){both[0], both[1]};
}

static inline void pair_close(pair *p) {
    (void)close(p->near);
    (void)close(p->far);
}

static inline void put_byte(int fd) {
    assert_int_equal(write(fd, "x", 1), 1);
}

static inline void fill(int fd) {
    static const char many[4096];
    while (write(fd, many, sizeof many) > 0) {
    }
}

static inline void drain(int fd) {
    static char many[4096];
    while (read(fd, many, sizeof many) > 0) {
    }
}

/* A task that waits once, and what it got. */
typedef struct wait_case {
    int fd;
    uint32_t interest;
    belay_time deadline;
    belay_status status;
    uint32_t ready;
    tally done;
} wait_case;

static inline belay_status wait_once(belay_task *self, void *arg) {
    wait_case *c = arg;
    c->ready = 99;
    c->status = belay_wait_fd_until(self, c->fd, c->interest, c->deadline, &c->ready);
    (void)tally_add(&c->done);
    return BELAY_OK;
}

static inline wait_case case_of(int fd, uint32_t interest) {
    return (wait_case){.fd = fd, .interest = interest, .deadline = BELAY_NEVER};
}

static inline void wait_over(belay_task_handle task) {
    (void)join_outside(task);
}

#endif

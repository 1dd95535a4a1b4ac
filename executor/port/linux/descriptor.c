/* Descriptors one at a time: poll, and input and output that does not block.
 *
 * The kernel answers through errno; it is read at once and goes no further. */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "port/port.h"

enum { NANOSECONDS = 1000000000 };

/* ---- readiness --------------------------------------------------------------------------------- */

bool port_bell_open(port_bell *bell) {
    bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return bell->fd >= 0;
}

void port_bell_close(port_bell *bell) {
    close(bell->fd);
}

void port_bell_ring(port_bell *bell) {
    uint64_t one = 1;
    ssize_t written = write(bell->fd, &one, sizeof one);
    (void)written; /* nobody rings 2^64 times */
}

static short events_of(uint32_t interest) {
    return (short)(((interest & PORT_FD_READ) != 0 ? POLLIN | POLLRDHUP : 0) |
                   ((interest & PORT_FD_WRITE) != 0 ? POLLOUT : 0) |
                   ((interest & PORT_FD_HANGUP) != 0 ? POLLRDHUP : 0));
}

static uint32_t ready_of(int events) {
    if ((events & POLLNVAL) != 0) {
        return PORT_FD_BAD;
    }
    uint32_t ready = ((events & POLLIN) != 0 ? PORT_FD_READ : 0u) |
                     ((events & POLLOUT) != 0 ? PORT_FD_WRITE : 0u) |
                     ((events & POLLRDHUP) != 0 ? PORT_FD_READ | PORT_FD_HANGUP : 0u);
    if ((events & POLLHUP) != 0) {
        ready |= PORT_FD_READ | PORT_FD_WRITE | PORT_FD_HANGUP;
    }
    if ((events & POLLERR) != 0) {
        ready |= PORT_FD_READ | PORT_FD_WRITE | PORT_FD_ERROR;
    }
    return ready;
}

/* Interrupted, or woken by what nobody asked for: again, until the deadline. */
uint32_t port_fd_poll(int fd, uint32_t interest, const port_bell *bell, int64_t deadline) {
    for (;;) {
        struct pollfd both[2] = {{.fd = fd, .events = events_of(interest)},
                                 {.fd = bell != NULL ? bell->fd : -1, .events = POLLIN}};
        int64_t now = deadline <= 0 || deadline == PORT_NEVER ? 0 : port_clock_now();
        int64_t left = deadline > now ? deadline - now : 0;
        struct timespec limit = {.tv_sec = left / NANOSECONDS, .tv_nsec = left % NANOSECONDS};
        int n = ppoll(both, 2, deadline == PORT_NEVER ? NULL : &limit, NULL);
        uint32_t ready = n > 0 ? ready_of(both[0].revents) : 0;
        if (ready != 0 || both[1].revents != 0 || left == 0) {
            return ready;
        }
    }
}

/* ---- input and output -------------------------------------------------------------------------- */

static int64_t result_of(ssize_t n, int error) {
    if (n >= 0) {
        return n;
    }
    if (error == EAGAIN || error == EWOULDBLOCK) {
        return PORT_IO_WAIT;
    }
    return error == EBADF ? PORT_IO_BAD : -(int64_t)error;
}

/* MSG_DONTWAIT, so that a socket need not be non-blocking; what is no socket says so. */
int64_t port_fd_read(int fd, void *buffer, size_t size) {
    ssize_t n;
    do {
        n = recv(fd, buffer, size, MSG_DONTWAIT);
        if (n < 0 && errno == ENOTSOCK) {
            n = read(fd, buffer, size);
        }
    } while (n < 0 && errno == EINTR);
    return result_of(n, n < 0 ? errno : 0);
}

int64_t port_fd_write(int fd, const void *data, size_t size) {
    ssize_t n;
    do {
        n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK) {
            n = write(fd, data, size);
        }
    } while (n < 0 && errno == EINTR);
    return result_of(n, n < 0 ? errno : 0);
}

/* A connection that was gone before it was accepted is nobody's business. */
int64_t port_fd_accept(int fd) {
    int n;
    do {
        n = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (n < 0 && (errno == EINTR || errno == ECONNABORTED));
    return result_of(n, n < 0 ? errno : 0);
}

int64_t port_fd_connect(int fd, const void *address, uint32_t size) {
    if (connect(fd, address, size) == 0 || errno == EISCONN) {
        return 0;
    }
    bool under_way = errno == EINPROGRESS || errno == EALREADY || errno == EINTR;
    bool bad = errno == EBADF;
    return under_way ? PORT_IO_WAIT : bad ? PORT_IO_BAD : -(int64_t)errno;
}

int32_t port_fd_error(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : 0;
}

bool port_fd_lingers(int fd) {
    struct linger linger = {0};
    socklen_t size = sizeof linger;
    return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff != 0 &&
           linger.l_linger != 0;
}

int port_fd_duplicate(int fd) {
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* On Linux the number is free afterwards, whatever else close reports. */
bool port_fd_close(int fd) {
    return close(fd) == 0 || errno != EBADF;
}

/* The poller: epoll, and an eventfd to wake it.
 *
 * Registrations are one-shot: after a report the kernel keeps the entry, disabled. The eventfd is edge-triggered and
 * never read: each write is a new edge. */
#define _GNU_SOURCE 1

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "port/port.h"

enum { NANOSECONDS = 1000000000, MILLISECOND = 1000000, BATCH = 64 };

bool port_poller_open(port_poller *poller) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = PORT_POLLER_WOKEN};
    if (poll < 0 || wake < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, wake, &event) != 0) {
        if (poll >= 0) {
            close(poll);
        }
        if (wake >= 0) {
            close(wake);
        }
        return false;
    }
    *poller = (port_poller){.poll = poll, .wake = wake};
    return true;
}

void port_poller_close(port_poller *poller) {
    close(poller->poll);
    close(poller->wake);
}

/* The peer's half-close is of interest to readers: a writer would be woken by it again and again. */
static uint32_t events_of(uint32_t interest) {
    return ((interest & PORT_FD_READ) != 0 ? EPOLLIN | EPOLLRDHUP : 0u) |
           ((interest & PORT_FD_WRITE) != 0 ? EPOLLOUT : 0u) |
           ((interest & PORT_FD_HANGUP) != 0 ? EPOLLRDHUP : 0u);
}

/* After a full hang-up, or with an error pending, neither reading nor writing blocks. */
static uint32_t ready_of(uint32_t events) {
    uint32_t ready = ((events & EPOLLIN) != 0 ? PORT_FD_READ : 0u) |
                     ((events & EPOLLOUT) != 0 ? PORT_FD_WRITE : 0u) |
                     ((events & EPOLLRDHUP) != 0 ? PORT_FD_READ | PORT_FD_HANGUP : 0u);
    if ((events & EPOLLHUP) != 0) {
        ready |= PORT_FD_READ | PORT_FD_WRITE | PORT_FD_HANGUP;
    }
    if ((events & EPOLLERR) != 0) {
        ready |= PORT_FD_READ | PORT_FD_WRITE | PORT_FD_ERROR;
    }
    return ready;
}

static port_watch watch_failed(int error) {
    switch (error) {
    case EPERM:
        return PORT_WATCH_ALWAYS;
    case EBADF:
        return PORT_WATCH_BAD;
    default:
        return PORT_WATCH_FAILED;
    }
}

/* The poller's own numbers are nobody else's: who asks for one has closed what it was before, and arming it would take
 * the poller's wake away. */
port_watch port_poller_arm(port_poller *poller, int fd, uint64_t key, uint32_t interest) {
    if (fd == poller->wake || fd == poller->poll) {
        return PORT_WATCH_BAD;
    }
    struct epoll_event event = {.events = events_of(interest) | EPOLLONESHOT, .data.u64 = key};
    if (epoll_ctl(poller->poll, EPOLL_CTL_MOD, fd, &event) == 0) {
        return PORT_WATCH_KNOWN;
    }
    if (errno != ENOENT) {
        return watch_failed(errno);
    }
    return epoll_ctl(poller->poll, EPOLL_CTL_ADD, fd, &event) == 0 ? PORT_WATCH_NEW
                                                                   : watch_failed(errno);
}

void port_poller_disarm(port_poller *poller, int fd) {
    struct epoll_event unused;
    if (fd == poller->wake) {
        return;
    }
    (void)epoll_ctl(poller->poll, EPOLL_CTL_DEL, fd, &unused);
}

static int wait_milliseconds(int poll, struct epoll_event *events, int most, int64_t left) {
    int64_t rounded = (left + MILLISECOND - 1) / MILLISECOND;
    return epoll_wait(poll, events, most,
                      left < 0 ? -1 : (int)(rounded < INT32_MAX ? rounded : INT32_MAX));
}

/* left: nanoseconds; negative: no limit. */
static int wait_events(int poll, struct epoll_event *events, int most, int64_t left) {
#if defined(SYS_epoll_pwait2)
    if (left > 0) {
        struct timespec limit = {.tv_sec = left / NANOSECONDS, .tv_nsec = left % NANOSECONDS};
        long n = syscall(SYS_epoll_pwait2, poll, events, most, &limit, NULL, (size_t)0);
        if (n >= 0 || errno != ENOSYS) {
            return (int)n;
        }
    }
#endif
    return wait_milliseconds(poll, events, most, left);
}

/* Nanoseconds until the deadline, not negative; -1: for ever. */
static int64_t left_until(int64_t deadline) {
    if (deadline == PORT_NEVER) {
        return -1;
    }
    int64_t left = deadline <= 0 ? 0 : deadline - port_clock_now();
    return left > 0 ? left : 0;
}

uint32_t port_poller_wait(port_poller *poller, port_event *out, uint32_t most, int64_t deadline) {
    struct epoll_event events[BATCH];
    int n =
        wait_events(poller->poll, events, most < BATCH ? (int)most : BATCH, left_until(deadline));
    for (int i = 0; i < n; i++) {
        out[i] = (port_event){.key = events[i].data.u64, .ready = ready_of(events[i].events)};
    }
    return n > 0 ? (uint32_t)n : 0;
}

void port_poller_wake(port_poller *poller) {
    uint64_t one = 1;
    ssize_t written = write(poller->wake, &one, sizeof one);
    (void)written; /* it could fail only after 2^64 writes */
}

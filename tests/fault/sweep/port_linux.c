/* The sweep on the real port: the system's functions that the library calls, intercepted by the linker. A sanitizer's
 * run-time library calls some of them, too, before it is ready for instrumented functions. */
#define _GNU_SOURCE 1

#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "owner/registry.h"
#include "port/fiber.h"

/* ---- intercepted --------------------------------------------------------------------------------------------- */

void *__real_port_heap_allocate(size_t size, size_t alignment);
void *__wrap_port_heap_allocate(size_t size, size_t alignment);
PORT_TSAN_BLIND void *__wrap_port_heap_allocate(size_t size, size_t alignment) {
    return fault_strikes(FAULT_HEAP) ? NULL : __real_port_heap_allocate(size, alignment);
}

static int64_t mapped; /* bytes; written by all threads of a run */

void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
PORT_TSAN_BLIND void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd,
                                  off_t offset) {
    if (fault_strikes(FAULT_PAGES)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *pages = __real_mmap(address, size, protection, flags, fd, offset);
    if (pages != MAP_FAILED && (flags & MAP_FIXED) == 0) {
        (void)__atomic_add_fetch(&mapped, (int64_t)size, __ATOMIC_RELAXED);
    }
    return pages;
}

int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);
PORT_TSAN_BLIND int __wrap_munmap(void *address, size_t size) {
    (void)__atomic_sub_fetch(&mapped, (int64_t)size, __ATOMIC_RELAXED);
    return __real_munmap(address, size);
}

int __real_mprotect(void *address, size_t size, int protection);
int __wrap_mprotect(void *address, size_t size, int protection);
PORT_TSAN_BLIND int __wrap_mprotect(void *address, size_t size, int protection) {
    if (fault_strikes(FAULT_GUARDS)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_mprotect(address, size, protection);
}

int __real_madvise(void *address, size_t size, int advice);
int __wrap_madvise(void *address, size_t size, int advice);
PORT_TSAN_BLIND int __wrap_madvise(void *address, size_t size, int advice) {
    if (fault_strikes(FAULT_GUARDS)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_madvise(address, size, advice);
}

int __real_pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*entry)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*entry)(void *),
                          void *arg);
PORT_TSAN_BLIND int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes,
                                          void *(*entry)(void *), void *arg) {
    return fault_strikes(FAULT_THREADS) ? EAGAIN
                                        : __real_pthread_create(out, attributes, entry, arg);
}

int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
PORT_TSAN_BLIND int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void),
                                          void (*child)(void)) {
    return fault_strikes(FAULT_THREADS) ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}

int __real_pthread_key_create(pthread_key_t *out, void (*destructor)(void *));
int __wrap_pthread_key_create(pthread_key_t *out, void (*destructor)(void *));
PORT_TSAN_BLIND int __wrap_pthread_key_create(pthread_key_t *out, void (*destructor)(void *)) {
    return fault_strikes(FAULT_THREADS) ? EAGAIN : __real_pthread_key_create(out, destructor);
}

static int no_descriptor(void) {
    errno = EMFILE;
    return -1;
}

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
PORT_TSAN_BLIND int __wrap_epoll_create1(int flags) {
    return fault_strikes(FAULT_FDS) ? no_descriptor() : __real_epoll_create1(flags);
}

int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
PORT_TSAN_BLIND int __wrap_eventfd(unsigned value, int flags) {
    return fault_strikes(FAULT_FDS) ? no_descriptor() : __real_eventfd(value, flags);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
PORT_TSAN_BLIND int __wrap_fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    long value = va_arg(rest, long);
    va_end(rest);
    return fault_strikes(FAULT_FDS) ? no_descriptor() : __real_fcntl(fd, command, value);
}

int __real_epoll_ctl(int poll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int poll, int operation, int fd, struct epoll_event *event);
PORT_TSAN_BLIND int __wrap_epoll_ctl(int poll, int operation, int fd, struct epoll_event *event) {
    if (operation != EPOLL_CTL_DEL && fault_strikes(FAULT_FDS)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_epoll_ctl(poll, operation, fd, event);
}

/* ---- descriptors of scenarios --------------------------------------------------------------------------------- */

enum { PAIRS = 1024 };

static int other_end[PAIRS]; /* by number; 0: none */

int fault_fd_open(void) {
    int ends[2];
    CHECKED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    CHECKED(ends[0] < PAIRS);
    other_end[ends[0]] = ends[1];
    return ends[0];
}

void fault_fd_ready(int fd) {
    CHECKED(write(other_end[fd], "", 1) == 1);
}

void fault_fd_close(int fd) {
    MAY(belay_fd_close(fd), BELAY_OK);
    (void)close(other_end[fd]);
}

/* ---- runs ------------------------------------------------------------------------------------------------------ */

enum { LIMIT_SECONDS = 60, FDS = 64 };

static char current[128]; /* for who has to say where it hangs */

/* On the main thread: the workers block signals. */
static void hangs(int number) {
    (void)number;
    (void)!write(STDERR_FILENO, current, strlen(current));
    abort();
}

void fault_fail(const char *text) {
    (void)text;
}

/* Descriptors of the lowest numbers that are open. */
static int open_fds(void) {
    int open = 0;
    for (int fd = 0; fd < FDS; fd++) {
        open += __real_fcntl(fd, F_GETFD) >= 0;
    }
    return open;
}

const char *fault_run_once(const fault_scenario *scenario, const fault_plan *plan, uint64_t seed) {
    (void)seed;
    snprintf(current, sizeof current, "FAILED %s: kind %d, call %llu%s refused: hangs\n",
             scenario->name, (int)plan->kind, (unsigned long long)plan->number,
             plan->rest ? " and all later" : "");
    (void)alarm(LIMIT_SECONDS);
    int64_t mapped_before = mapped;
    int open_before = open_fds();
    fault_run_begin(plan);
    fault_run_enter(scenario);
    CHECKED(mapped == mapped_before);
    CHECKED(open_fds() == open_before);
    (void)alarm(0);
    return fault_run_end();
}

bool fault_port_has(fault_kind kind) {
    (void)kind;
    return true;
}

const char *fault_port_name(void) {
    return "linux";
}

void fault_port_open(void) {
    executor_unclaim(executor_claim()); /* the table of executors stays */
    (void)signal(SIGALRM, hangs);
}

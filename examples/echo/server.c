/* The server: one task accepts, one task a connection. A connection lives in a scope of its own, whose deadline is the
 * idle timeout: traffic moves it forward.
 *
 * The end, after a signal: first nobody is accepted any more; then connections have a time of grace; then they are
 * cancelled. Each step is the close of a scope, so at the end nothing is left. */
#include "echo.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Written by connections, read when they have ended. */
typedef struct counts {
    uint64_t accepted, bytes, ended, idle, cut, failed;
} counts;

typedef struct server {
    const settings *settings;
    int listener;
    belay_scope connections;
    counts counts;
} server;

typedef struct connection {
    server *server;
    int fd;
} connection;

/* The checker does not see that the builtin writes. NOLINTNEXTLINE(readability-non-const-parameter) */
static void count(uint64_t *which, uint64_t n) {
    (void)__atomic_fetch_add(which, n, __ATOMIC_RELAXED);
}

/* ---- a connection ------------------------------------------------------------------------------------------------ */

/* Until the other side has said all, or a status says why not. */
static belay_status talk(belay_task *self, connection *c, belay_scope scope) {
    char buffer[4096];
    for (;;) {
        size_t got = 0, put = 0;
        belay_status status = belay_read(self, c->fd, buffer, sizeof buffer, &got, NULL);
        if (status == BELAY_OK && got == 0) {
            return BELAY_OK;
        }
        if (status == BELAY_OK) {
            status = belay_write(self, c->fd, buffer, got, &put, NULL);
        }
        if (status != BELAY_OK) {
            return status;
        }
        count(&c->server->counts.bytes, put);
        (void)belay_scope_set_deadline(scope, belay_after(c->server->settings->idle));
    }
}

/* Why a connection has ended: the close of its scope tells a deadline from a cancel. */
static void book(counts *sums, belay_status talked, belay_status closed) {
    if (talked == BELAY_OK) {
        count(&sums->ended, 1);
    } else if (closed == BELAY_ETIMEDOUT) {
        count(&sums->idle, 1);
    } else if (talked == BELAY_ECANCELED) {
        count(&sums->cut, 1);
    } else {
        count(&sums->failed, 1);
    }
}

static belay_status converse(belay_task *self, void *arg) {
    connection *c = arg;
    belay_scope_options options = {.name = "connection",
                                   .deadline = belay_after(c->server->settings->idle)};
    belay_scope scope;
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    belay_status talked = talk(self, c, scope);
    book(&c->server->counts, talked, belay_scope_close(self, scope));
    return BELAY_OK;
}

/* Also for a connection whose task was cancelled before it began. */
static void hang_up(void *arg) {
    connection *c = arg;
    (void)belay_fd_close(c->fd);
    free(c);
}

/* ---- accepting --------------------------------------------------------------------------------------------------- */

static belay_status welcome(belay_task *self, server *s, int fd) {
    static const belay_task_options options = {.name = "connection", .arg_drop = hang_up};
    connection *c = malloc(sizeof *c);
    if (c == NULL) {
        (void)close(fd);
        return BELAY_OK; /* this one has bad luck; the server goes on */
    }
    *c = (connection){.server = s, .fd = fd};
    if (belay_spawn(self, s->connections, converse, c, &options, NULL) != BELAY_OK) {
        hang_up(c);
    }
    return BELAY_OK;
}

/* Out of descriptors: those of connections that end come back. */
static belay_status accept_all(belay_task *self, void *arg) {
    server *s = arg;
    for (;;) {
        int fd, error;
        belay_status status = belay_accept(self, s->listener, &fd, &error);
        if (status == BELAY_OK) {
            count(&s->counts.accepted, 1);
            status = welcome(self, s, fd);
        } else if (status == BELAY_ESYSTEM) {
            fprintf(stderr, "echo: accept: errno %d\n", error);
            status = belay_sleep_until(self, belay_after(10 * BELAY_MILLISECOND));
        }
        if (status != BELAY_OK) {
            return status;
        }
    }
}

/* ---- the life of the server -------------------------------------------------------------------------------------- */

static int listen_here(int port) {
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&here, &size) != 0) {
        perror("echo: listen");
        return -1;
    }
    printf("port %d\n", ntohs(here.sin_port));
    (void)fflush(stdout);
    return fd;
}

static int signals_open(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Accepts until a signal comes; when this returns nobody accepts any more. */
static belay_status accept_until_signal(belay_task *self, server *s, int signals) {
    belay_scope accepting;
    belay_status status = belay_scope_open(self, NULL, &accepting);
    if (status != BELAY_OK) {
        return status;
    }
    status = belay_spawn(self, accepting, accept_all, s, NULL, NULL);
    if (status == BELAY_OK) {
        status = belay_wait_fd(self, signals, BELAY_FD_READ, NULL);
    }
    (void)belay_scope_cancel(accepting, BELAY_OK, "the server stops");
    (void)belay_scope_close(self, accepting);
    return status;
}

static belay_status run_server(belay_task *self, server *s, int signals) {
    const belay_scope_options options = {.name = "connections", .policy = BELAY_SUPERVISE};
    belay_status status = belay_scope_open(self, &options, &s->connections);
    if (status != BELAY_OK) {
        return status;
    }
    status = accept_until_signal(self, s, signals);
    if (belay_scope_wait_until(self, s->connections, belay_after(s->settings->grace)) != BELAY_OK) {
        (void)belay_scope_cancel(s->connections, BELAY_OK, "the grace is over");
    }
    (void)belay_scope_close(self, s->connections);
    return status;
}

belay_status serve(belay_task *self, void *arg) {
    server s = {.settings = arg};
    int signals = signals_open();
    s.listener = listen_here(s.settings->port);
    belay_status status = BELAY_ESYSTEM;
    if (signals >= 0 && s.listener >= 0) {
        status = run_server(self, &s, signals);
    }
    (void)close(signals);
    (void)close(s.listener);
    const counts *n = &s.counts;
    printf("connections: accepted %llu, ended %llu, idle %llu, cut %llu, failed %llu; bytes %llu\n",
           (unsigned long long)n->accepted, (unsigned long long)n->ended,
           (unsigned long long)n->idle, (unsigned long long)n->cut, (unsigned long long)n->failed,
           (unsigned long long)n->bytes);
    return status;
}

/* The load: one task a connection. All connect first; then each sends its messages and compares what comes back. */
#include "echo.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE = 512 };

typedef struct field {
    const settings *settings;
    belay_latch connected;
    uint64_t numbers, right, wrong, hung_up;
} field;

/* The checker does not see that the builtin writes. NOLINTNEXTLINE(readability-non-const-parameter) */
static uint64_t add(uint64_t *which) {
    return __atomic_add_fetch(which, 1, __ATOMIC_RELAXED);
}

/* Different for each connection and message. */
static void fill(char *data, uint64_t seed) {
    for (int i = 0; i < MESSAGE; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        data[i] = (char)(seed >> 56);
    }
}

static belay_status echo_one(belay_task *self, int fd, uint64_t seed, bool *right) {
    char out[MESSAGE], in[MESSAGE];
    size_t count, got = 0;
    fill(out, seed);
    belay_status status = belay_write(self, fd, out, MESSAGE, &count, NULL);
    while (status == BELAY_OK && got < MESSAGE) {
        status = belay_read(self, fd, in + got, MESSAGE - got, &count, NULL);
        if (status == BELAY_OK && count == 0) {
            return BELAY_EPIPE;
        }
        got += count;
    }
    *right = status == BELAY_OK && memcmp(in, out, MESSAGE) == 0;
    return status;
}

/* The server is to end it. */
static void stay_silent(belay_task *self, field *f, int fd) {
    char byte;
    size_t count;
    if (belay_read(self, fd, &byte, 1, &count, NULL) == BELAY_OK && count == 0) {
        (void)add(&f->hung_up);
    }
}

static void book(field *f, bool right) {
    uint64_t n = add(right ? &f->right : &f->wrong);
    if (right && n == (uint64_t)f->settings->connections) {
        printf("all were answered\n");
        (void)fflush(stdout);
    }
}

static belay_status talk(belay_task *self, field *f, int fd) {
    struct sockaddr_in there = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)f->settings->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    belay_status status = belay_connect(self, fd, (struct sockaddr *)&there, sizeof there, NULL);
    uint64_t number = add(&f->numbers);
    (void)belay_latch_count_down_and_wait(self, &f->connected); /* in any case: the others wait */
    bool right = true;
    for (int i = 0; status == BELAY_OK && right && i < f->settings->messages; i++) {
        status = echo_one(self, fd, number << 20 | (uint64_t)i, &right);
    }
    book(f, status == BELAY_OK && right);
    if (status == BELAY_OK && f->settings->hold != 0) {
        stay_silent(self, f, fd);
    }
    return BELAY_OK;
}

static belay_status connect_and_talk(belay_task *self, void *arg) {
    field *f = arg;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        (void)belay_latch_count_down(&f->connected, 1);
        (void)add(&f->wrong);
        return BELAY_OK;
    }
    belay_status status = talk(self, f, fd);
    (void)belay_fd_close(fd);
    return status;
}

belay_status load(belay_task *self, void *arg) {
    field f = {.settings = arg};
    belay_scope scope;
    belay_time began = belay_now();
    belay_status status = belay_latch_init(&f.connected, (uint32_t)f.settings->connections);
    if (status == BELAY_OK) {
        status = belay_scope_open(self, NULL, &scope);
    }
    if (status != BELAY_OK) {
        return status;
    }
    for (int i = 0; status == BELAY_OK && i < f.settings->connections; i++) {
        status = belay_spawn(self, scope, connect_and_talk, &f, NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    (void)belay_latch_fini(&f.connected);
    double seconds = (double)(belay_now() - began) / 1e9;
    printf("load: right %llu, wrong %llu, hung up %llu; %.0f messages a second\n",
           (unsigned long long)f.right, (unsigned long long)f.wrong, (unsigned long long)f.hung_up,
           (double)f.right * f.settings->messages / seconds);
    status = status == BELAY_OK ? closed : status;
    return status == BELAY_OK && f.wrong != 0 ? BELAY_EPIPE : status;
}

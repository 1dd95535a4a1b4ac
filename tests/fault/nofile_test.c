/* No descriptor is left: waits and accepts say so by their status, at once and once, and work again as soon as there is
 * one. Each test is a child process with a limit of its own. */
#define _GNU_SOURCE 1

#include "api/support.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/child.h"

enum { LIMIT_SECONDS = 60 };

static void set_limit(rlim_t most) {
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = most;
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* From now on the next open fails; returns the lowest number that is free. */
static int exhaust(void) {
    int lowest = dup(STDERR_FILENO);
    (void)close(lowest);
    set_limit((rlim_t)lowest);
    return lowest;
}

static void relax_limit(int lowest) {
    set_limit((rlim_t)lowest + 64);
}

/* ---- accepting --------------------------------------------------------------------------------------------------- */

typedef struct door {
    int listener;
    int client;
    struct sockaddr_in address;
    int lowest;
} door;

static bool door_open(door *d) {
    socklen_t size = sizeof d->address;
    d->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    d->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    d->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(d->listener, (struct sockaddr *)&d->address, size) == 0 &&
           listen(d->listener, 8) == 0 &&
           getsockname(d->listener, (struct sockaddr *)&d->address, &size) == 0;
}

static belay_status accept_without_descriptors(belay_task *self, void *arg) {
    door *d = arg;
    int fd, error;
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_accept(self, d->listener, &fd, &error), BELAY_ESYSTEM);
        EXPECT(fd == -1 && error == EMFILE);
    }
    relax_limit(d->lowest);
    EXPECT_STATUS(belay_accept(self, d->listener, &fd, &error), BELAY_OK);
    EXPECT(fd >= 0);
    return close(fd);
}

/* A connection waits, and there is no number for it: each call says so, and does not wait for what is there. */
static void accept_in_child(void *arg) {
    belay_config config = test_config(*(uint32_t *)arg);
    belay_executor *ex;
    door d;
    (void)alarm(LIMIT_SECONDS);
    EXPECT(door_open(&d));
    EXPECT(connect(d.client, (struct sockaddr *)&d.address, sizeof d.address) == 0);
    ex = executor_make(&config);
    d.lowest = exhaust();
    run(ex, accept_without_descriptors, &d);
    EXPECT(executor_end(ex));
    _exit(tally_read(&support_broken) != 0);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

typedef struct line {
    int ends[2];
    int lowest;
} line;

/* The poller is opened at the first wait that has to wait. */
static belay_status wait_without_descriptors(belay_task *self, void *arg) {
    line *l = arg;
    uint32_t ready;
    for (int i = 0; i < 3; i++) {
        EXPECT_STATUS(belay_wait_fd(self, l->ends[0], BELAY_FD_READ, &ready), BELAY_EAGAIN);
    }
    EXPECT_STATUS(belay_wait_fd(self, l->ends[1], BELAY_FD_WRITE, &ready),
                  BELAY_OK); /* ready as it is */
    relax_limit(l->lowest);
    EXPECT_STATUS(belay_wait_fd_until(self, l->ends[0], BELAY_FD_READ, belay_after(1000), &ready),
                  BELAY_ETIMEDOUT);
    EXPECT(write(l->ends[1], "x", 1) == 1);
    EXPECT_STATUS(belay_wait_fd(self, l->ends[0], BELAY_FD_READ, &ready), BELAY_OK);
    return BELAY_OK;
}

static void wait_outside(line *l) {
    belay_token token;
    belay_registration r;
    belay_scope scope;
    int fd;
    EXPECT_STATUS(belay_wait_fd(NULL, l->ends[0], BELAY_FD_READ, NULL), BELAY_EAGAIN);
    EXPECT_STATUS(belay_scope_open_root(support_watched, NULL, &scope), BELAY_OK);
    token = belay_scope_token(scope);
    EXPECT_STATUS(belay_token_fd(token, BELAY_HARD_CANCELED, &fd, &r), BELAY_ENOMEM);
    EXPECT_STATUS(belay_scope_close(NULL, scope), BELAY_OK);
}

static void wait_in_child(void *arg) {
    belay_config config = test_config(*(uint32_t *)arg);
    line l;
    (void)alarm(LIMIT_SECONDS);
    EXPECT(pipe2(l.ends, O_NONBLOCK | O_CLOEXEC) == 0);
    belay_executor *ex = executor_make(&config);
    l.lowest = exhaust();
    wait_outside(&l);
    run(ex, wait_without_descriptors, &l);
    EXPECT(executor_end(ex));
    _exit(tally_read(&support_broken) != 0);
}

/* poll(2) itself refuses more descriptors than the limit. */
static belay_status wait_below_one(belay_task *self, void *arg) {
    const line *l = arg;
    EXPECT_STATUS(belay_wait_fd(self, l->ends[0], BELAY_FD_READ, NULL), BELAY_EAGAIN);
    return BELAY_OK;
}

static void poll_in_child(void *arg) {
    belay_config config = test_config(*(uint32_t *)arg);
    line l;
    (void)alarm(LIMIT_SECONDS);
    EXPECT(pipe2(l.ends, O_NONBLOCK | O_CLOEXEC) == 0);
    belay_executor *ex = executor_make(&config);
    set_limit(1);
    EXPECT_STATUS(belay_wait_fd(NULL, l.ends[0], BELAY_FD_READ, NULL), BELAY_EAGAIN);
    run(ex, wait_below_one, &l);
    EXPECT(executor_end(ex));
    _exit(tally_read(&support_broken) != 0);
}

static void expect_fine(void (*body)(void *arg), uint32_t workers) {
    char output[CHILD_OUTPUT];
    int code = child_run(body, &workers, output);
    if (code != 0) {
        fprintf(stderr, "ended with %d, having said: %s\n", code, output);
    }
    assert_int_equal(code, 0);
}

static void test_accept_without_descriptors_is_esystem_each_time_and_recovers(void **state) {
    expect_fine(accept_in_child, workers_of(state));
}

static void test_a_wait_without_descriptors_is_eagain_and_recovers(void **state) {
    expect_fine(wait_in_child, workers_of(state));
}

static void test_a_limit_below_what_poll_needs_is_eagain(void **state) {
    expect_fine(poll_in_child, workers_of(state));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_accept_without_descriptors_is_esystem_each_time_and_recovers),
        BOTH_BARE(test_a_wait_without_descriptors_is_eagain_and_recovers),
        BOTH_BARE(test_a_limit_below_what_poll_needs_is_eagain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

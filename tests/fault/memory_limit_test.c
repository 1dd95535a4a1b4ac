/* The system itself runs out of address space: an executor is created, used and destroyed in child processes that may
 * have a little more each time, until one lacks nothing. Here the refusals come wherever the kernel and the C library
 * make them, thread stacks and the heap's own growth included. */
#include "api/support.h"

#include <sys/resource.h>
#include <unistd.h>

#include "port/child.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CAN_BE_LIMITED 0 /* their shadow memory needs terabytes of addresses */
#endif
#endif
#if !defined(CAN_BE_LIMITED)
#define CAN_BE_LIMITED 1
#endif

enum {
    LIMIT_SECONDS = 60,
    SLEEPERS = 100,
    LACKED_NOTHING = 0,
    LACKED = 3,
    STEP = 192 << 10,
    MOST = 4000
};

typedef struct trial {
    rlim_t extra;
    uint32_t workers;
} trial;

static rlim_t address_space(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL || fscanf(f, "%lu", &pages) != 1) {
        _exit(1);
    }
    (void)fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static tally lacked, drops;

static belay_status is_one_of(belay_status status, belay_status a, belay_status b) {
    EXPECT(status == BELAY_OK || status == a || status == b);
    if (status != BELAY_OK) {
        (void)tally_add(&lacked);
    }
    return status;
}

static belay_status nap(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(BELAY_MILLISECOND));
}

static belay_status use(belay_task *self, void *arg) {
    const belay_task_options options = {.arg_drop = tally_drop};
    const belay_scope_options supervise = {.policy = BELAY_SUPERVISE};
    belay_scope scope;
    uint64_t accepted = 0;
    int ends[2];
    (void)arg;
    if (is_one_of(belay_scope_open(self, &supervise, &scope), BELAY_ENOMEM, 0) == BELAY_OK) {
        for (int i = 0; i < SLEEPERS; i++) {
            accepted += is_one_of(belay_spawn(self, scope, nap, &drops, &options, NULL),
                                  BELAY_ENOMEM, 0) == BELAY_OK;
        }
        EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
        EXPECT(tally_read(&drops) == accepted);
    }
    EXPECT(pipe(ends) == 0);
    belay_status status =
        belay_wait_fd_until(self, ends[0], BELAY_FD_READ, belay_after(1000), NULL);
    (void)is_one_of(status == BELAY_ETIMEDOUT ? BELAY_OK : status, BELAY_ENOMEM, BELAY_EAGAIN);
    return BELAY_OK;
}

static void try_in_child(void *arg) {
    const trial *t = arg;
    belay_config config = test_config(t->workers);
    belay_executor *ex;
    const rlim_t now = address_space();
    const struct rlimit limit = {.rlim_cur = now + t->extra, .rlim_max = now + t->extra};
    (void)alarm(LIMIT_SECONDS);
    config.stall = BELAY_SECOND;
    EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    if (is_one_of(belay_executor_create(&config, &ex), BELAY_ENOMEM, BELAY_EAGAIN) == BELAY_OK) {
        belay_outcome outcome = {.status = BELAY_OK};
        (void)is_one_of(belay_executor_run(ex, use, NULL, &outcome), BELAY_ENOMEM, 0);
        (void)is_one_of(outcome.status, BELAY_ENOSTACK, BELAY_ENOMEM);
        belay_stats s;
        EXPECT_STATUS(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
        EXPECT_STATUS(belay_executor_stats(ex, &s, sizeof s), BELAY_OK);
        EXPECT(s.spawned == s.value + s.error + s.canceled + s.skipped);
        lacked.value += s.error;
        EXPECT_STATUS(belay_executor_destroy(ex), BELAY_OK);
    }
    _exit(tally_read(&support_broken) != 0 ? 1
          : tally_read(&lacked) != 0       ? LACKED
                                           : LACKED_NOTHING);
}

static void test_with_a_little_more_each_time_until_nothing_is_lacking(void **state) {
    trial t = {.workers = workers_of(state)};
    int code = LACKED, tries = 0;
    if (!CAN_BE_LIMITED) {
        skip();
    }
    for (; code == LACKED && tries < MOST; tries++, t.extra += STEP) {
        char output[CHILD_OUTPUT];
        code = child_run(try_in_child, &t, output);
        if (code != LACKED && code != LACKED_NOTHING) {
            fprintf(stderr, "with %lu bytes: ended with %d, having said: %s\n",
                    (unsigned long)t.extra, code, output);
        }
    }
    assert_int_equal(code, LACKED_NOTHING);
    assert_true(tries > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_with_a_little_more_each_time_until_nothing_is_lacking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

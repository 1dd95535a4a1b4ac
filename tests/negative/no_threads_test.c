/* Creating an executor when the system has no thread left. Each try is a child process of a user that may have only few
 * threads: the limit does not hold for root. */
#include "api/support.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include "port/child.h"

enum { NOBODY = 65534, SKIP = 77, LIMIT_SECONDS = 60, TRIES = 4 };

static tally blocks; /* given out and not taken back */

static void *allocate(size_t size, size_t alignment, void *arg) {
    (void)arg;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) !=
        0) {
        return NULL;
    }
    (void)tally_add(&blocks);
    memset(memory, 0, size);
    return memory;
}

static void release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)size;
    (void)alignment;
    (void)arg;
    if (memory != NULL) {
        (void)__atomic_sub_fetch(&blocks.value, 1, __ATOMIC_ACQ_REL);
    }
    free(memory);
}

/* Threads of this process. */
static int threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    while (tasks != NULL && readdir(tasks) != NULL) {
        count++;
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
    return count - 2;
}

typedef struct limits {
    uint32_t workers;
    rlim_t threads;
} limits;

/* Other processes of the user may run: however many of the workers can start, it is not all of them. */
static void create_without_threads(void *arg) {
    const limits *l = arg;
    const struct rlimit none = {.rlim_cur = l->threads, .rlim_max = l->threads};
    if ((geteuid() == 0 && setuid(NOBODY) != 0) || setrlimit(RLIMIT_NPROC, &none) != 0) {
        _exit(SKIP);
    }
    belay_config config = test_config(l->workers);
    config.allocate = allocate;
    config.release = release;
    int before = threads();
    alarm(LIMIT_SECONDS);
    for (int i = 0; i < TRIES; i++) {
        belay_executor *ex = (belay_executor *)(void *)&config;
        EXPECT_STATUS(belay_executor_create(&config, &ex), BELAY_EAGAIN);
        EXPECT(ex == NULL);
        EXPECT(tally_read(&blocks) == 0);
        while (threads() >
               before + 1) { /* joined ones vanish a moment later; a sanitizer may have its own */
            sched_yield();
        }
    }
    _exit(tally_read(&support_broken) != 0);
}

static void test_create_without_a_thread_is_eagain_and_leaves_nothing(void **state) {
    limits l = {.workers = workers_of(state)};
    for (l.threads = 0; l.threads <= l.workers; l.threads++) {
        char output[CHILD_OUTPUT];
        int code = child_run(create_without_threads, &l, output);
        if (code == SKIP) {
            skip();
        }
        if (code != 0) {
            fprintf(stderr, "%s", output);
        }
        assert_int_equal(code, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_create_without_a_thread_is_eagain_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

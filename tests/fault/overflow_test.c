/* A task that overflows its stack never does so unseen: with a guard page, of either kind, the process gets a SIGSEGV
 * at an address in the guard of that very stack; without one the canary is found damaged when the stack comes back. */
#include "api/support.h"

#include "owner/scope.h"
#include "port/child.h"
#include "port/linux/pages.h"

enum { IN_THE_GUARD = 3, ELSEWHERE = 4 };

static char *guard_low, *guard_end;

/* Async-signal-safe. */
static void judge(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    const char *at = info->si_addr;
    char line[256];
    size_t length = belay_fault_text(at, line, sizeof line);
    (void)!write(STDERR_FILENO, line, length);
    _exit(at >= guard_low && at < guard_end ? IN_THE_GUARD : ELSEWHERE);
}

/* On each worker: the handler cannot run on the stack that is full. */
static void prepare_thread(uint32_t index, void *arg) {
    static char stacks[4][64 * 1024];
    const stack_t here = {.ss_sp = stacks[index], .ss_size = sizeof stacks[index]};
    (void)arg;
    (void)sigaltstack(&here, NULL);
}

static void catch_faults(void) {
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = judge;
    (void)sigaction(SIGSEGV, &action, NULL);
    (void)sigaction(SIGBUS, &action, NULL);
}

/* Writes a little in each frame, as calls do. */
static __attribute__((noinline)) int recurse(volatile int *depth) {
    volatile char frame[200];
    frame[0] = (char)*depth;
    (*depth)++;
    return *depth < 1 << 20 ? recurse(depth) + frame[0] : 0;
}

static belay_status overflow(belay_task *self, void *arg) {
    (void)arg;
    const fiber *f = load_relaxed(&worker_current()->fiber); /* relaxed: own words */
    volatile int depth = 0;
    guard_end = f->memory.low;
    guard_low = guard_end - port_page_size();
    (void)self;
    return recurse(&depth) == -1;
}

/* Only to the canary, and not beyond: the memory below is somebody else's. */
static belay_status damage(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    const fiber *f = load_relaxed(&worker_current()->fiber); /* relaxed: own words */
    volatile char *below = (char *)f->memory.low - 8;
    *below = 1;
    return belay_sleep_until(self, belay_after(1000));
}

/* Nobody has asked for the signal: it ends the process all the same. */
static belay_status overflow_unasked(belay_task *self, void *arg) {
    (void)signal(SIGSEGV, SIG_DFL);
    return overflow(self, arg);
}

typedef struct attempt {
    port_guard best;
    belay_body *body;
    uint32_t workers;
} attempt;

static void run_attempt(void *arg) {
    const attempt *a = arg;
    belay_config config = test_config(a->workers);
    belay_executor *ex = NULL;
    config.stack_size = 64 * 1024;
    config.stack_cache = 0;
    pages_guard_restrict(a->best);
    if (a->best != PORT_GUARD_NONE) {
        config.thread_start = prepare_thread;
        catch_faults();
    }
    if (belay_executor_create(&config, &ex) == BELAY_OK) {
        const belay_task_options deep = {.name = "deep"};
        belay_task_handle task;
        if (belay_spawn(NULL, belay_executor_root(ex), a->body, NULL, &deep, &task) == BELAY_OK) {
            (void)belay_join(NULL, task, NULL);
            (void)belay_task_release(task);
        }
        (void)belay_executor_destroy(ex); /* gives all stacks back */
    }
}

static int end_of(void **state, port_guard best, belay_body *body, char *output) {
    attempt a = {best, body, workers_of(state)};
    return child_run(run_attempt, &a, output);
}

static void hits(void **state, port_guard best) {
    char output[CHILD_OUTPUT];
    assert_int_equal(end_of(state, best, overflow, output), IN_THE_GUARD);
    assert_non_null(strstr(output, "task deep ("));
    assert_non_null(strstr(output, "overflow_test.c"));
    assert_non_null(strstr(output, "has overflowed its stack"));
}

static void test_a_marked_guard_page_is_hit_and_the_task_named(void **state) {
    hits(state, PORT_GUARD_MARKER);
}

static void test_a_protected_guard_page_is_hit_and_the_task_named(void **state) {
    hits(state, PORT_GUARD_PROTECT);
}

static belay_status fault_elsewhere(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    *(volatile char *)(uintptr_t)port_page_size() = 1; /* nothing is mapped there */
    return BELAY_OK;
}

static void test_a_fault_elsewhere_is_no_overflow(void **state) {
    char output[CHILD_OUTPUT];
    assert_int_equal(end_of(state, PORT_GUARD_MARKER, fault_elsewhere, output), ELSEWHERE);
    assert_non_null(strstr(output, "task deep ("));
    assert_non_null(strstr(output, "has caused a memory fault"));
}

static void test_outside_of_tasks_there_is_nothing_to_say(void **state) {
    char line[8] = "before";
    (void)state;
    assert_int_equal(belay_fault_text(line, line, sizeof line), 0);
    assert_string_equal(line, "");
    assert_int_equal(belay_fault_text(line, NULL, 0), 0);
}

static belay_status cut(belay_task *self, void *arg) {
    char line[12] = "";
    (void)self;
    (void)arg;
    size_t length = belay_fault_text(line, line, sizeof line);
    (void)!write(STDERR_FILENO, line, length);
    _exit((int)length);
}

/* In a child, like all that creates executors here: a process that has had one has no children with executors. */
static void test_a_line_that_is_too_long_is_cut(void **state) {
    char output[CHILD_OUTPUT];
    assert_int_equal(end_of(state, PORT_GUARD_MARKER, cut, output), 11);
    assert_string_equal(output, "belay: task");
}

static void test_without_a_handler_it_is_sigsegv(void **state) {
    assert_int_equal(end_of(state, PORT_GUARD_MARKER, overflow_unasked, NULL), 1000 + SIGSEGV);
}

static void test_a_damaged_canary_is_found(void **state) {
    char output[CHILD_OUTPUT];
    int end = end_of(state, PORT_GUARD_NONE, damage, output);
    if (strstr(output, "overflow") == NULL) {
        fprintf(stderr, "said: %s\n", output);
    }
    assert_int_equal(end, 1000 + SIGABRT);
    assert_non_null(strstr(output, "overflow"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH_BARE(test_a_marked_guard_page_is_hit_and_the_task_named),
        BOTH_BARE(test_a_protected_guard_page_is_hit_and_the_task_named),
        BOTH_BARE(test_a_fault_elsewhere_is_no_overflow),
        BOTH_BARE(test_outside_of_tasks_there_is_nothing_to_say),
        BOTH_BARE(test_a_line_that_is_too_long_is_cut),
        BOTH_BARE(test_without_a_handler_it_is_sigsegv),
        BOTH_BARE(test_a_damaged_canary_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Threads, and what is kept for each of them. */
#define _GNU_SOURCE 1

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "port/port.h"

typedef struct report {
    void *seen_current;
    void *set_current;
    uint32_t hash;
    uint32_t hash_again;
    int unblocked; /* signals */
    int faults_blocked;
    int cancel_state;
    char name[32];
} report;

/* A thread's own fault raises them: they are not blocked, or a crash handler would not hear of it. */
static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

static int faults_blocked(void) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    int blocked = 0;
    for (size_t i = 0; i < sizeof fault_signals / sizeof *fault_signals; i++) {
        blocked += sigismember(&now, fault_signals[i]) == 1;
    }
    return blocked;
}

static int signals_unblocked(void) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    int unblocked = 0;
    for (int number = 1; number < 32; number++) {
        bool never_blocked = number == SIGKILL || number == SIGSTOP;
        unblocked += !never_blocked && sigismember(&now, number) == 0;
    }
    return unblocked;
}

static void fill_report(void *arg) {
    report *r = arg;
    r->seen_current = port_current_get();
    port_current_set(r);
    r->set_current = port_current_get();
    r->hash = port_thread_hash();
    r->hash_again = port_thread_hash();
    r->unblocked = signals_unblocked();
    r->faults_blocked = faults_blocked();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &r->cancel_state);
    pthread_getname_np(pthread_self(), r->name, sizeof r->name);
}

static report run_reporter(const char *name) {
    report r;
    memset(&r, 0xff, sizeof r);
    port_thread thread;
    assert_true(port_thread_start(&thread, fill_report, &r, name));
    port_thread_join(&thread);
    return r;
}

static void runs_shielded_from_signals_and_cancellation(void **state) {
    (void)state;
    int before = signals_unblocked();
    assert_true(before > 0);
    report r = run_reporter("belay-worker");
    assert_int_equal(r.unblocked, sizeof fault_signals / sizeof *fault_signals);
    assert_int_equal(r.faults_blocked, 0);
    assert_int_equal(signals_unblocked(), before);
    assert_int_equal(r.cancel_state, PTHREAD_CANCEL_DISABLE);
}

static void has_the_name_cut(void **state) {
    (void)state;
    assert_string_equal(run_reporter("short").name, "short");
    assert_string_equal(run_reporter("exactly-fifteen").name, "exactly-fifteen");
    assert_string_equal(run_reporter("one-that-is-too-long").name, "one-that-is-too");
}

static void current_is_per_thread(void **state) {
    (void)state;
    int mine = 0;
    port_current_set(&mine);
    report r = run_reporter("a");
    assert_null(r.seen_current);
    assert_non_null(r.set_current);
    assert_ptr_equal(port_current_get(), &mine);
    port_current_set(NULL);
    assert_null(port_current_get());
}

static void hash_is_stable_and_different(void **state) {
    (void)state;
    report r = run_reporter("a");
    assert_int_equal(r.hash, r.hash_again);
    assert_int_equal(port_thread_hash(), port_thread_hash());
    assert_int_not_equal(r.hash, port_thread_hash());
    assert_true(r.hash < 1000);
}

/* A sanitizer's address space cannot be limited. */
#if !defined(BELAY_TSAN) && !defined(BELAY_ASAN)
static void failure_leaves_the_output_alone(void **state) {
    (void)state;
    struct rlimit before;
    getrlimit(RLIMIT_AS, &before);
    struct rlimit none = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
    report r;
    port_thread thread = {.id = 77};
    setrlimit(RLIMIT_AS, &none);
    bool started = port_thread_start(&thread, fill_report, &r, "never");
    setrlimit(RLIMIT_AS, &before);
    assert_false(started);
    assert_int_equal(thread.id, 77);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_shielded_from_signals_and_cancellation),
        cmocka_unit_test(has_the_name_cut),
        cmocka_unit_test(current_is_per_thread),
        cmocka_unit_test(hash_is_stable_and_different),
#if !defined(BELAY_TSAN) && !defined(BELAY_ASAN)
        cmocka_unit_test(failure_leaves_the_output_alone),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

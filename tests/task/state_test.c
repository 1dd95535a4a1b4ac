/* The state word: the life of a task, what survives a transition, and that illegal transitions end the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "port/child.h"
#include "task/state.h"

static belay_task t;

static int start(void **state) {
    (void)state;
    memset(&t, 0, sizeof t);
    return 0;
}

static uint32_t kind_now(void) {
    return load_relaxed(&t.state) >> STATE_KIND_SHIFT & 0xff; /* relaxed: a look */
}

static void a_whole_life(void **state) {
    (void)state;
    for (int life = 0; life < 2; life++) {
        assert_int_equal(state_phase(&t), PHASE_FREE);
        state_born(&t, life == 0 ? PHASE_QUEUED : PHASE_DEFERRED, STATE_HANDLE);
        assert_int_equal(state_phase(&t), life == 0 ? PHASE_QUEUED : PHASE_DEFERRED);
        state_start(&t);
        assert_int_equal(state_phase(&t), PHASE_RUNNING);
        for (uint32_t kind = 1; kind < 9; kind++) {
            state_suspend(&t, kind);
            assert_int_equal(state_phase(&t), PHASE_SUSPENDED);
            assert_int_equal(kind_now(), kind); /* not mixed with the one before */
            state_resume(&t);
            assert_int_equal(state_phase(&t), PHASE_RUNNING);
        }
        state_finish(&t);
        assert_int_equal(state_phase(&t), PHASE_FINISHING);
        state_done(&t);
        assert_int_equal(state_phase(&t), PHASE_DONE);
        assert_true(state_has(&t, STATE_HANDLE));
        state_free(&t);
        assert_false(state_has(&t, STATE_HANDLE));
    }
}

static const uint32_t flags[] = {STATE_HANDLE, STATE_LINKED, STATE_RUN_CANCELED, STATE_LOST_FORK,
                                 STATE_FORK};
enum { FLAGS = sizeof flags / sizeof *flags };

static void flags_survive_transitions(void **state) {
    (void)state;
    for (uint32_t chosen = 0; chosen < 1u << FLAGS; chosen++) {
        uint32_t set = 0;
        for (uint32_t i = 0; i < FLAGS; i++) {
            set |= (chosen >> i & 1) != 0 ? flags[i] : 0;
        }
        state_born(&t, PHASE_QUEUED, set);
        state_start(&t);
        state_suspend(&t, 0xff);
        state_resume(&t);
        state_finish(&t);
        state_done(&t);
        for (uint32_t i = 0; i < FLAGS; i++) {
            assert_int_equal(state_has(&t, flags[i]), (chosen >> i & 1) != 0);
        }
    }
}

static void flags_change_one_by_one(void **state) {
    (void)state;
    state_born(&t, PHASE_QUEUED, 0);
    state_start(&t);
    for (uint32_t i = 0; i < FLAGS; i++) {
        uint32_t before = load_relaxed(&t.state); /* relaxed: a look */
        state_flag(&t, flags[i], true);
        assert_true(state_has(&t, flags[i]));
        assert_int_equal(load_relaxed(&t.state), before | flags[i]);
        assert_int_equal(state_phase(&t), PHASE_RUNNING);
        state_flag(&t, flags[i], false);
        assert_int_equal(load_relaxed(&t.state), before);
    }
}

/* ---- illegal transitions ------------------------------------------------------------------------- */

static void suspend_sleeping(belay_task *task) {
    state_suspend(task, 1);
}

typedef struct transition {
    const char *name;
    void (*make)(belay_task *task);
    uint32_t from; /* a bit per phase it is legal from */
} transition;

static const transition transitions[] = {
    {"start", state_start, 1u << PHASE_QUEUED | 1u << PHASE_DEFERRED},
    {"suspend", suspend_sleeping, 1u << PHASE_RUNNING},
    {"resume", state_resume, 1u << PHASE_SUSPENDED},
    {"finish", state_finish, 1u << PHASE_RUNNING},
    {"done", state_done, 1u << PHASE_FINISHING},
};

static void make_transition(void *arg) {
    const transition *tr = arg;
    tr->make(&t);
}

static void illegal_transitions_are_caught(void **state) {
    (void)state;
#if BELAY_CHECKS == 0
    skip();
#endif
    for (uint32_t i = 0; i < sizeof transitions / sizeof *transitions; i++) {
        for (uint32_t from = PHASE_FREE; from <= PHASE_DONE; from++) {
            char output[CHILD_OUTPUT];
            transition tr = transitions[i];
            state_born(&t, (phase)from, 0);
            bool legal = (tr.from >> from & 1) != 0;
            assert_int_equal(child_run(make_transition, &tr, output), legal ? 0 : 1000 + SIGABRT);
            assert_true(legal || strstr(output, "broken invariant") != NULL);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_whole_life, start),
        cmocka_unit_test_setup(flags_survive_transitions, start),
        cmocka_unit_test_setup(flags_change_one_by_one, start),
        cmocka_unit_test_setup(illegal_transitions_are_caught, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

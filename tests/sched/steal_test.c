/* Robbing: half of what a queue shows, what is hidden only after the victim's long patience with one task, and the
 * looks that tell whether there is anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/bare.h"

enum { ENTRIES = 64 };

static sched s;
static worker *thief, *victim;
static entry entries[ENTRIES];

static int start(void **state) {
    (void)state;
    bare_open(&s, 2, true, 0);
    entries_reset(entries, ENTRIES);
    victim = &s.workers[0];
    thief = &s.workers[1];
    port_current_set(victim);
    return 0;
}

static int stop(void **state) {
    (void)state;
    bare_close(&s);
    return 0;
}

static void push(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        assert_true(runq_push(&victim->queue, &entries[i].run));
    }
}

static uint64_t counted(counter c) {
    return load_relaxed(&thief->count.value[c]); /* relaxed: a number */
}

static void nothing_is_found_where_nothing_is(void **state) {
    (void)state;
    assert_null(steal_any(thief, 0));
    assert_int_equal(counted(COUNT_STEALS), 0);
    assert_false(work_visible(&s, NULL));
    assert_false(work_hidden(&s, thief));
}

static void half_is_taken_the_oldest_first(void **state) {
    (void)state;
    push(8);
    assert_true(work_visible(&s, thief));
    port_current_set(thief);
    assert_entry(steal_any(thief, 0), 0);
    assert_int_equal(runq_size(&victim->queue), 4);
    assert_int_equal(runq_size(&thief->queue), 3);
    assert_int_equal(counted(COUNT_STEALS), 1);
    assert_int_equal(counted(COUNT_STOLEN_TASKS), 4);
}

static void the_last_one_is_taken_too(void **state) {
    (void)state;
    push(1);
    assert_entry(steal_any(thief, 0), 0);
    assert_false(work_visible(&s, thief));
}

static void nobody_robs_himself(void **state) {
    (void)state;
    push(4);
    assert_null(steal_any(victim, 0));
    assert_int_equal(runq_size(&victim->queue), 4);
}

/* The hand-off slot, as soon as the victim has run one task for SCHED_HIDDEN_NS; another task begins the time anew. */
static void what_is_hidden_is_taken_after_a_while(void **state) {
    (void)state;
    worker_handoff(victim, &entries[0].run);
    owner_add(&victim->turn, 1u);
    assert_false(work_visible(&s, thief));
    assert_true(work_hidden(&s, thief));
    assert_false(work_hidden(&s, victim));
    assert_null(steal_any(thief, 1000));
    assert_null(steal_any(thief, 1000 + SCHED_HIDDEN_NS - 1));
    owner_add(&victim->turn, 1u);
    assert_null(steal_any(thief, 1000 + SCHED_HIDDEN_NS));
    assert_null(steal_any(thief, 1000 + 2 * SCHED_HIDDEN_NS - 1));
    assert_entry(steal_any(thief, 1000 + 2 * SCHED_HIDDEN_NS), 0);
    assert_false(work_hidden(&s, thief));
}

int main(void) {
    alarm(BARE_LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_found_where_nothing_is, start, stop),
        cmocka_unit_test_setup_teardown(half_is_taken_the_oldest_first, start, stop),
        cmocka_unit_test_setup_teardown(the_last_one_is_taken_too, start, stop),
        cmocka_unit_test_setup_teardown(nobody_robs_himself, start, stop),
        cmocka_unit_test_setup_teardown(what_is_hidden_is_taken_after_a_while, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

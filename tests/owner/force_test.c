/* Publishing for a busy owner in the orders that matter: alone, with the owner coming in between, and with a second
 * thief whose mark must not be taken for the first one's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "owner/forks.h"

static fork_deque d;
static worker thieves[2];

static int start(void **state) {
    (void)state;
    memset(&d, 0, sizeof d);
    memset(thieves, 0, sizeof thieves);
    for (uint32_t i = 0; i < 2; i++) {
        thieves[i].index = i + 1;
        thieves[i].symmetric = true;
    }
    return 0;
}

/* relaxed, all: one thread */
static uint64_t ends(void) {
    return load_relaxed(&d.ends);
}
static void owner_is_at(uint32_t head) {
    store_relaxed(&d.head, head);
}
static void owner_clears(void) {
    store_relaxed(&d.ends, fork_ends(0, 0));
}

static void half_becomes_public(void **state) {
    (void)state;
    fork_force f;
    owner_is_at(3);
    assert_true(fork_force_begin(&thieves[0], &d, ends(), 3, &f));
    assert_true(fork_forcing(ends()));
    assert_int_equal(fork_force_end(&d, &f), fork_ends(0, 2));
    assert_int_equal(ends(), fork_ends(0, 2));
}

static void what_the_owner_has_synced_does_not_become_public(void **state) {
    (void)state;
    fork_force f;
    owner_is_at(1); /* the thief has seen it at 3 */
    assert_true(fork_force_begin(&thieves[0], &d, ends(), 3, &f));
    assert_int_equal(fork_force_end(&d, &f), fork_ends(0, 1));
}

static void an_owner_that_comes_wins(void **state) {
    (void)state;
    fork_force f;
    owner_is_at(3);
    assert_true(fork_force_begin(&thieves[0], &d, ends(), 3, &f));
    owner_clears();
    assert_int_equal(fork_force_end(&d, &f), 0);
    assert_int_equal(ends(), fork_ends(0, 0));
}

/* The first has read 3 and sleeps; the owner takes its mark off; the second sets its own, for the same slots, when the
 * owner has synced all but one: nothing above that may become public. */
static void a_late_thief_does_not_take_anothers_mark_for_its_own(void **state) {
    (void)state;
    fork_force first, second;
    owner_is_at(3);
    assert_true(fork_force_begin(&thieves[0], &d, ends(), 3, &first));
    owner_clears();
    owner_is_at(1);
    assert_true(fork_force_begin(&thieves[1], &d, ends(), 3, &second));
    assert_int_equal(fork_force_end(&d, &first), 0);
    assert_int_equal(fork_force_end(&d, &second), fork_ends(0, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(half_becomes_public, start),
        cmocka_unit_test_setup(what_the_owner_has_synced_does_not_become_public, start),
        cmocka_unit_test_setup(an_owner_that_comes_wins, start),
        cmocka_unit_test_setup(a_late_thief_does_not_take_anothers_mark_for_its_own, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table of waiters, alone: what is linked, which events are believed, and closing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "event/fd.h"
#include "sched/bare.h"

typedef struct one {
    fd_node node;
    int woken;
} one;

static void note(fd_node *n) {
    list_entry(n, one, node)->woken++;
}

static one one_for(int fd, uint32_t interest) {
    return (one){.node = {.fd = fd, .interest = interest, .wake = note}};
}

static sched bare;
static fd_table table;

static int open_table(void **state) {
    (void)state;
    bare_open(&bare, 1, true, 0);
    fd_init(&table, &bare, allocator_default());
    return 0;
}

static int close_table(void **state) {
    (void)state;
    fd_fini(&table);
    bare_close(&bare);
    return 0;
}

static port_event event_of(int fd, uint32_t sequence, uint32_t ready) {
    return (port_event){.key = (uint64_t)sequence << 32 | (uint32_t)fd, .ready = ready};
}

static void test_nothing_is_opened_before_the_first_link(void **state) {
    (void)state;
    assert_int_equal(load_relaxed(&table.open), 0); /* relaxed: one thread */
    assert_false(fd_wanted(&table));
}

static void test_an_event_of_an_earlier_arming_is_dropped(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    one a = one_for(ends[0], PORT_FD_READ), b = a;
    assert_int_equal(fd_link(&table, &a.node), FD_LINKED);
    port_event stale = event_of(ends[0], 1, PORT_FD_READ);
    assert_int_equal(fd_link(&table, &b.node), FD_LINKED);
    fd_deliver(&table, &stale);
    assert_int_equal(a.woken + b.woken, 0);
    port_event current = event_of(ends[0], 2, PORT_FD_READ);
    fd_deliver(&table, &current);
    assert_true(a.woken == 1 && b.woken == 1);
    fd_deliver(&table, &current); /* one-shot: it was believed once */
    assert_true(a.woken == 1 && b.woken == 1);
    fd_unlink(&table, &a.node);
    fd_unlink(&table, &b.node);
    assert_false(fd_wanted(&table));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_polling_delivers_what_the_system_reports(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    one a = one_for(ends[0], PORT_FD_READ);
    assert_int_equal(fd_link(&table, &a.node), FD_LINKED);
    assert_false(fd_poll(&table));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(fd_poll(&table));
    assert_int_equal(a.woken, 1);
    fd_unlink(&table, &a.node);
    assert_int_equal(a.node.ready, PORT_FD_READ);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_what_is_closed_or_too_large_is_not_linked(void **state) {
    (void)state;
    one closed = one_for(1000, PORT_FD_READ), large = one_for(FD_CHUNK * FD_CHUNKS, PORT_FD_READ);
    assert_int_equal(fd_link(&table, &closed.node), FD_CLOSED);
    assert_int_equal(fd_link(&table, &large.node), FD_NOMEM);
    assert_false(fd_wanted(&table));
}

/* Somebody has closed a descriptor, and asks for its number, which is the poller's by now. */
static void test_the_pollers_own_descriptors_are_not_linked(void **state) {
    (void)state;
    int ends[2];
    port_event event;
    assert_int_equal(pipe(ends), 0);
    one a = one_for(ends[0], PORT_FD_READ);
    assert_int_equal(fd_link(&table, &a.node), FD_LINKED); /* opens it */
    one wake = one_for(table.poller.wake, PORT_FD_READ);
    one poll = one_for(table.poller.poll, PORT_FD_READ);
    assert_int_equal(fd_link(&table, &wake.node), FD_CLOSED);
    assert_int_equal(fd_link(&table, &poll.node), FD_CLOSED);
    port_poller_wake(&table.poller);
    assert_int_equal(port_poller_wait(&table.poller, &event, 1, PORT_NEVER), 1);
    assert_true(event.key == PORT_POLLER_WOKEN);
    fd_unlink(&table, &a.node);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_close_wakes_and_closes_in_one_step(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    one a = one_for(ends[0], PORT_FD_READ);
    assert_int_equal(fd_link(&table, &a.node), FD_LINKED);
    assert_true(fd_close(ends[0]));
    assert_int_equal(a.woken, 1);
    assert_int_equal(a.node.ready, PORT_FD_BAD);
    fd_unlink(&table, &a.node);
    assert_false(fd_close(ends[0]));
    (void)close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_opened_before_the_first_link, open_table,
                                        close_table),
        cmocka_unit_test_setup_teardown(test_an_event_of_an_earlier_arming_is_dropped, open_table,
                                        close_table),
        cmocka_unit_test_setup_teardown(test_polling_delivers_what_the_system_reports, open_table,
                                        close_table),
        cmocka_unit_test_setup_teardown(test_what_is_closed_or_too_large_is_not_linked, open_table,
                                        close_table),
        cmocka_unit_test_setup_teardown(test_the_pollers_own_descriptors_are_not_linked, open_table,
                                        close_table),
        cmocka_unit_test_setup_teardown(test_close_wakes_and_closes_in_one_step, open_table,
                                        close_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

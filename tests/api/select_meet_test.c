/* Selects over channels that meet each other, or themselves. */
#include "api/selects.h"

static void test_two_selects_meet_at_a_rendezvous(void **state) {
    belay_channel *a = make(0), *b = make(0);
    chosen in = {.recv = {a, b}}, out = {.send = {b, NULL}, .out = {5, 0}};
    belay_task_handle one = spawn_outside(executor_of(state), select_body, &in);
    belay_task_handle two = spawn_outside(executor_of(state), select_body, &out);
    (void)join_outside(one);
    (void)join_outside(two);
    assert_true(in.which == 1 && in.in[1] == 5 && out.which == 3);
    destroy(a);
    destroy(b);
}

/* Each could send to and receive from the other: exactly one direction happens. */
static void test_two_selects_that_could_serve_each_other_twice_do_so_once(void **state) {
    belay_channel *x = make(0), *y = make(0);
    for (int i = 0; i < 100; i++) {
        chosen p = {.send = {x}, .recv = {y}, .out = {10}, .in = {-1}};
        chosen q = {.send = {y}, .recv = {x}, .out = {20}, .in = {-1}};
        belay_task_handle one = spawn_outside(executor_of(state), select_body, &p);
        belay_task_handle two = spawn_outside(executor_of(state), select_body, &q);
        (void)join_outside(one);
        (void)join_outside(two);
        assert_true((p.which == 3 && q.which == 0 && q.in[0] == 10 && p.in[0] == -1) ||
                    (p.which == 0 && q.which == 3 && p.in[0] == 20 && q.in[0] == -1));
    }
    destroy(x);
    destroy(y);
}

static void test_a_select_does_not_meet_itself(void **state) {
    belay_channel *ch = make(0);
    chosen c = {.send = {ch}, .recv = {ch}, .out = {10}, .in = {-1}};
    belay_task_handle task = spawn_outside(executor_of(state), select_body, &c);
    await_senders(ch, 1);
    assert_int_equal(look(ch).receivers, 1);
    assert_int_equal(tally_read(&c.done), 0);
    assert_int_equal(try_send_int(ch, 3), BELAY_OK); /* a third party is served */
    (void)join_outside(task);
    assert_true(c.which == 0 && c.in[0] == 3);
    assert_true(look(ch).senders == 0 && look(ch).receivers == 0);
    destroy(ch);
}

static void test_two_selects_of_both_kinds_on_one_channel_meet(void **state) {
    belay_channel *ch = make(0);
    for (int i = 0; i < 100; i++) {
        chosen p = {.send = {ch}, .recv = {ch}, .out = {1}, .in = {-1}};
        chosen q = {.send = {ch}, .recv = {ch}, .out = {2}, .in = {-1}};
        belay_task_handle one = spawn_outside(executor_of(state), select_body, &p);
        belay_task_handle two = spawn_outside(executor_of(state), select_body, &q);
        (void)join_outside(one);
        (void)join_outside(two);
        assert_true((p.which == 3 && q.which == 0 && q.in[0] == 1) ||
                    (p.which == 0 && q.which == 3 && p.in[0] == 2));
    }
    destroy(ch);
}

static void test_a_buffered_channel_takes_ones_own_item_as_anybodys(void **state) {
    belay_channel *ch = make(1);
    chosen c = {.send = {ch}, .recv = {ch}, .out = {7}, .in = {-1}};
    run(executor_of(state), select_body, &c); /* empty: only the send is ready */
    assert_true(c.which == 3 && belay_channel_length(ch) == 1);
    run(executor_of(state), select_body, &c); /* full: only the receive is */
    assert_true(c.which == 0 && c.in[0] == 7 && belay_channel_length(ch) == 0);
    destroy(ch);
}

/* ---- many ------------------------------------------------------------------------------------ */

enum { ROUNDS = 500 };

typedef struct mill {
    belay_channel *ch[2];
    int64_t sent, received;
    bool sends;
} mill;

/* Passes items on whichever channel is ready, with a deadline that strikes now and then. */
static belay_status mill_body(belay_task *self, void *arg) {
    mill *m = arg;
    for (int i = 1; i <= ROUNDS; i++) {
        int in = 0;
        size_t which = 99;
        belay_clause c[2];
        for (int k = 0; k < 2; k++) {
            c[k] = m->sends ? belay_on_send(m->ch[k], &i) : belay_on_recv(m->ch[k], &in);
        }
        belay_time soon = belay_after(20 * BELAY_MICROSECOND);
        belay_status status = belay_select_until(self, c, 2, BELAY_SELECT_FAIR, soon, &which);
        if (status == BELAY_OK && c[which].status == BELAY_OK) {
            m->sent += m->sends ? i : 0;
            m->received += in;
        } else {
            EXPECT(in == 0 && status == BELAY_ETIMEDOUT);
        }
    }
    return BELAY_OK;
}

static void test_among_many_selects_every_item_is_received_once(void **state) {
    belay_channel *ch[2] = {make(0), make(0)};
    mill m[6];
    belay_task_handle task[6];
    for (int i = 0; i < 6; i++) {
        m[i] = (mill){.ch = {ch[i / 2 % 2], ch[1 - i / 2 % 2]}, .sends = i % 2 == 0};
        task[i] = spawn_outside(executor_of(state), mill_body, &m[i]);
    }
    int64_t sent = 0, received = 0;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(join_outside(task[i]).kind, BELAY_OUTCOME_VALUE);
        sent += m[i].sent;
        received += m[i].received;
    }
    assert_int_equal(sent, received);
    assert_true(sent > 0);
    destroy(ch[0]);
    destroy(ch[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_two_selects_meet_at_a_rendezvous),
        BOTH(test_two_selects_that_could_serve_each_other_twice_do_so_once),
        BOTH(test_a_select_does_not_meet_itself),
        BOTH(test_two_selects_of_both_kinds_on_one_channel_meet),
        BOTH(test_a_buffered_channel_takes_ones_own_item_as_anybodys),
        BOTH(test_among_many_selects_every_item_is_received_once),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

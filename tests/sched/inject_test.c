/* The way in from outside: order, who goes where, pinned tasks, missing memory, and many threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sched/bare.h"

enum { ENTRIES = 8000 };

static entry entries[ENTRIES];
static sched s;
static worker *own;

static int start(void **state) {
    (void)state;
    entries_reset(entries, ENTRIES);
    bare_open(&s, 2, true, 0);
    own = &s.workers[0];
    return 0;
}

static int stop(void **state) {
    (void)state;
    bare_close(&s);
    return 0;
}

static void inject(uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        sched_inject(&s, &entries[i].run);
    }
}

static void oldest_first(void **state) {
    (void)state;
    assert_true(inject_empty(&s));
    assert_false(inject_drain(own));
    inject(0, 300);
    assert_false(inject_empty(&s));
    port_current_set(own);
    assert_true(inject_drain(own));
    assert_true(inject_empty(&s));
    assert_int_equal(load_relaxed(&own->count.value[COUNT_INJECTED]), 300);
    for (uint32_t i = 0; i < 300; i++) {
        assert_entry(private_take(own), i);
    }
    assert_null(private_take(own));
    assert_false(inject_drain(own));
}

static void behind_what_is_there(void **state) {
    (void)state;
    inject(5, 8);
    port_current_set(own);
    for (uint32_t i = 0; i < 5; i++) {
        worker_push(own, &entries[i].run);
    }
    inject_drain(own);
    for (uint32_t i = 0; i < 8; i++) {
        assert_entry(private_take(own), i);
    }
}

static void submit_goes_where_the_caller_is(void **state) {
    (void)state;
    static sched elsewhere;
    sched_submit(&s, &entries[0].run);
    assert_false(inject_empty(&s)); /* from outside */
    port_current_set(own);
    sched_submit(&s, &entries[1].run);
    assert_int_equal(runq_size(&own->queue), 1);
    inject_drain(own);
    assert_entry(private_take(own), 1);
    assert_entry(private_take(own), 0);
    memset(&elsewhere, 0, sizeof elsewhere);
    assert_true(sched_init(&elsewhere, 1, 0, true, 0, &bare_driver, allocator_default()));
    port_current_set(&elsewhere.workers[0]);
    sched_submit(&s, &entries[2].run); /* a worker, but of another scheduler */
    assert_int_equal(runq_size(&own->queue) + runq_size(&elsewhere.workers[0].queue), 0);
    assert_false(inject_empty(&s));
    sched_fini(&elsewhere);
}

static void pinned_keep_their_order(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        sched_submit_pinned(&s, 0, &entries[i].run);
    }
    assert_false(inbox_empty(own));
    assert_true(inbox_empty(&s.workers[1]));
    port_current_set(own);
    inbox_drain(own);
    assert_true(inbox_empty(own));
    sched_submit_pinned(&s, 0, &entries[5].run); /* at home: straight into the list */
    assert_true(inbox_empty(own));
    for (uint32_t i = 0; i < 6; i++) {
        assert_entry(worker_poll(own), i);
    }
    assert_null(worker_poll(own));
}

static void pinned_take_turns_with_others(void **state) {
    (void)state;
    port_current_set(own);
    for (uint32_t i = 0; i < 10; i++) {
        worker_push(own, &entries[i].run);
        worker_push_pinned(own, &entries[100 + i].run);
    }
    uint32_t pinned = 0, others = 0;
    for (int i = 0; i < 20; i++) {
        runnable *r = worker_poll(own);
        assert_non_null(r);
        uint32_t number = entry_of(r)->number;
        assert_int_equal(number, number < 100 ? others : 100 + pinned); /* each kind in order */
        pinned += number >= 100;
        others += number < 100;
        assert_true(pinned + 1 >= others && others + 1 >= pinned);
    }
    assert_null(worker_poll(own));
}

/* Tasks that keep respawning themselves: what comes from outside is taken all the same. */
static void a_full_queue_hides_nothing_from_outside(void **state) {
    (void)state;
    inject(20, 21);
    sched_submit_pinned(&s, 0, &entries[21].run);
    port_current_set(own);
    for (uint32_t i = 0; i < 10; i++) {
        worker_push(own, &entries[i].run);
    }
    uint32_t found = 0;
    for (int picks = 0; picks < 200 && found < 2; picks++) {
        runnable *r = worker_poll(own);
        assert_non_null(r);
        if (entry_of(r)->number >= 20) {
            found++;
        } else {
            worker_push(own, r);
        }
    }
    assert_int_equal(found, 2);
}

static void *refuse(size_t size, size_t alignment, void *arg) {
    (void)size;
    (void)alignment;
    (void)arg;
    return NULL;
}

/* The ring is full and cannot grow: nothing is lost, all comes in later. */
static void no_memory_for_the_queue(void **state) {
    (void)state;
    enum { COUNT = RUNQ_START + 100 };
    static const allocator none = {refuse, NULL, NULL};
    const allocator *before = own->queue.alloc;
    own->queue.alloc = &none;
    inject(0, 50);
    port_current_set(own);
    for (uint32_t i = 50; i < COUNT; i++) {
        worker_push(own, &entries[i].run);
    }
    assert_int_equal(runq_size(&own->queue), RUNQ_START);
    for (runnable *r; (r = worker_poll(own)) != NULL;) {
        entry_mark(r);
    }
    assert_int_equal(entries_wrong(entries, COUNT), 0);
    own->queue.alloc = before;
}

/* ---- threads ------------------------------------------------------------------------------------- */

enum { PRODUCERS = 4, EACH = ENTRIES / PRODUCERS };

typedef struct producer {
    port_thread thread;
    uint32_t first;
} producer;

static void producer_run(void *arg) {
    const producer *p = arg;
    for (uint32_t i = 0; i < EACH; i++) {
        if (i % 4 == 3) {
            sched_submit_pinned(&s, 0, &entries[p->first + i].run);
        } else {
            sched_submit(&s, &entries[p->first + i].run);
        }
    }
}

static void many_producers(void **state) {
    (void)state;
    producer p[PRODUCERS];
    uint32_t last[PRODUCERS][2]; /* the last number of each producer, by way: + 1 */
    memset(last, 0, sizeof last);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        p[i].first = i * EACH;
        assert_true(port_thread_start(&p[i].thread, producer_run, &p[i], "producer"));
    }
    port_current_set(own);
    for (uint32_t got = 0; got < ENTRIES;) {
        runnable *r = worker_poll(own);
        if (r == NULL) {
            port_thread_yield();
            continue;
        }
        uint32_t number = entry_of(r)->number;
        uint32_t *before = &last[number / EACH][number % EACH % 4 == 3];
        assert_true(*before < number + 1); /* who came first is served first */
        *before = number + 1;
        entry_mark(r);
        got++;
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        port_thread_join(&p[i].thread);
    }
    assert_null(worker_poll(own));
    assert_int_equal(entries_wrong(entries, ENTRIES), 0);
}

int main(void) {
    alarm(BARE_LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(oldest_first, start, stop),
        cmocka_unit_test_setup_teardown(behind_what_is_there, start, stop),
        cmocka_unit_test_setup_teardown(submit_goes_where_the_caller_is, start, stop),
        cmocka_unit_test_setup_teardown(pinned_keep_their_order, start, stop),
        cmocka_unit_test_setup_teardown(pinned_take_turns_with_others, start, stop),
        cmocka_unit_test_setup_teardown(a_full_queue_hides_nothing_from_outside, start, stop),
        cmocka_unit_test_setup_teardown(no_memory_for_the_queue, start, stop),
        cmocka_unit_test_setup_teardown(many_producers, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

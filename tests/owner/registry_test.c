/* The registry: executors by number, guests, incarnations that make old handles stale, and slots for foreign
 * threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include <belay/belay.h>

#include "owner/registry.h"
#include "owner/scope.h"
#include "task/ref.h"

enum { LIMIT_SECONDS = 100 };

static uint32_t guests(const belay_executor *ex) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < FOREIGN_SHARDS; i++) {
        sum += load_relaxed(&ex->guests[i].count); /* relaxed: a look */
    }
    return sum;
}

static belay_executor *make_executor(void) {
    belay_config config;
    belay_executor *ex = NULL;
    belay_config_init(&config, sizeof config);
    config.ignore_env = 1;
    config.workers = 2;
    assert_int_equal(belay_executor_create(&config, &ex), BELAY_OK);
    return ex;
}

/* ---- the table ----------------------------------------------------------------------------------- */

static void an_entry_is_used_again_with_a_new_incarnation(void **state) {
    (void)state;
    belay_executor *a = executor_claim();
    belay_executor *b = executor_claim();
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    assert_int_not_equal(a->number, b->number);
    assert_int_not_equal(a->number, 0); /* the all-zero handle names nothing */
    assert_int_equal(load_relaxed(&a->phase), EXECUTOR_STARTING);
    uint32_t incarnation = load_relaxed(&a->incarnation);
    assert_int_not_equal(incarnation, 0);
    executor_unclaim(a);
    assert_int_equal(load_relaxed(&a->phase), EXECUTOR_FREE);
    assert_ptr_equal(executor_claim(), a);
    assert_int_equal(load_relaxed(&a->incarnation), incarnation + 1);
    executor_unclaim(a);
    executor_unclaim(b);
}

static void the_table_has_an_end(void **state) {
    (void)state;
    belay_executor *all[EXECUTOR_MAX] = {0};
    uint32_t count = 0;
    while ((all[count] = executor_claim()) != NULL) {
        count++;
        assert_true(count < EXECUTOR_MAX);
    }
    assert_int_equal(count, EXECUTOR_MAX - 1);
    belay_executor *none = NULL;
    assert_int_equal(belay_executor_create(NULL, &none), BELAY_ENOMEM);
    assert_null(none);
    executor_unclaim(all[100]);
    assert_ptr_equal(executor_claim(), all[100]);
    while (count > 0) {
        executor_unclaim(all[--count]);
    }
}

/* ---- guests -------------------------------------------------------------------------------------- */

static void guests_only_while_it_runs(void **state) {
    (void)state;
    belay_executor *ex = executor_claim();
    for (uint32_t now = EXECUTOR_FREE; now <= EXECUTOR_DESTROYING; now++) {
        store_relaxed(&ex->phase, now); /* relaxed: a single thread */
        assert_int_equal(guest_enter(ex), now == EXECUTOR_RUNNING);
        assert_int_equal(guests(ex), now == EXECUTOR_RUNNING);
        if (now == EXECUTOR_RUNNING) {
            guest_leave(ex);
        }
        assert_int_equal(guests(ex), 0);
    }
    guests_drain(ex);
    executor_unclaim(ex);
}

enum { VISITORS = 2, ROUNDS = 60 };

static ATOMIC(uint32_t) gone;    /* destroyed: nobody may be inside */
static ATOMIC(uint32_t) met;     /* guests that were */
static ATOMIC(uint32_t) visited; /* guests that came at all */
static ATOMIC(uint32_t) closing_time;

static void visitor_run(void *arg) {
    belay_executor *ex = arg;
    while (load_acquire(&closing_time) == 0) { /* pairs with drain_waits_for_guests */
        if (guest_enter(ex)) {
            fetch_add_relaxed(&visited, 1u);              /* relaxed, here and below: numbers */
            fetch_add_relaxed(&met, load_seq_cst(&gone)); /* seq_cst: in the order of guest_enter */
            guest_leave(ex);
        }
    }
}

/* As destroy does it: after the drain nobody is inside, and nobody comes. */
static void drain_waits_for_guests(void **state) {
    (void)state;
    belay_executor *ex = executor_claim();
    port_thread thread[VISITORS];
    store_relaxed(&closing_time, 0u); /* relaxed: starting the threads publishes it */
    for (int i = 0; i < VISITORS; i++) {
        assert_true(port_thread_start(&thread[i], visitor_run, ex, "visitor"));
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t before = load_relaxed(&visited); /* relaxed: a number */
        store_seq_cst(&gone, 0u);
        store_seq_cst(&ex->phase, EXECUTOR_RUNNING); /* seq_cst, all: as create and destroy do */
        while (load_relaxed(&visited) == before) {
            port_thread_yield();
        }
        store_seq_cst(&ex->phase, EXECUTOR_DESTROYING);
        guests_drain(ex);
        store_seq_cst(&gone, 1u);
    }
    store_release(&closing_time, 1u); /* pairs with visitor_run */
    for (int i = 0; i < VISITORS; i++) {
        port_thread_join(&thread[i]);
    }
    assert_int_equal(load_relaxed(&met), 0);
    assert_int_equal(guests(ex), 0);
    executor_unclaim(ex);
}

/* ---- handles ------------------------------------------------------------------------------------- */

static void only_a_running_executor_is_opened(void **state) {
    (void)state;
    belay_executor *ex = make_executor();
    belay_scope root = belay_executor_root(ex);
    assert_int_equal(root.executor, ex->number);
    assert_int_equal(root.generation >> INCARNATION_SHIFT, load_relaxed(&ex->incarnation));
    assert_ptr_equal(registry_open(root.executor, root.generation), ex);
    assert_int_equal(guests(ex), 1);
    registry_done(ex);
    assert_null(registry_open(0, root.generation));
    assert_null(registry_open(EXECUTOR_MAX, root.generation));
    assert_null(registry_open(UINT32_MAX, root.generation));
    assert_null(registry_open(EXECUTOR_MAX - 1, root.generation)); /* nobody's */
    assert_null(registry_open(root.executor, root.generation + (UINT64_C(1) << INCARNATION_SHIFT)));
    assert_null(registry_open(root.executor, root.generation & SLOT_GENERATION));
    assert_int_equal(guests(ex), 0);
    assert_int_equal(belay_executor_destroy(ex), BELAY_OK);
    assert_null(registry_open(root.executor, root.generation));
    assert_int_equal(guests(ex), 0);
}

static belay_status body_nothing(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return BELAY_OK;
}

static belay_task_handle spawn_one(belay_executor *ex) {
    belay_task_handle h;
    assert_int_equal(belay_spawn(NULL, belay_executor_root(ex), body_nothing, NULL, NULL, &h),
                     BELAY_OK);
    return h;
}

/* The same entry, the same slot, the same slot generation: only the incarnation tells them apart. */
static void handles_of_an_earlier_executor_are_stale(void **state) {
    (void)state;
    belay_executor *first = make_executor();
    belay_scope old_root = belay_executor_root(first);
    belay_task_handle old_task = spawn_one(first);
    assert_int_equal(belay_executor_destroy(first), BELAY_OK);
    assert_int_equal(belay_join(NULL, old_task, NULL), BELAY_ESTALE);
    belay_executor *second = make_executor();
    belay_scope root = belay_executor_root(second);
    belay_task_handle task = spawn_one(second);
    assert_ptr_equal(first, second);
    assert_int_equal(root.slot, old_root.slot);
    assert_int_equal(task.slot, old_task.slot);
    assert_int_equal(task.generation & SLOT_GENERATION, old_task.generation & SLOT_GENERATION);
    assert_int_equal(belay_join(NULL, old_task, NULL), BELAY_ESTALE);
    assert_int_equal(belay_task_cancel(old_task, BELAY_OK, "test"), BELAY_ESTALE);
    assert_int_equal(belay_task_release(old_task), BELAY_ESTALE);
    assert_int_equal(belay_scope_seal(old_root), BELAY_ESTALE);
    assert_int_equal(belay_spawn(NULL, old_root, body_nothing, NULL, NULL, NULL), BELAY_ESTALE);
    assert_int_equal(belay_join(NULL, task, NULL), BELAY_OK);
    assert_int_equal(belay_task_release(task), BELAY_OK);
    assert_int_equal(guests(second), 0);
    assert_int_equal(belay_executor_destroy(second), BELAY_OK);
}

static void tasks_by_handle(void **state) {
    (void)state;
    belay_executor *ex = make_executor();
    belay_task_handle h = spawn_one(ex);
    assert_int_equal(belay_join(NULL, h, NULL), BELAY_OK);
    belay_task *t = task_open(ex, h);
    assert_non_null(t);
    assert_int_equal(t->number, h.slot);
    assert_memory_equal(&(belay_task_handle[]){task_handle(ex, t)}, &h, sizeof h);
    task_close(ex, t);
    belay_task_handle wrong = h;
    wrong.slot = slab_made(&ex->tasks) + 1;
    assert_null(task_open(ex, wrong));
    wrong = h;
    wrong.generation++;
    assert_null(task_open(ex, wrong));
    assert_int_equal(belay_task_release(h), BELAY_OK);
    while ((t = task_open(ex, h)) !=
           NULL) { /* the task drops its own reference after joiners were woken */
        task_close(ex, t);
        port_thread_yield();
    }
    assert_int_equal(belay_task_release(h), BELAY_ESTALE);
    assert_int_equal(belay_executor_destroy(ex), BELAY_OK);
}

/* ---- slots --------------------------------------------------------------------------------------- */

static void foreign_threads_have_slots_of_every_kind(void **state) {
    (void)state;
    enum { COUNT = 3 * SLAB_BATCH };
    belay_executor *ex = make_executor();
    assert_null(worker_in(ex));
    for (int kind = SLOT_TASK; kind <= SLOT_REASON; kind++) {
        void *slots[COUNT];
        for (int i = 0; i < COUNT; i++) {
            slots[i] = slot_take(ex, NULL, (slot_kind)kind);
            assert_non_null(slots[i]);
            assert_true(i == 0 || slots[i] != slots[i - 1]);
        }
        for (int i = COUNT; i-- > 0;) {
            slot_give(ex, NULL, (slot_kind)kind, slots[i]);
        }
        assert_ptr_equal(slot_take(ex, NULL, (slot_kind)kind), slots[0]);
        slot_give(ex, NULL, (slot_kind)kind, slots[0]);
    }
    assert_true(slab_made(&ex->tasks) >= COUNT && slab_made(&ex->scopes) >= COUNT);
    assert_true(slab_made(&ex->deferred) >= COUNT && slab_made(&ex->reasons) >= COUNT);
    assert_int_equal(belay_executor_destroy(ex), BELAY_OK);
}

int main(void) {
    alarm(LIMIT_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_used_again_with_a_new_incarnation),
        cmocka_unit_test(guests_only_while_it_runs),
        cmocka_unit_test(drain_waits_for_guests),
        cmocka_unit_test(only_a_running_executor_is_opened),
        cmocka_unit_test(handles_of_an_earlier_executor_are_stale),
        cmocka_unit_test(tasks_by_handle),
        cmocka_unit_test(foreign_threads_have_slots_of_every_kind),
        cmocka_unit_test(the_table_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

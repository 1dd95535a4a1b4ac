/* Fibers: start, switch, migration between threads, reuse of a stack, and the C++ runtime's
 * state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "port/fiber.h"

enum { STACK = 128 * 1024 };

/* Stands in for the C++ runtime: one pair per thread. */
static _Thread_local void *cxx_globals[2];
void **__cxa_get_globals(void);
void **__cxa_get_globals(void) {
    return cxx_globals;
}

static char order; /* for ThreadSanitizer */

typedef struct pair {
    port_fiber home;
    port_fiber away;
    char *memory;
    char *top;
    uint64_t count;
    uint64_t rounds;
    void *seen_globals;
} pair;

/* A switch orders nothing for ThreadSanitizer, on purpose; here each side waits for the other. */
static void go(port_fiber *from, port_fiber *to, bool last) {
    port_tsan_release(&order);
    port_fiber_switch(from, to, last);
    port_tsan_acquire(&order);
}

static void begin(void) {
    port_tsan_acquire(&order);
}

static void pair_open(pair *p, void (*entry)(void *arg)) {
    memset(p, 0, sizeof *p);
    p->memory = port_pages_map(STACK, port_page_size());
    assert_non_null(p->memory);
    p->top = p->memory + STACK - 64;
    memset(p->top, 'd', 64);
    port_fiber_adopt(&p->home);
    assert_true(port_fiber_init(&p->away, p->memory, STACK, p->top, entry, p));
}

static void pair_close(pair *p) {
    for (int i = 0; i < 64; i++) {
        assert_int_equal(p->top[i], 'd'); /* the owner's data above the frames */
    }
    port_fiber_fini(&p->away);
    port_fiber_release(&p->home);
    port_asan_unpoison(p->memory, STACK);
    port_pages_unmap(p->memory, STACK);
}

static void count_rounds(void *arg) {
    begin();
    pair *p = arg;
    for (uint64_t i = 0; i < p->rounds; i++) {
        p->count++;
        go(&p->away, &p->home, false);
    }
    p->count = 0;
    go(&p->away, &p->home, true);
}

static void switches_there_and_back(void **state) {
    (void)state;
    pair p;
    pair_open(&p, count_rounds);
    p.rounds = 1000;
    for (uint64_t i = 1; i <= p.rounds; i++) {
        go(&p.home, &p.away, false);
        assert_int_equal(p.count, i);
    }
    go(&p.home, &p.away, false);
    assert_int_equal(p.count, 0);
    pair_close(&p);
}

typedef struct visit {
    pair *pair;
    port_fiber home;
    uint64_t times;
} visit;

static void visit_main(void *arg) {
    visit *v = arg;
    port_fiber_adopt(&v->home);
    for (uint64_t i = 0; i < v->times; i++) {
        go(&v->home, &v->pair->away, false);
    }
    port_fiber_release(&v->home);
}

typedef struct wanderer {
    pair pair;
    visit visits[3];
    uint32_t now; /* whose turn it is to be switched back to */
} wanderer;

static void wander(void *arg) {
    begin();
    wanderer *w = (wanderer *)arg; /* the pair is its first member */
    char frame[512];
    memset(frame, 'f', sizeof frame);
    for (uint32_t i = 0; i < 3; i++) {
        for (uint64_t k = 0; k < w->visits[i].times; k++) {
            w->pair.count += frame[k % sizeof frame] == 'f';
            go(&w->pair.away, &w->visits[w->now].home, false);
        }
    }
    go(&w->pair.away, &w->visits[0].home, true);
}

/* One fiber, continued by three threads one after the other; its frame goes with it. */
static void migrates_between_threads(void **state) {
    (void)state;
    static wanderer w;
    pair_open(&w.pair, wander);
    for (uint32_t i = 0; i < 3; i++) {
        w.visits[i] = (visit){.pair = &w.pair, .times = 100};
    }
    for (uint32_t i = 0; i < 3; i++) {
        w.now = i;
        port_thread thread;
        assert_true(port_thread_start(&thread, visit_main, &w.visits[i], "visitor"));
        port_thread_join(&thread);
    }
    assert_int_equal(w.pair.count, 300);
    pair_close(&w.pair);
}

__attribute__((noinline)) static uint64_t deep(uint64_t depth) {
    volatile unsigned char frame[300];
    memset((void *)(uintptr_t)frame, (int)depth, sizeof frame);
    return depth == 0 ? frame[7] : deep(depth - 1) + frame[11];
}

static void deep_and_gone(void *arg) {
    begin();
    pair *p = arg;
    char frame[3000];
    memset(frame, 1, sizeof frame);
    deep(100);
    p->count += (uint64_t)frame[p->count % sizeof frame];
    go(&p->away, &p->home, true);
}

/* A fiber that ends in the middle of its frames leaves them poisoned, as AddressSanitizer sees it;
 * the next one on the same stack must not stumble over them. */
static void stack_is_reused(void **state) {
    (void)state;
    pair p;
    pair_open(&p, deep_and_gone);
    for (uint64_t i = 1; i <= 50; i++) {
        go(&p.home, &p.away, false);
        assert_int_equal(p.count, i);
        port_fiber_fini(&p.away);
        assert_true(port_stack_reuse(p.memory, STACK));
        memset(p.top, 'd', 64);
        assert_true(port_fiber_init(&p.away, p.memory, STACK, p.top, deep_and_gone, &p));
    }
    pair_close(&p);
}

static void catch_something(void *arg) {
    begin();
    pair *p = arg;
    p->seen_globals = __cxa_get_globals()[0];
    __cxa_get_globals()[0] = p;
    __cxa_get_globals()[1] = p->memory;
    go(&p->away, &p->home, false);
    p->count = __cxa_get_globals()[0] == p && __cxa_get_globals()[1] == p->memory;
    go(&p->away, &p->home, true);
}

static void cxx_state_belongs_to_the_fiber(void **state) {
    (void)state;
    int mine = 0;
    pair p;
    pair_open(&p, catch_something);
    cxx_globals[0] = &mine;
    go(&p.home, &p.away, false);
    assert_null(p.seen_globals);
    assert_ptr_equal(cxx_globals[0], &mine);
    assert_null(cxx_globals[1]);
    go(&p.home, &p.away, false);
    assert_int_equal(p.count, 1);
    assert_ptr_equal(cxx_globals[0], &mine);
    cxx_globals[0] = NULL;
    pair_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switches_there_and_back),
        cmocka_unit_test(migrates_between_threads),
        cmocka_unit_test(stack_is_reused),
        cmocka_unit_test(cxx_state_belongs_to_the_fiber),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

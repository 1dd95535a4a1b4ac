/* The context switch: what it preserves, what a new context starts with, and how the stack is
 * walked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <unwind.h>

#include "port/registers.h"

enum { STACK = 65536 };

static _Alignas(16) char stack_memory[STACK];
static char *const top = stack_memory + STACK;

static void registers_and_rounding(void **state) {
    (void)state;
    registers_case c = {0};
    uint32_t rounding = registers_run(&c, top);
    assert_memory_equal(c.home_in, c.home_out, sizeof c.home_in);
    assert_memory_equal(c.away_in, c.away_out, sizeof c.away_in);
    assert_int_equal(rounding, 1);
    assert_int_equal(c.away_rounding_at_start, 0);
    assert_int_equal(c.away_rounding_after, 2);
    assert_int_equal(c.away_frame % 16, 0);
}

static void never_entered(void *arg) {
    (void)arg;
    abort();
}

static void little_is_used_under_top(void **state) {
    (void)state;
    static _Alignas(16) char memory[512];
    memset(memory, 'x', sizeof memory);
    char *end = memory + sizeof memory;
    char *sp = port_context_make(end, never_entered, NULL);
    assert_true(sp >= end - 256 && sp < end);
    for (int i = 0; i < 256; i++) {
        assert_int_equal(memory[i], 'x');
    }
}

typedef struct counting {
    void *home;
    void *away;
    uint64_t count;
} counting;

static void count_up(void *arg) {
    counting *c = arg;
    while (1) {
        c->count++;
        port_context_switch(&c->away, c->home);
    }
}

static void many_switches(void **state) {
    (void)state;
    counting c = {0};
    c.away = port_context_make(top, count_up, &c);
    for (uint64_t i = 1; i <= 100000; i++) {
        port_context_switch(&c.home, c.away);
        assert_int_equal(c.count, i);
    }
}

typedef struct walk {
    void *home;
    void *away;
    uint32_t frames;
    int ended;
    int found_entry;
} walk;

static void walk_entry(void *arg);

static _Unwind_Reason_Code walk_frame(struct _Unwind_Context *context, void *arg) {
    walk *w = arg;
    w->frames++;
    if (_Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(context)) == (void *)walk_entry) {
        w->found_entry = 1;
    }
    return w->frames < 50 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static void walk_entry(void *arg) {
    walk *w = arg;
    _Unwind_Reason_Code why = _Unwind_Backtrace(walk_frame, w);
    w->ended = why == _URC_END_OF_STACK;
    port_context_switch(&w->away, w->home);
}

static void unwinder_stops_at_the_bottom(void **state) {
    (void)state;
    walk w = {0};
    w.away = port_context_make(top, walk_entry, &w);
    port_context_switch(&w.home, w.away);
    assert_true(w.found_entry);
    assert_true(w.ended);
    assert_in_range(w.frames, 2, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_and_rounding),
        cmocka_unit_test(little_is_used_under_top),
        cmocka_unit_test(many_switches),
        cmocka_unit_test(unwinder_stops_at_the_bottom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

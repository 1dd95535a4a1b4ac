/* The context switch, without any library: for running under an emulator of another processor. */
#include <stdio.h>
#include <string.h>

#include "port/registers.h"

/* The frame at a stack's bottom names it; nothing unwinds here. */
__attribute__((visibility("hidden"))) int port_fiber_personality(void);
int port_fiber_personality(void) {
    return 0;
}

static _Alignas(16) char stack_memory[65536];

static int check(int holds, const char *what) {
    printf("%s: %s\n", holds ? "ok" : "FAILED", what);
    return holds ? 0 : 1;
}

int main(void) {
    static registers_case c;
    uint32_t rounding = registers_run(&c, stack_memory + sizeof stack_memory);
    int failures = 0;
    failures += check(memcmp(c.home_in, c.home_out, sizeof c.home_in) == 0, "registers at home");
    failures += check(memcmp(c.away_in, c.away_out, sizeof c.away_in) == 0, "registers away");
    failures += check(rounding == 1, "rounding mode at home");
    failures += check(c.away_rounding_at_start == 0, "default rounding mode in a new context");
    failures += check(c.away_rounding_after == 2, "rounding mode away");
    failures += check(c.away_frame % 16 == 0, "stack alignment");
    return failures != 0;
}

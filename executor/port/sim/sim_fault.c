/* A fault inside a run fails the run, so that its seed is reported.
 *
 * The handler runs on a stack of its own (the fault may be a stack overflow) and leaves it by a
 * context switch to the caller of sim_run; the abandoned run is never continued. For a backtrace
 * replay the seed in a debugger, which sees the signal first. */
#include <signal.h>
#include <stdio.h>

#include "port/sim/sim_internal.h"

static char fault_stack[64 * 1024];

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    if (!sim.active) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "fault: signal %d at address %p", number, info->si_addr);
    sim_fail(text);
}

/* At each run, because test frameworks install handlers of their own in between. */
void sim_faults_catch(void) {
    stack_t stack = {.ss_sp = fault_stack, .ss_size = sizeof fault_stack};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

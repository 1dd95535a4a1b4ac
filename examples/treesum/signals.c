/* Ctrl-C and kill. Nothing runs in a signal handler: the signals stay blocked, and are fetched. */
#include "signals.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

static sigset_t stopping_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void signals_block(void) {
    sigset_t set = stopping_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int signals_take(void) {
    sigset_t set = stopping_signals();
    const struct timespec now = {0};
    int taken = sigtimedwait(&set, NULL, &now);
    return taken > 0 ? taken : 0;
}

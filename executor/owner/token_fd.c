/* A token as a descriptor, for programs with a poll loop of their own: a call put down for its cancel that writes to
 * an eventfd. */
#include "owner/scope.h"

static void raise_fd(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    port_notify_raise((int)(intptr_t)arg);
}

belay_status belay_token_fd(belay_token token, belay_cancel_level level, int *out,
                            belay_registration *registration) {
    if (out == NULL || registration == NULL) {
        return BELAY_EINVAL;
    }
    *out = -1;
    int fd = port_forked() ? -1 : port_notify_open();
    if (fd < 0) {
        return port_forked() ? BELAY_ECHILD : BELAY_ENOMEM;
    }
    belay_status status =
        belay_on_cancel(token, level, raise_fd, (void *)(intptr_t)fd, NULL, registration);
    if (status != BELAY_OK) {
        port_notify_close(fd);
        return status;
    }
    *out = fd;
    return BELAY_OK;
}

belay_status belay_token_fd_close(belay_registration registration, int fd) {
    belay_status status = belay_on_cancel_forget(registration);
    while (status == BELAY_EALREADY) { /* the canceller writes to it now: a few instructions */
        port_thread_yield();
        status = belay_on_cancel_forget(registration);
    }
    if (status != BELAY_ECHILD) {
        port_notify_close(fd);
    }
    return status == BELAY_ECHILD ? status : BELAY_OK;
}

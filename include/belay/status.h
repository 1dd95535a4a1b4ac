/* Status codes. Every function that can fail returns one; none sets errno.
 *
 * 0 is success, negative values are belay's, positive values are the program's own: a task body may
 * return any of its own errors and joiners read it back unchanged. */
#ifndef BELAY_STATUS_H
#define BELAY_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BELAY_API __attribute__((visibility("default")))
#else
#define BELAY_API
#endif

typedef int32_t belay_status;

enum {
    BELAY_OK = 0,
    BELAY_EINVAL = -1,      /* a mistake in the call: NULL, out of range, wrong order */
    BELAY_ENOMEM = -2,      /* no memory, or the configured number of tasks is reached */
    BELAY_EAGAIN = -3,      /* would have to wait, or a thread could not be had now */
    BELAY_ECANCELED = -4,   /* the calling task, or a scope it is in, has been cancelled */
    BELAY_ETIMEDOUT = -5,   /* a deadline passed */
    BELAY_EBUSY = -6,       /* a timed close ran out; the scope stays closing, call again */
    BELAY_EDEADLK = -7,     /* would wait for itself or for an ancestor; nothing was done */
    BELAY_ESTALE = -8,      /* the handle's object is gone */
    BELAY_ESHUTDOWN = -9,   /* the scope is sealed, or the executor is shutting down */
    BELAY_EALREADY = -10,   /* somebody else did it first; nothing was done */
    BELAY_ECONTEXT = -11,   /* may not be called from here: a callback, or not the named task */
    BELAY_ECHILD = -12,     /* in a forked child: the executor's threads stayed in the parent */
    BELAY_ENOSTACK = -13,   /* a task could not start: no stack was left and none could come back */
    BELAY_ENOENT = -14,     /* there is nothing of that name or number */
    BELAY_EPIPE = -15,      /* the channel is closed, or nobody is left at its other end */
    BELAY_ENOTREADY = -16,  /* a task that was to report itself ready has ended without */
    BELAY_EOWNERDEAD = -17, /* the lock is yours; its last owner ended without unlocking */
    BELAY_EBADF = -18,      /* no open descriptor, or it was closed during the wait */
    BELAY_ESYSTEM = -19     /* the system refused; the call's `error` holds its errno */
};

/* A short lower-case description; "program error" for positive values, never NULL.
 * Does not wait. Any thread, any context. */
BELAY_API const char *belay_status_text(belay_status status);

#ifdef __cplusplus
}
#endif
#endif

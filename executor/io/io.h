/* Waiting for descriptors, inside. Public contract: <belay/io.h>. */
#ifndef BELAY_IO_IO_H
#define BELAY_IO_IO_H

#include <belay/io.h>

#include "owner/scope.h"

_Static_assert((int)BELAY_FD_READ == PORT_FD_READ && (int)BELAY_FD_WRITE == PORT_FD_WRITE &&
                   (int)BELAY_FD_HANGUP == PORT_FD_HANGUP && (int)BELAY_FD_ERROR == PORT_FD_ERROR,
               "the public bits are the port's");

/* The beginning of each call: may self wait, and is it not cancelled? Now and then lets others run, so that a task
 * whose descriptors are always ready shares its worker. BELAY_OK, BELAY_ECANCELED, BELAY_ECONTEXT, BELAY_ECHILD. */
belay_status io_begin(belay_task *self);

/* Waits for the descriptor, which was just found not to be ready. After io_begin. As belay_wait_fd_until. */
belay_status io_wait(belay_task *self, int fd, uint32_t interest, belay_time deadline,
                     uint32_t *ready);

#endif

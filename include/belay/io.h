/* Descriptors: waiting for readiness, and input and output that suspends a task instead of blocking its worker.
 *
 * All calls here but belay_fd_close wait: they are schedule points and cancel points, take an absolute deadline in
 * their _until form (0 polls), and may be called from tasks and, with self NULL, from foreign threads, which then sleep
 * in poll(2). A call that reports BELAY_ECANCELED or BELAY_ETIMEDOUT has consumed nothing, unless it says how much.
 *
 * Closing: close a descriptor that others may be waiting for with belay_fd_close. A plain close(2) under a waiter
 * cannot be seen: the waiter stays until its deadline, its cancel, or until somebody waits for a new file under the
 * same number. A wait that begins while the descriptor is being closed finds it closed or, as with any use of a
 * descriptor after its close, whatever has its number by then. Where nobody waits, plain close(2) is as good. A number
 * that is used again never brings a wake of its former file.
 *
 * Descriptors that cannot be watched because they never block (regular files, directories) are ready at once.
 *
 * Readiness through epoll, one-shot; see docs/protocols/fd.md. */
#ifndef BELAY_IO_H
#define BELAY_IO_H

#include <belay/task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sockaddr;

/* Interest, and what is ready: a set. */
enum {
    BELAY_FD_READ = 1,   /* a read or accept would not block; also at the end of the stream */
    BELAY_FD_WRITE = 2,  /* a write would not block */
    BELAY_FD_HANGUP = 4, /* the other side has closed its end, or its half of it */
    BELAY_FD_ERROR = 8   /* an error is pending; reported unasked, no interest */
};

/* Waits until the descriptor is ready for something of the interest. It was so at a moment during the call; who shares
 * the descriptor with others may still find that a read would block. Any number may wait for one descriptor, each with
 * its own interest; all whose interest is met are woken. *ready (may be NULL) receives what is ready of the interest,
 * and HANGUP and ERROR where known, whether asked for or not; 0 unless BELAY_OK. A half-close of the other side ends
 * waits for READ and HANGUP; a full hang-up or an error ends all.
 *   BELAY_OK         ready
 *   BELAY_EINVAL     the interest is empty or has unknown bits
 *   BELAY_ECANCELED  the calling task is cancelled
 *   BELAY_EBADF      no open descriptor; or it was closed by belay_fd_close during the wait; or another file was found
 *                    under its number
 *   BELAY_ETIMEDOUT  the deadline passed (_until)
 *   BELAY_ENOMEM     no memory, or the number is above 4,194,303
 *   BELAY_EAGAIN     no descriptor is left for the library's own use, or a limit of the system is reached
 *   BELAY_ECONTEXT   self is not the calling task; or from a callback
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_wait_fd(belay_task *self, int fd, uint32_t interest, uint32_t *ready);
BELAY_API belay_status belay_wait_fd_until(belay_task *self, int fd, uint32_t interest,
                                           belay_time deadline, uint32_t *ready);

/* Wakes all who wait for the descriptor, in every executor of the process, with BELAY_EBADF, and closes it. No wait
 * that begins later is mistaken for one of them. Does not wait (the system may linger over the last close of
 * a file). Any thread, any context.
 *   BELAY_OK         closed
 *   BELAY_EBADF      no open descriptor
 *   BELAY_ECHILD     in a forked child: use close(2) there */
BELAY_API belay_status belay_fd_close(int fd);

/* Input and output. The descriptor should be non-blocking: sockets are read and written without blocking anyway, but a
 * listening socket, a pipe or a terminal that is not blocks the worker. Whatever the status, *error (may be NULL)
 * receives the errno behind BELAY_ESYSTEM, else 0; belay statuses themselves are never errno values. Beyond the
 * statuses of belay_wait_fd:
 *   BELAY_ESYSTEM    the system refused: *error says why */

/* Reads at least one byte, up to `size`. *count receives how many; BELAY_OK with 0: the end of the stream (or size
 * 0). */
BELAY_API belay_status belay_read(belay_task *self, int fd, void *buffer, size_t size,
                                  size_t *count, int *error);
BELAY_API belay_status belay_read_until(belay_task *self, int fd, void *buffer, size_t size,
                                        belay_time deadline, size_t *count, int *error);

/* Writes all of it. *count receives how many bytes were written, whatever the status: after a cancel, a deadline or an
 * error that many have gone. Raises no SIGPIPE on sockets nor, from tasks, on anything. */
BELAY_API belay_status belay_write(belay_task *self, int fd, const void *data, size_t size,
                                   size_t *count, int *error);
BELAY_API belay_status belay_write_until(belay_task *self, int fd, const void *data, size_t size,
                                         belay_time deadline, size_t *count, int *error);

/* Takes a connection from a listening socket: *out is non-blocking and closed on exec; -1 unless BELAY_OK. */
BELAY_API belay_status belay_accept(belay_task *self, int listener, int *out, int *error);
BELAY_API belay_status belay_accept_until(belay_task *self, int listener, belay_time deadline,
                                          int *out, int *error);

/* Connects a non-blocking socket. After BELAY_ECANCELED or BELAY_ETIMEDOUT the attempt is still under way: call again,
 * or close the socket. */
BELAY_API belay_status belay_connect(belay_task *self, int fd, const struct sockaddr *address,
                                     uint32_t size, int *error);
BELAY_API belay_status belay_connect_until(belay_task *self, int fd, const struct sockaddr *address,
                                           uint32_t size, belay_time deadline, int *error);

#ifdef __cplusplus
}
#endif
#endif

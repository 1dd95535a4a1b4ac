/* Input and output for tasks: try, and wait for readiness as long as it would block. */
#include "io/io.h"

/* One operation, to be tried again after each wait. */
typedef struct attempt {
    int64_t (*step)(const struct attempt *a); /* a result, PORT_IO_WAIT, or a negated errno */
    int fd;
    uint32_t interest;
    void *data;
    const void *source;
    size_t size;
} attempt;

/* Tries until it neither would block nor fails. *result: what the system answered. */
static belay_status repeat(belay_task *self, const attempt *a, belay_time deadline, int64_t *result,
                           int *error) {
    *result = 0;
    if (error != NULL) {
        *error = 0;
    }
    belay_status status = io_begin(self);
    while (status == BELAY_OK) {
        int64_t n = a->step(a);
        if (n >= 0) {
            *result = n;
            return BELAY_OK;
        }
        if (n == PORT_IO_BAD) {
            return BELAY_EBADF;
        }
        if (n != PORT_IO_WAIT) {
            if (error != NULL) {
                *error = (int)-n;
            }
            return BELAY_ESYSTEM;
        }
        uint32_t ready;
        status = io_wait(self, a->fd, a->interest, deadline, &ready);
    }
    return status;
}

/* ---- read and write ---------------------------------------------------------------------------------------------- */

static int64_t step_read(const attempt *a) {
    return port_fd_read(a->fd, a->data, a->size);
}

belay_status belay_read_until(belay_task *self, int fd, void *buffer, size_t size,
                              belay_time deadline, size_t *count, int *error) {
    if (count == NULL || (buffer == NULL && size != 0)) {
        return BELAY_EINVAL;
    }
    attempt a = {step_read, fd, PORT_FD_READ, buffer, NULL, size};
    int64_t n;
    belay_status status = repeat(self, &a, deadline, &n, error);
    *count = (size_t)n;
    return status;
}

static int64_t step_write(const attempt *a) {
    return port_fd_write(a->fd, a->source, a->size);
}

belay_status belay_write_until(belay_task *self, int fd, const void *data, size_t size,
                               belay_time deadline, size_t *count, int *error) {
    if (count == NULL || (data == NULL && size != 0)) {
        return BELAY_EINVAL;
    }
    belay_status status;
    *count = 0;
    do {
        attempt a = {step_write,   fd, PORT_FD_WRITE, NULL, (const char *)data + *count,
                     size - *count};
        int64_t n;
        status = repeat(self, &a, deadline, &n, error);
        *count += (size_t)n;
    } while (status == BELAY_OK && *count < size);
    return status;
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static int64_t step_accept(const attempt *a) {
    return port_fd_accept(a->fd);
}

belay_status belay_accept_until(belay_task *self, int listener, belay_time deadline, int *out,
                                int *error) {
    if (out == NULL) {
        return BELAY_EINVAL;
    }
    attempt a = {step_accept, listener, PORT_FD_READ, NULL, NULL, 0};
    int64_t n;
    belay_status status = repeat(self, &a, deadline, &n, error);
    *out = status == BELAY_OK ? (int)n : -1;
    return status;
}

/* The system answers a second call with the state of the first; why it failed, the socket remembers once. */
static int64_t step_connect(const attempt *a) {
    int32_t failed = port_fd_error(a->fd);
    return failed != 0 ? -(int64_t)failed : port_fd_connect(a->fd, a->source, (uint32_t)a->size);
}

belay_status belay_connect_until(belay_task *self, int fd, const struct sockaddr *address,
                                 uint32_t size, belay_time deadline, int *error) {
    if (address == NULL) {
        return BELAY_EINVAL;
    }
    attempt a = {step_connect, fd, PORT_FD_WRITE, NULL, address, size};
    int64_t n;
    return repeat(self, &a, deadline, &n, error);
}

/* ---- without a deadline ------------------------------------------------------------------------------------------ */

belay_status belay_read(belay_task *self, int fd, void *buffer, size_t size, size_t *count,
                        int *error) {
    return belay_read_until(self, fd, buffer, size, BELAY_NEVER, count, error);
}

belay_status belay_write(belay_task *self, int fd, const void *data, size_t size, size_t *count,
                         int *error) {
    return belay_write_until(self, fd, data, size, BELAY_NEVER, count, error);
}

belay_status belay_accept(belay_task *self, int listener, int *out, int *error) {
    return belay_accept_until(self, listener, BELAY_NEVER, out, error);
}

belay_status belay_connect(belay_task *self, int fd, const struct sockaddr *address, uint32_t size,
                           int *error) {
    return belay_connect_until(self, fd, address, size, BELAY_NEVER, error);
}

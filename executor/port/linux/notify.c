/* Descriptors that are raised: eventfd(2). */
#include <sys/eventfd.h>
#include <unistd.h>

#include "port/port.h"

int port_notify_open(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void port_notify_raise(int fd) {
    (void)eventfd_write(fd, 1); /* fails only when it is raised already */
}

void port_notify_close(int fd) {
    (void)close(fd);
}

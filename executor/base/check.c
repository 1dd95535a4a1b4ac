/* The one place where a broken invariant ends the process. */
#include "base/check.h"

#include <stdio.h>

#include "port/port.h"

_Noreturn void check_failed(const char *condition, const char *file, int line) {
    char message[256];
    snprintf(message, sizeof message, "belay: broken invariant: %s (%s:%d)", condition, file, line);
    port_panic(message);
}

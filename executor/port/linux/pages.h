/* A seam for tests of port/linux/pages.c. */
#ifndef BELAY_PORT_LINUX_PAGES_H
#define BELAY_PORT_LINUX_PAGES_H

#include "port/port.h"

/* Restricts port_pages_guard() to what a poorer system has: without the marker
 * (PORT_GUARD_PROTECT), or with nothing at all (PORT_GUARD_NONE). PORT_GUARD_MARKER takes the
 * restriction away. */
void pages_guard_restrict(port_guard best);

#endif

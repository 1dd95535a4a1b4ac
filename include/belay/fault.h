/* What a memory fault in a task means: for the program's own handler of SIGSEGV and SIGBUS.
 *
 * The library installs no handler. A task that overflows its stack hits a guard page, and the signal ends the
 * process, as any fault does. A program that wants to know which task it was installs a handler with SA_ONSTACK,
 * gives each worker an alternate stack in the thread_start hook (sigaltstack: the full one has no room for a
 * handler), and asks. Worker threads do not block the signals of faults. */
#ifndef BELAY_FAULT_H
#define BELAY_FAULT_H

#include <belay/status.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One line for a fault of the calling thread at this address (siginfo_t.si_addr), without a newline: the task that
 * runs there, by name and spawn site, and whether it has overflowed its stack, that is, whether the address is in the
 * guard below it. Cut to size - 1 bytes and ended by a zero. Returns its length; 0 (and an empty line) if the thread
 * runs no task. A call whose frame is larger than the guard, a page, may pass over it and fault elsewhere, or not at
 * all; a stack without a guard page does not fault, its overflow is noticed when it is given back. Async-signal-safe.
 * Does not wait. Any thread, any context. */
BELAY_API size_t belay_fault_text(const void *address, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif

/* The contract with the operating system and the CPU.
 *
 * Nothing above this header includes a system header or contains an #ifdef about the platform. Two
 * implementations exist: port/linux, and port/sim, which runs the same library on one OS thread
 * under a seeded scheduler. The CPU's part (context switch) is in port/arch.
 *
 * Unless a comment says otherwise a function may be called from any thread, does not block, and
 * leaves its outputs untouched when it fails. Failures are plain: false, NULL or a negative value;
 * errno is never part of the contract, because a task may wake on another thread. */
#ifndef BELAY_PORT_PORT_H
#define BELAY_PORT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

/* ---- threads --------------------------------------------------------------------------------- */

typedef struct port_thread {
    uintptr_t id; /* opaque; written by port_thread_start, read by port_thread_join */
} port_thread;

/* Starts a thread with all signals blocked, but those of its own faults, and POSIX cancellation
 * disabled. The name is cut to what the system takes. Returns false when the system has no thread
 * left; *out is then untouched. */
bool port_thread_start(port_thread *out, void (*entry)(void *arg), void *arg, const char *name);

/* Waits for the thread's end. Exactly once for each started thread; never from the thread
 * itself. */
void port_thread_join(port_thread *thread);

/* If the calling thread ends in any other way than by returning from its entry (pthread_exit), `left(arg)` is
 * called on it. left NULL takes the guard off. */
void port_thread_guard(void (*left)(void *arg), void *arg);

/* Gives the processor to another thread. For waits that are bounded by somebody else's few
 * instructions, after spinning a little with port_cpu_relax(). */
void port_thread_yield(void);

/* One tick of a spin loop. */
void port_cpu_relax(void);

/* Processors this process may use: affinity mask, capped by the cgroup quota (v1 and v2, the
 * minimum over all ancestors), rounded to the nearest, at least 1. */
uint32_t port_cpu_count(void);

/* Small number, different for threads that live at the same time (until there have been 2^32 of them): for
 * choosing a shard, and as the name of an owner. Stable within a thread. */
uint32_t port_thread_hash(void);

/* A number per thread, at first 0, for the caller's own use: how deep the thread is in calls that must not wait. */
void port_callbacks_add(int32_t n);
uint32_t port_callbacks(void);

/* ---- the calling thread's worker ------------------------------------------------------------- */

/* One pointer per thread. The getter is opaque to the optimiser: a task may be resumed on another
 * thread, so no compiler may keep the value, or the address it was read from, across a
 * suspension. */
void *port_current_get(void);
void port_current_set(void *current);

/* True in a process forked while an executor existed, until port_forked_clear()
 * (async-signal-safe). The first call of port_fork_watch() installs the detection. */
void port_fork_watch(void);
static inline bool port_forked(void);
void port_forked_clear(void);

/* ---- clock and randomness -------------------------------------------------------------------- */

/* Monotonic nanoseconds; never negative. Coarse: cheaper, may lag by a few milliseconds. */
int64_t port_clock_now(void);
int64_t port_clock_coarse(void);

/* A seed for a scheduler's private generator. */
uint64_t port_random_seed(void);

/* ---- parking --------------------------------------------------------------------------------- */

#define PORT_NEVER INT64_MAX

/* Sleeps while *word == expected, until woken, or until the absolute deadline (PORT_NEVER: none).
 * May return at any time without cause: callers look at their own condition again. */
void port_futex_wait(const uint32_t *word, uint32_t expected, int64_t deadline);
/* Wakes at most `count` threads sleeping on the word. The word's memory need not be valid any more:
 * waking an address nobody sleeps on is harmless. */
void port_futex_wake(const uint32_t *word, uint32_t count);

/* A descriptor that becomes readable once it is raised, and stays so. Negative: there is none left. */
int port_notify_open(void);
void port_notify_raise(int fd);
void port_notify_close(int fd);

/* ---- fences ---------------------------------------------------------------------------------- */

/* The two halves of a store-then-load (Dekker) pattern:
 *     A: store x; port_fence_light(); load y         B: store y; port_fence_heavy(); load x
 * At least one side sees the other's store. The light half is a compiler barrier, because the heavy
 * half makes every running thread of the process pass through a full fence (membarrier). When that
 * is missing or refused (`symmetric` true, decided once per executor) both halves are full
 * fences. */
static inline void port_fence_light(bool symmetric);
void port_fence_heavy(bool symmetric);

/* Registers the process for expedited membarrier. False: not available; use symmetric fences. */
bool port_membarrier_init(void);

/* ---- pages ----------------------------------------------------------------------------------- */

size_t port_page_size(void);
/* Zeroed, private, not reserved, without huge pages. NULL when there is none. Size: a multiple of
 * the page size. Alignment: a power of two of at least a page. */
void *port_pages_map(size_t size, size_t alignment);
void port_pages_unmap(void *pages, size_t size);
/* Gives the memory back and keeps the addresses; the content becomes zero. */
void port_pages_discard(void *pages, size_t size);
/* The same for many ranges, which is far cheaper than a call each where the system can do it at once. */
typedef struct port_range {
    void *pages;
    size_t size;
} port_range;
void port_pages_discard_each(const port_range *ranges, uint32_t count);
/* Fresh pages at the same address: for ThreadSanitizer, which forgets the old accesses. */
bool port_pages_renew(void *pages, size_t size);
/* Makes [pages, pages + size) fault on access. Returns how: guard marker in the page table (no
 * mapping used), mprotect (uses up to two mappings), or none (the caller writes a canary). */
typedef enum port_guard { PORT_GUARD_NONE, PORT_GUARD_MARKER, PORT_GUARD_PROTECT } port_guard;
port_guard port_pages_guard(void *pages, size_t size);
/* Bytes from the first page that was ever touched to the end; an upper bound. */
size_t port_pages_touched(const void *pages, size_t size);

/* ---- heap ------------------------------------------------------------------------------------ */

/* The host's heap, for mem/alloc.c only: malloc, or jemalloc's own functions when the host program
 * has them. Not zeroed. Alignment: a power of two of at least 16. NULL when there is none. */
void *port_heap_allocate(size_t size, size_t alignment);
/* With the size and alignment it was allocated with. */
void port_heap_release(void *memory, size_t size, size_t alignment);
/* "malloc" or "jemalloc". */
const char *port_heap_name(void);

/* ---- context switch -------------------------------------------------------------------------- */

/* Prepares a context on an empty stack whose highest address (16-byte aligned) is `top`: the first
 * switch to the returned stack pointer calls entry(arg), which must not return. Less than 256 bytes
 * are used under `top`. Floating-point control is the C library's default. */
void *port_context_make(void *top, void (*entry)(void *arg), void *arg);
/* Saves the caller's callee-saved registers and floating-point control words on its stack, stores
 * its stack pointer in *save, and continues at `to`. */
void port_context_switch(void **save, void *to);

/* ---- descriptors ------------------------------------------------------------------------------ */

enum {
    PORT_FD_READ = 1,   /* a read, or an accept, would not block */
    PORT_FD_WRITE = 2,  /* a write would not block */
    PORT_FD_HANGUP = 4, /* the other side has closed its end */
    PORT_FD_ERROR = 8,  /* an error is pending; reported unasked */
    PORT_FD_BAD = 16    /* no open descriptor; port_fd_poll only */
};

/* Watches many descriptors, one-shot: a report disables until the next arm. wait: one thread at a time; the rest:
 * any. */
typedef struct port_poller {
    int32_t poll;
    int32_t wake;
} port_poller;

typedef struct port_event {
    uint64_t key; /* as armed; PORT_POLLER_WOKEN: port_poller_wake was called */
    uint32_t ready;
} port_event;

#define PORT_POLLER_WOKEN UINT64_MAX

typedef enum port_watch {
    PORT_WATCH_KNOWN,  /* armed; the poller knew the descriptor */
    PORT_WATCH_NEW,    /* armed; it did not: it was never armed, or is another file by now */
    PORT_WATCH_ALWAYS, /* cannot be watched and never blocks: a regular file */
    PORT_WATCH_BAD,    /* no open descriptor */
    PORT_WATCH_FAILED  /* no memory, or a limit of the system */
} port_watch;

/* False: no descriptor or no memory is left, or the port has no poller. */
bool port_poller_open(port_poller *poller);
void port_poller_close(port_poller *poller);
/* Reports once, also if the descriptor is ready already. Replaces an earlier arming of it. */
port_watch port_poller_arm(port_poller *poller, int fd, uint64_t key, uint32_t interest);
/* Forgets the descriptor. */
void port_poller_disarm(port_poller *poller, int fd);
/* Sleeps until something is ready, somebody calls port_poller_wake, or the deadline (PORT_NEVER: none; in the past:
 * does not sleep). May return 0 without cause. */
uint32_t port_poller_wait(port_poller *poller, port_event *out, uint32_t most, int64_t deadline);
/* Ends the present wait, or else the next. */
void port_poller_wake(port_poller *poller);

/* A bell that ends a port_fd_poll of another thread. */
typedef struct port_bell {
    int32_t fd;
} port_bell;
bool port_bell_open(port_bell *bell);
void port_bell_close(port_bell *bell);
void port_bell_ring(port_bell *bell);

/* What of the interest is ready, or PORT_FD_BAD; 0 after the deadline, or when the bell (may be NULL) rings. Blocks. */
uint32_t port_fd_poll(int fd, uint32_t interest, const port_bell *bell, int64_t deadline);

/* Input and output: a number of bytes (accept: the descriptor; connect: 0), PORT_IO_WAIT if it would block, no open
 * descriptor, or a negated errno. A descriptor other than a socket blocks if it was not made non-blocking. */
#define PORT_IO_WAIT INT64_MIN
#define PORT_IO_BAD (INT64_MIN + 1)
int64_t port_fd_read(int fd, void *buffer, size_t size);
int64_t port_fd_write(int fd, const void *data, size_t size);
/* The new descriptor is non-blocking and closed on exec. */
int64_t port_fd_accept(int fd);
int64_t port_fd_connect(int fd, const void *address, uint32_t size);
/* The pending error of a socket, which it takes away: 0, or an errno. 0 also for what is no socket. */
int32_t port_fd_error(int fd);
/* A socket whose close may block until its data has gone. */
bool port_fd_lingers(int fd);
/* A second number for the file, or -1. */
int port_fd_duplicate(int fd);
/* False: no open descriptor. */
bool port_fd_close(int fd);

/* ---- the last resort ------------------------------------------------------------------------- */

/* Writes the message to standard error and aborts. Only for a broken invariant or a body that
 * leaves illegally. */
_Noreturn void port_panic(const char *message);

/* The default log hook's target: one line to standard error. */
void port_log_stderr(const char *line);

/* Reads a variable of the environment; NULL when unset. Not while others change the environment. */
const char *port_env_get(const char *name);
/* Calls visit for each NAME=VALUE whose name starts with the prefix. */
void port_env_each(const char *prefix, void (*visit)(const char *entry, void *arg), void *arg);

#include "port/port_inline.h"

#endif

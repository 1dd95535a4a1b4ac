/* The monitor: one thread that looks after busy workers, started when there is first something to look after.
 *
 * While some worker runs it wakes every few milliseconds: it fires timers that are overdue because every worker
 * computes, reports tasks that hold a worker for too long without a yield point, wakes a parked worker for work that
 * nobody looks after, and fetches what descriptors report when no worker does; and it does what can be done later
 * (upcall_tend). When all workers are parked, and nothing is left to do later, it sleeps without a limit: an idle
 * executor uses no CPU. */
#ifndef BELAY_EVENT_MONITOR_H
#define BELAY_EVENT_MONITOR_H

#include "event/fd.h"
#include "event/wheel.h"

typedef struct monitor_watch {
    uint64_t turn; /* the task that ran at the last look ... */
    int64_t since; /* ... and since when */
    bool reported;
} monitor_watch;

typedef struct monitor {
    sched *sched;
    fd_table *fds;       /* constant */
    int64_t stall;       /* nanoseconds; 0: off */
    int64_t idle_report; /* nanoseconds; 0: off; constant since before the first worker runs */
    /* The monitor's: asleep, when it looks whether the executor is stuck; PORT_NEVER: it has. */
    int64_t idle_until;
    const allocator *alloc;
    monitor_watch *watch;    /* the monitor's, one per worker; NULL: no watchdog */
    ATOMIC(uint32_t) word;   /* monitor.c */
    ATOMIC(uint32_t) wanted; /* there is something to look after */
    ATOMIC(uint64_t) stalls; /* tasks reported */
    lock lock;               /* guards starting and stopping */
    port_thread thread;      /* under the lock */
} monitor;

/* False: no memory. */
bool monitor_init(monitor *m, sched *s, fd_table *fds, int64_t stall, const allocator *alloc);
/* From now on (no worker runs yet) an executor that is idle for so long is looked at: upcall_idle. */
void monitor_report_idle(monitor *m, int64_t after);
/* Stops the thread and frees. No worker runs any more. */
void monitor_fini(monitor *m);
/* A worker is busy: see to it that the monitor is awake, and started if it is wanted. Any thread. */
void monitor_busy(monitor *m);

/* Upcalls: something that has to be looked after from time to time: does a bit of it, and says when it wants to be
 * called again (PORT_NEVER: when monitor_busy was called). And: is there something again? Read after the monitor's
 * word. */
int64_t upcall_tend(sched *s, int64_t now);
bool upcall_untended(const sched *s);

/* Upcall: all workers have been parked for so long. From the monitor. */
void upcall_idle(sched *s);
/* Upcall: the worker's task has held it for so long. */
void upcall_stalled(worker *w, int64_t held);

#endif

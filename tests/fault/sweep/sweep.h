/* The fault sweep: a scenario is run again and again; in the first run the first thing that the library asks the system
 * for is refused, in the second the second, and so on, until a run comes through without a refusal. And once more, with
 * everything refused from that point on.
 *
 * Whatever was refused, the run must end, each call with a status that its header names, and with nothing left: every
 * accepted argument, callback and item has come to exactly one end, every block went back to the allocator hook.
 *
 * The same scenarios run on the real port and on the simulated one, where each k-th call is exact and is tried under
 * several schedules. What may be refused is intercepted by the linker (--wrap): on the simulated port the contract of
 * port.h, on the real one the system's functions below it, so that the port's own error paths are swept, too.
 *
 * A scenario asserts with MAY and CHECKED, from any thread. It never skips the end of what it began: a scope that was
 * opened is closed, a thread that was started is joined. */
#ifndef BELAY_TESTS_FAULT_SWEEP_H
#define BELAY_TESTS_FAULT_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <belay/belay.h>

#include "port/port.h"

/* ---- what is refused ----------------------------------------------------------------------------------------- */

typedef enum fault_kind {
    FAULT_HEAP,    /* blocks from the heap */
    FAULT_PAGES,   /* mappings */
    FAULT_GUARDS,  /* protecting pages, and advice about them (real port) */
    FAULT_THREADS, /* threads, and what is kept per thread */
    FAULT_FDS,     /* descriptors, and watching them */
    FAULT_ANY,     /* all of these, counted together */
    FAULT_KINDS
} fault_kind;

typedef struct fault_plan {
    fault_kind kind;
    uint64_t number; /* the call that is refused, from 1; 0: none */
    bool rest;       /* and all after it */
} fault_plan;

/* For the intercepted functions: one more call of the kind. True: refuse it. Outside of a run never. */
bool fault_strikes(fault_kind kind);
/* Whether a call has been refused in this run. */
bool fault_struck(void);

/* ---- for scenarios ------------------------------------------------------------------------------------------- */

/* The call must return the first status, or, once something has been refused, one of those that follow. Its value is
 * what it returned. */
#define MAY(call, ...)                                                                             \
    fault_may((call), #call, __FILE__, __LINE__,                                                   \
              (const belay_status[]){__VA_ARGS__, FAULT_END_OF_LIST})
#define CHECKED(condition) fault_check((condition), #condition, __FILE__, __LINE__)

#define FAULT_END_OF_LIST INT32_MAX

belay_status fault_may(belay_status got, const char *text, const char *file, int line,
                       const belay_status *allowed);
void fault_check(bool holds, const char *text, const char *file, int line);

/* Something that must come to an end exactly once: a task's argument, a callback's, an item. What was refused comes to
 * none. */
typedef struct fault_ticket {
    uint32_t accepted;
    uint32_t ran;
    uint32_t ended;
    const char *what;
    belay_body *body;
    void *arg;
} fault_ticket;

fault_ticket *fault_ticket_new(const char *what);
/* Accepted, if the status is BELAY_OK. Passes it on. */
belay_status fault_settle(fault_ticket *ticket, belay_status status);
/* Its end; a belay_drop. */
void fault_ended(void *ticket);

/* The executor of the run, or NULL: it could not be created. Two workers; everything through the allocator hook. */
belay_executor *fault_executor(void);
/* Shuts it down, checks its books, and destroys it. NULL is none. */
void fault_executor_end(belay_executor *ex);

/* Spawns with a ticket as the argument; the body gets `arg`. */
belay_status fault_spawn(belay_task *self, belay_scope scope, belay_body *body, void *arg,
                         const belay_task_options *options, belay_task_handle *out);
/* Joins and releases, if the handle names a task. The outcome is one that a refusal explains. */
void fault_join(belay_task *self, belay_task_handle task);
/* Runs it as a task of the root, and waits. False: it was not accepted. */
bool fault_run(belay_executor *ex, belay_body *body, void *arg);

/* Sleeps a moment. A cancel is not expected. */
belay_status fault_nap(belay_task *self, void *arg);
/* Sleeps until it is cancelled. */
belay_status fault_sleeper(belay_task *self, void *arg);

/* A thread that is none of the executor's. False: there is none, and nothing to join. */
bool fault_thread(port_thread *out, void (*entry)(void *arg), void *arg);

/* A descriptor that can be read once fault_fd_ready was called. To be closed with fault_fd_close. */
int fault_fd_open(void);
void fault_fd_ready(int fd);
void fault_fd_close(int fd);

typedef struct fault_scenario {
    const char *name;
    void (*run)(void);
} fault_scenario;

extern const fault_scenario fault_scenarios[];
extern const size_t fault_scenario_count;

/* ---- between the sweep and the port it runs on --------------------------------------------------------------- */

/* One run, to its end. Returns the first failure's text, or NULL. fault_struck then says whether it came to a refusal.
 * */
const char *fault_run_once(const fault_scenario *scenario, const fault_plan *plan, uint64_t seed);
/* What the port calls for it, in three steps: outside, where the scenario runs, and outside again. */
void fault_run_begin(const fault_plan *plan);
void fault_run_enter(const fault_scenario *scenario);
const char *fault_run_end(void);
/* Ends the run with a failure, where the port can; else returns. */
void fault_fail(const char *text);
/* Whether the port can refuse this kind. */
bool fault_port_has(fault_kind kind);
const char *fault_port_name(void);
/* Before the first run. */
void fault_port_open(void);

#endif

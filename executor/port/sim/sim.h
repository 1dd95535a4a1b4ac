/* Deterministic simulation: the control interface for tests.
 *
 * sim_run() runs a scenario as virtual thread 0 on the calling OS thread. Every function of port.h
 * and every access of base/atomic.h is a step, at which a generator seeded by the configuration may
 * give the processor to another virtual thread, let a buffered store reach memory, wake a sleeper
 * without cause, or move the virtual clock. The same program, configuration and seed make the same
 * steps, so a failure is replayed by its seed; result.hash tells two schedules apart.
 *
 * What is modelled: x86-TSO. Stores that are not seq_cst wait in a first-in first-out buffer of
 * their virtual thread; its own loads see them; a seq_cst store, a read-modify-write, a full fence,
 * a system call that blocks, and the thread's end empty the buffer; port_fence_heavy(false) empties
 * everybody's. What is not: reordering of loads, and plain accesses, which reach memory at once.
 * Hence a word that is accessed through base/atomic.h must not also be written plainly, except in
 * memory that was given back (free, port_pages_unmap) in between; and hence a store into the
 * caller's own frames is not delayed: the frame may be gone, and its memory plainly reused, before
 * the store would land. So shared state of a test belongs in static or heap memory.
 *
 * A failed run leaves its virtual threads where they were and its objects in no particular state:
 * stop at the first failure. One simulation at a time in a process. */
#ifndef BELAY_SIM_SIM_H
#define BELAY_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

/* Random: at each step, with a probability that the seed chooses, any ready thread. PCT: highest
 * priority first, priorities lowered at few random steps (S. Burckhardt et al., "A Randomized
 * Scheduler with Probabilistic Guarantees of Finding Bugs"). Mixed: odd seeds random, even ones
 * PCT. */
typedef enum sim_scheduler { SIM_MIXED, SIM_RANDOM, SIM_PCT } sim_scheduler;

/* All zero is a good default. */
typedef struct sim_config {
    uint64_t seed;
    sim_scheduler scheduler;
    uint32_t cpus;         /* port_cpu_count(); 0: 2 */
    uint64_t step_limit;   /* more steps than this is a livelock; 0: 200,000 */
    uint32_t thread_limit; /* virtual threads at once, the scenario's included; 0: 64, the most */
    bool no_membarrier;    /* port_membarrier_init() returns false */
    bool no_spurious;      /* futex waits return only for a cause */
    bool
        no_store_buffers; /* sequentially consistent: tells a missing fence from a wrong protocol */
    uint64_t fail_thread_start;  /* this call of port_thread_start fails, counted from 1; 0: none */
    uint64_t fail_pages_map;     /* likewise port_pages_map */
    uint64_t fail_heap_allocate; /* likewise port_heap_allocate */
    uint32_t log_events; /* remember so many last steps (at most 4,096), print them on failure */
    const char *const *environment; /* NAME=VALUE strings, NULL at the end; NULL: empty */
} sim_config;

typedef struct sim_result {
    bool ok;
    char failure[256]; /* empty when ok */
    uint64_t seed;
    uint64_t steps;
    uint64_t hash; /* of the sequence of (thread, operation) */
    uint64_t switches;
    uint64_t drains;   /* buffered stores that reached memory by chance rather than by a fence */
    uint64_t spurious; /* wakes without cause */
    uint64_t leaps;    /* times the clock jumped to a deadline */
    uint64_t thread_starts;    /* calls of port_thread_start */
    uint64_t pages_maps;       /* calls of port_pages_map */
    uint64_t heap_allocations; /* calls of port_heap_allocate */
    int64_t clock;             /* at the end */
} sim_result;

/* Runs the scenario once. Ends when every virtual thread has ended, or at the first failure: a
 * failed sim_check or CHECK, port_panic, a fault, all threads blocked for ever ("lost wakeup"), too
 * many steps ("livelock"), a thread that was never joined. */
sim_result sim_run(const sim_config *config, void (*scenario)(void *arg), void *arg);

/* Runs the scenario under `count` seeds from config->seed on, until one fails. Returns that result,
 * or the last one. `reset` is called before each run, outside the simulation; it may be NULL. */
sim_result sim_explore(const sim_config *config, uint64_t count, void (*reset)(void *arg),
                       void (*scenario)(void *arg), void *arg);

/* Ends the run with a failure. From inside a run only. */
_Noreturn void sim_fail(const char *text);

static inline void sim_check(bool condition, const char *text) {
    if (__builtin_expect(!condition, 0)) {
        sim_fail(text);
    }
}

/* Names a word in the event log. The text is kept by reference; forgotten at the next run. */
void sim_label(const volatile void *address, const char *name);

/* True inside a run. */
bool sim_active(void);

/* Descriptors without files: below 32. Opens the number as a new file of which nothing is ready; sets what is (PORT_FD_...).
 * Only reading takes readiness away. Closed by port_fd_close. */
void sim_fd_open(int fd);
void sim_fd_set(int fd, uint32_t ready);

/* A number below `bound` (not 0) from the run's generator: for choices of a scenario. */
uint64_t sim_choose(uint64_t bound);

#endif

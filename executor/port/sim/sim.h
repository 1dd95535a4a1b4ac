/* Deterministic simulation: the control interface for tests.
 *
 * sim_run() runs a scenario as virtual thread 0 on the calling OS thread. Every function of port.h
 * and every access of base/atomic.h is a step, at which the scheduler may give the processor to
 * another virtual thread, let a buffered store reach memory, wake a sleeper without cause, or move
 * the virtual clock. The same program, configuration and seed make the same steps, so a failure is
 * replayed by its seed; result.hash tells two schedules apart.
 *
 * What is modelled: x86-TSO. Stores that are not seq_cst wait in a first-in first-out buffer of
 * their virtual thread; its own loads see them; a seq_cst store, a read-modify-write, a full fence,
 * a system call that blocks, and the thread's end empty the buffer; port_fence_heavy(false) empties
 * everybody's. What is not: reordering of loads, and plain accesses, which reach memory at once.
 * Hence a word that is accessed through base/atomic.h must not also be written plainly, except in
 * memory that was given back (free, port_pages_unmap) in between; and hence a store into the
 * caller's own frames is not delayed: the frame may be gone, and its memory plainly reused, before
 * the store would land. So shared state of a test belongs in static or heap memory.
 * docs/verification.md has the whole list.
 *
 * A failed run leaves its virtual threads where they were and its objects in no particular state:
 * stop at the first failure. One simulation at a time in a process. */
#ifndef BELAY_SIM_SIM_H
#define BELAY_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Random: after gaps whose mean the seed chooses, any ready thread. PCT: highest priority first,
 * priorities lowered at few random steps (S. Burckhardt et al., "A Randomized Scheduler with
 * Probabilistic Guarantees of Finding Bugs"). Mixed: odd seeds random, even ones PCT. Replay: the
 * decisions of an earlier run, from its text. Bytes: decisions are read from a byte string, for a
 * fuzzer; when it is used up, threads run until they block, in turn. */
typedef enum sim_scheduler { SIM_MIXED, SIM_RANDOM, SIM_PCT, SIM_REPLAY, SIM_BYTES } sim_scheduler;

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
    uint64_t fail_descriptor;    /* likewise what opens a descriptor, a poller or a bell */
    uint32_t fail_rate;    /* each of those calls fails with this probability, in parts of 2^20 */
    uint32_t pct_depth;    /* PCT: one more than the change points; 0: the seed chooses, 1 to 8 */
    uint64_t pct_steps;    /* PCT: how long a run is, about; 0: the seed guesses. See sim_explore */
    uint32_t log_events;   /* remember so many last steps (at most 4,096), print them on failure */
    bool record;           /* keep the decisions, for sim_decisions() */
    const char *decisions; /* SIM_REPLAY: what sim_decisions() wrote */
    const uint8_t *bytes;  /* SIM_BYTES */
    size_t byte_count;
    const char *const *environment; /* NAME=VALUE strings, NULL at the end; NULL: empty */
} sim_config;

typedef struct sim_result {
    bool ok;
    char failure[256]; /* empty when ok */
    uint64_t seed;
    uint64_t steps;
    uint64_t hash; /* of the sequence of (thread, operation, place) */
    uint64_t switches;
    uint64_t drains;   /* buffered stores that reached memory by chance rather than by a fence */
    uint64_t spurious; /* wakes without cause */
    uint64_t leaps;    /* times the clock jumped to a deadline */
    uint64_t thread_starts;    /* calls of port_thread_start */
    uint64_t pages_maps;       /* calls of port_pages_map */
    uint64_t heap_allocations; /* calls of port_heap_allocate */
    uint64_t descriptors;      /* calls that open a descriptor, a poller or a bell */
    uint64_t passes;           /* calls of sim_pass */
    uint64_t drift;            /* replay: decisions that did not fit; 0: the very same run */
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

/* ---- every schedule of a small scenario --------------------------------------------------------- */

typedef struct sim_search {
    uint32_t preemptions; /* in: a schedule takes the processor from a thread at most so often */
    uint64_t most;        /* in: give up after so many schedules; 0: 10,000,000 */
    uint64_t schedules;   /* out: run in all */
    uint32_t reached;     /* out: all schedules with so many preemptions were run */
    bool complete;        /* out: the limit on schedules was not met */
    bool unbounded;       /* out: and none was left out for its number of preemptions */
} sim_search;

/* Depth first through all schedules, with 0 preemptions, then with 1, and so on (M. Musuvathi, S.
 * Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs"). What
 * counts as a decision: who takes over at an access to a word that another thread uses as well; who
 * runs after one that blocks; which delayed stores have landed when their word is looked at; whom a
 * wake wakes; sim_choose. Spurious wakes, failures by chance and, while somebody can run, the
 * passing of a deadline are left out. config->scheduler is ignored. */
sim_result sim_exhaust(const sim_config *config, sim_search *search, void (*reset)(void *arg),
                       void (*scenario)(void *arg), void *arg);

/* ---- replay --------------------------------------------------------------------------------- */

/* The decisions of the last run with config.record, as text; sim_decide.c has its form. Returns the
 * length; when that is not below `size`, the text was cut. */
size_t sim_decisions(char *out, size_t size);

/* ---- inside a run ------------------------------------------------------------------------------- */

/* Ends the run with a failure. */
_Noreturn void sim_fail(const char *text);

static inline void sim_check(bool condition, const char *text) {
    if (__builtin_expect(!condition, 0)) {
        sim_fail(text);
    }
}

/* A number below `bound` (not 0): for choices of a scenario. */
uint64_t sim_choose(uint64_t bound);

/* For faults at the k-th place: sim_pass() counts one place; sim_await_pass(k) blocks the calling
 * virtual thread until the k-th has been passed, or until nobody else can run (false). It then runs
 * at once, before whoever passed takes another step. One thread at a time may wait. */
void sim_pass(void);
bool sim_await_pass(uint64_t k);

/* Names a word in the event log. The text is kept by reference; forgotten at the next run. */
void sim_label(const volatile void *address, const char *name);

/* True inside a run. */
bool sim_active(void);

/* The clock goes on by so much at once, as after the machine was suspended. The coarse clock follows with its next
 * tick. */
void sim_clock_leap(int64_t nanoseconds);

/* Descriptors without files: below 32. Opens the number as a new file of which nothing is ready; sets what is
 * (PORT_FD_...). Only reading takes readiness away. Closed by port_fd_close. */
void sim_fd_open(int fd);
void sim_fd_set(int fd, uint32_t ready);

#endif

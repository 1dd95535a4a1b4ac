/* What the simulator's files share: the world of one run.
 *
 * There is one OS thread, so nothing here is atomic; while a virtual thread runs, it owns the
 * world. The masks have one bit for each virtual thread and are kept exact: `ready` are those that
 * may run (the running one included), `sleeping` those in a futex wait, `buffered` those with
 * delayed stores. */
#ifndef BELAY_SIM_SIM_INTERNAL_H
#define BELAY_SIM_SIM_INTERNAL_H

#include <stddef.h>

#include "port/port.h"
#include "port/sim/sim.h"

enum {
    SIM_THREADS_MAX = 64, /* bits of a mask */
    SIM_BUFFER_MAX = 16,
    SIM_LOG_MAX = 4096,
    SIM_LABELS_MAX = 64,
    SIM_THREAD_STACK = 256 * 1024,
    SIM_NAME_SIZE = 16
};

/* The address space of all pages and stacks of a run. */
#define SIM_ARENA_SIZE (UINT64_C(8) << 30)

typedef enum sim_op {
    SIM_OP_LOAD,
    SIM_OP_STORE,
    SIM_OP_RMW,
    SIM_OP_FENCE_LIGHT,
    SIM_OP_FENCE_FULL,
    SIM_OP_FENCE_ALL,
    SIM_OP_WAIT,
    SIM_OP_WAKE,
    SIM_OP_START,
    SIM_OP_JOIN,
    SIM_OP_END,
    SIM_OP_YIELD,
    SIM_OP_RELAX,
    SIM_OP_CLOCK,
    SIM_OP_MAP,
    SIM_OP_UNMAP,
    SIM_OP_DISCARD,
    SIM_OP_FILE,
    SIM_OP_COUNT
} sim_op;

typedef struct sim_pending {
    uintptr_t address;
    uint64_t value;
    uint32_t size;
} sim_pending;

typedef struct sim_buffer {
    uint32_t head;
    uint32_t count;
    sim_pending pending[SIM_BUFFER_MAX]; /* a ring, oldest at head */
} sim_buffer;

typedef enum sim_state { SIM_UNUSED, SIM_READY, SIM_SLEEPING, SIM_JOINING, SIM_ENDED } sim_state;

typedef struct sim_thread {
    void *sp; /* saved while another runs, on whatever stack this thread was then */
    uint32_t number;
    sim_state state;
    void (*entry)(void *arg);
    void *arg;
    void *current;      /* port_current_get() */
    uint32_t callbacks; /* port_callbacks() */
    uintptr_t futex;    /* sleeping: the word's address */
    int64_t deadline;   /* sleeping: PORT_NEVER or when to wake */
    struct sim_thread *joiner;
    uint64_t priority; /* PCT: higher runs first */
    uint32_t alone;    /* PCT: steps since it was last chosen over others */
    /* AddressSanitizer: its fake stack, and the bounds of the stack it was on when it gave way. */
    void *fake_stack;
    const void *stack_low;
    size_t stack_size;
    char name[SIM_NAME_SIZE];
    sim_buffer buffer;
} sim_thread;

typedef struct sim_world {
    bool active;
    sim_config config;
    sim_result result;
    sim_thread threads[SIM_THREADS_MAX];
    sim_thread host; /* the caller of sim_run; never in a mask */
    sim_thread *current;
    sim_thread *previous; /* who gave way to the current one */
    uint64_t used;
    uint64_t ready;
    uint64_t sleeping;
    uint64_t buffered;
    uint64_t random;
    int64_t next_deadline; /* no later than the earliest of the sleepers' */
    /* What the seed chose; rates count in parts of 2^20. */
    bool pct;
    uint32_t switch_rate;
    uint32_t drain_rate;
    uint32_t odd_rate;
    uint32_t spurious_rate;
    uint64_t next_change;   /* PCT: the step at which the running thread falls back */
    uint64_t change_gap;    /* PCT: mean distance of such steps */
    uint32_t changes_left;  /* PCT */
    uint64_t next_priority; /* PCT: what the next thread to fall back gets; counts down */
    bool membarrier;        /* registered in this run */
} sim_world;

extern sim_world sim;

/* ---- scheduler (sim_schedule.c) -------------------------------------------------------------- */

uint64_t sim_random(void);
/* True with probability rate / 2^20. */
static inline bool sim_hit(uint64_t random, uint32_t rate) {
    return (random & 0xfffff) < rate;
}
void sim_schedule_reset(void);
/* One step: counts, logs, and lets the world happen. Nothing outside a run. Afterwards, until the
 * next step, the caller is alone. */
void sim_point(sim_op op, const volatile void *address, uint64_t value);
/* A step by which the caller says that it waits for others. */
void sim_point_give_way(sim_op op, int64_t nanoseconds);
/* The current thread is no longer ready: runs others until it is again. */
void sim_block(void);
/* The current thread has ended. */
_Noreturn void sim_leave(void);
void sim_make_ready(sim_thread *thread);
/* A number below the bound. */
uint32_t sim_below(uint32_t bound);
/* Any one of the mask's threads; the mask is not empty. */
sim_thread *sim_any(uint64_t mask);

/* ---- store buffers (sim_memory.c) ------------------------------------------------------------ */

void sim_drain(sim_thread *thread);
void sim_drain_one(sim_thread *thread);
void sim_drain_everybody(void);
/* The current thread gives the memory back: its delayed stores there land now. Another's would be a
 * use after free, and fails the run. */
void sim_memory_released(const void *memory, size_t size);
uint64_t sim_read(const volatile void *word, uint32_t size);

/* ---- threads (sim_thread.c, sim_switch.c) ---------------------------------------------------- */

static inline uint64_t sim_bit(const sim_thread *thread) {
    return UINT64_C(1) << thread->number;
}
void sim_threads_reset(void);
/* NULL: none left. */
sim_thread *sim_thread_create(void (*entry)(void *arg), void *arg, const char *name);
/* Lowest address of a virtual thread's own stack. */
char *sim_thread_stack(const sim_thread *thread);
void sim_switch(sim_thread *to, bool last);
/* First thing on a new stack. */
void sim_switched(void);
void sim_stack_reissue(void *low, size_t size);

/* ---- stacks (sim_stack.c) -------------------------------------------------------------------- */

/* `used` bytes of the arena have been handed out since the last time. */
void sim_stacks_reset(size_t used);
/* Whether the word is a local of the function with this frame, or of one of its callers. */
bool sim_is_local(uintptr_t address, uintptr_t frame);

/* ---- time (sim_futex.c) ---------------------------------------------------------------------- */

void sim_wake_due(void);
/* Moves the clock to the earliest deadline. False: there is none. */
bool sim_leap(void);
void sim_wake_spuriously(void);

/* ---- pages (sim_pages.c), faults (sim_fault.c), log (sim_log.c) ------------------------------ */

void sim_pages_reset(void);
void sim_fds_reset(void);
/* The stacks of virtual threads, lowest address; NULL when the system refuses. */
char *sim_pages_stacks(void);
void sim_faults_catch(void);
void sim_log_reset(void);
void sim_log_event(sim_op op, const volatile void *address, uint64_t value);
void sim_log_print(void);

#endif

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
    SIM_NAME_SIZE = 16,
    SIM_STEP_NANOSECONDS = 20,
    SIM_PAGE = 4096
};

/* The address space of all pages, stacks and heap blocks of a run; the heap's part is at the end. */
#define SIM_ARENA_SIZE (UINT64_C(8) << 30)
#define SIM_HEAP_SIZE (UINT64_C(1) << 30)

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

/* What a scheduler decides; see sim_decide.c. */
typedef enum sim_kind {
    SIM_SWITCH, /* at a step: this thread goes on */
    SIM_DRAIN,  /* at a step: this thread's oldest delayed store lands */
    SIM_ROUSE,  /* at a step: this sleeper wakes without cause */
    SIM_LEAP,   /* at a step: the clock moves to the next deadline */
    SIM_NEXT,   /* when the thread gives way or blocks: this one goes on */
    SIM_WAKE,   /* a wake takes this sleeper */
    SIM_CHOICE, /* the scenario's own */
    SIM_SEED,   /* of a generator of the library */
    SIM_REUSE,  /* pages that were unmapped are handed out again */
    SIM_EARLY,  /* a wait returns at once */
    SIM_REFUSE, /* a call for a resource fails */
    SIM_KINDS
} sim_kind;

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

typedef enum sim_state {
    SIM_UNUSED,
    SIM_READY,
    SIM_SLEEPING,
    SIM_JOINING,
    SIM_AWAITING,
    SIM_ENDED
} sim_state;

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
    uint64_t since;    /* PCT: the step at which it was last chosen over others */
    /* AddressSanitizer: its fake stack, and the bounds of the stack it was on when it gave way. */
    void *fake_stack;
    const void *stack_low;
    size_t stack_size;
    char name[SIM_NAME_SIZE];
    sim_buffer buffer;
} sim_thread;

typedef enum sim_mode {
    SIM_MODE_CHANCE,
    SIM_MODE_REPLAY,
    SIM_MODE_BYTES,
    SIM_MODE_SEARCH
} sim_mode;

typedef struct sim_world {
    bool active;
    sim_mode mode;
    uint64_t next_event;   /* no step before this one needs a look; 0: each does */
    int64_t next_deadline; /* no later than the earliest of the sleepers' */
    int64_t coarse_until;  /* before that, after a leap, the coarse clock shows coarse_behind */
    int64_t coarse_behind;
    uintptr_t arena; /* its lowest address */
    sim_thread *current;
    sim_thread *previous; /* who gave way to the current one */
    uint64_t used;
    uint64_t ready;
    uint64_t sleeping;
    uint64_t buffered;
    uint64_t random;
    sim_result result;
    sim_config config;
    /* What the seed chose. An event happens about every 2^shift steps. */
    bool pct;
    bool odd;
    uint32_t switch_shift;
    uint32_t drain_shift;
    uint32_t odd_shift;
    uint32_t early_rate; /* in parts of 2^20 */
    uint64_t next_switch;
    uint64_t next_drain;
    uint64_t next_odd;
    uint64_t change[8];     /* PCT: the steps at which the running thread falls back, ascending */
    uint32_t changes;       /* PCT: how many there are */
    uint32_t changed;       /* PCT: and have been */
    uint64_t next_priority; /* PCT: what the next thread that gives way gets; counts down */
    uint64_t yielded;       /* search: threads that wait for somebody else's store by spinning */
    sim_thread *awaiting;   /* in sim_await_pass */
    uint64_t awaited;       /* what for */
    bool membarrier;        /* registered in this run */
    bool fencing;           /* unmapped pages fault in this run */
    sim_thread threads[SIM_THREADS_MAX];
    sim_thread host; /* the caller of sim_run; never in a mask */
} sim_world;

extern sim_world sim;

static inline uint64_t sim_bit(const sim_thread *thread) {
    return UINT64_C(1) << thread->number;
}

/* ---- steps (sim_schedule.c) ------------------------------------------------------------------ */

/* Where a word lies, said in a way that does not depend on where the system put the program. */
static inline uint64_t sim_place(const volatile void *address) {
    uintptr_t at = (uintptr_t)address;
    if (at - sim.arena < SIM_ARENA_SIZE) {
        return at - sim.arena;
    }
    uint64_t from_here = at - (uintptr_t)&sim + (UINT64_C(1) << 28); /* static memory */
    return from_here < UINT64_C(1) << 29 ? from_here | UINT64_C(1) << 40 : 0;
}

static inline void sim_count_step(sim_op op, const volatile void *address) {
    sim.result.steps++;
    sim.result.clock += SIM_STEP_NANOSECONDS;
    uint64_t step = (sim_place(address) << 12) ^ (sim.current->number * SIM_OP_COUNT + op);
    sim.result.hash = (sim.result.hash ^ step) * 0x100000001b3;
}

void sim_happen(sim_op op, const volatile void *address, uint64_t value, const void *caller);

/* One step: counts, and lets the world happen. Nothing outside a run. Afterwards, until the next
 * step, the caller is alone. In its callers' frames, so that the log can say who called them. */
static inline __attribute__((always_inline)) void sim_point(sim_op op, const volatile void *address,
                                                            uint64_t value) {
    if (sim.active) {
        sim_count_step(op, address);
        if (sim.result.steps >= sim.next_event || sim.result.clock >= sim.next_deadline) {
            sim_happen(op, address, value, __builtin_return_address(0));
        }
    }
}

uint64_t sim_random(void);
/* PCT: of a new thread. */
uint64_t sim_priority_new(void);
void sim_schedule_reset(void);
/* A step by which the caller says that it waits for others. */
void sim_point_give_way(sim_op op, int64_t nanoseconds, const void *caller);
/* The current thread is no longer ready: runs others until it is again. */
void sim_block(void);
/* The current thread has ended. */
_Noreturn void sim_leave(void);
void sim_make_ready(sim_thread *thread);
/* A number below the bound, from the generator. */
uint32_t sim_below(uint32_t bound);
/* Any one of the mask's threads; the mask is not empty. */
sim_thread *sim_any(uint64_t mask);
/* Lets the thread go on; returns when the caller's turn comes again. */
void sim_continue_with(sim_thread *next);

/* ---- decisions (sim_decide.c) ---------------------------------------------------------------- */

void sim_decide_reset(void);
/* Writes a decision down. */
void sim_decided(sim_kind kind, sim_op op, uint64_t value);
/* One of the mask's threads, as the scheduler decides; for SIM_NEXT and SIM_WAKE. */
sim_thread *sim_decide_thread(sim_kind kind, uint64_t mask);
/* A number below the bound. */
uint64_t sim_decide_number(sim_kind kind, uint64_t bound);
/* True with probability rate / 2^20. */
bool sim_decide_chance(sim_kind kind, uint32_t rate);
/* Replay and bytes: does what is due at this step. */
void sim_script_step(sim_op op);
/* Whether a call for a resource, the `count`-th of its sort, is to fail. */
bool sim_refuse(uint64_t count, uint64_t fail);

/* ---- search (sim_search.c) ------------------------------------------------------------------- */

void sim_search_step(sim_op op, const volatile void *address);
void sim_search_give_way(sim_op op);
sim_thread *sim_search_next(uint64_t mask);
/* A number below the bound; each is tried. */
uint64_t sim_search_branch(uint64_t bound);

/* ---- store buffers (sim_memory.c) ------------------------------------------------------------ */

void sim_drain(sim_thread *thread);
void sim_drain_one(sim_thread *thread);
void sim_drain_everybody(void);
/* Threads but this one with a delayed store that touches the range. */
uint64_t sim_delayed_by_others(uintptr_t address, size_t size);
/* The current thread gives the memory back: its delayed stores there land now. Another's would be a
 * use after free, and fails the run. */
void sim_memory_released(const void *memory, size_t size);
uint64_t sim_read(const volatile void *word, uint32_t size);

/* ---- threads (sim_thread.c, sim_switch.c) ---------------------------------------------------- */

void sim_threads_reset(void);
/* NULL: none left. */
sim_thread *sim_thread_create(void (*entry)(void *arg), void *arg, const char *name);
/* Lowest address of a virtual thread's own stack. */
static inline char *sim_thread_stack(const sim_thread *thread) {
    return (char *)sim.arena + (size_t)thread->number * SIM_THREAD_STACK;
}
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

/* ---- pages (sim_pages.c), heap (sim_heap.c), faults (sim_fault.c), log (sim_log.c) ----------- */

/* False: the system gives no address space. */
bool sim_arena_open(void);
void sim_pages_reset(void);
void sim_heap_reset(void);
void sim_fds_reset(void);
void sim_faults_catch(void);
void sim_log_reset(void);
void sim_log_event(sim_op op, const volatile void *address, uint64_t value, const void *caller);
void sim_log_print(void);
char sim_op_letter(sim_op op);

#endif

/* The options themselves. A new one is a field at the end of belay_config's integers, a row here, a
 * field of `options`, and a new print of docs/tuning.md. */
#include "options_table.h"

#include <belay/config.h>

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* 1; does not compile for a field of another type, which a row could not treat like the rest. */
#define IS_INT64(name) _Generic(((belay_config *)NULL)->name, int64_t : 1)
#define FIELD(name) .field = #name, .offset = offsetof(belay_config, name) * IS_INT64(name)

const option option_table[OPTION_ROWS] = {
    {
        FIELD(workers),
        .variable = "BELAY_WORKERS",
        .kind = OPTION_COUNT,
        .low = 1,
        .high = 256,
        .initial = OPTION_PER_PROCESSOR,
        .meaning = "Threads that run tasks.",
        .advice =
            "The default counts the processors that the process may use, by its affinity mask "
            "and its cgroup's quota. Take fewer to leave room for the program's other threads. "
            "More helps only if task bodies block in the system.",
    },
    {
        FIELD(stack_size),
        .variable = "BELAY_STACK_SIZE",
        .kind = OPTION_SIZE,
        .low = 16 * KIB,
        .high = GIB,
        .initial = 128 * KIB,
        .meaning = "Address space of a task's stack, guard included.",
        .advice =
            "Rounded up to pages. Only pages that were touched cost memory, so a large value is "
            "cheap until millions of tasks are suspended. Raise it if bodies recurse deeply or "
            "keep large arrays.",
    },
    {
        FIELD(stack_cache),
        .variable = "BELAY_STACK_CACHE",
        .kind = OPTION_COUNT,
        .low = 0,
        .high = MIB,
        .initial = 256,
        .meaning = "Unused stacks kept warm.",
        .advice =
            "The pages of unused stacks beyond this number go back to the system, and the next "
            "user "
            "of such a stack pays a page fault for each page it touches. Beyond it stay warm: as "
            "many as a quarter of the stacks in use, up to 16 stacks in the hands of each worker, "
            "and, for half a second or so, those that were needed just now. Raise it if many tasks "
            "suspend and end in waves; lower it to give memory back.",
    },
    {
        FIELD(max_stacks),
        .variable = "BELAY_MAX_STACKS",
        .kind = OPTION_COUNT,
        .low = 0,
        .high = 64 * MIB,
        .initial = 0,
        .meaning = "Tasks that may be suspended at once, about; 0 is no limit.",
        .advice =
            "Bounds the memory of suspended tasks. At the limit no further task starts until a "
            "suspended one has ended; if none can, queued tasks end with `BELAY_ENOSTACK`.",
    },
    {
        FIELD(max_tasks),
        .variable = "BELAY_MAX_TASKS",
        .kind = OPTION_COUNT,
        .low = 16,
        .high = 64 * MIB,
        .initial = 16 * MIB,
        .meaning = "Tasks that can exist at once.",
        .advice =
            "Free records in the caches of workers and spares (at most 128 each, and 1,024 for "
            "all other threads) come on top. Then a spawn is refused with `BELAY_ENOMEM`. Lower "
            "it to learn early of a "
            "program that spawns faster than it finishes.",
    },
    {
        FIELD(max_scopes),
        .variable = "BELAY_MAX_SCOPES",
        .kind = OPTION_COUNT,
        .low = 2,
        .high = 16 * MIB,
        .initial = MIB,
        .meaning = "Scopes that can be open at once.",
        .advice = "Free records in caches come on top, as with tasks. Then opening one more is "
                  "refused with `BELAY_ENOMEM`. The root scope counts.",
    },
    {
        FIELD(spin),
        .variable = "BELAY_SPIN",
        .kind = OPTION_DURATION,
        .low = 0,
        .high = 10 * BELAY_MILLISECOND,
        .initial = 20 * BELAY_MICROSECOND,
        .meaning = "How long an idle worker looks for work before it parks.",
        .advice =
            "Longer answers sooner when work comes in bursts, and uses the processor while there "
            "is none. 0 parks at once, which suits a machine shared with others.",
    },
    {
        FIELD(membarrier),
        .variable = "BELAY_MEMBARRIER",
        .kind = OPTION_FLAG,
        .low = 0,
        .high = 1,
        .initial = 1,
        .meaning = "1: asymmetric fences if the system has them. 0: ordinary fences.",
        .advice =
            "Asymmetric fences make frequent operations cheaper and interrupt other processors "
            "of the process when a worker is about to park. Take 0 where such interrupts hurt, "
            "or to exclude them as a cause.",
    },
    {
        FIELD(stall),
        .variable = "BELAY_STALL",
        .kind = OPTION_DURATION,
        .zero_is_off = true,
        .low = BELAY_MILLISECOND,
        .high = 3600 * BELAY_SECOND,
        .initial = 0,
        .meaning = "A task that reaches no yield point for this long is reported; 0 is off.",
        .advice = "Finds bodies that compute or block without letting others run. The report goes "
                  "through the program's log hook, and the statistics count it.",
    },
    {
        FIELD(idle_report),
        .variable = "BELAY_IDLE_REPORT",
        .kind = OPTION_DURATION,
        .zero_is_off = true,
        .low = BELAY_MILLISECOND,
        .high = 3600 * BELAY_SECOND,
        .initial = 10 * BELAY_SECOND,
        .meaning = "An executor that is idle for this long, with suspended tasks that nothing can "
                   "wake, reports it; 0 is off.",
        .advice = "The report, with the tree of tasks, goes through the program's log hook and "
                  "deadlock hook; without either "
                  "nothing looks. Only another thread of the program could wake the tasks. Turn it "
                  "off if that is how the "
                  "program works.",
    },
    {
        FIELD(fork_depth),
        .variable = "BELAY_FORK_DEPTH",
        .kind = OPTION_COUNT,
        .low = 16,
        .high = MIB,
        .initial = 8192,
        .meaning = "Forked calls outstanding in one task before further ones run inline.",
        .advice =
            "Each takes 64 bytes in a task that forks. Raise it for loops that fork many calls "
            "before they sync the first.",
    },
    {
        FIELD(blocking_threads),
        .variable = "BELAY_BLOCKING_THREADS",
        .kind = OPTION_COUNT,
        .low = 1,
        .high = 4096,
        .initial = 64,
        .meaning = "Threads that run functions given to `belay_blocking`, at most.",
        .advice = "A thread is started when a function finds none free, and ends when it had "
                  "nothing to do for five seconds. At the limit functions queue. Raise it if they "
                  "wait long for others; lower it to protect what they all wait for.",
    },
    {
        FIELD(spare_workers),
        .variable = "BELAY_SPARE_WORKERS",
        .kind = OPTION_COUNT,
        .low = 0,
        .high = 255,
        .initial = OPTION_PER_WORKER,
        .meaning = "Workers that run in the place of those inside block hints, at most.",
        .advice = "Threads are started when they are first needed, and stay. With the workers "
                  "there are never more than 256. Raise it if more tasks than twice the workers "
                  "are inside `belay_block_begin` and `belay_block_end` at once; "
                  "`block_unserved` in the statistics counts those that found none. 0: a hint "
                  "only lets others take what the blocked worker has queued.",
    },
    {
        FIELD(display_env),
        .variable = "BELAY_DISPLAY_ENV",
        .kind = OPTION_DISPLAY,
        .low = 0,
        .high = 2,
        .initial = 0,
        .meaning = "Print at create: 0 nothing, 1 what is not default, verbose every option.",
        .advice =
            "Each line has a value and where it came from: program, environment or default. It "
            "goes through the log hook, by default to standard error.",
    },
    {
        FIELD(strict),
        .variable = "BELAY_STRICT",
        .kind = OPTION_FLAG,
        .low = 0,
        .high = 1,
        .initial = 0,
        .meaning = "1: a bad value in the environment is an error of `belay_executor_create`.",
        .advice = "For tests and deployment checks. Without it a bad value is reported in one line "
                  "and the default is used.",
    },
    {
        FIELD(ignore_env),
        .kind = OPTION_FLAG,
        .low = 0,
        .high = 1,
        .initial = 0,
        .meaning = "1: read no environment at all.",
        .advice = "For programs that must not be steered from outside.",
    },
};

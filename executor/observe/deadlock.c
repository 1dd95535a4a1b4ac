/* The report of an executor that is stuck: idle, with suspended tasks that nothing inside the library could wake.
 *
 * The monitor calls when all workers have been parked for a while. Nothing runs then, so what is read here stays as it
 * is, unless another thread of the program comes in; that nothing has run meanwhile is looked at again at the end,
 * before anything is reported. */
#include <belay/observe.h>

#include "owner/cycle.h"
#include "owner/scope.h"

enum { LINES = 200 };

typedef struct page {
    belay_executor *ex;
    uint32_t lines;
} page;

static void log_line(const char *text, void *arg) {
    page *p = arg;
    if (p->lines++ < LINES) {
        options_log(&p->ex->opt, BELAY_LOG_WARNING, "belay:   %s", text);
    }
}

static uint64_t turns(const belay_executor *ex) {
    return worker_turns(&ex->sched.workers[0]);
}

/* How many tasks are alive, if all are suspended and wait for something inside; else 0. */
static size_t stuck_tasks(const belay_executor *ex) {
    size_t count = 0;
    for (uint32_t i = 1; i <= slab_made(&ex->tasks); i++) {
        const belay_task *t = slab_at(&ex->tasks, i);
        uint32_t word = load_acquire(&t->state); /* pairs with state_set: a snapshot */
        phase now = (phase)(word & STATE_PHASE);
        if (now == PHASE_FREE || now == PHASE_DONE) {
            continue;
        }
        if (now != PHASE_SUSPENDED ||
            wait_kind_is_outside((wait_kind)(word >> STATE_KIND_SHIFT & 0xff))) {
            return 0;
        }
        count++;
    }
    return count;
}

static bool report_cycles(belay_executor *ex) {
    bool found = false;
    for (uint32_t i = 1; !found && i <= slab_made(&ex->tasks); i++) {
        belay_task *t = slab_at(&ex->tasks, i);
        found = state_phase(t) == PHASE_SUSPENDED && cycle_report(ex, t);
    }
    return found;
}

static void report_idle(belay_executor *ex, size_t count) {
    page p = {.ex = ex};
    options_log(&ex->opt, BELAY_LOG_WARNING,
                "belay: idle, and nothing here can wake the %zu suspended tasks; only another "
                "thread of the program could",
                count);
    (void)belay_tree(ex, log_line, &p);
    if (ex->opt.deadlock != NULL) {
        callback_enter();
        ex->opt.deadlock(ex, BELAY_DEADLOCK_IDLE, count, ex->opt.deadlock_arg);
        callback_leave();
    }
}

void upcall_idle(sched *s) {
    belay_executor *ex = executor_of_sched(s);
    if (!guest_enter(ex)) {
        return; /* it is being destroyed */
    }
    uint64_t before = turns(ex);
    size_t count = !wheels_empty(&ex->sched) ? 0 : stuck_tasks(ex);
    if (count != 0 && idle_all_parked(s) && turns(ex) == before && !report_cycles(ex)) {
        report_idle(ex, count);
    }
    guest_leave(ex);
}

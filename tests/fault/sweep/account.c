/* What runs are held to: see sweep.h. */
#include "sweep.h"

#include <stdio.h>
#include <string.h>

#include "port/fiber.h"

enum { TICKETS = 512 };

/* Written by all threads of a run, through the builtins: the simulator need not switch at the test's own steps. */
static struct {
    fault_plan plan;
    bool active;
    uint64_t calls;
    uint32_t struck;
    int64_t outstanding; /* blocks that the hook has given out */
    uint32_t tickets;
    uint32_t failed;
    char failure[256];
    fault_ticket ticket[TICKETS];
} run;

/* ---- refusing ------------------------------------------------------------------------------------------------ */

PORT_TSAN_BLIND bool fault_strikes(fault_kind kind) {
    if (!__atomic_load_n(&run.active, __ATOMIC_ACQUIRE) ||
        (run.plan.kind != kind && run.plan.kind != FAULT_ANY)) {
        return false;
    }
    uint64_t number = __atomic_add_fetch(&run.calls, 1, __ATOMIC_ACQ_REL);
    bool hit = run.plan.number != 0 &&
               (run.plan.rest ? number >= run.plan.number : number == run.plan.number);
    if (hit) {
        __atomic_store_n(&run.struck, 1, __ATOMIC_RELEASE);
    }
    return hit;
}

bool fault_struck(void) {
    return __atomic_load_n(&run.struck, __ATOMIC_ACQUIRE) != 0;
}

/* ---- asserting ----------------------------------------------------------------------------------------------- */

static void failed(const char *text) {
    if (__atomic_exchange_n(&run.failed, 1, __ATOMIC_ACQ_REL) == 0) {
        snprintf(run.failure, sizeof run.failure, "%s", text);
    }
    fault_fail(run.failure);
}

void fault_check(bool holds, const char *text, const char *file, int line) {
    if (!holds) {
        char whole[256];
        const char *base = strrchr(file, '/');
        snprintf(whole, sizeof whole, "%s:%d: %s", base != NULL ? base + 1 : file, line, text);
        failed(whole);
    }
}

belay_status fault_may(belay_status got, const char *text, const char *file, int line,
                       const belay_status *allowed) {
    bool fine = got == allowed[0];
    for (int i = 1; !fine && fault_struck() && allowed[i] != FAULT_END_OF_LIST; i++) {
        fine = got == allowed[i];
    }
    if (!fine) {
        char whole[256];
        snprintf(whole, sizeof whole, "%s gave %s", text, belay_status_text(got));
        fault_check(false, whole, file, line);
    }
    return got;
}

/* ---- ends ---------------------------------------------------------------------------------------------------- */

fault_ticket *fault_ticket_new(const char *what) {
    static fault_ticket none;
    uint32_t number = __atomic_fetch_add(&run.tickets, 1, __ATOMIC_ACQ_REL);
    CHECKED(number < TICKETS);
    fault_ticket *t = number < TICKETS ? &run.ticket[number] : &none;
    *t = (fault_ticket){.what = what};
    return t;
}

belay_status fault_settle(fault_ticket *ticket, belay_status status) {
    __atomic_store_n(&ticket->accepted, status == BELAY_OK, __ATOMIC_RELEASE);
    return status;
}

void fault_ended(void *ticket) {
    (void)__atomic_add_fetch(&((fault_ticket *)ticket)->ended, 1, __ATOMIC_ACQ_REL);
}

static void check_tickets(void) {
    for (uint32_t i = 0; i < run.tickets && i < TICKETS; i++) {
        const fault_ticket *t = &run.ticket[i];
        if (t->ended != t->accepted || t->ran > t->accepted) {
            char text[128];
            snprintf(text, sizeof text, "%s: accepted %u, ran %u, ended %u times", t->what,
                     t->accepted, t->ran, t->ended);
            failed(text);
        }
    }
}

/* ---- executors ----------------------------------------------------------------------------------------------- */

static void *allocate(size_t size, size_t alignment, void *arg) {
    (void)arg;
    void *memory = port_heap_allocate(size, alignment);
    if (memory != NULL) {
        memset(memory, 0xcd, size);
        (void)__atomic_add_fetch(&run.outstanding, 1, __ATOMIC_ACQ_REL);
    }
    return memory;
}

static void release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)arg;
    (void)__atomic_sub_fetch(&run.outstanding, 1, __ATOMIC_ACQ_REL);
    port_heap_release(memory, size, alignment);
}

static void keep_silent(belay_log_level level, const char *line, void *arg) {
    (void)level;
    (void)line;
    (void)arg;
}

static belay_config small_config(void) {
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.ignore_env = 1;
    config.workers = 2;
    config.stack_size = 64 * 1024;
    config.fork_depth = 16;
    config.max_tasks = 1024;
    config.max_scopes = 1024;
    config.stall = 100 * BELAY_MILLISECOND; /* so that there is a monitor from the start */
    config.allocate = allocate;
    config.release = release;
    config.log = keep_silent;
    return config;
}

belay_executor *fault_executor(void) {
    belay_config config = small_config();
    belay_executor *ex = (belay_executor *)(void *)&config;
    belay_status status =
        MAY(belay_executor_create(&config, &ex), BELAY_OK, BELAY_ENOMEM, BELAY_EAGAIN);
    CHECKED((status == BELAY_OK) == (ex != NULL));
    CHECKED(status == BELAY_OK || __atomic_load_n(&run.outstanding, __ATOMIC_ACQUIRE) == 0);
    return ex;
}

void fault_executor_end(belay_executor *ex) {
    if (ex == NULL) {
        return;
    }
    belay_stats s;
    MAY(belay_executor_shutdown(ex, 0, BELAY_NEVER), BELAY_OK);
    MAY(belay_executor_stats(ex, &s, sizeof s), BELAY_OK);
    CHECKED(s.spawned == s.value + s.error + s.canceled + s.skipped);
    CHECKED(s.alive == 0);
    CHECKED(s.scopes_open == 1);
    MAY(belay_executor_destroy(ex), BELAY_OK);
}

/* ---- tasks --------------------------------------------------------------------------------------------------- */

static belay_status run_ticket(belay_task *self, void *arg) {
    fault_ticket *t = arg;
    CHECKED(__atomic_add_fetch(&t->ran, 1, __ATOMIC_ACQ_REL) == 1);
    CHECKED(__atomic_load_n(&t->ended, __ATOMIC_ACQUIRE) == 0);
    return t->body(self, t->arg);
}

belay_status fault_spawn(belay_task *self, belay_scope scope, belay_body *body, void *arg,
                         const belay_task_options *options, belay_task_handle *out) {
    fault_ticket *t = fault_ticket_new("a task's argument");
    belay_task_options o = options != NULL ? *options : (belay_task_options){0};
    t->body = body;
    t->arg = arg;
    o.arg_drop = fault_ended;
    belay_status status = fault_settle(
        t, MAY(belay_spawn(self, scope, run_ticket, t, &o, out), BELAY_OK, BELAY_ENOMEM));
    CHECKED(status == BELAY_OK || out == NULL || out->generation == 0);
    return status;
}

void fault_join(belay_task *self, belay_task_handle task) {
    belay_outcome outcome = {0};
    if (task.generation == 0) {
        return;
    }
    belay_status status = belay_join(self, task, &outcome);
    CHECKED(status == BELAY_OK ||
            (status == BELAY_ECANCELED && self != NULL && belay_canceled(self)));
    if (outcome.kind == BELAY_OUTCOME_ERROR) {
        MAY(outcome.status, BELAY_OK, BELAY_ENOMEM, BELAY_ENOSTACK, BELAY_EAGAIN, BELAY_ECANCELED);
    }
    if (outcome.has_result && outcome.result_drop != NULL) {
        outcome.result_drop(outcome.result);
    }
    MAY(belay_task_release(task), BELAY_OK);
}

bool fault_run(belay_executor *ex, belay_body *body, void *arg) {
    belay_task_handle task;
    if (fault_spawn(NULL, belay_executor_root(ex), body, arg, NULL, &task) != BELAY_OK) {
        return false;
    }
    fault_join(NULL, task);
    return true;
}

belay_status fault_nap(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(20 * BELAY_MICROSECOND));
}

belay_status fault_sleeper(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, BELAY_NEVER);
}

bool fault_thread(port_thread *out, void (*entry)(void *arg), void *arg) {
    bool started = port_thread_start(out, entry, arg, "foreign");
    CHECKED(started || fault_struck());
    return started;
}

/* ---- a run --------------------------------------------------------------------------------------------------- */

void fault_run_begin(const fault_plan *plan) {
    run.plan = *plan;
    run.calls = 0;
    run.struck = 0;
    run.outstanding = 0;
    run.tickets = 0;
    run.failed = 0;
}

void fault_run_enter(const fault_scenario *scenario) {
    __atomic_store_n(&run.active, true, __ATOMIC_RELEASE);
    scenario->run();
    __atomic_store_n(&run.active, false, __ATOMIC_RELEASE);
    check_tickets();
    CHECKED(run.outstanding == 0);
}

const char *fault_run_end(void) {
    run.active = false;
    return run.failed != 0 ? run.failure : NULL;
}

/* treesum: SHA-256 sums of directory trees, in parallel. An example of a program on belay.
 *
 * The main thread is a foreign one: it starts the executor, spawns the run task (treesum.h), and
 * while that runs draws the progress and watches for Ctrl-C. Then it writes the list. */
#include "console.h"
#include "signals.h"
#include "status.h"
#include "treesum.h"

#include <string.h>

#define TICK (100 * BELAY_MILLISECOND)

/* Waits for the run task. A signal cancels it, and with it everything it owns; waiting goes on
 * until the last task has ended. Returns the signal, or 0. */
static int watch(belay_task_handle task, struct treesum *run, belay_outcome *outcome) {
    int signal = 0;
    while (belay_join_until(NULL, task, belay_after(TICK), outcome) == BELAY_ETIMEDOUT) {
        if (!run->options->quiet) {
            console_progress(ledger_totals(&run->ledger));
        }
        int taken = signals_take();
        if (taken != 0) {
            signal = taken;
            belay_task_cancel(task, BELAY_ECANCELED, "interrupted by a signal");
        }
    }
    console_progress_end();
    return signal;
}

/* The exit status of a run that was cut short, told as well. */
static int tell_stop(struct treesum *run, belay_status status, int signal) {
    struct totals totals = ledger_totals(&run->ledger);
    if (status != BELAY_ECANCELED && status != BELAY_ETIMEDOUT) {
        console_note("%s", belay_status_text(status));
        return STATUS_FAILURES;
    }
    if (signal == 0) {
        console_note("timed out after %g s: the list holds %zu files of at least %zu",
                     run->options->timeout, totals.hashed, totals.found);
        return STATUS_TIMEOUT;
    }
    console_note("interrupted (%s): the list holds %zu files of at least %zu", strsignal(signal),
                 totals.hashed, totals.found);
    return STATUS_SIGNALED + signal;
}

static int execute(belay_executor *executor, struct treesum *run) {
    belay_task_handle task;
    belay_outcome outcome;
    belay_status status = belay_spawn(NULL, belay_executor_root(executor), treesum_body, run,
                                      &(belay_task_options){.name = "run"}, &task);
    if (status != BELAY_OK) {
        console_note("cannot start: %s", belay_status_text(status));
        return STATUS_USAGE;
    }
    int signal = watch(task, run, &outcome);
    belay_task_release(task);
    if (outcome.status != BELAY_OK) {
        return tell_stop(run, outcome.status, signal);
    }
    return ledger_totals(&run->ledger).failures > 0 ? STATUS_FAILURES : STATUS_OK;
}

/* The list is written also after a failure or a stop: what was hashed is not lost. */
static int sum_trees(belay_executor *executor, const struct options *options,
                     struct output *output) {
    struct treesum run;
    if (!treesum_init(&run, options, output, belay_executor_workers(executor))) {
        console_note("no SHA-256 in libcrypto, or no memory");
        return STATUS_USAGE;
    }
    int exit_status = execute(executor, &run);
    int error = output_finish(output, &run.ledger);
    if (error != 0) {
        console_failure(output->name, error);
        exit_status = exit_status == STATUS_OK ? STATUS_FAILURES : exit_status;
    }
    treesum_fini(&run);
    return exit_status;
}

static int with_executor(const struct options *options, struct output *output) {
    belay_executor *executor;
    belay_status status = belay_executor_create(NULL, &executor);
    if (status != BELAY_OK) {
        console_note("cannot start: %s", belay_status_text(status));
        return STATUS_USAGE;
    }
    int exit_status = sum_trees(executor, options, output);
    belay_executor_shutdown(executor, 0, BELAY_NEVER);
    if (!options->quiet) {
        console_summary(executor);
    }
    belay_executor_destroy(executor);
    return exit_status;
}

int main(int argc, char **argv) {
    struct options options;
    struct output output;
    int exit_status = options_parse(&options, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    signals_block();
    int error = output_open(&output, options.output);
    if (error != 0) {
        console_failure(output.name, error);
        return STATUS_USAGE;
    }
    return with_executor(&options, &output);
}

/* belay's side of the benchmark: its executor, and one function for each repetition of a workload. */
#ifndef BELAY_BENCH_WORKLOADS_BELAY_H
#define BELAY_BENCH_WORKLOADS_BELAY_H

#include "common/bench.h"

#include <belay/belay.h>

extern const bench_subject belay_subject;

/* The executor of this process; lives from start to stop. */
belay_executor *subject_executor(void);

/* An executor of the caller's with room for `tasks` tasks that sleep at once. Ends the process if it
 * cannot be had. */
belay_executor *executor_with_room(int workers, int64_t tasks);

/* Runs body(arg) as a task of the subject's executor, and requires that it returns BELAY_OK. */
void run_in_task(belay_body *body, void *arg);

/* Requires BELAY_OK. */
void require_ok(belay_status status, const char *what);

/* How many tasks of the executor have returned BELAY_OK. */
uint64_t tasks_ended_well(const belay_executor *executor);

void rep_fib(bench_run *run);
void rep_fib_generic(bench_run *run);
void rep_queens(bench_run *run);
void rep_uts(bench_run *run);
void rep_sky_fork(bench_run *run);
void rep_sky_spawn(bench_run *run);
void rep_flat_fork(bench_run *run);
void rep_flat_spawn(bench_run *run);
void rep_external_1(bench_run *run);
void rep_external_4(bench_run *run);
void rep_yield_2(bench_run *run);
void rep_yield_1000(bench_run *run);
void rep_mutex(bench_run *run);
void rep_channel(bench_run *run);
void rep_channel_buffered(bench_run *run);
void rep_wake(bench_run *run);
void rep_sleepers(bench_run *run);
void rep_sleepers_cancel(bench_run *run);
void rep_sleepers_deferred(bench_run *run);

#endif

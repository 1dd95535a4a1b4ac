/* libuv's thread pool. Work may be queued only from the thread of a loop, so every foreign thread has a
 * loop of its own, and its figures include the loop's call when the work is done. */
#include "common/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static void count(uv_work_t *work) {
    (void)work;
    bench_count();
}

static void stamp(uv_work_t *work) {
    (void)work;
    bench_wake_stamp();
}

static void ended(uv_work_t *work, int status) {
    (void)work;
    bench_require(status == 0, "work was cancelled");
}

static void queue(uv_loop_t *loop, uv_work_t *work, uv_work_cb body) {
    bench_require(uv_queue_work(loop, work, body, ended) == 0, "uv_queue_work");
}

static void push(int64_t n, void *arg) {
    uv_loop_t loop;
    uv_work_t *work = calloc((size_t)n, sizeof(*work));
    (void)arg;
    bench_require(work != NULL && uv_loop_init(&loop) == 0, "no memory");
    for (int64_t i = 0; i < n; i++) {
        queue(&loop, &work[i], count);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    bench_require(uv_loop_close(&loop) == 0, "uv_loop_close");
    free(work);
}

/* The pool belongs to the process and is started by the first work. */
static void start(int workers) {
    char text[16];
    snprintf(text, sizeof(text), "%d", workers);
    setenv("UV_THREADPOOL_SIZE", text, 1);
    push(1, NULL);
}

static void rep_external_1(bench_run *run) {
    bench_external(run, 1, push, NULL);
}

static void rep_external_4(bench_run *run) {
    bench_external(run, 4, push, NULL);
}

typedef struct wake_loop {
    uv_loop_t loop;
    uv_work_t work;
} wake_loop;

/* First finishes the previous task's round, which is not a part of waking but must be done. */
static void submit(void *arg) {
    wake_loop *wake = arg;
    queue(&wake->loop, &wake->work, stamp);
}

static void submit_after_round(void *arg) {
    wake_loop *wake = arg;
    uv_run(&wake->loop, UV_RUN_DEFAULT);
    submit(arg);
}

static void rep_wake(bench_run *run) {
    wake_loop wake;
    bench_require(uv_loop_init(&wake.loop) == 0, "uv_loop_init");
    bench_wake(run, submit_after_round, &wake);
    uv_run(&wake.loop, UV_RUN_DEFAULT);
    uv_loop_close(&wake.loop);
}

static const bench_workload workloads[] = {
    {"external-1", rep_external_1, 0, {{"", "ns/task"}}},
    {"external-4", rep_external_4, 0, {{"", "ns/task"}}},
    {"wake", rep_wake, 1, {{"-p50", "us"}, {"-p99", "us"}, {"-p99.9", "us"}}},
    {"idle", bench_idle, 1, {{"", "ms CPU/5s"}}},
};

int main(int argc, char **argv) {
    const bench_subject subject = {"libuv", 0,         start,
                                   NULL,    workloads, sizeof(workloads) / sizeof(workloads[0])};
    return bench_subject_main(&subject, argc, argv);
}

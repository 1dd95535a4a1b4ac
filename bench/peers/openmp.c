/* The compiler's own OpenMP tasks (libgomp with gcc). One thread of a parallel region starts the work. */
#include "common/bench.h"
#include "common/work.h"

#include <omp.h>

static void start(int workers) {
    omp_set_dynamic(0);
    omp_set_num_threads(workers);
}

static int64_t fib(int n) {
    if (n < 2) {
        return n;
    }
    int64_t first;
    int64_t second;
#pragma omp task shared(first) firstprivate(n)
    first = fib(n - 1);
    second = fib(n - 2);
#pragma omp taskwait
    return first + second;
}

static void rep_fib(bench_run *run) {
    enum { N = 27 };
    int64_t answer = 0;
    double start_s = bench_seconds();
#pragma omp parallel
#pragma omp single
    answer = fib(N);
    run->value[0] = (bench_seconds() - start_s) * 1e9 / fib_forks(N);
    bench_require(answer == fib_answer(N), "fib");
}

static int64_t queens(const queens_board *board) {
    if (board->rows == QUEENS) {
        return 1;
    }
    int64_t part[QUEENS] = {0};
    for (int column = 0; column < QUEENS; column++) {
        if (queens_fits(board, column)) {
            queens_board next = queens_place(board, column);
#pragma omp task shared(part) firstprivate(next, column)
            part[column] = queens(&next);
        }
    }
#pragma omp taskwait
    int64_t placements = 0;
    for (int column = 0; column < QUEENS; column++) {
        placements += part[column];
    }
    return placements;
}

static void rep_queens(bench_run *run) {
    const queens_board empty = {0};
    int64_t answer = 0;
    double start_s = bench_seconds();
#pragma omp parallel
#pragma omp single
    answer = queens(&empty);
    run->value[0] = (bench_seconds() - start_s) * 1e3;
    bench_require(answer == QUEENS_ANSWER, "nqueens");
}

static int64_t search(const uts_node *node) {
    enum { MOST = 100 };
    int64_t part[MOST];
    int children = uts_children(node);
    bench_require(children <= MOST, "uts: too many children");
    for (int i = 0; i < children; i++) {
        uts_node child = uts_child(node, i);
#pragma omp task shared(part) firstprivate(child, i)
        part[i] = search(&child);
    }
#pragma omp taskwait
    int64_t nodes = 1;
    for (int i = 0; i < children; i++) {
        nodes += part[i];
    }
    return nodes;
}

static void rep_uts(bench_run *run) {
    uts_node root = uts_root();
    int64_t answer = 0;
    double start_s = bench_seconds();
#pragma omp parallel
#pragma omp single
    answer = search(&root);
    run->value[0] = (bench_seconds() - start_s) * 1e3;
    bench_require(answer == UTS_ANSWER, "uts");
}

static int64_t sky(sky_node node) {
    if (node.leaves == 1) {
        return node.first;
    }
    int64_t part[SKY_CHILDREN];
    for (int i = 0; i < SKY_CHILDREN; i++) {
#pragma omp task shared(part) firstprivate(node, i)
        part[i] = sky(sky_child(node, i));
    }
#pragma omp taskwait
    int64_t sum = 0;
    for (int i = 0; i < SKY_CHILDREN; i++) {
        sum += part[i];
    }
    return sum;
}

static void rep_sky(bench_run *run) {
    int64_t answer = 0;
    double start_s = bench_seconds();
#pragma omp parallel
#pragma omp single
    answer = sky((sky_node){0, SKY_LEAVES});
    run->value[0] = (bench_seconds() - start_s) * 1e3;
    bench_require(answer == SKY_ANSWER, "skynet");
}

static void rep_flat(bench_run *run) {
    enum { TASKS = 1000000 };
    int64_t before = bench_count_total();
    double start_s = bench_seconds();
#pragma omp parallel
#pragma omp single
    {
        for (int i = 0; i < TASKS; i++) {
#pragma omp task
            bench_count();
        }
#pragma omp taskwait
    }
    run->value[0] = (bench_seconds() - start_s) * 1e9 / TASKS;
    bench_require(bench_count_total() - before == TASKS, "flat-spawn");
}

static const bench_workload workloads[] = {
    {"fib", rep_fib, 0, {{"", "ns/fork"}}},
    {"nqueens", rep_queens, 0, {{"", "ms"}}},
    {"uts", rep_uts, 0, {{"", "ms"}}},
    {"skynet-fork", rep_sky, 0, {{"", "ms"}}},
    {"flat-spawn", rep_flat, 0, {{"", "ns/task"}}},
};

int main(int argc, char **argv) {
    const bench_subject subject = {"OpenMP", 0,         start,
                                   NULL,     workloads, sizeof(workloads) / sizeof(workloads[0])};
    return bench_subject_main(&subject, argc, argv);
}

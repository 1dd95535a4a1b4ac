/* No executor at all: the same work by ordinary calls, which is what parallel code has to beat. */
#include "common/bench.h"
#include "common/work.h"

typedef int64_t fib_function(int64_t n);

static int64_t fib(int64_t n);

/* Called through a pointer that may change, so that every node costs one real call: otherwise the
 * compiler unrolls the recursion and the figure says nothing about calls. */
static fib_function *volatile fib_pointer = fib;

static int64_t fib(int64_t n) {
    if (n < 2) {
        return n;
    }
    int64_t first = fib_pointer(n - 1);
    return first + fib_pointer(n - 2);
}

static void rep_fib(bench_run *run) {
    enum { N = 38 };
    double start = bench_seconds();
    int64_t answer = fib_pointer(N);
    run->value[0] = (bench_seconds() - start) * 1e9 / fib_forks(N);
    bench_require(answer == fib_answer(N), "fib");
}

static int64_t queens(const queens_board *board) {
    if (board->rows == QUEENS) {
        return 1;
    }
    int64_t placements = 0;
    for (int column = 0; column < QUEENS; column++) {
        if (queens_fits(board, column)) {
            queens_board next = queens_place(board, column);
            placements += queens(&next);
        }
    }
    return placements;
}

static void rep_queens(bench_run *run) {
    const queens_board empty = {0};
    double start = bench_seconds();
    int64_t answer = queens(&empty);
    run->value[0] = (bench_seconds() - start) * 1e3;
    bench_require(answer == QUEENS_ANSWER, "nqueens");
}

static int64_t search(const uts_node *node) {
    int64_t nodes = 1;
    int children = uts_children(node);
    for (int i = 0; i < children; i++) {
        uts_node child = uts_child(node, i);
        nodes += search(&child);
    }
    return nodes;
}

static void rep_uts(bench_run *run) {
    uts_node root = uts_root();
    double start = bench_seconds();
    int64_t answer = search(&root);
    run->value[0] = (bench_seconds() - start) * 1e3;
    bench_require(answer == UTS_ANSWER, "uts");
}

static int64_t sky(sky_node node);
typedef int64_t sky_function(sky_node node);
static sky_function *volatile sky_pointer = sky; /* as for fib */

static int64_t sky(sky_node node) {
    if (node.leaves == 1) {
        return node.first;
    }
    int64_t sum = 0;
    for (int i = 0; i < SKY_CHILDREN; i++) {
        sum += sky_pointer(sky_child(node, i));
    }
    return sum;
}

static void rep_sky(bench_run *run) {
    double start = bench_seconds();
    int64_t answer = sky_pointer((sky_node){0, SKY_LEAVES});
    run->value[0] = (bench_seconds() - start) * 1e3;
    bench_require(answer == SKY_ANSWER, "skynet-fork");
}

static const bench_workload workloads[] = {
    {"fib", rep_fib, 0, {{"", "ns/fork"}}},
    {"nqueens", rep_queens, 0, {{"", "ms"}}},
    {"uts", rep_uts, 0, {{"", "ms"}}},
    {"skynet-fork", rep_sky, 0, {{"", "ms"}}},
};

int main(int argc, char **argv) {
    const bench_subject subject = {"serial", 1,         NULL,
                                   NULL,     workloads, sizeof(workloads) / sizeof(workloads[0])};
    return bench_subject_main(&subject, argc, argv);
}

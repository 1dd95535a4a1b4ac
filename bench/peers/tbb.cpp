/* oneTBB: task groups in an arena of so many worker threads; the main thread only hands work over. */
#include "common/bench.h"
#include "common/work.h"

#include <atomic>
#include <memory>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

namespace {

struct pool {
    tbb::global_control limit;
    tbb::task_arena arena;

    /* The main thread counts as one of the limit, but has no place in the arena. */
    explicit pool(int workers)
        : limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(workers) + 1),
          arena(workers, 0) {
        arena.initialize();
    }
};

std::unique_ptr<pool> workers_pool;

/* Runs work() on a worker and naps until it has ended. */
template <class Work> double milliseconds(Work work) {
    std::atomic<bool> ended{false};
    double start = bench_seconds();
    double end = 0;
    workers_pool->arena.enqueue([&] {
        work();
        end = bench_seconds();
        ended.store(true); /* pairs with the load below */
    });
    while (!ended.load()) {
        bench_nap(100);
    }
    return (end - start) * 1e3;
}

void start(int workers) {
    workers_pool = std::make_unique<pool>(workers);
    milliseconds([] {});
}

void stop() {
    workers_pool.reset();
}

int64_t fib(int n) {
    if (n < 2) {
        return n;
    }
    int64_t first = 0;
    tbb::task_group group;
    group.run([&first, n] { first = fib(n - 1); });
    int64_t second = fib(n - 2);
    group.wait();
    return first + second;
}

void rep_fib(bench_run *run) {
    const int n = 28;
    int64_t answer = 0;
    run->value[0] = milliseconds([&] { answer = fib(n); }) * 1e6 / fib_forks(n);
    bench_require(answer == fib_answer(n), "fib");
}

int64_t queens(const queens_board &board) {
    if (board.rows == QUEENS) {
        return 1;
    }
    int64_t part[QUEENS] = {};
    tbb::task_group group;
    for (int column = 0; column < QUEENS; column++) {
        if (queens_fits(&board, column)) {
            group.run([&part, column, next = queens_place(&board, column)] {
                part[column] = queens(next);
            });
        }
    }
    group.wait();
    int64_t placements = 0;
    for (int64_t count : part) {
        placements += count;
    }
    return placements;
}

void rep_queens(bench_run *run) {
    int64_t answer = 0;
    run->value[0] = milliseconds([&] { answer = queens(queens_board{}); });
    bench_require(answer == QUEENS_ANSWER, "nqueens");
}

int64_t search(const uts_node &node) {
    const int most = 100;
    int64_t part[most];
    int children = uts_children(&node);
    bench_require(children <= most, "uts: too many children");
    tbb::task_group group;
    for (int i = 0; i < children; i++) {
        group.run([&part, i, child = uts_child(&node, i)] { part[i] = search(child); });
    }
    group.wait();
    int64_t nodes = 1;
    for (int i = 0; i < children; i++) {
        nodes += part[i];
    }
    return nodes;
}

void rep_uts(bench_run *run) {
    int64_t answer = 0;
    run->value[0] = milliseconds([&] { answer = search(uts_root()); });
    bench_require(answer == UTS_ANSWER, "uts");
}

int64_t sky(sky_node node) {
    if (node.leaves == 1) {
        return node.first;
    }
    int64_t part[SKY_CHILDREN];
    tbb::task_group group;
    for (int i = 0; i < SKY_CHILDREN; i++) {
        group.run([&part, i, child = sky_child(node, i)] { part[i] = sky(child); });
    }
    group.wait();
    int64_t sum = 0;
    for (int64_t value : part) {
        sum += value;
    }
    return sum;
}

void rep_sky(bench_run *run) {
    int64_t answer = 0;
    run->value[0] = milliseconds([&] { answer = sky(sky_node{0, SKY_LEAVES}); });
    bench_require(answer == SKY_ANSWER, "skynet");
}

void rep_flat(bench_run *run) {
    const int tasks = 1000000;
    int64_t before = bench_count_total();
    run->value[0] = milliseconds([] {
        tbb::task_group group;
        for (int i = 0; i < tasks; i++) {
            group.run([] { bench_count(); });
        }
        group.wait();
    });
    run->value[0] *= 1e6 / tasks;
    bench_require(bench_count_total() - before == tasks, "flat-spawn");
}

void push(int64_t n, void *) {
    for (int64_t i = 0; i < n; i++) {
        workers_pool->arena.enqueue([] { bench_count(); });
    }
}

void rep_external_1(bench_run *run) {
    bench_external(run, 1, push, nullptr);
}

void rep_external_4(bench_run *run) {
    bench_external(run, 4, push, nullptr);
}

void rep_wake(bench_run *run) {
    bench_wake(
        run, [](void *) { workers_pool->arena.enqueue([] { bench_wake_stamp(); }); }, nullptr);
}

const bench_workload workloads[] = {
    {"fib", rep_fib, 0, {{"", "ns/fork"}}},
    {"nqueens", rep_queens, 0, {{"", "ms"}}},
    {"uts", rep_uts, 0, {{"", "ms"}}},
    {"skynet-fork", rep_sky, 0, {{"", "ms"}}},
    {"flat-spawn", rep_flat, 0, {{"", "ns/task"}}},
    {"external-1", rep_external_1, 0, {{"", "ns/task"}}},
    {"external-4", rep_external_4, 0, {{"", "ns/task"}}},
    {"wake", rep_wake, 1, {{"-p50", "us"}, {"-p99", "us"}, {"-p99.9", "us"}}},
    {"idle", bench_idle, 1, {{"", "ms CPU/5s"}}},
};

} // namespace

int main(int argc, char **argv) {
    const bench_subject subject = {"oneTBB", 0,         start,
                                   stop,     workloads, sizeof(workloads) / sizeof(workloads[0])};
    return bench_subject_main(&subject, argc, argv);
}

/* Boost.Fiber: stackful tasks with 16 KiB stacks, shared among threads by its work-stealing scheduler
 * when there is more than one. The main thread is a worker. */
#include "common/bench.h"

#include <boost/fiber/all.hpp>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace {

namespace fibers = boost::fibers;

template <class Body> fibers::fiber spawn(Body body) {
    return fibers::fiber(fibers::launch::post, std::allocator_arg,
                         fibers::fixedsize_stack(16 * 1024), std::move(body));
}

void join_all(std::vector<fibers::fiber> &all) {
    for (fibers::fiber &one : all) {
        one.join();
    }
}

fibers::mutex end_mutex;
fibers::condition_variable_any end_signal;
bool ended;
std::vector<std::thread> threads;

void serve(uint32_t workers) {
    fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(workers, true);
    std::unique_lock<fibers::mutex> lock(end_mutex);
    end_signal.wait(lock, [] { return ended; });
}

void start(int workers) {
    uint32_t count = static_cast<uint32_t>(workers);
    for (int i = 1; i < workers; i++) {
        threads.emplace_back(serve, count);
    }
    if (workers > 1) {
        fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count, true);
    }
}

void stop() {
    std::unique_lock<fibers::mutex> lock(end_mutex);
    ended = true;
    lock.unlock();
    end_signal.notify_all();
    for (std::thread &thread : threads) {
        thread.join();
    }
}

void yield_among(bench_run *run, int tasks) {
    const int yields = 2000000;
    std::vector<fibers::fiber> all;
    double start_s = bench_seconds();
    for (int i = 0; i < tasks; i++) {
        all.push_back(spawn([tasks] {
            for (int made = 0; made < yields / tasks; made++) {
                boost::this_fiber::yield();
            }
        }));
    }
    join_all(all);
    run->value[0] = (bench_seconds() - start_s) * 1e9 / yields;
}

void rep_yield_2(bench_run *run) {
    yield_among(run, 2);
}

void rep_yield_1000(bench_run *run) {
    yield_among(run, 1000);
}

void channel(bench_run *run) {
    const std::int64_t trips = 1000000;
    fibers::unbuffered_channel<std::int64_t> there, back;
    std::int64_t sum = 0;
    std::vector<fibers::fiber> both;
    double start_s = bench_seconds();
    both.push_back(spawn([&there, &back] {
        for (std::int64_t i = 0; i < trips; i++) {
            back.push(there.value_pop() + 1);
        }
    }));
    both.push_back(spawn([&there, &back, &sum] {
        for (std::int64_t i = 0; i < trips; i++) {
            there.push(i);
            sum += back.value_pop();
        }
    }));
    join_all(both);
    run->value[0] = (bench_seconds() - start_s) * 1e9 / trips;
    bench_require(sum == trips * (trips + 1) / 2, "channel");
}

void rep_sleepers(bench_run *run) {
    const int sleepers = 1000000;
    using clock = std::chrono::steady_clock;
    std::vector<fibers::fiber> all;
    all.reserve(sleepers);
    double memory = bench_memory_bytes();
    int64_t target = bench_count_total() + sleepers;
    clock::time_point until = clock::now() + std::chrono::seconds(run->workers == 1 ? 5 : 15);
    double start_s = bench_seconds();
    for (int i = 0; i < sleepers; i++) {
        all.push_back(spawn([until] {
            bench_count();
            boost::this_fiber::sleep_until(until);
        }));
    }
    while (bench_count_total() < target) {
        boost::this_fiber::yield();
    }
    run->value[0] = bench_seconds() - start_s;
    run->value[1] = (bench_memory_bytes() - memory) / sleepers;
    bench_require(clock::now() < until, "sleepers: woke before all slept");
    join_all(all);
    run->value[2] = std::chrono::duration<double, std::milli>(clock::now() - until).count();
}

const bench_workload workloads[] = {
    {"yield-2", rep_yield_2, 0, {{"", "ns/yield"}}},
    {"yield-1000", rep_yield_1000, 0, {{"", "ns/yield"}}},
    {"channel", channel, 0, {{"", "ns/trip"}}},
    {"sleepers", rep_sleepers, 1, {{"-spawn", "s"}, {"-memory", "bytes/task"}, {"-wake", "ms"}}},
};

} // namespace

int main(int argc, char **argv) {
    const bench_subject subject = {
        "Boost.Fiber", 0, start, stop, workloads, sizeof(workloads) / sizeof(workloads[0])};
    return bench_subject_main(&subject, argc, argv);
}

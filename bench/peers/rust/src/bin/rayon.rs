//! rayon: fork-join on a thread pool of its own.
use bench_peers::*;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;
use std::time::Instant;

fn fib(n: i64) -> i64 {
    if n < 2 {
        return n;
    }
    let (first, second) = rayon::join(|| fib(n - 1), || fib(n - 2));
    first + second
}

fn queens(rows: usize, column: [i8; 12]) -> i64 {
    if rows == 12 {
        return 1;
    }
    let mut part = [0; 12];
    rayon::scope(|scope| {
        for (wanted, out) in part.iter_mut().enumerate() {
            if queens_fits(rows, &column, wanted as i8) {
                let mut next = column;
                next[rows] = wanted as i8;
                scope.spawn(move |_| *out = queens(rows + 1, next));
            }
        }
    });
    part.iter().sum()
}

fn sky(first: i64, leaves: i64) -> i64 {
    if leaves == 1 {
        return first;
    }
    let mut part = [0; 10];
    rayon::scope(|scope| {
        for (i, out) in part.iter_mut().enumerate() {
            scope.spawn(move |_| *out = sky(first + i as i64 * leaves / 10, leaves / 10));
        }
    });
    part.iter().sum()
}

fn flat() {
    rayon::scope(|scope| {
        for _ in 0..MILLION {
            scope.spawn(|_| {});
        }
    });
}

fn push(pool: &rayon::ThreadPool, n: i64, count: &Arc<AtomicI64>) {
    for _ in 0..n {
        let count = count.clone();
        pool.spawn(move || {
            count.fetch_add(1, Ordering::Release);
        });
    }
}

fn workloads(workers: usize) -> Vec<Workload> {
    let built = rayon::ThreadPoolBuilder::new().num_threads(workers).build().expect("a pool");
    let pool: &'static rayon::ThreadPool = Box::leak(Box::new(built));
    pool.install(|| {});
    vec![
        Workload::new("fib", 0, &[("", "ns/fork")], move || {
            let start = Instant::now();
            assert_eq!(pool.install(|| fib(32)), 2_178_309);
            vec![nanoseconds_each(start, 3_524_577)]
        }),
        Workload::new("nqueens", 0, &[("", "ms")], move || {
            let start = Instant::now();
            assert_eq!(pool.install(|| queens(0, [0; 12])), 14_200);
            vec![milliseconds(start)]
        }),
        Workload::new("skynet-fork", 0, &[("", "ms")], move || {
            let start = Instant::now();
            assert_eq!(pool.install(|| sky(0, MILLION)), 499_999_500_000);
            vec![milliseconds(start)]
        }),
        Workload::new("flat-spawn", 0, &[("", "ns/task")], move || {
            let start = Instant::now();
            pool.install(flat);
            vec![nanoseconds_each(start, MILLION)]
        }),
        Workload::new("external-1", 0, &[("", "ns/task")], move || {
            external(1, |n, count| push(pool, n, count))
        }),
        Workload::new("external-4", 0, &[("", "ns/task")], move || {
            external(4, |n, count| push(pool, n, count))
        }),
        Workload::new("wake", 1, WAKE_FIGURES, move || {
            wake(|start, stamp| pool.spawn(move || wake_stamp(start, &stamp)))
        }),
        Workload::new("idle", 1, &[("", "ms CPU/5s")], idle),
    ]
}

fn main() {
    subject_main("rayon", workloads);
}

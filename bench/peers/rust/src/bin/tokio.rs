//! tokio: stackless tasks on its multi-threaded runtime. Work starts in a task, not in block_on.
use bench_peers::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs a future as a task and waits for its result.
fn run<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(async { tokio::spawn(work).await.expect("the task ends") })
}

fn sky(first: i64, leaves: i64) -> Boxed<i64> {
    Box::pin(async move {
        if leaves == 1 {
            return first;
        }
        let child = |i: i64| tokio::spawn(sky(first + i * leaves / 10, leaves / 10));
        let children: Vec<JoinHandle<i64>> = (0..10).map(child).collect();
        let mut sum = 0;
        for each in children {
            sum += each.await.expect("the task ends");
        }
        sum
    })
}

async fn join_all(all: Vec<JoinHandle<()>>) {
    for each in all {
        each.await.expect("the task ends");
    }
}

async fn flat() {
    join_all((0..MILLION).map(|_| tokio::spawn(async {})).collect()).await;
}

async fn yields(tasks: i64, total: i64) {
    let task = |_| {
        tokio::spawn(async move {
            for _ in 0..total / tasks {
                tokio::task::yield_now().await;
            }
        })
    };
    join_all((0..tasks).map(task).collect()).await;
}

fn yield_rep(runtime: &Runtime, tasks: i64) -> Vec<f64> {
    let total = 2 * MILLION;
    let start = Instant::now();
    run(runtime, yields(tasks, total));
    vec![nanoseconds_each(start, total)]
}

/// Two tasks pass a number to and fro; tokio's channels have room for at least one.
async fn channel() {
    let (there, mut there_out) = tokio::sync::mpsc::channel::<i64>(1);
    let (back, mut back_out) = tokio::sync::mpsc::channel::<i64>(1);
    let echo = tokio::spawn(async move {
        for _ in 0..MILLION {
            let ball = there_out.recv().await.expect("a number");
            back.send(ball + 1).await.expect("a receiver");
        }
    });
    let serve = tokio::spawn(async move {
        let mut sum = 0;
        for i in 0..MILLION {
            there.send(i).await.expect("a receiver");
            sum += back_out.recv().await.expect("a number");
        }
        assert_eq!(sum, MILLION * (MILLION + 1) / 2);
    });
    join_all(vec![echo, serve]).await;
}

fn push(runtime: &Runtime, n: i64, count: &Arc<AtomicI64>) {
    for _ in 0..n {
        let count = count.clone();
        runtime.spawn(async move {
            count.fetch_add(1, Ordering::Release);
        });
    }
}

async fn sleeper(asleep: Arc<AtomicI64>, until: Instant) {
    asleep.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep_until(until.into()).await;
}

/// Spawns the sleepers and waits until all of them have begun.
async fn begin_sleepers(until: Instant) -> Vec<JoinHandle<()>> {
    let asleep = Arc::new(AtomicI64::new(0));
    let all: Vec<_> = (0..MILLION).map(|_| tokio::spawn(sleeper(asleep.clone(), until))).collect();
    while asleep.load(Ordering::Relaxed) < MILLION {
        tokio::task::yield_now().await;
    }
    all
}

async fn sleepers() -> Vec<f64> {
    let before = memory_bytes();
    let start = Instant::now();
    let until = start + Duration::from_secs(6);
    let all = begin_sleepers(until).await;
    let spawned = start.elapsed().as_secs_f64();
    let bytes = (memory_bytes() - before) / MILLION as f64;
    assert!(Instant::now() < until, "woke before all slept");
    join_all(all).await;
    vec![spawned, bytes, milliseconds(until)]
}

async fn sleepers_cancel() -> Vec<f64> {
    let all = begin_sleepers(Instant::now() + Duration::from_secs(3600)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    for each in &all {
        each.abort();
    }
    for each in all {
        assert!(each.await.is_err(), "a sleeper was not cancelled");
    }
    vec![milliseconds(start)]
}

fn workloads(workers: usize) -> Vec<Workload> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time()
        .build()
        .expect("a runtime");
    let runtime: &'static Runtime = Box::leak(Box::new(built));
    run(runtime, async {});
    vec![
        Workload::new("skynet-spawn", 0, &[("", "ms")], move || {
            let start = Instant::now();
            assert_eq!(run(runtime, sky(0, MILLION)), 499_999_500_000);
            vec![milliseconds(start)]
        }),
        Workload::new("flat-spawn", 0, &[("", "ns/task")], move || {
            let start = Instant::now();
            run(runtime, flat());
            vec![nanoseconds_each(start, MILLION)]
        }),
        Workload::new("external-1", 0, &[("", "ns/task")], move || {
            external(1, |n, count| push(runtime, n, count))
        }),
        Workload::new("external-4", 0, &[("", "ns/task")], move || {
            external(4, |n, count| push(runtime, n, count))
        }),
        Workload::new("yield-2", 0, &[("", "ns/yield")], move || yield_rep(runtime, 2)),
        Workload::new("yield-1000", 0, &[("", "ns/yield")], move || yield_rep(runtime, 1000)),
        Workload::new("channel-buffered", 0, &[("", "ns/trip")], move || {
            let start = Instant::now();
            run(runtime, channel());
            vec![nanoseconds_each(start, MILLION)]
        }),
        Workload::new("wake", 1, WAKE_FIGURES, move || {
            wake(|start, stamp| {
                runtime.spawn(async move { wake_stamp(start, &stamp) });
            })
        }),
        Workload::new(
            "sleepers",
            1,
            &[("-spawn", "s"), ("-memory", "bytes/task"), ("-wake", "ms")],
            move || run(runtime, sleepers()),
        ),
        Workload::new("sleepers-cancel", 3, &[("", "ms")], move || run(runtime, sleepers_cancel())),
        Workload::new("idle", 1, &[("", "ms CPU/5s")], idle),
    ]
}

fn main() {
    subject_main("tokio", workloads);
}

//! What the two Rust peers share: the protocol of bench/common/bench.h, clocks, and workloads that
//! differ only in how a task is handed over.
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;
use std::time::Instant;

pub const MILLION: i64 = 1_000_000;
const USUAL_REPS: usize = 7;
const LIMIT_S: u32 = 300;
const SKIP: i32 = 77;

/// Does the work once and returns its figures. `reps` 0: the usual number, after a warm-up; 1: no
/// warm-up. `figures` are suffixes and units.
pub struct Workload {
    pub name: &'static str,
    pub rep: Box<dyn Fn() -> Vec<f64>>,
    pub reps: usize,
    pub figures: &'static [(&'static str, &'static str)],
}

impl Workload {
    pub fn new(
        name: &'static str,
        reps: usize,
        figures: &'static [(&'static str, &'static str)],
        rep: impl Fn() -> Vec<f64> + 'static,
    ) -> Workload {
        Workload { name, rep: Box::new(rep), reps, figures }
    }
}

pub const WAKE_FIGURES: &[(&str, &str)] = &[("-p50", "us"), ("-p99", "us"), ("-p99.9", "us")];

fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n % 2 == 1 {
        sorted[n / 2]
    } else {
        0.5 * (sorted[n / 2 - 1] + sorted[n / 2])
    }
}

fn measure(subject: &str, workload: &Workload, workers: usize, reps: usize) {
    let mut samples = vec![Vec::new(); workload.figures.len()];
    if workload.reps != 1 {
        (workload.rep)();
    }
    for _ in 0..reps {
        for (i, value) in (workload.rep)().into_iter().enumerate() {
            samples[i].push(value);
        }
    }
    for (value, (suffix, unit)) in samples.iter_mut().zip(workload.figures) {
        value.sort_by(f64::total_cmp);
        println!(
            "{{\"workload\": \"{}{}\", \"subject\": \"{}\", \"workers\": {}, \"unit\": \"{}\", \
             \"median\": {:.4}, \"min\": {:.4}, \"max\": {:.4}, \"reps\": {}}}",
            workload.name,
            suffix,
            subject,
            workers,
            unit,
            median(value),
            value[0],
            value[reps - 1],
            reps
        );
    }
}

/// The whole main() of a peer; `workloads` makes the list for so many workers.
pub fn subject_main(subject: &str, workloads: impl Fn(usize) -> Vec<Workload>) {
    let args: Vec<String> = std::env::args().collect();
    if args.len() != 5 || args[1] != "--child" {
        eprintln!("usage: {} --child WORKLOAD WORKERS REPS", args[0]);
        std::process::exit(2);
    }
    let workers: usize = args[3].parse().expect("WORKERS is a number");
    let asked: usize = args[4].parse().expect("REPS is a number");
    // SAFETY: only sets the time after which the kernel ends the process.
    unsafe { libc::alarm(LIMIT_S) };
    match workloads(workers).iter().find(|workload| workload.name == args[2]) {
        None => std::process::exit(SKIP),
        Some(found) => {
            let usual = if found.reps == 0 { USUAL_REPS } else { found.reps };
            measure(subject, found, workers, if asked == 0 { usual } else { asked });
        }
    }
}

/// A nap of the thread, not of a task.
pub fn nap(microseconds: u64) {
    std::thread::sleep(std::time::Duration::from_micros(microseconds));
}

pub fn nanoseconds_each(start: Instant, n: i64) -> f64 {
    start.elapsed().as_nanos() as f64 / n as f64
}

pub fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Resident pages and page tables of the process.
pub fn memory_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<f64>().ok();
    status
        .lines()
        .filter(|line| line.starts_with("VmRSS:") || line.starts_with("VmPTE:"))
        .filter_map(kib)
        .sum::<f64>()
        * 1024.0
}

fn cpu_seconds() -> f64 {
    // SAFETY: clock_gettime fills the struct that it gets.
    unsafe {
        let mut used: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut used);
        used.tv_sec as f64 + used.tv_nsec as f64 * 1e-9
    }
}

pub fn idle() -> Vec<f64> {
    nap(500_000);
    let before = cpu_seconds();
    nap(5_000_000);
    vec![(cpu_seconds() - before) * 1e3]
}

/// A million tasks from foreign threads: `push(n, count)` hands over n tasks that each add one.
pub fn external(threads: i64, push: impl Fn(i64, &Arc<AtomicI64>) + Sync) -> Vec<f64> {
    let count = Arc::new(AtomicI64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| push(MILLION / threads, &count));
        }
    });
    while count.load(Ordering::Acquire) < MILLION {
        nap(50);
    }
    vec![nanoseconds_each(start, MILLION)]
}

/// Microseconds from `submit`, which hands over one task, to that task's write of the elapsed time.
pub fn wake(submit: impl Fn(Instant, Arc<AtomicI64>)) -> Vec<f64> {
    const SAMPLES: usize = 20_000;
    const UNCOUNTED: usize = 200;
    let mut sample = Vec::with_capacity(SAMPLES + UNCOUNTED);
    let stamp = Arc::new(AtomicI64::new(0));
    // SAFETY: changes how late this thread's naps may end, as in the other subjects.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
    for _ in 0..SAMPLES + UNCOUNTED {
        nap(100);
        stamp.store(0, Ordering::Relaxed);
        submit(Instant::now(), stamp.clone());
        while stamp.load(Ordering::Acquire) == 0 {
            nap(20);
        }
        sample.push(stamp.load(Ordering::Acquire) as f64 * 1e-3);
    }
    let mut counted = sample.split_off(UNCOUNTED);
    counted.sort_by(f64::total_cmp);
    vec![counted[SAMPLES / 2], counted[SAMPLES / 100 * 99], counted[SAMPLES / 1000 * 999]]
}

/// What a wake task does: leaves the nanoseconds since it was handed over.
pub fn wake_stamp(start: Instant, stamp: &AtomicI64) {
    stamp.store(start.elapsed().as_nanos() as i64, Ordering::Release);
}

pub fn queens_fits(rows: usize, column: &[i8; 12], wanted: i8) -> bool {
    (0..rows).all(|row| {
        let apart = (column[row] - wanted).unsigned_abs() as usize;
        apart != 0 && apart != rows - row
    })
}

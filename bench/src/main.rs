//! `make bench`: a native hyper server and wisp's functions, side by side in one run, as ratios.
//!
//! All servers answer the same bytes, run in this process on one runtime, and take turns round by round, so that what
//! else the machine does falls on all of them alike. The load is a closed loop of keep-alive connections on a thread of
//! its own: it says what a machine can carry, not what a client waits under a given rate.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;

mod functions;
mod load;
mod native;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections of the load: enough to keep two cores busy, few enough for a small machine.
const CONNECTIONS: usize = 64;

/// Rounds, and how long each server has the load in one.
const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_secs(2);

/// One server under load.
struct Arm {
    name: &'static str,
    address: SocketAddr,
    path: String,
    /// Request headers beside Host: what a browser sends costs the guest a string each for name and value.
    headers: usize,
    /// Round by round.
    turns: Vec<Turn>,
}

/// What one server did in one round.
#[derive(Clone, Copy)]
struct Turn {
    /// Requests a second.
    rate: f64,
    /// Processor time of this process for each request, in microseconds: the server's and the load's.
    cpu_us: f64,
}

fn main() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    // As `wisp serve` does: see the gate of `engine.rs`.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores + 1).enable_all().build()?;
    let native = Arm::new("native hyper", runtime.block_on(native::start())?, "/".into());
    let functions = runtime.block_on(functions::start())?;
    let mut arms = vec![native.with_headers("native hyper, 20 headers", 20), native];
    arms.extend(functions.arms());
    // The first is what the others are a share of.
    arms.swap(0, 1);
    // `wisp-bench "native hyper" "wisp, Rust, warm"` leaves only the arms of these names: for a profile.
    let chosen: Vec<_> = std::env::args().skip(1).collect();
    arms.retain(|arm| chosen.is_empty() || chosen.iter().any(|name| arm.name == name));
    println!("{cores} cores, {CONNECTIONS} connections, median of {ROUNDS} rounds of {} s\n", TURN.as_secs());
    for _ in 0..ROUNDS {
        for arm in &mut arms {
            let before = cpu_time();
            let rate = load::run(arm.address, &arm.path, arm.headers, CONNECTIONS, TURN).with_context(|| arm.name)?;
            let cpu = cpu_time().saturating_sub(before).as_secs_f64();
            arm.turns.push(Turn { rate, cpu_us: cpu * 1e6 / (rate * TURN.as_secs_f64()) });
        }
    }
    report(&arms);
    Ok(())
}

impl Arm {
    fn new(name: &'static str, address: SocketAddr, path: String) -> Self {
        Self { name, address, path, headers: 0, turns: Vec::new() }
    }

    /// The same server, with so many headers in each request.
    fn with_headers(&self, name: &'static str, headers: usize) -> Self {
        Self { name, address: self.address, path: self.path.clone(), headers, turns: Vec::new() }
    }

    fn median(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        let mut values: Vec<_> = self.turns.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }
}

/// Processor time that this process has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn report(arms: &[Arm]) {
    let native = arms.first().map_or(1.0, |arm| arm.median(|turn| turn.rate));
    println!("| server | requests/s | of native | processor time a request |\n|---|---:|---:|---:|");
    for arm in arms {
        let (rate, cpu) = (arm.median(|turn| turn.rate), arm.median(|turn| turn.cpu_us));
        println!("| {} | {rate:.0} | {:.2} | {cpu:.1} µs |", arm.name, rate / native);
    }
}

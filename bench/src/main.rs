//! `make bench`: wisp beside native hyper, `wasmtime serve`, Node and gunicorn, in one run on one machine, as ratios.
//!
//! Every server is a process of its own and answers the same bytes. They take turns round by round, so that what else the
//! machine does falls on all of them alike; a figure is the median of its rounds. The load is a closed loop of keep-alive
//! connections in this process: it says what a machine can carry, not what a client waits under a given rate (`wisp bench
//! warm` does that). Cold starts and density are measured by `wisp bench` itself, edits by `wisp up`.

use std::{env, time::Duration};

use ::wisp::bench::machine::Calibration;
use anyhow::Context as _;

mod alike;
mod cold;
mod edit;
mod load;
mod native;
mod paths;
mod peers;
mod process;
mod results;
mod wisp;

use process::Server;
use results::Results;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections of the load: enough to keep two cores busy, few enough for a small machine.
const CONNECTIONS: usize = 64;

/// Rounds, and how long each server has the load in one.
const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_secs(2);

/// The first round of a server that compiles as it runs, or starts its instances, is not counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// One server under load.
struct Arm {
    name: &'static str,
    server: std::rc::Rc<Server>,
    path: String,
    /// Request headers beside Host: what a browser sends costs the guest a string each for name and value.
    headers: usize,
    /// Round by round.
    turns: Vec<Turn>,
}

/// What one server did in one round.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Requests a second.
    rate: f64,
    /// Processor time of the server's processes for each request, in microseconds.
    cpu_us: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [mode, port] = arguments.as_slice()
        && mode == native::MODE
    {
        return native::serve(port.parse()?);
    }
    // `wisp-bench "native hyper" "wisp, Rust, warm"` leaves only the arms of these names: for a profile.
    let before = Calibration::take();
    let mut arms = arms(&arguments)?;
    check_yardstick(&arms)?;
    let quick = env::var_os("WISP_BENCH_QUICK").is_some();
    let (rounds, turn) = if quick { (1, TURN / 4) } else { (ROUNDS, TURN) };
    for arm in &mut arms {
        arm.turn(WARM_UP)?;
        arm.turns.clear();
    }
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for arm in &mut arms {
            arm.turn(turn)?;
        }
    }
    let mut results = Results::new(before, &arms, rounds, turn);
    // Nobody else is to run while starts are measured.
    drop(arms);
    if arguments.is_empty() {
        eprintln!("cold starts");
        results.cold = cold::measure(quick)?;
        eprintln!("density");
        results.density = Some(cold::density(quick)?);
        eprintln!("edits");
        results.edits = edit::measure(if quick { 1 } else { ROUNDS })?;
    }
    let text = results.text();
    println!("{text}");
    if arguments.is_empty() {
        let file = paths::root().join("bench/RESULTS.md");
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}

/// Starts the servers that are wanted.
fn arms(wanted: &[String]) -> anyhow::Result<Vec<Arm>> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut arms = Vec::new();
    if ["native hyper", "native hyper, 20 headers"].into_iter().any(is_wanted) {
        let native = std::rc::Rc::new(native::start()?);
        arms.push(Arm::new("native hyper", &native, "/", 0));
        arms.push(Arm::new("native hyper, 20 headers", &native, "/", 20));
    }
    if wisp::ARMS.iter().any(|(name, ..)| is_wanted(name)) {
        let wisp = std::rc::Rc::new(wisp::start()?);
        arms.extend(wisp::ARMS.iter().map(|(name, function, headers)| {
            Arm::new(name, &wisp, &format!("/2016-08-15/proxy/default/{function}/"), *headers)
        }));
    }
    for (name, start) in peers::ALL {
        if is_wanted(name) {
            let server = start().with_context(|| format!("{name} does not start"))?;
            arms.push(Arm::new(name, &std::rc::Rc::new(server), "/", 0));
        }
    }
    arms.retain(|arm| is_wanted(arm.name));
    anyhow::ensure!(!arms.is_empty(), "there is no arm of these names: {}", wanted.join(", "));
    Ok(arms)
}

/// Two servers are compared only if they answer alike.
fn check_yardstick(arms: &[Arm]) -> anyhow::Result<()> {
    let arm = |name: &str| arms.iter().find(|arm| arm.name == name);
    for (native, wisp) in
        [("native hyper", "wisp, Rust, warm"), ("native hyper, 20 headers", "wisp, Rust, warm, 20 headers")]
    {
        if let (Some(native), Some(wisp)) = (arm(native), arm(wisp)) {
            alike::check((native.name, native.answer()?), (wisp.name, wisp.answer()?))?;
        }
    }
    Ok(())
}

impl Arm {
    fn answer(&self) -> anyhow::Result<alike::Answer> {
        alike::Answer::ask(self.server.address, &self.path).with_context(|| format!("{} does not answer", self.name))
    }

    fn new(name: &'static str, server: &std::rc::Rc<Server>, path: &str, headers: usize) -> Self {
        Self { name, server: server.clone(), path: path.to_owned(), headers, turns: Vec::new() }
    }

    fn turn(&mut self, turn: Duration) -> anyhow::Result<()> {
        let before = self.server.cpu_time();
        let rate = load::run(self.server.address, &self.path, self.headers, CONNECTIONS, turn)
            .with_context(|| format!("{} under load", self.name))?;
        let cpu = self.server.cpu_time().saturating_sub(before).as_secs_f64();
        self.turns.push(Turn { rate, cpu_us: cpu * 1e6 / (rate * turn.as_secs_f64()).max(1.0) });
        Ok(())
    }

    fn median(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(of).collect())
    }
}

/// The one in the middle; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

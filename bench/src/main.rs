//! `make bench`: wisp beside native hyper, `wasmtime serve`, Node and gunicorn, in one run on one machine, as ratios.
//!
//! Every server is a process of its own and answers the same bytes. They take turns round by round, so that what else the
//! machine does falls on all of them alike; a figure is the median of its rounds. The load is a closed loop of keep-alive
//! connections in this process: it says what a machine can carry, not what a client waits under a given rate (`wisp bench
//! warm` does that). Cold starts and density are measured by `wisp bench` itself, edits by `wisp up`.

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use ::wisp::bench::machine::Calibration;
use anyhow::Context as _;
use clap::Parser as _;

mod alike;
mod arms;
mod cold;
mod density;
mod edit;
mod load;
mod native;
mod paths;
mod peers;
mod process;
mod results;
mod wisp;

use arms::Arm;
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

/// Compare wisp with other servers, in one run on one machine
#[derive(Debug, clap::Parser)]
#[command(
    name = "wisp-bench",
    after_help = "`make bench` builds and installs what is compared, and runs all of it: throughput, cold starts, density and \
                  edits, into bench/RESULTS.md. With ARMS, only their throughput is measured, and nothing is written. What \
                  cannot be measured is a row that says why. Exit codes: 0 measured, 1 not, 2 the command line makes no sense."
)]
struct Arguments {
    /// Only these, by their names: see --list
    #[arg(value_name = "ARM", value_parser = arms::NAMES)]
    arms: Vec<String>,
    /// Name the arms, and do nothing else
    #[arg(long)]
    list: bool,
    /// A tenth of the rounds: to see whether everything works
    #[arg(long, env = "WISP_BENCH_QUICK", value_parser = clap::builder::FalseyValueParser::new())]
    quick: bool,
}

fn main() -> ExitCode {
    // Before clap, which does not know the way in which the native server is started.
    let typed: Vec<_> = std::env::args().skip(1).collect();
    let done = match typed.as_slice() {
        [mode, port] if mode == native::MODE => port.parse().map_err(anyhow::Error::from).and_then(native::serve),
        _ => Arguments::parse().run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn run(&self) -> anyhow::Result<()> {
        if self.list {
            arms::NAMES.iter().for_each(|name| println!("{name}"));
            return Ok(());
        }
        process::end_all_on_signals()?;
        let before = Calibration::take();
        let (rounds, turn) = if self.quick { (1, TURN / 4) } else { (ROUNDS, TURN) };
        let arms = timed("throughput", || throughput(&self.arms, rounds, turn));
        anyhow::ensure!(arms.iter().any(Arm::is_measured), "nothing could be measured: {}", reasons(&arms));
        let mut results = Results::new(before, &arms, rounds, turn);
        // Nobody else is to run while starts are measured.
        drop(arms);
        let is_whole = self.arms.is_empty();
        if is_whole {
            results.cold = timed("cold starts", || cold::measure(self.quick));
            results.density = Some(timed("density", || density::measure(self.quick)));
            results.edits = timed("edits", || edit::measure(if self.quick { 1 } else { ROUNDS }));
        }
        let text = results.text();
        println!("{text}");
        if is_whole {
            let file = paths::root().join("bench/RESULTS.md");
            fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
            eprintln!("wrote {}", file.display());
        }
        Ok(())
    }
}

/// One part of the run, and how long it took: the whole is to be a matter of minutes.
fn timed<T>(part: &str, measure: impl FnOnce() -> T) -> T {
    eprintln!("{part}");
    let began = Instant::now();
    let measured = measure();
    eprintln!("{part}: {} s", began.elapsed().as_secs());
    measured
}

/// All arms under load, in turns.
fn throughput(wanted: &[String], rounds: usize, turn: Duration) -> Vec<Arm> {
    let mut arms = arms::start(wanted);
    for arm in &mut arms {
        arm.turn(WARM_UP);
        arm.forget();
    }
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for arm in &mut arms {
            arm.turn(turn);
        }
    }
    arms
}

fn reasons(arms: &[Arm]) -> String {
    arms.iter().filter_map(Arm::reason).collect::<Vec<_>>().join("; ")
}

/// The one in the middle; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

//! `wisp bench`: cold starts stage by stage, latency under load, density, and what a deploy takes.
//!
//! `subject` says what is measured, one file a kind of measurement does it, `report` holds what came of it, and `table`,
//! `html` and `picture` show it.

use std::{fs, io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use wisp::bench::machine::{Calibration, Machine, Noise};

use super::{
    Failure,
    activity::Show,
    terminal::{GOOD, paint, warn},
};

mod cold;
mod density;
mod deploy;
mod html;
mod picture;
mod process;
mod report;
mod served;
mod subject;
mod table;
mod warm;

use report::{Report, Subject};

/// Measure cold starts, latency, density and deploys
#[derive(Debug, Args)]
#[command(
    after_help = "A SUBJECT is a function of the project here, or a component's file; behind a colon stand settings \
                        for it: `hello:isolation=request,memory=64 MB`. Without one, every function of the project is \
                        measured. Exit codes: 0 measured, 1 not, 2 the command line makes no sense."
)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Cold(cold::ColdArgs),
    Warm(warm::WarmArgs),
    Density(density::DensityArgs),
    Deploy(deploy::DeployArgs),
}

/// How the result is shown, for every kind of measurement.
#[derive(Debug, Args)]
struct OutputArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a page with pictures as well, complete in one file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

impl BenchArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        match self.kind {
            Kind::Cold(args) => args.execute(),
            Kind::Warm(args) => args.execute(),
            Kind::Density(args) => args.execute(),
            Kind::Deploy(args) => args.execute(),
        }
    }
}

impl OutputArgs {
    /// Measures between two calibrations, and shows what came of it.
    fn show(
        &self,
        kind: &'static str,
        measure: impl FnOnce() -> Result<Vec<Subject>, Failure>,
    ) -> Result<ExitCode, Failure> {
        let before = Calibration::take();
        let subjects = measure()?;
        let noise = Noise { before, after: Calibration::take() };
        let report = Report { kind, machine: Machine::read(), noise, subjects };
        if let Some(warning) = report.noise.warning() {
            warn(&warning);
        }
        if self.json {
            writeln!(std::io::stdout(), "{:#}", serde_json::to_value(&report)?)?;
        } else {
            write!(anstream::stdout(), "{}", table::text(&report))?;
        }
        if let Some(file) = &self.report {
            fs::write(file, html::page(&report)).with_context(|| format!("{} cannot be written", file.display()))?;
            anstream::eprintln!("{} {}", paint(GOOD, "wrote"), file.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A bar on a terminal while something is repeated; nothing anywhere else.
struct Rounds(Option<ProgressBar>);

impl Rounds {
    fn new(what: &str, count: usize) -> Self {
        if Show::fitting() == Show::Lines {
            return Self(None);
        }
        let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar:.dim} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        Self(Some(bar))
    }

    fn tick(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

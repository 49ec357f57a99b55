//! Where a measurement was taken: the machine, what this process takes of it, and whether it was quiet.

use std::{
    fs,
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::samples::Samples;
use crate::engine::WASMTIME_VERSION;

/// How often the calibration spins, and how many rounds of arithmetic one spin has: about half a millisecond.
const SPINS: usize = 200;
const ROUNDS: u64 = 150_000;

/// A spin whose 90th percentile is so much above the shortest says that others use the processor.
const NOISY_SPREAD: f64 = 1.25;

/// A median that has moved by so much between before and after says that the clock rate, or a neighbour, has changed.
const NOISY_DRIFT: f64 = 1.15;

/// The machine, and the versions of what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Hardware threads that this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The release of wisp.
    pub wisp: &'static str,
    /// The release of wasmtime.
    pub wasmtime: &'static str,
    /// When, in UTC to the second.
    pub taken: String,
}

impl Machine {
    /// This one, now.
    pub fn read() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: processor.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cores: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: kilobytes("/proc/meminfo", "MemTotal:"),
            kernel: kernel.trim().to_owned(),
            wisp: env!("CARGO_PKG_VERSION"),
            wasmtime: WASMTIME_VERSION,
            taken: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

/// The same work, done often: on a quiet machine it always takes the same time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Calibration {
    /// Median of a spin.
    pub median_ns: u64,
    /// 90th percentile by shortest.
    pub spread: f64,
    /// Longest by shortest.
    pub worst: f64,
    /// Processes that ran or wanted to, in the mean of the last minute.
    pub load_average: f64,
}

impl Calibration {
    /// Takes about a tenth of a second of one core.
    pub fn take() -> Self {
        let mut samples = Samples::new();
        for _ in 0..SPINS {
            let began = Instant::now();
            black_box(spin(black_box(1)));
            samples.record(began.elapsed());
        }
        let shortest = samples.min().as_secs_f64().max(1e-9);
        Self {
            median_ns: u64::try_from(samples.median().as_nanos()).unwrap_or(u64::MAX),
            spread: samples.quantile(0.9).as_secs_f64() / shortest,
            worst: samples.max().as_secs_f64() / shortest,
            load_average: load_average(),
        }
    }
}

/// Arithmetic whose every round needs the last.
fn spin(seed: u64) -> u64 {
    (0..ROUNDS).fold(seed, |state, round| (state ^ round).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31))
}

/// Calibrations around a measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Noise {
    /// Before.
    pub before: Calibration,
    /// After.
    pub after: Calibration,
}

impl Noise {
    /// Why the figures are not to be trusted; `None` if the machine was quiet.
    pub fn warning(&self) -> Option<String> {
        let spread = self.before.spread.max(self.after.spread);
        if spread > NOISY_SPREAD {
            return Some(format!(
                "the machine is noisy: the same work took {:.0} % longer one time in ten. Other processes use its \
                 processors (load average {:.1}); stop them, and measure again",
                (spread - 1.0) * 100.0,
                self.after.load_average.max(self.before.load_average)
            ));
        }
        #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
        let drift = self.after.median_ns as f64 / self.before.median_ns.max(1) as f64;
        if drift.max(1.0 / drift) > NOISY_DRIFT {
            return Some(format!(
                "the machine changed its speed: the same work took {drift:.2} times as long after as before. Its clock \
                 rate changes, or it has neighbours; measure again"
            ));
        }
        None
    }
}

/// Page faults and resident memory of this process.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Faults that needed no disk, since the start.
    pub minor_faults: u64,
    /// Faults that did.
    pub major_faults: u64,
    /// Bytes that are in memory.
    pub resident: u64,
    /// Those of them that belong to no file.
    pub anonymous: u64,
    /// Bytes of the address space.
    pub address_space: u64,
    /// Bytes of the page tables for it.
    pub page_tables: u64,
    /// Mappings.
    pub mappings: u64,
}

impl Usage {
    /// What the system says now; 0 where it says nothing.
    pub fn read() -> Self {
        Self::of(std::process::id())
    }

    /// The same of another process.
    pub fn of(process: u32) -> Self {
        let status = &format!("/proc/{process}/status");
        let (minor_faults, major_faults) = faults_of(process);
        Self {
            minor_faults,
            major_faults,
            resident: kilobytes(status, "VmRSS:"),
            anonymous: kilobytes(status, "RssAnon:"),
            address_space: kilobytes(status, "VmSize:"),
            page_tables: kilobytes(status, "VmPTE:"),
            mappings: 0,
        }
    }

    /// The same, and its mappings counted: slow where there are many.
    pub fn read_with_mappings() -> Self {
        let lines = fs::read("/proc/self/maps").unwrap_or_default();
        let mappings = lines.iter().filter(|byte| **byte == b'\n').count();
        Self { mappings: u64::try_from(mappings).unwrap_or(u64::MAX), ..Self::read() }
    }
}

/// Minor and major page faults of this process so far.
pub fn faults() -> (u64, u64) {
    faults_of(std::process::id())
}

fn faults_of(process: u32) -> (u64, u64) {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in parentheses, may have spaces; the state is the first field after it.
    let fields: Vec<_> = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse().ok()).unwrap_or_default();
    (field(7), field(9))
}

fn kilobytes(file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix("kB"));
    value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or_default() << 10
}

fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// A duration as the system would sleep it, for those who must not wake late.
pub(super) fn sleep_until(instant: Instant) {
    /// What a sleep may be late by: the rest is spun.
    const SLACK: Duration = Duration::from_micros(80);
    let now = Instant::now();
    if let Some(left) = instant.checked_duration_since(now).and_then(|left| left.checked_sub(SLACK)) {
        thread::sleep(left);
    }
    while Instant::now() < instant {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(median_ns: u64, spread: f64) -> Calibration {
        Calibration { median_ns, spread, worst: spread, load_average: 0.0 }
    }

    #[test]
    fn noise_is_told_by_spread_and_by_drift() {
        let quiet = calibration(500_000, 1.05);
        assert_eq!(Noise { before: quiet, after: quiet }.warning(), None);
        let spread = Noise { before: quiet, after: calibration(500_000, 1.5) };
        assert!(spread.warning().unwrap().contains("50 % longer"));
        let slower = Noise { before: quiet, after: calibration(700_000, 1.05) };
        assert!(slower.warning().unwrap().contains("1.40 times"));
    }

    #[test]
    fn this_process_has_memory_and_faults() {
        let usage = Usage::read_with_mappings();
        assert!(usage.resident >= usage.anonymous && usage.anonymous > 0);
        assert!(usage.minor_faults > 0 && usage.mappings > 0);
        assert!(Machine::read().memory > usage.resident);
    }
}

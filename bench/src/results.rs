//! The figures as a page, and what they are against the bars.

use std::{fmt::Write as _, time::Duration};

use ::wisp::bench::machine::{Calibration, Machine, Noise};

use crate::{
    CONNECTIONS,
    arms::{Arm, Medians},
    cold::Cold,
    density::{self, Density},
    edit::Edit,
    peers,
};

/// All that was measured.
pub(crate) struct Results {
    machine: Machine,
    before: Calibration,
    rounds: usize,
    turn: Duration,
    /// By name.
    arms: Vec<(&'static str, Result<Medians, String>)>,
    pub(crate) cold: Vec<Cold>,
    pub(crate) density: Option<Density>,
    pub(crate) edits: Vec<Edit>,
}

/// How many times as fast as another server an arm is to be.
const RATIOS: [(&str, &str, f64); 6] = [
    ("wisp, Rust, warm", "native hyper", 0.8),
    ("wisp, wasi:http, fresh instance per request", "wasmtime serve, wasi:http", 2.0),
    ("wisp, Rust, fresh instance per request", "wasmtime serve, wasi:http", 2.0),
    ("wisp, JavaScript, warm", "Node http", 1.5),
    ("wisp, Python, warm", "gunicorn, WSGI", 5.0),
    ("wisp, Flask, warm", "gunicorn, Flask", 1.0),
];

/// The longest that a cold start may take, request to response, at the median.
const COLD: [(&str, Duration); 4] = [
    ("Rust", Duration::from_micros(100)),
    ("JavaScript", Duration::from_micros(300)),
    ("Python", Duration::from_micros(1200)),
    ("JavaScript, initializer of 100 ms, snapshot", Duration::from_micros(300)),
];

/// The longest until an edit is served.
const EDITS: [(&str, Duration); 2] =
    [("JavaScript", Duration::from_millis(500)), ("Python", Duration::from_millis(1000))];

/// The longest that a host with a thousand functions may take to start.
const START: Duration = Duration::from_secs(1);

/// A warm request beside a thousand functions may take so many times what it takes alone.
const FLAT: f64 = 1.25;

/// One line of the list of bars.
struct Bar {
    what: String,
    bar: String,
    /// What was measured, and whether that is enough; `None` if it was not.
    measured: Option<(String, bool)>,
}

impl Results {
    pub(crate) fn new(before: Calibration, arms: &[Arm], rounds: usize, turn: Duration) -> Self {
        let of = |arm: &Arm| (arm.name, arm.medians());
        Self {
            machine: Machine::read(),
            before,
            rounds,
            turn,
            arms: arms.iter().map(of).collect(),
            cold: Vec::new(),
            density: None,
            edits: Vec::new(),
        }
    }

    fn rate(&self, name: &str) -> Option<f64> {
        let (_, measured) = self.arms.iter().find(|(arm, _)| *arm == name)?;
        measured.as_ref().ok().map(|medians| medians.rate)
    }

    /// The page.
    pub(crate) fn text(&self) -> String {
        let mut text = self.head();
        self.write_bars(&mut text);
        self.write_arms(&mut text);
        self.write_cold(&mut text);
        self.write_density(&mut text);
        self.write_edits(&mut text);
        text
    }

    fn head(&self) -> String {
        let Machine { processor, cores, memory, kernel, taken, .. } = &self.machine;
        let mut text = format!(
            "# Results of `make bench`\n\nTaken {taken} on {processor}, {cores} cores, {} GB, Linux {kernel}.\n",
            memory >> 30
        );
        for (name, version) in peers::versions() {
            let _ = writeln!(text, "{name}: {version}.  ");
        }
        let noise = Noise { before: self.before, after: Calibration::take() };
        if let Some(warning) = noise.warning() {
            let _ = write!(text, "\n**Not to be trusted:** {warning}\n");
        }
        text
    }

    fn write_bars(&self, text: &mut String) {
        text.push_str("\n## Bars\n\n| what | bar | measured | |\n|---|---|---:|---|\n");
        // Whoever chose some arms asked for no others.
        let is_whole = self.density.is_some();
        for Bar { what, bar, measured } in self.bars().into_iter().filter(|bar| is_whole || bar.measured.is_some()) {
            let (figure, verdict) = match measured {
                Some((figure, true)) => (figure, "met"),
                Some((figure, false)) => (figure, "**not met**"),
                None => ("–".into(), "not measured"),
            };
            let _ = writeln!(text, "| {what} | {bar} | {figure} | {verdict} |");
        }
    }

    fn bars(&self) -> Vec<Bar> {
        let mut bars: Vec<_> = RATIOS.into_iter().map(|ratio| self.ratio(ratio)).collect();
        bars.extend(COLD.into_iter().map(|(name, most)| {
            let cold = self.cold.iter().find(|cold| cold.name == name);
            let medians = cold.and_then(|cold| cold.medians.as_ref().ok());
            Bar::below(format!("cold start, request to response: {name}"), most, medians.map(|medians| medians.request))
        }));
        bars.extend(EDITS.into_iter().map(|(language, most)| {
            let edit = self.edits.iter().find(|edit| edit.language == language);
            let served = edit.and_then(|edit| edit.served.as_ref().ok().copied());
            Bar::below(format!("an edited {language} file is served"), most, served)
        }));
        bars.extend(self.density_bars());
        bars
    }

    /// Starts with many functions, and whether they or idle instances make a warm request slower.
    fn density_bars(&self) -> Vec<Bar> {
        let (density, count) = (self.density.as_ref(), density::FUNCTIONS);
        let hosts = [density::deployed(count), density::of_one(count), density::stored(count)];
        let host = |name: &str| density.and_then(|density| density.host(name));
        let mut bars: Vec<_> = hosts
            .iter()
            .map(|name| Bar::below(format!("start with {name}"), START, host(name).map(|host| host.start)))
            .collect();
        let crowd = host(&density::deployed(count));
        let [alone, warm] = [crowd.and_then(|host| host.alone), crowd.map(|host| host.warm.0)];
        bars.push(Bar::flat(format!("warm request, {count} functions by 1 function"), alone, warm));
        for count in [density::INSTANCES / 10, density::INSTANCES] {
            let idle = density.and_then(|density| density.idle(count));
            let [alone, warm] = [idle.map(|host| host.alone), idle.map(|host| host.warm.0)];
            bars.push(Bar::flat(format!("warm request, {count} idle instances by 1"), alone, warm));
        }
        bars
    }

    fn ratio(&self, (arm, other, least): (&str, &str, f64)) -> Bar {
        let measured = self.rate(arm).zip(self.rate(other)).map(|(rate, other)| rate / other.max(1e-9));
        Bar {
            what: format!("{arm}, by {other}"),
            bar: format!("at least {least}"),
            measured: measured.map(|ratio| (format!("{ratio:.2}"), ratio >= least)),
        }
    }

    fn write_arms(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n## Throughput\n\nA closed loop of {CONNECTIONS} keep-alive connections; every server is a process of its own, \
             the load, one thread, shares the cores with it. Median of {} rounds of {} s, in turns.\n\n| server | requests/s | \
             of native | processor time a request | of the load |\n|---|---:|---:|---:|---:|\n",
            self.rounds,
            self.turn.as_secs_f64()
        );
        let native = self.rate("native hyper");
        for (name, measured) in &self.arms {
            let Medians { rate, cpu_us, load_us } = match measured {
                Ok(measured) => measured,
                Err(reason) => {
                    let _ = writeln!(text, "| {name} | not measured: {} | | | |", cell(reason));
                    continue;
                }
            };
            let share = native.map_or_else(|| "–".into(), |native| format!("{:.2}", rate / native));
            let _ = writeln!(text, "| {name} | {rate:.0} | {share} | {cpu_us:.1} µs | {load_us:.1} µs |");
        }
    }

    fn write_cold(&self, text: &mut String) {
        if self.cold.is_empty() {
            return;
        }
        text.push_str(
            "\n## Cold starts\n\nMedians by `wisp bench cold`. *instance*: instantiation, initializer, first call; *request*: the \
             same and HTTP, as a client sees it; *from the files*: everything, with the files in the page cache or dropped from \
             it.\n\n| function | instance | request | from cached files | from dropped files |\n|---|---:|---:|---:|---:|\n",
        );
        for Cold { name, medians } in &self.cold {
            match medians {
                Ok(medians) => {
                    let [instance, request, cached] = [medians.instance, medians.request, medians.cached].map(shown);
                    let dropped = medians.dropped.map_or_else(|| "–".into(), shown);
                    let _ = writeln!(text, "| {name} | {instance} | {request} | {cached} | {dropped} |");
                }
                Err(reason) => {
                    let _ = writeln!(text, "| {name} | not measured: {} | | | |", cell(reason));
                }
            }
        }
    }

    fn write_density(&self, text: &mut String) {
        let Some(Density { hosts, idle }) = &self.density else { return };
        text.push_str(
            "\n## Density\n\nBy `wisp bench density` with the Rust function. *start*: from the start of the process to its first \
             answer; *warm*: one request at a time, always to the same function, or to all in turn; *alone*: to a host with \
             one function, some requests to the one and some to the other.\n\n\
             | host | start | warm, p50 | alone, p50 | warm, p99 | in turn, p50 | memory of a function |\n\
             |---|---:|---:|---:|---:|---:|---:|\n",
        );
        for (name, host) in hosts {
            let _ = match host {
                Ok(host) => {
                    let [start, p50, p99, in_turn] = [host.start, host.warm.0, host.warm.1, host.in_turn].map(shown);
                    let memory = host.memory.map_or_else(|| "–".into(), kilobytes);
                    let alone = host.alone.map_or_else(|| "–".into(), shown);
                    writeln!(text, "| {name} | {start} | {p50} | {alone} | {p99} | {in_turn} | {memory} |")
                }
                Err(reason) => writeln!(text, "| {name} | not measured: {} | | | | | |", cell(reason)),
            };
        }
        text.push_str(
            "\n| host | warm, p50 | alone, p50 | warm, p99 | memory of an instance |\n|---|---:|---:|---:|---:|\n",
        );
        for (name, host) in idle {
            let _ = match host {
                Ok(host) => {
                    let [p50, alone, p99] = [host.warm.0, host.alone, host.warm.1].map(shown);
                    writeln!(text, "| {name} | {p50} | {alone} | {p99} | {} |", kilobytes(host.memory))
                }
                Err(reason) => writeln!(text, "| {name} | not measured: {} | | | |", cell(reason)),
            };
        }
    }

    fn write_edits(&self, text: &mut String) {
        if self.edits.is_empty() {
            return;
        }
        text.push_str(
            "\n## Edits\n\nWith `wisp up`, from the write of the file to the first answer of the new version.\n\n\
             | language | served | edits |\n|---|---:|---:|\n",
        );
        for Edit { language, served, count } in &self.edits {
            let served = match served {
                Ok(served) => shown(*served),
                Err(reason) => format!("not measured: {}", cell(reason)),
            };
            let _ = writeln!(text, "| {language} | {served} | {count} |");
        }
    }
}

impl Bar {
    fn below(what: String, most: Duration, measured: Option<Duration>) -> Self {
        Self {
            what,
            bar: format!("below {}", shown(most)),
            measured: measured.map(|measured| (shown(measured), measured < most)),
        }
    }

    /// One latency by another is to be about the same.
    fn flat(what: String, alone: Option<Duration>, crowd: Option<Duration>) -> Self {
        let ratio = alone.zip(crowd).map(|(alone, crowd)| crowd.as_secs_f64() / alone.as_secs_f64().max(1e-9));
        Self {
            what,
            bar: format!("at most {FLAT}"),
            measured: ratio.map(|ratio| (format!("{ratio:.2}"), ratio <= FLAT)),
        }
    }
}

/// Text as it may stand in a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "/")
}

fn kilobytes(bytes: f64) -> String {
    format!("{:.0} KB", bytes / 1024.0)
}

fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1e-3 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.2} ms", seconds * 1e3).replace(".00", "")
    } else {
        format!("{seconds:.2} s").replace(".00", "")
    }
}

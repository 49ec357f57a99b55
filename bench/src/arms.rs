//! The servers under load: each is started, or says why it is not there.

use std::{rc::Rc, time::Duration};

use anyhow::Context as _;

use crate::{
    CONNECTIONS,
    alike::{self, Answer},
    load::{self, Loaded},
    native,
    peers::{self, Peer},
    process::Server,
    wisp,
};

/// Names of all arms, in the order of the results.
pub(crate) const NAMES: [&str; 2 + wisp::ARMS.len() + peers::ALL.len()] = {
    let mut names = ["native hyper"; 2 + wisp::ARMS.len() + peers::ALL.len()];
    names[1] = "native hyper, 20 headers";
    let mut index = 0;
    while index < wisp::ARMS.len() {
        names[2 + index] = wisp::ARMS[index].0;
        index += 1;
    }
    let mut index = 0;
    while index < peers::ALL.len() {
        names[2 + wisp::ARMS.len() + index] = peers::ALL[index].0;
        index += 1;
    }
    names
};

/// One server under load.
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    /// Or why it is not measured.
    server: Result<Rc<Server>, String>,
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
    /// The same of the load itself.
    load_us: f64,
}

/// Medians of the turns of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Medians {
    pub(crate) rate: f64,
    pub(crate) cpu_us: f64,
    pub(crate) load_us: f64,
}

/// Starts the servers that are wanted; all if none is named.
pub(crate) fn start(wanted: &[String]) -> Vec<Arm> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut arms = Vec::new();
    if [NAMES[0], NAMES[1]].into_iter().any(is_wanted) {
        let native = shared("native hyper", native::start());
        arms.push(Arm::new(NAMES[0], &native, "/", 0));
        arms.push(Arm::new(NAMES[1], &native, "/", 20));
    }
    if wisp::ARMS.iter().any(|(name, ..)| is_wanted(name)) {
        let wisp = shared("wisp", wisp::start());
        arms.extend(wisp::ARMS.iter().map(|(name, function, headers)| {
            Arm::new(name, &wisp, &format!("/2016-08-15/proxy/default/{function}/"), *headers)
        }));
    }
    for (name, start) in peers::ALL.into_iter().filter(|(name, _): &Peer| is_wanted(name)) {
        arms.push(Arm::new(name, &shared(name, start()), "/", 0));
    }
    arms.retain(|arm| is_wanted(arm.name));
    check_yardstick(&mut arms);
    arms
}

/// Two servers are compared only if they answer alike: wisp is not measured against a yardstick that does less.
fn check_yardstick(arms: &mut [Arm]) {
    for (native, wisp) in [(NAMES[0], "wisp, Rust, warm"), (NAMES[1], "wisp, Rust, warm, 20 headers")] {
        let answer = |name: &str| {
            let arm = arms.iter().find(|arm| arm.name == name)?;
            let server = arm.server.as_ref().ok()?;
            Some(Answer::ask(server.address, &arm.path).with_context(|| format!("{name} does not answer")))
        };
        let (Some(left), Some(right)) = (answer(native), answer(wisp)) else { continue };
        let alike = left.and_then(|left| alike::check((native, left), (wisp, right?)));
        if let Err(error) = alike
            && let Some(arm) = arms.iter_mut().find(|arm| arm.name == native)
        {
            arm.give_up(one_line(&error));
        }
    }
}

fn shared(name: &str, started: anyhow::Result<Server>) -> Result<Rc<Server>, String> {
    let started = started.with_context(|| format!("{name} does not start"));
    started.map(Rc::new).map_err(|error| one_line(&error)).inspect_err(|reason| eprintln!("{reason}"))
}

/// An error as it stands in a row.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

impl Arm {
    fn new(name: &'static str, server: &Result<Rc<Server>, String>, path: &str, headers: usize) -> Self {
        Self { name, server: server.clone(), path: path.to_owned(), headers, turns: Vec::new() }
    }

    /// One turn under load. A server that fails gets no more.
    pub(crate) fn turn(&mut self, turn: Duration) {
        let Ok(server) = &self.server else { return };
        match self.loaded(server, turn) {
            Ok(turn) => self.turns.push(turn),
            Err(error) => self.give_up(one_line(&error.context("it fails under load"))),
        }
    }

    /// It is not measured from here on.
    fn give_up(&mut self, reason: String) {
        eprintln!("{}: {reason}", self.name);
        self.server = Err(reason);
    }

    fn loaded(&self, server: &Server, turn: Duration) -> anyhow::Result<Turn> {
        let before = server.cpu_time();
        let Loaded { rate, own_us } = load::run(server.address, &self.path, self.headers, CONNECTIONS, turn)?;
        let cpu = server.cpu_time().saturating_sub(before).as_secs_f64();
        Ok(Turn { rate, load_us: own_us, cpu_us: cpu * 1e6 / (rate * turn.as_secs_f64()).max(1.0) })
    }

    /// What was measured so far is not counted.
    pub(crate) fn forget(&mut self) {
        self.turns.clear();
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.server.is_ok() && !self.turns.is_empty()
    }

    /// Why it is not measured.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.server.as_ref().err().map(String::as_str)
    }

    /// Medians of its turns.
    pub(crate) fn medians(&self) -> Result<Medians, String> {
        self.server.as_ref().map_err(String::clone)?;
        let median = |of: fn(&Turn) -> f64| crate::median(self.turns.iter().map(of).collect());
        Ok(Medians {
            rate: median(|turn| turn.rate),
            cpu_us: median(|turn| turn.cpu_us),
            load_us: median(|turn| turn.load_us),
        })
    }
}

//! Servers as processes: started, asked until they answer, ended with whatever they started.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a server may take to answer its first request.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a server is looked at to see whether it rests: some ticks of the account of processor time.
const WHILE: Duration = Duration::from_millis(300);

/// Lines of what a command wrote that stand in the message of its failure.
const LAST_LINES: usize = 5;

/// A running server and whatever it started; all end when this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a server that is told to listen on `address`, and waits until it does.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        // A group of its own, so that gunicorn's workers go with it.
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn();
        let process = process.with_context(|| format!("{} cannot be run", command.get_program().display()))?;
        let mut server = Self { process, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.process.try_wait()? {
                bail!("{} ended with {status}", command.get_program().display());
            }
            if Instant::now() > deadline {
                bail!("{} does not listen on {address}", command.get_program().display());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Waits until its processes rest: they used next to nothing of a while. Not longer than `patience`.
    pub(crate) fn wait_until_idle(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut before = self.cpu_time();
        while Instant::now() < deadline {
            thread::sleep(WHILE);
            let now = self.cpu_time();
            if now.saturating_sub(before) < WHILE / 10 {
                return;
            }
            before = now;
        }
    }

    /// Processor time of all its processes.
    pub(crate) fn cpu_time(&self) -> Duration {
        let group = self.process.id().to_string();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ticks: u64 = processes
            .filter_map(|process| fs::read_to_string(process.path().join("stat")).ok())
            .filter_map(|stat| ticks_of(&stat, &group))
            .sum();
        let a_second = rustix::param::clock_ticks_per_second().max(1);
        Duration::from_micros(ticks * 1_000_000 / a_second)
    }
}

/// User and system time of a process of this group, from its `/proc/…/stat`.
fn ticks_of(stat: &str, group: &str) -> Option<u64> {
    // The name, in parentheses, may have spaces; state, parent and group follow it.
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    if fields.get(2) != Some(&group) {
        return None;
    }
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            // Whatever has ended already is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

/// An address that nobody listens on at the moment.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.with_context(|| format!("{} cannot be run", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<_> = said.trim().lines().rev().take(LAST_LINES).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        bail!("{} ended with {}: {}", command.get_program().display(), output.status, last.join("\n"));
    }
    Ok(())
}

/// What a command prints, in one line; for versions.
pub(crate) fn ask(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().replace('\n', " "));
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".into())
}

//! Servers as processes: started, asked until they answer, ended with whatever they started, also when a signal ends this
//! process.

use std::{
    fs,
    io::{self, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{self, Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

/// How long a server may take to answer its first request.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a server is looked at to see whether it rests: some ticks of the account of processor time.
const WHILE: Duration = Duration::from_millis(300);

/// Lines of what a command wrote that stand in the message of its failure.
const LAST_LINES: usize = 5;

/// The groups of all processes that run now: a signal ends this process without any drop.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A process in a group of its own, so that whatever it starts ends with it; all end when this is dropped.
struct Group {
    leader: Child,
}

impl Group {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        // Held from before it is there, so that a signal meanwhile waits for its entry.
        let mut running = running();
        let leader = command.process_group(0).spawn();
        let leader = leader.with_context(|| format!("{} cannot be run", command.get_program().display()))?;
        let group = Self { leader };
        running.extend(group.id());
        Ok(group)
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.leader.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut running = running();
        if let Some(id) = self.id() {
            // Whatever has ended already is what is wanted.
            let _ = kill_process_group(id, Signal::KILL);
            running.retain(|other| *other != id);
        }
        // Only now can the number be another's.
        let _ = self.leader.wait();
    }
}

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, a signal that asks this process to end ends first whatever it has started.
///
/// # Errors
/// If the signals cannot be listened to.
#[allow(clippy::exit, reason = "the end that the signal asks for, wherever the other threads are")]
pub(crate) fn end_all_on_signals() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let guard = runtime.enter();
    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    let (mut interrupted, mut terminated) = (signal(interrupt)?, signal(terminate)?);
    drop(guard);
    thread::Builder::new().name("signals".into()).spawn(move || {
        let kind = runtime.block_on(async {
            tokio::select! {
                _ = interrupted.recv() => interrupt,
                _ = terminated.recv() => terminate,
            }
        });
        // Held to the end, so that nothing more is started.
        let running = running();
        for group in running.iter() {
            let _ = kill_process_group(*group, Signal::KILL);
        }
        process::exit(128 + kind.as_raw_value())
    })?;
    Ok(())
}

/// A running server and whatever it started; all end when this is dropped.
pub(crate) struct Server {
    group: Group,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a server that is told to listen on `address`, and waits until it does.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let group = Group::start(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
        let mut server = Self { group, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.group.leader.try_wait()? {
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
        let group = self.group.leader.id().to_string();
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

/// An address that nobody listens on at the moment.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let Output { status, stderr, .. } = output(command)?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let last: Vec<_> = said.trim().lines().rev().take(LAST_LINES).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        bail!("{} ended with {status}: {}", command.get_program().display(), last.join("\n"));
    }
    Ok(())
}

/// Runs a command to its end, however that is, and gives what it wrote.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Output> {
    let mut group = Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = (group.leader.stdout.take(), group.leader.stderr.take());
    // Both at once: a pipe that nobody reads holds up who writes to it.
    let (stdout, stderr) = thread::scope(|scope| {
        let stderr = scope.spawn(|| written(stderr));
        (written(stdout), stderr.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    });
    Ok(Output { status: group.leader.wait()?, stdout: stdout?, stderr: stderr? })
}

fn written(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes)).map(|_| bytes)
}

/// What a command prints, in one line; for versions.
pub(crate) fn ask(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().replace('\n', " "));
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".into())
}

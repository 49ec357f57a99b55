//! What `wisp-bench` has started ends with it.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Generous: only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the program under test, should an assertion fail first.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `look` finds in time.
fn eventually<T>(look: impl Fn() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            found => return found,
        }
    }
}

/// State and parent of a process, from its `/proc/…/stat`.
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn child_of(parent: u32) -> Option<u32> {
    let all = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.find(|pid| stat(*pid).is_some_and(|(_, its_parent)| its_parent == parent))
}

#[test]
fn a_signal_that_ends_it_ends_its_servers_too() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_wisp-bench"));
    let bench = bench.arg("native hyper").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut bench = Running(bench);
    let id = bench.0.id();
    let server = eventually(|| child_of(id)).expect("the native server runs");
    kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(bench.0.wait().unwrap().code(), Some(128 + 15));
    // Whoever inherits it may be slow to take note of its end.
    let has_ended = || stat(server).is_none_or(|(state, _)| state == "Z");
    eventually(|| has_ended().then_some(())).expect("the native server has ended");
}

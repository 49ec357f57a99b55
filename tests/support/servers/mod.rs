//! Real servers for tests: each on a loopback port and in a temporary directory of its own, gone when it is dropped.
//!
//! `make tools` installs them. Where a server refuses to run as root, it runs as the user that its package made.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub mod mariadb;
pub mod mosquitto;
pub mod nats;
pub mod postgres;
pub mod redis;
pub mod secure;
pub mod web;

pub use mariadb::MariaDb;
pub use mosquitto::Mosquitto;
pub use nats::Nats;
pub use postgres::Postgres;
pub use redis::Redis;
pub use secure::Certificate;

/// How long a server may take to come up, or to stop, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// How to start a server on a port, with its files in a directory.
type Start = Box<dyn Fn(u16, &Path) -> Command + Send + Sync>;
/// Whether a server on a port answers as it does when it is ready.
type Answers = fn(u16) -> bool;

/// A server as a process; its port and its files stay its own while it is stopped.
pub struct Server {
    name: &'static str,
    start: Start,
    answers: Answers,
    port: u16,
    directory: TempDir,
    child: Option<Child>,
}

impl Server {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// If it does not come up; with what it wrote.
    pub fn launch(name: &'static str, directory: TempDir, start: Start, answers: Answers) -> Self {
        let mut server = Self { name, start, answers, port: 0, directory, child: None };
        // Between the choice of a port and its use somebody else may take it.
        for _ in 0..5 {
            server.port = free_port();
            if server.try_resume() {
                return server;
            }
        }
        panic!("{name} does not come up:\n{}", server.output())
    }

    /// Starts the server again after [`Self::stop`] or [`Self::kill`], on its port and its files.
    ///
    /// # Panics
    /// If it does not come up; with what it wrote.
    pub fn resume(&mut self) {
        assert!(self.child.is_none(), "{} runs", self.name);
        assert!(self.try_resume(), "{} does not come up again:\n{}", self.name, self.output());
    }

    /// Tells the server to stop, and waits until it has.
    pub fn stop(&mut self) {
        let Some(child) = &mut self.child else { return };
        let _ = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// Ends the server without a word, as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the server has its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the server wrote so far.
    pub fn output(&self) -> String {
        fs::read_to_string(self.output_file()).unwrap_or_default()
    }

    fn output_file(&self) -> PathBuf {
        self.directory.path().join("output")
    }

    fn try_resume(&mut self) -> bool {
        let output = fs::OpenOptions::new().create(true).append(true).open(self.output_file()).unwrap();
        let mut command = (self.start)(self.port, self.directory.path());
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("{} cannot be started: {error}: `make tools` installs it", self.name));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if (self.answers)(self.port) {
                self.child = Some(child);
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server's program: on the PATH, where Debian keeps servers, or where `scripts/install-brokers` puts it.
pub fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = env::split_paths(&path).collect();
    directories.extend(["/usr/sbin".into(), "/usr/local/sbin".into(), crate::root().join("examples/.brokers/bin")]);
    let found = directories.iter().map(|directory| directory.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("there is no {name}: `make tools` installs it"))
}

/// A program of a server that refuses to run as root: as `user`, whom its package made, if the tests do run as root.
pub fn command_as(user: &str, program: &Path) -> Command {
    if !runs_as_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", "--"]).arg(program);
    command
}

/// A directory that the programs of [`command_as`] may write to.
pub fn directory_of(user: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    give(user, directory.path());
    directory
}

/// Makes a file or a directory that of a user, if the tests run as root.
fn give(user: &str, path: &Path) {
    if runs_as_root() {
        let status = Command::new("chown").arg(format!("{user}:")).arg(path).status();
        assert!(status.unwrap().success(), "{user} cannot be given {}", path.display());
    }
}

fn runs_as_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs a command that sets a server up.
fn set_up(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}: `make tools` installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The first bytes that a server on a port says once it was told something; empty if it is not there.
fn first_words(port: u16, told: &[u8]) -> Vec<u8> {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(told)?;
        let mut words = [0; 64];
        let length = stream.read(&mut words)?;
        std::io::Result::Ok(words[..length].to_vec())
    };
    ask().unwrap_or_default()
}

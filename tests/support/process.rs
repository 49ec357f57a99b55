//! The real binary as a process, to be killed.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;

use crate::client;

/// `wisp serve`, killed when it is dropped: nothing is flushed, nothing is said.
pub struct HostProcess {
    process: Child,
    /// Where the API is served.
    pub api: SocketAddr,
}

impl HostProcess {
    /// Serves a configuration; what it logs is appended to `log` beside it. Returns once it listens.
    ///
    /// # Panics
    /// If it does not.
    pub fn start(config: &Path) -> Self {
        let mut process = spawn(config);
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addresses: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{error}: {line:?}\n{}", fs::read_to_string(config.with_file_name("log")).unwrap())
        });
        let api = addresses["apiListen"].as_str().unwrap().parse().unwrap();
        Self { process, api }
    }

    /// Starts it, and kills it a moment after that, whatever it is at.
    pub async fn start_and_kill(config: &Path, after: Duration) {
        let mut process = spawn(config);
        tokio::time::sleep(after).await;
        let _ = process.kill();
        let _ = process.wait();
    }

    /// Ends it at once, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Processor time that it has taken so far, in the system's ticks of 10 ms: proc_pid_stat(5), fields 14 and 15.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // The second field is a name in parentheses, which may hold spaces.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        Duration::from_millis(fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
    }

    /// Invokes a function of the default service with an event.
    pub async fn invoke(&self, function: &str, event: &str) -> client::Answer {
        let path = format!("/2016-08-15/services/default/functions/{function}/invocations");
        client::send(self.api, "POST", &path, &[], event.as_bytes().to_vec()).await
    }
}

fn spawn(config: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(config.with_file_name("log")).unwrap();
    let mut command = Command::new(crate::binary());
    command.args(["serve", "--json", "--config"]).arg(config).stdout(Stdio::piped()).stderr(log);
    command.spawn().unwrap()
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `wisp up` in a directory, killed when it is dropped.
pub struct UpProcess {
    process: Child,
    told: Arc<Mutex<String>>,
    /// Where triggers are served.
    pub listen: SocketAddr,
}

impl UpProcess {
    /// Serves a directory on free ports. Returns once it listens.
    ///
    /// # Panics
    /// If it does not.
    pub fn start(directory: &Path) -> Self {
        let mut command = Command::new(crate::binary());
        command.args(["up", "--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]).current_dir(directory);
        // What it compiles goes with the build directory.
        command.env("XDG_CACHE_HOME", crate::cache().join("user")).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut told = String::new();
        let listen = loop {
            assert!(lines.read_line(&mut told).unwrap() > 0, "wisp up ended: {told}");
            if let Some((_, address)) = told.lines().last().and_then(|line| line.split_once("triggers  http://")) {
                break address.trim().parse().unwrap();
            }
        };
        let told = Arc::new(Mutex::new(told));
        let to = told.clone();
        // To the end, so that the process can always write.
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                *to.lock().unwrap() += &(line + "\n");
            }
        });
        Self { process, told, listen }
    }

    /// What it has told so far.
    ///
    /// # Panics
    /// If the thread that reads it has.
    pub fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }
}

impl Drop for UpProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

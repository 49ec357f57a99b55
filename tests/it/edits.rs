//! Edits of sources under `wisp up` while the function is in use.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use support::{UpProcess, client};
use tokio::task::JoinHandle;

const CONFIG: &str = "[functions.f]\ntimeout = \"60 s\"\ninitialization_timeout = \"60 s\"\nmax_instances = 4\n\
                      [functions.f.build]\n[functions.f.http]\n";
const URL: &str = "/2016-08-15/proxy/default/f/";
const EDITS: u32 = 6;
/// Builds of several tests may wait for two processors.
const PATIENCE: Duration = Duration::from_secs(90);

/// Sources of a version; calls last for a moment, so that some are running whenever an edit comes into force.
struct Code {
    file: &'static str,
    of: fn(u32) -> String,
    /// No source, as half of a file is none.
    nonsense: &'static str,
}

const HANDLER: Code = Code { file: "index.js", of: handler, nonsense: "exports.handler = (" };
const SERVER: Code = Code { of: server, ..HANDLER };
const WSGI: Code = Code { file: "main.py", of: wsgi, nonsense: "def handler(" };

fn handler(version: u32) -> String {
    format!(
        "exports.handler = (req, resp, context) => {{\n  setTimeout(() => resp.send('{version}'), 10);\n  return new \
         Promise((resolve) => setTimeout(resolve, 20));\n}};\n"
    )
}

fn server(version: u32) -> String {
    format!("require('http').createServer((req, res) => setTimeout(() => res.end('{version}'), 10)).listen(9000);\n")
}

fn wsgi(version: u32) -> String {
    format!(
        "import time\n\ndef handler(environ, start_response):\n    time.sleep(0.01)\n    start_response('200 OK', \
         [('content-type', 'text/plain')])\n    return [b'{version}']\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_handler_drops_no_request() {
    is_edited_in_use(HANDLER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_server_drops_no_request() {
    is_edited_in_use(SERVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_python_handler_drops_no_request() {
    is_edited_in_use(WSGI).await;
}

async fn is_edited_in_use(code: Code) {
    let directory = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(directory.path().join(code.file), text).unwrap();
    fs::write(directory.path().join("wisp.toml"), CONFIG).unwrap();
    let text = code.of;
    write(&text(0));
    let up = UpProcess::start(directory.path());
    let callers: Vec<_> = (0..2).map(|_| Caller::begin(up.listen)).collect();
    for version in 1..=EDITS {
        match version {
            // Two edits in one, as of somebody who saves again at once.
            2 => write(&text(EDITS + 1)),
            // Half a line, which is no source: what was served before is served on.
            4 => edit_to_nonsense(&up, || write(code.nonsense)).await,
            _ => {}
        }
        write(&text(version));
        in_force(up.listen, version).await;
    }
    for caller in callers {
        let answers = caller.end().await;
        let mut seen = answers.clone();
        seen.dedup();
        // Whoever had an answer of new code gets none of older code any more.
        let of_edits: Vec<_> = seen.iter().filter(|version| **version <= EDITS).collect();
        assert!(of_edits.is_sorted(), "{seen:?}");
        assert_eq!(seen.last(), Some(&EDITS), "{seen:?}");
        assert!(answers.len() > 20, "{seen:?}");
    }
}

async fn in_force(address: SocketAddr, version: u32) {
    let deadline = Instant::now() + PATIENCE;
    while ask(address).await != version.to_string() {
        assert!(Instant::now() < deadline, "edit {version} is not served");
    }
}

async fn edit_to_nonsense(up: &UpProcess, edit: impl FnOnce()) {
    let before = ask(up.listen).await;
    edit();
    let deadline = Instant::now() + PATIENCE;
    while !up.told().contains("what was served before is served on") {
        assert!(Instant::now() < deadline, "{}", up.told());
        assert_eq!(ask(up.listen).await, before);
    }
    for _ in 0..10 {
        assert_eq!(ask(up.listen).await, before);
    }
}

/// What the function answers; it must answer.
async fn ask(address: SocketAddr) -> String {
    let answer = client::send(address, "GET", URL, &[], Vec::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// Sends one request after the other.
struct Caller {
    is_over: Arc<AtomicBool>,
    answers: JoinHandle<Vec<u32>>,
}

impl Caller {
    fn begin(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let until = is_over.clone();
        let answers = tokio::spawn(async move {
            let mut answers = Vec::new();
            // One more behind the end: it is answered by what was served last.
            loop {
                let is_last = until.load(Ordering::Acquire);
                answers.push(ask(address).await.parse().unwrap());
                if is_last {
                    return answers;
                }
            }
        });
        Self { is_over, answers }
    }

    /// All versions that answered, in their order.
    async fn end(self) -> Vec<u32> {
        self.is_over.store(true, Ordering::Release);
        self.answers.await.unwrap()
    }
}

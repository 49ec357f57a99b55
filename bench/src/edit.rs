//! How long it takes until an edited source file is served by `wisp up`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;

use crate::{
    arms::one_line,
    paths,
    process::{self, Server},
    wisp,
};

/// How often the answer is looked at.
const INTERVAL: Duration = Duration::from_millis(2);

/// How long an edit may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the first start may take, which compiles a language runtime that was never seen before.
const FIRST_PATIENCE: Duration = Duration::from_secs(180);

/// How long what is compiled behind an edit is waited for before the next one.
const REST: Duration = Duration::from_secs(15);

/// No edit is begun later than so long after the first: a slow machine has fewer of them.
const BUDGET: Duration = Duration::from_secs(60);

/// How long one answer is waited for before it is asked for again.
const READ: Duration = Duration::from_secs(10);

/// One language's edits.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) language: &'static str,
    /// The median from the write of the file to the first new answer, or why there is none.
    pub(crate) served: Result<Duration, String>,
    /// How many it is of.
    pub(crate) count: usize,
}

/// A language, its file, and what stands in it.
type Source = (&'static str, &'static str, fn(usize) -> String);

const SOURCES: [Source; 2] = [("JavaScript", "index.js", javascript), ("Python", "app.py", python)];

fn javascript(version: usize) -> String {
    format!("exports.handler = (request, response, context) => response.send('version {version};');\n")
}

fn python(version: usize) -> String {
    format!(
        "def handler(environ, start_response):\n    start_response(\"200 OK\", [(\"content-type\", \"text/plain\")])\n    return [b\"version {version};\"]\n"
    )
}

/// Edits a file of each language so many times.
pub(crate) fn measure(edits: usize) -> Vec<Edit> {
    let one = |source: &Source| match edited(*source, edits) {
        Ok(times) => {
            let count = times.len();
            Edit { language: source.0, served: Ok(Duration::from_secs_f64(crate::median(times))), count }
        }
        Err(error) => Edit { language: source.0, served: Err(one_line(&error)), count: 0 },
    };
    SOURCES.iter().map(one).collect()
}

/// What each took, in seconds.
fn edited((_, file, text): Source, edits: usize) -> anyhow::Result<Vec<f64>> {
    let directory = tempfile::tempdir()?;
    let project = directory.path().join("edited");
    fs::create_dir(&project)?;
    fs::write(project.join(file), text(0))?;
    let server = up(&project)?;
    wait_for(server.address, 0, FIRST_PATIENCE)?;
    let (first, mut times) = (Instant::now(), Vec::new());
    for version in 1..=edits {
        // What is compiled behind the last edit is not to be in the way of this one.
        server.wait_until_idle(REST);
        if first.elapsed() > BUDGET && !times.is_empty() {
            break;
        }
        let began = Instant::now();
        fs::write(project.join(file), text(version))?;
        wait_for(server.address, version, PATIENCE)?;
        times.push(began.elapsed().as_secs_f64());
    }
    Ok(times)
}

fn up(project: &Path) -> anyhow::Result<Server> {
    let (address, api) = (process::free_address()?, process::free_address()?);
    let mut up = wisp::command();
    up.args(["up", "--listen", &address.to_string(), "--api-listen", &api.to_string()]);
    // What is compiled of the runtimes stays for the next run.
    up.current_dir(project).env("XDG_CACHE_HOME", paths::data().join("cache")).stderr(Stdio::null());
    Server::start(&mut up, address)
}

fn wait_for(address: SocketAddr, version: usize, patience: Duration) -> anyhow::Result<()> {
    let (wanted, deadline) = (format!("version {version};"), Instant::now() + patience);
    while !answer(address).is_ok_and(|answer| answer.contains(&wanted)) {
        if Instant::now() > deadline {
            bail!("version {version} is not served within {} s", patience.as_secs());
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}

fn answer(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(READ))?;
    let head =
        format!("GET /2016-08-15/proxy/default/edited/ HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

//! Runs other programs: their output line by line to whoever watches, the last lines into the error.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
};

use super::{BuildError, Progress};

/// Enough for a compiler's last error, little enough to read on a terminal.
const TAIL_LINES: usize = 40;

/// Which of its two streams a program wrote a line to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// Runs a program to its end; both its streams go to `progress`.
pub(super) fn run(
    name: &str,
    directory: &Path,
    command: &mut Command,
    progress: Progress<'_>,
) -> Result<(), BuildError> {
    run_lines(name, directory, command, &mut |_, line| {
        progress(line);
        true
    })
}

/// Runs a program whose standard output is data for `on_data`; what it says to people goes to `progress`.
pub(super) fn run_data(
    name: &str,
    directory: &Path,
    command: &mut Command,
    on_data: &mut dyn FnMut(&str),
    progress: Progress<'_>,
) -> Result<(), BuildError> {
    run_lines(name, directory, command, &mut |stream, line| {
        match stream {
            Stream::Out => on_data(line),
            Stream::Err => progress(line),
        }
        stream == Stream::Err
    })
}

/// What a short question such as `rustc -V` is answered; `None` if the program is not there or fails.
pub(super) fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `on_line` says whether a line is worth keeping for the error.
fn run_lines(
    name: &str,
    directory: &Path,
    command: &mut Command,
    on_line: &mut dyn FnMut(Stream, &str) -> bool,
) -> Result<(), BuildError> {
    let mut tail = VecDeque::with_capacity(TAIL_LINES);
    let status = stream_lines(command, &mut |stream, line| {
        if on_line(stream, line) {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
        }
    });
    let (reason, advice) = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => (format!("it ended with {status}"), "Correct what its output names"),
        Err(error) => (format!("it does not start: {error}"), "Install it, or put it on the PATH"),
    };
    Err(BuildError {
        tool: name.into(),
        directory: directory.into(),
        reason,
        advice: advice.into(),
        output: Vec::from(tail).join("\n"),
    })
}

/// Both streams are read at once, each by a thread, or a program that fills one pipe would wait forever.
fn stream_lines(command: &mut Command, on_line: &mut dyn FnMut(Stream, &str)) -> io::Result<ExitStatus> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (sender, lines) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        forward(Stream::Out, out, sender.clone());
    }
    if let Some(err) = child.stderr.take() {
        forward(Stream::Err, err, sender);
    }
    for (stream, line) in lines {
        on_line(stream, &line);
    }
    child.wait()
}

fn forward(stream: Stream, from: impl Read + Send + 'static, to: mpsc::Sender<(Stream, String)>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if to.send((stream, text)).is_err() {
                return;
            }
        }
    });
}

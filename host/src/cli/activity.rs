//! Shows that something is going on, once it has taken longer than a second.

use std::{
    io::{self, IsTerminal as _},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use wisp::host::Progress;

use super::terminal::{FAINT, bytes, paint};

/// Nobody wonders before.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// A line that keeps changing, on a terminal that nobody else writes to.
    Spinner,
    /// A line at the beginning, one for whatever the tool writes, and one at the end.
    Lines,
}

impl Show {
    /// A spinner if stderr is a terminal.
    pub(super) fn fitting() -> Self {
        if io::stderr().is_terminal() { Self::Spinner } else { Self::Lines }
    }
}

/// Something that may take a while; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Activity {
    notes: Option<Sender<String>>,
    display: Option<JoinHandle<()>>,
}

impl Activity {
    /// `what` completes the sentence "wisp is …".
    pub(super) fn start(what: String, show: Show) -> Self {
        let (notes, incoming) = mpsc::channel();
        let display = thread::spawn(move || display(&what, &incoming, show));
        Self { notes: Some(notes), display: Some(display) }
    }

    /// The last line that a tool wrote.
    pub(super) fn note(&self, line: &str) {
        if let Some(notes) = &self.notes {
            // The display only ends together with this.
            let _ = notes.send(line.to_owned());
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        // The end of the notes is the end of the display.
        self.notes = None;
        if let Some(display) = self.display.take() {
            let _ = display.join();
        }
    }
}

fn display(what: &str, notes: &Receiver<String>, show: Show) {
    let began = Instant::now();
    let Some(note) = wait(notes, began + PATIENCE) else { return };
    match show {
        Show::Spinner => spin(what, &note, notes),
        Show::Lines => {
            anstream::eprintln!("{what} …");
            notes.iter().for_each(|note| anstream::eprintln!("{} {note}", paint(FAINT, "|")));
        }
    }
    let took = format!("{:.1} s", began.elapsed().as_secs_f64());
    anstream::eprintln!("{what}: {}", paint(FAINT, &took));
}

/// The last note before `until`; `None` if all was over before.
fn wait(notes: &Receiver<String>, until: Instant) -> Option<String> {
    let mut last = String::new();
    loop {
        match notes.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(note) => last = note,
            Err(RecvTimeoutError::Timeout) => return Some(last),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn spin(what: &str, note: &str, notes: &Receiver<String>) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}") {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar.set_message(note.trim().to_owned());
    bar.enable_steady_tick(TURN);
    notes.iter().for_each(|note| bar.set_message(note.trim().to_owned()));
    bar.finish_and_clear();
}

/// Shows what a deploy waits for.
pub(super) fn deploy_progress(show: Show) -> impl Fn(Progress<'_>) + Send + Sync + 'static {
    let compiling = Mutex::new(None);
    move |progress| {
        let next = match progress {
            Progress::Compiling { function, size } => {
                let size = bytes(u64::try_from(size).unwrap_or(u64::MAX));
                Some(Activity::start(format!("compiling {function} ({size})"), show))
            }
            Progress::Ready { .. } => None,
        };
        // One function at a time: whatever comes next ends what was shown before.
        *compiling.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

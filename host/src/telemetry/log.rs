//! The log of one function: its last lines in memory, and a feed for those who follow.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// Lines and bytes that are kept of each function.
const KEPT_LINES: usize = 2_000;
const KEPT_BYTES: usize = 1 << 20;

/// Lines that a follower may lag behind before it misses some.
const FEED: usize = 1_024;

/// A longer line is cut: CONTRACTS §5.1.
const MAX_LINE: usize = 32 << 10;

/// One line that a function wrote, or that wisp wrote about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// RFC 3339 with milliseconds, UTC.
    pub time: String,
    /// The function's service.
    pub service: Arc<str>,
    /// The function.
    pub function: Arc<str>,
    /// The invocation that the line belongs to.
    pub request_id: Arc<str>,
    /// The line, without its end.
    pub text: String,
}

/// The lines of all functions of a host, for those who follow. A cheap handle.
#[derive(Clone, Debug)]
pub struct LogFeed {
    lines: broadcast::Sender<LogLine>,
    /// Counted here as well: asking the channel takes a lock, and every invocation asks.
    followers: Arc<AtomicUsize>,
}

/// Receives the lines of a feed until it is dropped.
#[derive(Debug)]
pub struct LogFollower {
    lines: broadcast::Receiver<LogLine>,
    followers: Arc<AtomicUsize>,
}

impl LogFeed {
    /// A feed that nobody follows yet.
    pub fn new() -> Self {
        Self { lines: broadcast::channel(FEED).0, followers: Arc::default() }
    }

    /// Follows from now on.
    pub fn follow(&self) -> LogFollower {
        self.followers.fetch_add(1, Relaxed);
        LogFollower { lines: self.lines.subscribe(), followers: self.followers.clone() }
    }
}

impl Default for LogFeed {
    fn default() -> Self {
        Self::new()
    }
}

impl LogFollower {
    /// The next line.
    ///
    /// # Errors
    /// `Lagged` if lines came faster than they were taken, `Closed` if no more can come.
    pub async fn recv(&mut self) -> Result<LogLine, broadcast::error::RecvError> {
        self.lines.recv().await
    }

    /// The next line, if it has come.
    pub fn try_recv(&mut self) -> Option<LogLine> {
        self.lines.try_recv().ok()
    }
}

impl Drop for LogFollower {
    fn drop(&mut self) {
        self.followers.fetch_sub(1, Relaxed);
    }
}

/// A function's log. A cheap handle.
#[derive(Clone, Debug)]
pub struct FunctionLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    service: Arc<str>,
    function: Arc<str>,
    kept: Mutex<Kept>,
    feed: LogFeed,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl FunctionLog {
    /// An empty log.
    pub fn new(service: Arc<str>, function: Arc<str>, feed: LogFeed) -> Self {
        Self(Arc::new(Shared { service, function, kept: Mutex::default(), feed }))
    }

    /// Whether anybody follows; those who do want to see invocations that write nothing, too.
    pub fn is_followed(&self) -> bool {
        self.0.feed.followers.load(Relaxed) > 0
    }

    /// Adds what an invocation wrote; `dropped` bytes more were over the limit.
    pub fn append(&self, request_id: &str, bytes: &[u8], dropped: u64) {
        let request_id: Arc<str> = request_id.into();
        let time = timestamp(SystemTime::now());
        let text = String::from_utf8_lossy(bytes);
        let note = (dropped > 0).then(|| format!("wisp: {dropped} bytes of log were dropped (`limits.log`)"));
        let lines = text.lines().map(cut).chain(note);
        for text in lines {
            self.push(LogLine {
                time: time.clone(),
                service: self.0.service.clone(),
                function: self.0.function.clone(),
                request_id: request_id.clone(),
                text,
            });
        }
    }

    fn push(&self, line: LogLine) {
        // No follower is no failure.
        let _ = self.0.feed.lines.send(line.clone());
        let mut kept = self.0.kept.lock();
        kept.bytes += line.text.len();
        kept.lines.push_back(line);
        while kept.lines.len() > KEPT_LINES || kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { return };
            kept.bytes -= oldest.text.len();
        }
    }

    /// The lines that are kept, oldest first.
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.kept.lock().lines.iter().cloned().collect()
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().take_while(|(index, _)| *index < MAX_LINE).last() {
        Some((index, last)) if line.len() > MAX_LINE => {
            format!("{}…", line.get(..index + last.len_utf8()).unwrap_or_default())
        }
        _ => line.to_owned(),
    }
}

/// UTC with milliseconds, as Function Compute's log lines begin.
pub(crate) fn timestamp(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> FunctionLog {
        FunctionLog::new("s".into(), "f".into(), LogFeed::new())
    }

    #[test]
    fn every_line_carries_the_request_id() {
        let log = log();
        log.append("id-1", b"one\ntwo\n", 0);
        let lines = log.lines();
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert!(lines.iter().all(|line| &*line.request_id == "id-1"));
    }

    #[test]
    fn the_oldest_lines_go_when_there_are_too_many() {
        let log = log();
        for number in 0..KEPT_LINES + 5 {
            log.append("id", number.to_string().as_bytes(), 0);
        }
        assert_eq!(log.lines().len(), KEPT_LINES);
        assert_eq!(log.lines()[0].text, "5");
    }

    #[test]
    fn what_was_dropped_is_said() {
        let log = log();
        log.append("id", b"kept", 7);
        assert_eq!(log.lines()[1].text, "wisp: 7 bytes of log were dropped (`limits.log`)");
    }

    #[test]
    fn a_follower_sees_lines_as_they_come() {
        let feed = LogFeed::new();
        let log = FunctionLog::new("s".into(), "f".into(), feed.clone());
        assert!(!log.is_followed());
        let mut follower = feed.follow();
        assert!(log.is_followed());
        log.append("id", b"line", 0);
        assert_eq!(follower.lines.try_recv().unwrap().text, "line");
        drop(follower);
        assert!(!log.is_followed());
    }
}

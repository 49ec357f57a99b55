//! Busy polling: while requests of several connections come in quick succession, one worker stays awake for the next
//! instead of going to sleep.
//!
//! A worker without work sleeps in the system, and is woken with the next request: that costs the one who wakes it, and the
//! core that was given up takes its time to come back, on virtual machines above all. Under load both happen thousands of
//! times a second, for sleeps of some microseconds.
//!
//! So a task of its own looks for work again and again, by yielding to the runtime, which looks for it at each yield. It
//! gives way to whatever else wants its core, and sleeps where nothing is to be gained: when requests are rare, and while
//! guests run for long, which would get the core that it gives up, and keep it. One client that asks again as soon as it has
//! its answer is no reason to stay awake either: with a core of its own it would have the system wake others where it runs,
//! and one answer in a hundred would take milliseconds.

use std::{
    fs,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Relaxed, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::JoinHandle};

use crate::engine::Engines;

/// How long a worker stays awake without a request, and how soon a request has to follow one of another connection for a
/// worker to stay awake at all. A worker that sleeps and is woken takes about as long.
const WINDOW: Duration = Duration::from_micros(50);

/// The task that stays awake; dropped, it ends.
#[derive(Debug)]
pub(crate) struct BusyPoll {
    requests: Requests,
    task: JoinHandle<()>,
}

/// Where connections make their requests known. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Option<Arc<Seen>>);

/// The same for the requests of one connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionRequests(Option<(Arc<Seen>, ConnectionId)>);

type ConnectionId = u64;

/// No connection has this number.
const NOBODY: ConnectionId = 0;

#[derive(Debug)]
struct Seen {
    /// What times are counted from.
    origin: Instant,
    connections: AtomicU64,
    asleep: AtomicBool,
    /// Whose request was the first in this window, and whether there was one of another connection. Each is written once a
    /// window, so that cores share them.
    first: AtomicU64,
    others: AtomicBool,
    /// When the last request came while the task slept, in nanoseconds, and whose it was.
    last: AtomicU64,
    last_of: AtomicU64,
    wake: Notify,
}

impl BusyPoll {
    /// Starts the task, which sleeps at first, if it is wanted, or, where nothing is said, if it is of use.
    pub(crate) fn start(wanted: Option<bool>, engines: &Engines) -> Option<Self> {
        if !wanted.unwrap_or_else(is_worthwhile) {
            return None;
        }
        let (seen, engines) = (Arc::new(Seen::new()), engines.clone());
        let task = tokio::spawn(poll(seen.clone(), move || engines.runs_long_guests()));
        Some(Self { requests: Requests(Some(seen)), task })
    }

    pub(crate) fn requests(&self) -> Requests {
        self.requests.clone()
    }
}

impl Drop for BusyPoll {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether this process may use two cores or more, and all of each. Where a quota limits it, a core that is kept awake would
/// take from the quota what requests need.
fn is_worthwhile() -> bool {
    let usable = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let allowed = fs::read_to_string("/proc/self/status").ok().and_then(|status| allowed_cores(&status));
    usable >= 2 && allowed.is_none_or(|allowed| usable >= allowed)
}

/// The cores that a process may run on, whatever its quota is: proc_pid_status(5), a mask in groups of hexadecimal digits.
fn allowed_cores(status: &str) -> Option<usize> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    let cores = |digit: char| Some(digit.to_digit(16)?.count_ones() as usize);
    mask.trim().chars().filter(|&letter| letter != ',').map(cores).sum()
}

impl Requests {
    /// A connection was accepted.
    pub(crate) fn of_connection(&self) -> ConnectionRequests {
        ConnectionRequests(self.0.clone().map(|seen| {
            let connection = seen.connections.fetch_add(1, Relaxed) + 1;
            (seen, connection)
        }))
    }
}

impl ConnectionRequests {
    /// A request came.
    pub(crate) fn arrived(&self) {
        if let Some((seen, connection)) = &self.0 {
            seen.arrived(*connection);
        }
    }
}

impl Seen {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            connections: AtomicU64::new(NOBODY),
            asleep: AtomicBool::new(true),
            first: AtomicU64::new(NOBODY),
            others: AtomicBool::new(false),
            last: AtomicU64::new(0),
            last_of: AtomicU64::new(NOBODY),
            wake: Notify::new(),
        }
    }

    fn arrived(&self, connection: ConnectionId) {
        if self.asleep.load(Relaxed) {
            return self.arrived_in_sleep(connection, self.origin.elapsed());
        }
        let first = self.first.load(Relaxed);
        if first == NOBODY {
            self.first.store(connection, Relaxed);
        } else if first != connection && !self.others.load(Relaxed) {
            self.others.store(true, Relaxed);
        }
    }

    fn arrived_in_sleep(&self, connection: ConnectionId, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let (last, last_of) = (self.last.swap(now, Relaxed), self.last_of.swap(connection, Relaxed));
        let follows =
            last_of != NOBODY && last_of != connection && Duration::from_nanos(now.saturating_sub(last)) < WINDOW;
        // Of two that come at once, one wakes the task.
        if follows && self.asleep.swap(false, AcqRel) {
            self.wake.notify_one();
        }
    }

    /// Ends a window, and begins the next; whether requests of several connections came in it.
    fn end_window(&self) -> bool {
        self.first.store(NOBODY, Relaxed);
        self.others.swap(false, AcqRel)
    }
}

/// Stays awake from when requests follow one another until they no longer do, over and over.
async fn poll(seen: Arc<Seen>, is_unwelcome: impl Fn() -> bool) {
    loop {
        seen.wake.notified().await;
        let mut end = Instant::now() + WINDOW;
        loop {
            // To other threads first, then to this thread's other tasks, and to the sockets.
            thread::yield_now();
            tokio::task::yield_now().await;
            let now = Instant::now();
            if now < end {
                continue;
            }
            if !seen.end_window() || is_unwelcome() {
                break;
            }
            end = now + WINDOW;
        }
        seen.asleep.store(true, Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const MOMENT: Duration = Duration::from_micros(10);
    const LATER: Duration = Duration::from_millis(7);

    fn is_asleep(seen: &Seen) -> bool {
        seen.asleep.load(Relaxed)
    }

    /// Lets the task run until it sleeps; whether it did within a second.
    async fn falls_asleep(seen: &Seen) -> bool {
        let patience = Instant::now() + Duration::from_secs(1);
        while !is_asleep(seen) && Instant::now() < patience {
            tokio::task::yield_now().await;
        }
        is_asleep(seen)
    }

    /// Requests of two connections, one right after the other.
    fn wake(seen: &Seen, at: Duration) {
        seen.arrived_in_sleep(1, at);
        seen.arrived_in_sleep(2, at + MOMENT);
    }

    #[test]
    fn rare_requests_wake_nothing() {
        let seen = Seen::new();
        for (connection, turn) in (1..10).zip(1..) {
            seen.arrived_in_sleep(connection, LATER * turn);
        }
        assert!(is_asleep(&seen));
    }

    #[test]
    fn one_client_that_asks_again_and_again_wakes_nothing() {
        let seen = Seen::new();
        for turn in 1..10 {
            seen.arrived_in_sleep(1, MOMENT * turn);
        }
        assert!(is_asleep(&seen));
    }

    #[test]
    fn a_request_that_follows_one_of_another_connection_at_once_wakes_the_task() {
        let seen = Seen::new();
        wake(&seen, LATER);
        assert!(!is_asleep(&seen));
    }

    #[test]
    fn connections_are_told_apart() {
        let seen = Arc::new(Seen::new());
        let requests = Requests(Some(seen.clone()));
        let [one, other] = [requests.of_connection(), requests.of_connection()];
        wake(&seen, LATER);
        for arrived in [&one, &one, &one.clone()] {
            arrived.arrived();
        }
        assert!(!seen.end_window());
        for arrived in [&one, &other, &one] {
            arrived.arrived();
        }
        assert!(seen.end_window());
        assert!(!seen.end_window());
    }

    #[tokio::test]
    async fn without_requests_it_falls_asleep_and_can_be_woken_again() {
        let seen = Arc::new(Seen::new());
        let task = tokio::spawn(poll(seen.clone(), || false));
        for turn in 1..4 {
            wake(&seen, LATER * turn);
            assert!(!is_asleep(&seen));
            assert!(falls_asleep(&seen).await);
        }
        task.abort();
    }

    #[tokio::test]
    async fn it_stays_awake_as_long_as_requests_come() {
        let looks = Arc::new(AtomicUsize::new(0));
        let (seen, counted) = (Arc::new(Seen::new()), looks.clone());
        // It asks at the end of each window with requests in it.
        let task = tokio::spawn(poll(seen.clone(), move || {
            counted.fetch_add(1, Relaxed);
            false
        }));
        // A test that is not run for longer than a window has to begin again.
        for turn in 1.. {
            wake(&seen, LATER * turn);
            let before = looks.load(Relaxed);
            while looks.load(Relaxed) < before + 3 && !is_asleep(&seen) {
                seen.arrived(1);
                seen.arrived(2);
                tokio::task::yield_now().await;
            }
            if looks.load(Relaxed) == before + 3 {
                break;
            }
        }
        assert!(falls_asleep(&seen).await);
        task.abort();
    }

    #[tokio::test]
    async fn it_sleeps_while_guests_run_for_long_however_many_requests_come() {
        let seen = Arc::new(Seen::new());
        let task = tokio::spawn(poll(seen.clone(), || true));
        wake(&seen, LATER);
        let patience = Instant::now() + Duration::from_secs(1);
        while !is_asleep(&seen) && Instant::now() < patience {
            seen.arrived(1);
            seen.arrived(2);
            tokio::task::yield_now().await;
        }
        assert!(is_asleep(&seen));
        task.abort();
    }

    #[test]
    fn the_cores_of_a_mask_are_counted() {
        let of = |mask| allowed_cores(&format!("Name:\twisp\nCpus_allowed:\t{mask}\nCpus_allowed_list:\t0-1\n"));
        assert_eq!(of("3"), Some(2));
        assert_eq!(of("00ff,ffffffff"), Some(40));
        assert_eq!(of("?"), None);
        assert_eq!(allowed_cores("Name:\twisp\n"), None);
    }

    #[test]
    fn requests_of_a_host_without_it_change_nothing() {
        Requests::default().of_connection().arrived();
    }
}

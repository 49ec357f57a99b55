//! Busy polling: while requests come in quick succession, one worker stays awake for the next instead of going to sleep.
//!
//! A worker without work sleeps in the system, and is woken with the next request: that costs the one who wakes it, and the
//! core that was given up takes its time to come back, on virtual machines above all. Under load both happen thousands of
//! times a second, for sleeps of some microseconds.
//!
//! So a task of its own looks for work again and again, by yielding to the runtime, which looks for it at each yield. It
//! gives way to whatever else wants its core, and sleeps where nothing is to be gained: when requests are rare, and while
//! guests run for long, which would get the core that it gives up, and keep it.

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

/// How long a worker stays awake without a request, and how soon a request has to follow another for one to stay awake at
/// all. A worker that sleeps and is woken takes about as long.
const WINDOW: Duration = Duration::from_micros(50);

/// The task that stays awake; dropped, it ends.
#[derive(Debug)]
pub(crate) struct BusyPoll {
    requests: Requests,
    task: JoinHandle<()>,
}

/// Where requests make themselves known. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Option<Arc<Seen>>);

#[derive(Debug)]
struct Seen {
    /// What times are counted from.
    origin: Instant,
    asleep: AtomicBool,
    /// Whether a request came since the task last looked. Written once a window, so that cores share the line.
    seen: AtomicBool,
    /// When the last request came while the task slept, in nanoseconds.
    last: AtomicU64,
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
    /// A request came.
    pub(crate) fn arrived(&self) {
        if let Some(seen) = &self.0 {
            seen.arrived();
        }
    }
}

impl Seen {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            asleep: AtomicBool::new(true),
            seen: AtomicBool::new(false),
            last: AtomicU64::new(0),
            wake: Notify::new(),
        }
    }

    fn arrived(&self) {
        if self.asleep.load(Relaxed) {
            self.arrived_in_sleep(self.origin.elapsed());
        } else if !self.seen.load(Relaxed) {
            self.seen.store(true, Relaxed);
        }
    }

    fn arrived_in_sleep(&self, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let last = self.last.swap(now, Relaxed);
        let follows = Duration::from_nanos(now.saturating_sub(last)) < WINDOW;
        // Of two that come at once, one wakes the task.
        if follows && self.asleep.swap(false, AcqRel) {
            self.wake.notify_one();
        }
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
            if !seen.seen.swap(false, AcqRel) || is_unwelcome() {
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

    #[test]
    fn rare_requests_wake_nothing() {
        let seen = Seen::new();
        for turn in 1..10 {
            seen.arrived_in_sleep(LATER * turn);
        }
        assert!(is_asleep(&seen));
    }

    #[test]
    fn a_request_that_follows_another_at_once_wakes_the_task() {
        let seen = Seen::new();
        seen.arrived_in_sleep(LATER);
        seen.arrived_in_sleep(LATER + MOMENT);
        assert!(!is_asleep(&seen));
    }

    #[tokio::test]
    async fn without_requests_it_falls_asleep_and_can_be_woken_again() {
        let seen = Arc::new(Seen::new());
        let task = tokio::spawn(poll(seen.clone(), || false));
        for turn in 1..4 {
            seen.arrived_in_sleep(LATER * turn);
            seen.arrived_in_sleep(LATER * turn + MOMENT);
            assert!(!is_asleep(&seen));
            assert!(falls_asleep(&seen).await);
        }
        task.abort();
    }

    #[tokio::test]
    async fn it_stays_awake_as_long_as_requests_come() {
        let looks = Arc::new(AtomicUsize::new(0));
        let (seen, counted) = (Arc::new(Seen::new()), looks.clone());
        // It asks at the end of each window with a request in it.
        let task = tokio::spawn(poll(seen.clone(), move || {
            counted.fetch_add(1, Relaxed);
            false
        }));
        seen.arrived_in_sleep(LATER);
        seen.arrived_in_sleep(LATER + MOMENT);
        while looks.load(Relaxed) < 5 {
            seen.arrived();
            assert!(!is_asleep(&seen));
            tokio::task::yield_now().await;
        }
        assert!(falls_asleep(&seen).await);
        task.abort();
    }

    #[tokio::test]
    async fn it_sleeps_while_guests_run_for_long_however_many_requests_come() {
        let seen = Arc::new(Seen::new());
        let task = tokio::spawn(poll(seen.clone(), || true));
        seen.arrived_in_sleep(LATER);
        seen.arrived_in_sleep(LATER + MOMENT);
        while !is_asleep(&seen) {
            seen.arrived();
            tokio::task::yield_now().await;
        }
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
        Requests::default().arrived();
    }
}

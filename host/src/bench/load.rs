//! A client of any HTTP/1.1 server: keep-alive connections under a closed or an open loop.
//!
//! In a *closed loop* every connection sends its next request when it has the answer to the last: it says what a server can
//! carry. In an *open loop* requests fall due at a given rate, whatever the server does; the latency of each counts from
//! the moment it was due, so that a server that stalls is charged with all requests that had to wait, and not only with the
//! one that it stalled on (coordinated omission).
//!
//! The load runs on a thread of its own, with one more that keeps the time in an open loop.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    client::{Connection, is_success, on_own_thread},
    machine::sleep_until,
    samples::Samples,
};
pub use super::{
    client::{Target, probe},
    spinning::Client,
};

/// How long those that were due may still be sent after the end of an open loop; what is unsent then was not served.
const DRAIN: Duration = Duration::from_secs(5);

/// The pause after a connection was refused or lost.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as the connection has its last answer.
    Closed,
    /// So many a second, at even intervals.
    Open(f64),
}

/// A load.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// Keep-alive connections: the most requests that are under way at once.
    pub connections: usize,
    /// What is sent so long at the beginning is not counted.
    pub warm_up: Duration,
    /// How long it goes on then.
    pub duration: Duration,
    /// Closed or open.
    pub pace: Pace,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What came of a load.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// From the moment a request was due to the last byte of its answer; in a closed loop, the same as `service`. Requests
    /// that were due and could not be sent before the end count with what they had waited until then.
    pub latency: Samples,
    /// From the moment it was sent.
    pub service: Samples,
    /// Those with another status than 2xx or 3xx, and those without an answer, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Those that were due but never sent.
    pub unsent: u64,
    /// Answers of status 2xx or 3xx a second.
    pub rate: f64,
}

/// Runs a load to its end.
///
/// # Errors
/// If the load cannot be made, or not one request was answered.
pub fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    if let Pace::Open(rate) = plan.pace
        && !(rate.is_finite() && rate > 0.0)
    {
        bail!("a rate of {rate} requests a second is none");
    }
    let outcome = on_own_thread(drive(plan))?;
    if outcome.service.count() == 0 {
        let reasons: Vec<_> = outcome.failures.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
        bail!("{} answered no request: {}", plan.target, reasons.join(", "));
    }
    Ok(outcome)
}

struct Shared {
    plan: Plan,
    began: Instant,
    /// Requests that are due; none are counted in a closed loop.
    due: Semaphore,
    /// The next request of an open loop.
    next: AtomicU64,
    outcome: Mutex<Outcome>,
}

async fn drive(plan: &Plan) -> anyhow::Result<Outcome> {
    let (due, next) = (Semaphore::new(0), AtomicU64::new(0));
    let shared = Arc::new(Shared { plan: plan.clone(), began: Instant::now(), due, next, outcome: Mutex::default() });
    let clock = match plan.pace {
        Pace::Closed => None,
        Pace::Open(rate) => Some(start_clock(shared.clone(), rate)?),
    };
    let mut clients = JoinSet::new();
    for _ in 0..plan.connections {
        let connection = Connection::new(&plan.target);
        let shared = shared.clone();
        clients.spawn(async move {
            match shared.plan.pace {
                Pace::Closed => shared.closed_loop(connection).await,
                Pace::Open(rate) => shared.open_loop(connection, rate).await,
            }
        });
    }
    while clients.join_next().await.is_some() {}
    if let Some(clock) = clock {
        clock.join().map_err(|_| anyhow!("the clock panicked"))?;
    }
    let mut outcome = std::mem::take(&mut *shared.outcome.lock());
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let answered = outcome.service.count() as f64;
    outcome.rate = answered / plan.duration.as_secs_f64();
    Ok(outcome)
}

impl Shared {
    fn record_from(&self) -> Instant {
        self.began + self.plan.warm_up
    }

    fn end(&self) -> Instant {
        self.record_from() + self.plan.duration
    }

    async fn closed_loop(&self, mut connection: Connection) {
        while Instant::now() < self.end() {
            let sent = Instant::now();
            self.send(&mut connection, sent, sent).await;
        }
    }

    async fn open_loop(&self, mut connection: Connection, rate: f64) {
        loop {
            let Ok(permit) = self.due.acquire().await else { return };
            permit.forget();
            let due = self.began + after(self.next.fetch_add(1, Relaxed), rate);
            if due >= self.end() {
                return;
            }
            let now = Instant::now();
            if now > self.end() + DRAIN {
                self.give_up(due, now);
                continue;
            }
            self.send(&mut connection, due, now).await;
        }
    }

    fn give_up(&self, due: Instant, now: Instant) {
        if due >= self.record_from() {
            let mut outcome = self.outcome.lock();
            outcome.unsent += 1;
            outcome.latency.record(now.duration_since(due));
        }
    }

    async fn send(&self, connection: &mut Connection, due: Instant, sent: Instant) {
        let answer = timeout(self.plan.timeout, connection.ask()).await;
        let now = Instant::now();
        let failure = match answer {
            Ok(Ok((status, _))) if is_success(status) => None,
            Ok(Ok((status, _))) => Some(format!("status {}", status.as_u16())),
            Ok(Err(error)) => {
                connection.close();
                sleep(RECONNECT_PAUSE).await;
                Some(error.to_string())
            }
            Err(_) => {
                connection.close();
                Some(format!("no answer within {} s", self.plan.timeout.as_secs_f64()))
            }
        };
        // In a closed loop, what ends after the end did not happen within the time that the rate is of.
        let is_late = self.plan.pace == Pace::Closed && now > self.end();
        if due < self.record_from() || is_late && failure.is_none() {
            return;
        }
        let mut outcome = self.outcome.lock();
        match failure {
            Some(reason) => *outcome.failures.entry(reason).or_default() += 1,
            None => {
                outcome.latency.record(now.duration_since(due));
                outcome.service.record(now.duration_since(sent));
            }
        }
    }
}

/// When the request of a number is due, after the beginning.
fn after(number: u64, rate: f64) -> Duration {
    #[allow(clippy::cast_precision_loss, reason = "numbers are far below 2^52")]
    Duration::from_secs_f64(number as f64 / rate)
}

/// Makes requests due on time: a timer of the load's own runtime would round to milliseconds.
fn start_clock(shared: Arc<Shared>, rate: f64) -> anyhow::Result<thread::JoinHandle<()>> {
    let clock = move || {
        let mut released = 0;
        while shared.began + after(released, rate) < shared.end() {
            sleep_until(shared.began + after(released, rate));
            let passed = shared.began.elapsed();
            let mut now_due = 0;
            // Several, if the system woke this thread late.
            while after(released + now_due, rate) <= passed {
                now_due += 1;
            }
            released += now_due;
            shared.due.add_permits(usize::try_from(now_due).unwrap_or(usize::MAX));
        }
        // One for each connection to find the end by.
        shared.due.add_permits(shared.plan.connections);
    };
    Ok(thread::Builder::new().name("bench-clock".into()).spawn(clock)?)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers everything after `pause`, one connection after the other.
    fn slow_server(pause: Duration, answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty() {
                        thread::sleep(pause);
                        let _ = (&stream).write_all(answer.as_bytes());
                    }
                }
            }
        });
        authority
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    fn plan(authority: String, pace: Pace) -> Plan {
        Plan {
            target: Target::new(authority, "/"),
            connections: 1,
            warm_up: Duration::ZERO,
            duration: Duration::from_millis(500),
            pace,
            timeout: Duration::from_secs(30),
        }
    }

    #[test]
    fn an_open_loop_counts_from_the_moment_a_request_was_due() {
        // 100 a second are due, 10 a second are served: whoever comes last has waited for all before him.
        let authority = slow_server(Duration::from_millis(100), OK);
        let outcome = run(&plan(authority, Pace::Open(100.0))).unwrap();
        assert!(outcome.latency.max() > Duration::from_secs(2), "{:?}", outcome.latency.max());
        assert!(outcome.latency.max() > outcome.service.median() * 10);
        assert!(outcome.latency.count() == outcome.service.count() + outcome.unsent);
        assert_eq!(outcome.latency.count(), 50);
    }

    #[test]
    fn a_closed_loop_waits_for_each_answer() {
        let authority = slow_server(Duration::from_millis(50), OK);
        let outcome = run(&plan(authority, Pace::Closed)).unwrap();
        assert!(outcome.service.count() <= 10 && outcome.service.count() > 0);
        assert_eq!(outcome.latency.max(), outcome.service.max());
    }

    #[test]
    fn what_is_no_answer_is_named() {
        let refusing = slow_server(Duration::ZERO, "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nnowhere");
        let error = probe(&Target::new(refusing.clone(), "/x"), Duration::from_secs(30)).unwrap_err().to_string();
        assert!(error.contains("/x answers 404 Not Found") && error.contains("nowhere"), "{error}");
        let error = run(&plan(refusing, Pace::Closed)).unwrap_err().to_string();
        assert!(error.contains("× status 404"), "{error}");
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = probe(&Target::new(nobody.to_string(), "/"), Duration::from_secs(30)).unwrap_err();
        assert!(format!("{error:#}").contains("refused"), "{error:#}");
    }

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        let target = |text: &str| text.parse::<Target>();
        assert_eq!(target("http://localhost:8080/a?b=c").unwrap().to_string(), "http://localhost:8080/a?b=c");
        assert_eq!(target("http://example.com").unwrap().to_string(), "http://example.com:80/");
        assert!(target("https://example.com").unwrap_err().contains("without TLS"));
        assert!(target("localhost:8080").unwrap_err().contains("http://HOST:PORT/PATH"));
    }
}

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
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{machine::sleep_until, samples::Samples};

/// Bytes of a refusal's body that are shown.
const EXCERPT: usize = 200;

/// How long those that were due may still be sent after the end of an open loop; what is unsent then was not served.
const DRAIN: Duration = Duration::from_secs(5);

/// The pause after a connection was refused or lost.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);

/// Whom to ask, and for what.
#[derive(Clone, Debug)]
pub struct Target {
    /// Host and port.
    authority: String,
    /// Path and query.
    path: String,
    /// GET, unless something else is set.
    pub method: Method,
    /// Beside Host.
    pub headers: HeaderMap,
    /// Empty, unless something else is set.
    pub body: Bytes,
}

impl Target {
    /// `GET` of a path, which begins with `/`, at `host:port`.
    pub fn new(authority: impl Into<String>, path: impl Into<String>) -> Self {
        let (authority, path) = (authority.into(), path.into());
        Self { authority, path, method: Method::GET, headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.parse().with_context(|| format!("'{}' is no path", self.path))?;
        *request.headers_mut() = self.headers.clone();
        if !self.headers.contains_key(header::HOST) {
            request.headers_mut().insert(header::HOST, HeaderValue::from_str(&self.authority)?);
        }
        Ok(request)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err("the load speaks http without TLS; give http://HOST:PORT/PATH".into());
        }
        let uri: Uri = text.parse().map_err(|error| format!("{error}; give http://HOST:PORT/PATH"))?;
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err("it does not begin with http://; give http://HOST:PORT/PATH".into());
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self::new(format!("{host}:{}", uri.port_u16().unwrap_or(80)), path))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority, self.path)
    }
}

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

/// Asks once, for those who want to know why before they ask a thousand times.
///
/// # Errors
/// If nothing answers, or with another status than 2xx or 3xx.
pub fn probe(target: &Target, patience: Duration) -> anyhow::Result<()> {
    on_own_thread(async {
        let mut connection = Connection { target: target.clone(), sender: None };
        match timeout(patience, connection.ask()).await {
            Err(_) => Err(anyhow!("{target} does not answer within {} s", patience.as_secs_f64())),
            Ok(Err(error)) => Err(error.context(format!("{target} cannot be measured"))),
            Ok(Ok((status, _))) if is_success(status) => Ok(()),
            Ok(Ok((status, body))) => {
                let excerpt = String::from_utf8_lossy(body.get(..EXCERPT).unwrap_or(&body)).trim().to_owned();
                Err(anyhow!("{target} answers {status}, which is no measurement: {excerpt}"))
            }
        }
    })
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

/// Requests of one connection, one after the other: for what happens once, such as a first request.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    connection: Connection,
}

impl Client {
    /// Connects to the target's server.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub fn connect(target: &Target) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut connection = Connection { target: target.clone(), sender: None };
        runtime.block_on(connection.connect())?;
        Ok(Self { runtime, connection })
    }

    /// Asks for a path, and says what the answer took, to its last byte.
    ///
    /// # Errors
    /// If there is no answer, or one of another status than 2xx or 3xx.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Duration> {
        path.clone_into(&mut self.connection.target.path);
        let began = Instant::now();
        let (status, body) = self.runtime.block_on(self.connection.ask())?;
        let took = began.elapsed();
        if !is_success(status) {
            bail!("{} answers {status}: {}", self.connection.target, String::from_utf8_lossy(&body).trim());
        }
        Ok(took)
    }
}

/// The load shares no thread with the server, even in one process.
fn on_own_thread<T: Send>(work: impl Future<Output = anyhow::Result<T>> + Send) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(work)
        });
        load.join().map_err(|_| anyhow!("the load panicked"))?
    })
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
    let shared =
        Arc::new(Shared { plan: plan.clone(), began: Instant::now(), due, next, outcome: Mutex::default() });
    let clock = match plan.pace {
        Pace::Closed => None,
        Pace::Open(rate) => Some(start_clock(shared.clone(), rate)?),
    };
    let mut clients = JoinSet::new();
    for _ in 0..plan.connections {
        let connection = Connection { target: plan.target.clone(), sender: None };
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
                connection.sender = None;
                sleep(RECONNECT_PAUSE).await;
                Some(error.to_string())
            }
            Err(_) => {
                connection.sender = None;
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

struct Connection {
    target: Target,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    async fn connect(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.target.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn ask(&mut self) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        sender.ready().await?;
        let response = sender.send_request(self.target.request()?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok((status, body))
    }
}

fn is_success(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
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
